"""Checks of what instructions mean: variables nobody sets, secrets, directories that depend on the base."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from ocitool.dockerfile.lint.context import LintContext
from ocitool.dockerfile.lint.rule import LineRange, LintHit, LintRule
from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.variables import AUTOMATIC

_SECRET: Final = frozenset(
    ("apikey", "auth", "credential", "credentials", "key", "passwd", "password", "pword", "secret", "token")
)


def _undefined(scene: LintContext) -> Iterator[LintHit]:
    arguments = {*AUTOMATIC, *_arguments(scene)}
    for _, steps in scene.stages():
        for step in steps:
            for one in step.unset:
                if not step.knows_base and one.name not in arguments and not _is_slip(one.name, one.near):
                    continue  # the base image may set it
                if one.name in AUTOMATIC:
                    way = f"write ARG {one.name} in this stage"
                else:
                    way = f"did you mean {one.near}?" if one.near else "declare it with ARG or ENV in this stage"
                yield LineRange.of(step.line), f"nothing sets {one.name} here; {way}"


def _arguments(scene: LintContext) -> Iterator[str]:
    """The names that an ARG of the file declares, be it in another stage or further down."""
    for one in (*scene.file.arguments, *(one for stage in scene.file.stages for one in stage.body)):
        if isinstance(one, instructions.Arg):
            yield from (name for name, _ in one.items)


def _is_slip(name: str, near: str) -> bool:
    """Whether two names are the same but for two letters in the wrong order, or one too many or too few.

    A digit more is no slip: PYTHON_VERSION comes from the image, and PYTHON3_VERSION is somebody's own.
    """
    ours, other = Counter(name), Counter(near)
    odd = "".join(((ours - other) + (other - ours)).elements())
    return bool(near) and (not odd or (len(odd) == 1 and odd.isalpha()))


def _automatic_default(scene: LintContext) -> Iterator[LintHit]:
    for arg in scene.file.arguments:
        # Before the first FROM a default can make use of the automatic value.
        yield from _defaults(arg, lambda name, default: name not in default)
    for _, steps in scene.stages():
        for step in steps:
            if isinstance(step.instruction, instructions.Arg):
                yield from _defaults(step.instruction, lambda _name, _default: True)


def _defaults(arg: instructions.Arg, hides: Callable[[str, str], bool]) -> Iterator[LintHit]:
    for name, default in arg.items:
        if name in AUTOMATIC and default is not None and hides(name, default):
            said = f"{name}={default} is taken for every platform, in place of the value of each"
            yield LineRange.of(arg.line), f"{said}; write ARG {name}"


def _secrets(scene: LintContext) -> Iterator[LintHit]:
    for _, steps in scene.stages():
        for step in steps:
            one = step.instruction
            if isinstance(one, instructions.Arg):
                names = [name for name, _ in one.items]
            elif isinstance(one, instructions.Env):
                names = [step.texts.get(name, name) for name, _ in one.pairs]
            else:
                continue
            for name in names:
                parts = set(name.lower().split("_"))
                if parts & _SECRET and "public" not in parts:
                    yield LineRange.of(step.line), f"{one.line.written} {name} stays readable in the image"


def _relative_workdir(scene: LintContext) -> Iterator[LintHit]:
    workdirs = scene.having(instructions.Workdir)
    for stage, steps in scene.stages():
        if scene.upon_any(stage, workdirs):
            continue
        for step in steps:
            if isinstance(step.instruction, instructions.Workdir):
                path = step.texts.get(step.instruction.path, "/")
                if not path.startswith("/"):
                    yield (
                        LineRange.of(step.line),
                        f"{path} is relative to the base image's directory; write an absolute path",
                    )
                break


RULES: Final = (
    LintRule(
        "UndefinedVar",
        "Variables are set before they are used",
        "A variable that nothing sets is empty. An ARG counts from its line to the end of its stage, one before "
        "the first FROM not at all, and TARGETARCH and its kin must be declared in each stage. Over an image, "
        "whose own variables are not known here, only names are told that an ARG declares elsewhere in the file, "
        "that are automatic, or that are a letter away from one that is set.",
        "FROM scratch\nENV NAME=app-${TARGETARCH}",
        "FROM scratch\nARG TARGETARCH\nENV NAME=app-${TARGETARCH}",
        _undefined,
        "undefined-var",
    ),
    LintRule(
        "AutomaticArgDefault",
        "Automatic build arguments have no default",
        "A default hides the value that the builder gives for each platform: with TARGETARCH=amd64 every part of "
        "a multi-arch image gets the program for amd64.",
        "FROM scratch\nARG TARGETARCH=amd64",
        "FROM scratch\nARG TARGETARCH",
        _automatic_default,
    ),
    LintRule(
        "SecretsUsedInArgOrEnv",
        "No secrets in `ARG` and `ENV`",
        "Values are kept in the config or in history, where everybody who can pull the image can read them. The "
        "name alone is judged; one with PUBLIC in it is let be.",
        "FROM scratch\nENV API_TOKEN=x",
        "FROM scratch\nENV PUBLIC_KEY=x",
        _secrets,
        "secrets-used-in-arg-or-env",
    ),
    LintRule(
        "WorkdirRelativePath",
        "The first `WORKDIR` is absolute",
        "A relative one is joined to the directory of the base image, which may be another one tomorrow.",
        "FROM scratch\nWORKDIR app",
        "FROM scratch\nWORKDIR /app",
        _relative_workdir,
        "workdir-relative-path",
    ),
)
