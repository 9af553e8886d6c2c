"""Whether a compiler would only make again what is there: then it is not started.

Nothing is guessed. A job is current if every file that can change its output has the identity it had when the
compiler was started (device, inode, size and times), if its command and environment are equal, and if the output
is the very file that was written then. Where the files cannot all be listed, the compiler runs.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from ocitool.model.numbers import MIB
from ocitool.pack.file_identity import foreign_devices, is_settled
from ocitool.pack.own_files import is_store
from ocitool.store.base import Memo
from ocitool.toolchains.base import CompileJob, Inputs
from ocitool.values import dataclass

_FILES_LIMIT: Final = 20_000
_LOCAL_REPLACE: Final = r"(?m)=>\s*[\"`]?(?:\.{1,2}(?:/|\s|$)|/)"
_LEFT_OUT: Final = frozenset({".git", ".hg", ".svn"})
_C_TEXT: Final = frozenset(
    [".c", ".h", ".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx", ".h++", ".inc", ".inl", ".ipp", ".tpp", ".s"]
)
_TEXT_LIMIT: Final = 4 * MIB
_INCLUDE: Final = rb"(?m)^[ \t]*(?:#|%:)[^\n]*?\b(?:include(?:_next)?|import|embed)\b([^\n]*)"
_ELSEWHERE: Final = rb"\.incbin\b|\b__has_(?:include|embed)\w*\s*\([^)\n]*(?:\.\.|[\"<]/)"


@dataclass(frozen=True, slots=True)
class InputState:
    """Everything that decides a job's output, as a digest; `newest_ns` is the latest time among its files."""

    digest: str
    newest_ns: int


def outdated(jobs: Iterable[CompileJob], memo: Memo) -> tuple[tuple[CompileJob, InputState | None], ...]:
    """The jobs whose compilers have to be started, each with its state for `remember`, or None.

    A job whose toolchain cannot name its inputs is always done. A folder is looked through once for all jobs.
    """
    found = []
    module, leads_out, below = cache(go_module), cache(_leads_out_of), cache(files_below)
    for job in jobs:
        match job.inputs:
            case Inputs.GO_MODULE:
                folder = module(job.cwd)
            case Inputs.C_SOURCES:
                folder = None if _words_lead_out(job) or leads_out(job.cwd) else job.cwd
            case _:
                folder = None
        state = state_of(job, folder, below) if folder is not None else None
        if state is None or not is_current(job, state, memo):
            found.append((job, state))
    return tuple(found)


def files_below(folder: Path) -> InputState | None:
    """The state of all files in a folder but those of version control; None if it cannot be known."""
    try:
        return _state_of_files(b"", _files(folder))
    except (OSError, _Unknowable):
        return None


def state_of(
    job: CompileJob, folder: Path, below: Callable[[Path], InputState | None] = files_below
) -> InputState | None:
    """The state of a job before its compiler is started; None if it cannot be known.

    All that is `below` the folder counts, and so do the compiler, what is written for it and `go env -w`'s file.
    """
    files = below(folder)
    if files is None:
        return None
    words = (*job.argv, "", *(f"{key}={value}" for key, value in sorted(job.env.items())), "", str(job.cwd))
    told = (*words, *(f"{file.path}\n{file.text}" for file in job.files), files.digest)
    try:
        state = _state_of_files(b"\0".join(map(os.fsencode, told)), _settings(job))
    except (OSError, _Unknowable):
        return None
    return InputState(state.digest, max(state.newest_ns, files.newest_ns))


def _state_of_files(told: bytes, files: Iterable[tuple[str, os.stat_result]]) -> InputState:
    """What is told and the identity of files. Raises _Unknowable where other clocks give them their times."""
    digest, newest, foreign = hashlib.sha256(told), 0, foreign_devices()
    for path, status in files:
        if status.st_dev in foreign:
            raise _Unknowable
        identity = (status.st_mode, status.st_dev, status.st_ino, status.st_size)
        digest.update(os.fsencode(path) + repr((identity, status.st_mtime_ns, status.st_ctime_ns)).encode())
        newest = max(newest, status.st_mtime_ns, status.st_ctime_ns)
    return InputState(digest.hexdigest(), newest)


def is_current(job: CompileJob, state: InputState, memo: Memo) -> bool:
    """Whether the job's outputs are there and were made from this state."""
    known = memo.recall(_key(job))
    return known is not None and known.get("state") == state.digest and known.get("outputs") == _identities(job)


