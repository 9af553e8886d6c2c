"""Checks of what instructions reach for: files of the context, and processes that are not to be had here."""

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from ocitool.dockerfile.copy import matches
from ocitool.dockerfile.lint.context import LintContext, LintStep
from ocitool.dockerfile.lint.rule import LineRange, LintHit, LintRule
from ocitool.dockerfile.sources import cloned_by
from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.syntax.instructions import Copy, Stage
from ocitool.dockerfile.syntax.lines import heredoc_name
from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.findings import Severity
from ocitool.model.files import FileKind
from ocitool.rootfs.files import Files

_MOST_FILES: Final = 20_000
"""Files whose modes are looked at."""
_REMOTE: Final = re.compile(r"[a-z]+://|git@|github\.com/", re.IGNORECASE)


def _ignored_source(scene: LintContext) -> Iterator[LintHit]:
    for _, step, source in _local_sources(scene):
        path = _path(source)
        if not path or not scene.ignore.ignores(path):
            continue
        # With exceptions something below may be kept after all: only the files can tell.
        if not scene.ignore.has_exceptions if scene.context is None else not _is_there(scene, source):
            yield LineRange.of(step.line), f"{source} is kept out of the build by .dockerignore"


def _missing_source(scene: LintContext) -> Iterator[LintHit]:
    for stage, step, source in _local_sources(scene):
        if scene.context is None or stage.number not in scene.graph.reached or scene.ignore.ignores(_path(source)):
            continue
        if not _is_there(scene, source):
            yield LineRange.of(step.line), f"the context has no {source}"


def _local_sources(scene: LintContext) -> Iterator[tuple[Stage, LintStep, str]]:
    """The sources that are files of the main context, each with its step."""
    for stage, steps in scene.stages():
        for step in steps:
            one = step.instruction
            if not isinstance(one, Copy) or one.source_stage or one.parents:
                continue
            words = (word for word in one.sources if heredoc_name(word) is None)
            for source in (step.texts.get(word, "") for word in words):
                if source and not _REMOTE.match(source):
                    yield stage, step, source


def _path(source: str) -> str:
    return posixpath.normpath(f"/{source}").lstrip("/")


def _is_there(scene: LintContext, source: str) -> bool:
    if scene.context is None or not _path(source):
        return True

    def missing(path: str) -> NotFound:
        return NotFound(path, name=path, where="")

    try:
        return any(True for _ in matches(source, scene.context, missing))
    except (NotFound, MalformedDocument, UsageError):
        return False


def _odd_mode(scene: LintContext) -> Iterator[LintHit]:
    """Files that git has with modes that it does not keep: it is the umask of whoever checked them out."""
    if scene.context is None or not scene.tracked:
        return
    left = _MOST_FILES
    for stage, step, source in _local_sources(scene):
        one = step.instruction
        if stage.number not in scene.graph.reached or not isinstance(one, Copy) or one.chmod:
            continue
        odd = []
        for path, mode in _modes(scene.context, source, left):
            left -= 1
            odd += [(path, mode)] if mode not in {0o644, 0o755} and path in scene.tracked else []
        if odd:
            path, mode = odd[0]
            more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
            said = f"{path}{more} has the mode {mode:o}, and git keeps 644 or 755"
            yield LineRange.of(step.line), f"{said}: another checkout may make another image"


def _modes(context: Files, source: str, most: int) -> Iterator[tuple[str, int]]:
    """The files that a source names, and those below it, with their modes; no more than `most`."""
    try:
        todo = [path for path, _ in matches(source, context, lambda path: NotFound(path, name=path, where=""))]
    except (NotFound, MalformedDocument, UsageError):  # another check tells
        return
    while todo and most > 0:
        path = todo.pop()
        if context.kind_at(path) is FileKind.DIRECTORY:
            todo += [f"{path}/{name}".lstrip("/") for name in reversed(context.names(path))]
            continue
        most -= 1
        try:
            entry = context.get(path)
        except UsageError:  # told when it is taken
            continue
        if entry is not None and entry.kind is FileKind.FILE:
            yield path, entry.mode


def _process(scene: LintContext) -> Iterator[LintHit]:
    from ocitool.dockerfile.run.refuse import cloning, refusal
    from ocitool.dockerfile.run.suggest import NOTHING, draft

    tables = NOTHING if scene.problem else draft(scene.graph)
    for stage, steps in scene.stages():
        for step in steps:
            if stage.number not in scene.graph.reached:
                continue
            if isinstance(step.instruction, instructions.Run):
                one = refusal(scene.graph.stages[stage.number], step.traced.step, step.instruction, tables)
                yield LineRange.of(step.instruction.line), "; ".join(one.messages)
            elif isinstance(step.instruction, Copy) and cloned_by(step.instruction):
                yield LineRange.of(step.instruction.line), "; ".join(cloning(step.traced.step).messages)


RULES: Final = (
    LintRule(
        "CopyIgnoredFile",
        "No `COPY` or `ADD` of what `.dockerignore` keeps out",
        "The build sees the context without those files, so that nothing is there to copy.",
        "FROM scratch\nCOPY secret.txt /",
        "FROM scratch\nCOPY public.txt /",
        _ignored_source,
        "copy-ignored-file",
    ),
    LintRule(
        "MissingCopySource",
        "What `COPY` and `ADD` name is in the context",
        "The build would end there. Told for the stages that the target needs, each platform with its own "
        "variables; a pattern must match at least once.",
        "FROM scratch\nCOPY nowhere.txt /",
        "FROM scratch\nCOPY public.txt /",
        _missing_source,
        severity=Severity.ERROR,
    ),
    LintRule(
        "ContextFileMode",
        "Files of a checkout have the modes that git keeps",
        "COPY keeps the mode that a file has here, as BuildKit does. Of it git keeps only whether the file is a "
        "program: 0664 or 0600 come from the umask of whoever checked out, and the same commit makes another image "
        "elsewhere. Change the mode, or write --chmod.",
        "FROM scratch\nCOPY group.txt /",
        "FROM scratch\nCOPY --chmod=644 group.txt /",
        _odd_mode,
        severity=Severity.NOTE,
    ),
    LintRule(
        "RunNeedsProcess",
        "No `RUN` in a stage that the target needs",
        "A RUN needs a process in the image, and ADD of a repository needs git, which is not started here. Told "
        "where this machine cannot carry RUN out, or --no-run says so; each line with what it does and what to "
        "write instead.",
        "FROM scratch\nCOPY public.txt /app\nRUN chmod +x /app",
        "FROM scratch\nCOPY --chmod=755 public.txt /app",
        _process,
        severity=Severity.ERROR,
    ),
)