def remember(job: CompileJob, state: InputState, taken_ns: int, memo: Memo) -> None:
    """Note that the job's outputs were made from the state that was read at `taken_ns`, on the clock of file times.

    Nothing is noted while a file is so young that a change after the look could have left its times alone.
    """
    outputs = _identities(job)
    if outputs is not None and is_settled(state.newest_ns, taken_ns):
        memo.remember(_key(job), {"state": state.digest, "outputs": outputs})


def go_module(source: Path) -> Path | None:
    """The folder whose files decide a Go build in `source`; None if others may do so as well.

    Required modules are pinned by go.sum and never change in Go's cache. A workspace, or a replacement by a
    folder, reaches beyond the module.
    """
    above = (source.absolute(), *source.absolute().parents)
    if any((folder / "go.work").exists() for folder in above):
        return None
    module = next((folder for folder in above if (folder / "go.mod").is_file()), None)
    if module is None:
        return None
    try:
        text = (module / "go.mod").read_text("utf-8", "replace")
    except OSError:
        return None
    return None if re.search(_LOCAL_REPLACE, text) else module


def _words_lead_out(job: CompileJob) -> bool:
    """Whether words of a job of C may name files out of its folder.

    Headers of the compiler and of a sysroot belong to those, and never change without them.
    """
    own = {*job.env.values(), *(str(output) for output in job.outputs)}
    for word in job.argv[1:]:
        text = word.partition("=")[2] if word.startswith("-f") else word.removeprefix("-I")
        if word not in own and (".." in text or word.startswith("@")):
            return True
    return False


def _leads_out_of(folder: Path) -> bool:
    """Whether a C source of the folder may read a file elsewhere, or not all of them can be looked at."""
    try:
        texts = (Path(path) for path, _ in _files(folder) if Path(path).suffix.lower() in _C_TEXT)
        return any(map(_leads_out, texts))
    except (OSError, _Unknowable):
        return True


def _leads_out(path: Path) -> bool:
    """Whether the source may read a file elsewhere: one by an absolute path, with `..`, or named by a macro."""
    with path.open("rb") as file:
        text = file.read(_TEXT_LIMIT + 1)
    if len(text) > _TEXT_LIMIT or re.search(_ELSEWHERE, text):
        return True
    names = (found[1].strip() for found in re.finditer(_INCLUDE, text))
    return any(name[:1] not in {b'"', b"<"} or name[1:2] == b"/" or b".." in name for name in names)


class _Unknowable(Exception):  # noqa: N818 - caught in this file, never an error
    """A file whose state says nothing, or one that nobody can vouch for."""


def _files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file below the folder with its own status, and that of the file a link leads to."""
    todo, count = [str(root)], 0
    while todo:
        with os.scandir(todo.pop()) as listing:
            items = sorted(listing, key=lambda item: item.name)
        for item in items:
            status = item.stat()
            if item.is_symlink():
                yield item.path, item.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    raise _Unknowable
            if not stat.S_ISDIR(status.st_mode):
                yield item.path, status
            elif item.name not in _LEFT_OUT and not is_store(item.path):
                todo.append(item.path)
            count += 1
            if count > _FILES_LIMIT:
                raise _Unknowable


def _settings(job: CompileJob) -> Iterator[tuple[str, os.stat_result]]:
    """The compiler, the version of its distribution, and Go's file of settings; what is not there is skipped."""
    compiler = Path(job.argv[0]).resolve()
    config = Path(job.env.get("XDG_CONFIG_HOME") or Path(job.env.get("HOME", "/nowhere")) / ".config")
    settings = Path(job.env.get("GOENV") or config / "go" / "env")
    yield str(compiler), compiler.stat()
    for path in (compiler.parent.parent / "VERSION", settings):
        if path.exists():
            yield str(path), path.stat()


def _identities(job: CompileJob) -> list[list[int]] | None:
    """What tells each output from any other file; None if one is missing."""
    try:
        found = [output.stat() for output in job.outputs]
    except OSError:
        return None
    return [[s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns] for s in found]


def _key(job: CompileJob) -> str:
    return "compiled:" + hashlib.sha256(b"\0".join(os.fsencode(output) for output in job.outputs)).hexdigest()
