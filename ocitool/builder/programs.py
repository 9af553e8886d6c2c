"""Programs that are there already: what they are, whether they fit the platform, which one starts the image.

The same look is taken at compiled programs, so that no toolchain's word is trusted without its bytes.
"""

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import merge
from itertools import chain
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final

from ocitool.binaries.binary import Binary, BinaryKind, Format
from ocitool.binaries.compatibility import Mismatch, mismatch
from ocitool.binaries.identify import inspect_binary, inspect_stream
from ocitool.binaries.needs import PROGRAM_PATH, Missing, missing
from ocitool.errors import UsageError, WrongPlatform, local_io
from ocitool.events import Listener, Noted, silent
from ocitool.image.starting import StartFault, first_word, start_problem, starts_files
from ocitool.model.files import FileAttributes, FileKind, FileTree, PathLookup, name_bytes
from ocitool.model.numbers import KIB, MIB
from ocitool.model.platform import Platform
from ocitool.pack.entries import Content, Entry, FileContent, OnDisk
from ocitool.pack.entry_table import EntryTable
from ocitool.pack.file_identity import has_foreign_clock, is_settled
from ocitool.pack.file_rows import HeldContents
from ocitool.store.base import Memo
from ocitool.values import dataclass

_HELD_FILE: Final = 64 * KIB
_HELD_TOTAL: Final = 16 * MIB


class Holding:
    """Keeps small files in memory from the look at them until they are packed, so that each is read once.

    Files of at most 64 KiB, and at most 16 MiB of them for all platforms of a build.
    """

    def __init__(self) -> None:
        self._left = _HELD_TOTAL
        self._held = HeldContents()

    def take(self, content: FileContent) -> None:
        """Read it now, if it is small and there is room. Raises LocalIOError."""
        if not content.is_held and content.size <= min(self._left, _HELD_FILE):
            self._left -= content.size
            data = content.hold()
            if content.rows is not None:
                content.rows.hold(content.number, data, self._held)


@dataclass(frozen=True, slots=True)
class Found:
    """A file of an image that is a program, library or script; `path` is relative to the root."""

    path: str
    is_executable: bool
    binary: Binary


def survey(
    entries: Iterable[Entry],
    memo: Memo | None = None,
    *,
    holding: Holding | None = None,
    clock_ns: Callable[[], int] = time.time_ns,
) -> tuple[Found, ...]:
    """The programs among the entries; see `survey_layers`."""
    return survey_layers((tuple(entries),), memo, holding=holding, clock_ns=clock_ns)


def survey_layers(
    layers: Sequence[Collection[Entry]],
    memo: Memo | None = None,
    *,
    holding: Holding | None = None,
    clock_ns: Callable[[], int] = time.time_ns,
) -> tuple[Found, ...]:
    """The programs among the entries of layers, in their order; of files on disk only headers are read.

    Where `memo` knows that none of the files on disk has changed since, only those that were programs then are
    opened. Raises LocalIOError for a file that cannot be read.
    """
    taken_ns = clock_ns()
    devices, newest_ns, tap = set[int](), 0, hashlib.sha256()
    for _, path, stamp in merge(*map(_stamps, layers), key=itemgetter(0)):
        tap.update(repr((path, stamp)).encode())
        devices.add(stamp[0])
        newest_ns = max(newest_ns, *stamp[3:])
    key = f"programs:{tap.hexdigest()}"
    known = memo.recall(key) if memo is not None and devices else None
    programs = set(known["paths"]) if known is not None else None
    found, on_disk = [], []
    for entry in chain.from_iterable(layers):
        content = entry.content
        if entry.kind is not FileKind.FILE or content is None:
            continue
        if programs is not None and entry.path not in programs and _has_stamp(entry):
            continue
        if holding is not None and isinstance(content, FileContent):
            holding.take(content)
        binary = _inspect(content)
        if binary is not None:
            found.append(Found(entry.path, bool(entry.mode & 0o111), binary))
            if _has_stamp(entry):
                on_disk.append(entry.path)
    is_sure = is_settled(newest_ns, taken_ns) and not has_foreign_clock(devices)
    if memo is not None and known is None and devices and is_sure:
        memo.remember(key, {"paths": on_disk})
    return tuple(found)


def _stamps(entries: Collection[Entry]) -> Iterator[tuple[bytes, str, tuple[int, ...]]]:
    """The paths of files on disk among the entries of one layer, sorted as bytes, and their stamps."""
    in_order = entries if isinstance(entries, EntryTable) else sorted(entries, key=lambda one: name_bytes(one.path))
    for entry in in_order:
        stamp = entry.content.stamp if entry.kind is FileKind.FILE and entry.content is not None else None
        if stamp is not None:
            yield name_bytes(entry.path), entry.path, stamp


def _has_stamp(entry: Entry) -> bool:
    """Whether it is a file whose content is one on disk."""
    content = entry.content
    if entry.kind is not FileKind.FILE or content is None:
        return False
    return isinstance(content, FileContent) or content.stamp is not None


def _inspect(content: Content) -> Binary | None:
    match content:
        case FileContent() if content.is_held:
            return inspect_stream((content.hold(),))
        case FileContent() | OnDisk():
            try:  # unbuffered: of most files four bytes are enough
                return inspect_binary(lambda: open(content.path, "rb", buffering=0))  # noqa: PTH123 - quicker
            except OSError as error:
                raise local_io(error, f"read {content.path}") from error
        case _:
            return inspect_stream(content.pieces())


def misfits(found: Iterable[Found], platform: Platform) -> tuple[tuple[Found, Mismatch], ...]:
    """The programs that do not fit the platform, and how."""
    judged = ((one, mismatch(one.binary, platform, is_executable=one.is_executable)) for one in found)
    return tuple((one, how) for one, how in judged if how is not None)


def refuse_foreign(
    found: Iterable[Found], platform: Platform, *, allow: bool = False, listener: Listener = silent
) -> None:
    """Return if every program fits; warnings, and with `allow` everything, are only told to the listener.

    Raises WrongPlatform for the first program that cannot run, with a note for each further one (K010).
    """
    fatal = []
    for one, how in misfits(found, platform):
        if how.is_fatal and not allow:
            fatal.append((one, how))
        else:
            listener(Noted(f"/{one.path} is for {how.found}, the image for {how.expected}: {how.reason}"))
    if not fatal:
        return
    (one, how), *others = fatal
    error = WrongPlatform(
        f"/{one.path} is for {how.found}, the image for {how.expected}: {how.reason}",
        path=one.path,
        found=how.found,
        expected=how.expected,
        hint="copy the file built for this platform, or say --allow-foreign-arch if it is meant to be there",
    )
    for other, also in others[:20]:
        error.add_note(f"/{other.path} is for {also.found}: {also.reason}")
    if len(others) > 20:
        error.add_note(f"and {len(others) - 20} more")
    raise error


def startable(found: Sequence[Found]) -> tuple[str, ...]:
    """The paths of executable programs and scripts.

    A file that is both a library and executable, as many shared libraries are, is no program.
    """
    return tuple(one.path for one in found if one.is_executable and one.binary.kind is BinaryKind.PROGRAM)


@dataclass(frozen=True, slots=True)
class FrontendWords:
    """How a front end calls what is started, and how its user sets the x bit."""

    entrypoint: str
    way_out: str


PROJECT: Final = FrontendWords("--entrypoint", "--copy SRC:DEST:755 sets it")
DOCKERFILE: Final = FrontendWords("ENTRYPOINT", "COPY --chmod=755 sets it")


def check_start(
    files: PathLookup[FileAttributes],
    settings: Mapping[str, Any],
    found: Sequence[Found],
    platform: Platform,
    *,
    words: FrontendWords,
    listener: Listener = silent,
    inherited: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Return if a container of these files and settings may start (K212); what may keep it from that is told.

    `inherited` are the settings of the base: what is wrong there already is no error here. Raises UsageError for an
    entry point that is certain to be missing. Told only are a CMD, which may be mounted or never run, a name that
    is searched for, since a PATH may be given at the start, and the shell of a shell form.
    """
    if not starts_files(platform):
        return
    scripts = {one.path: one.binary.loader for one in found if one.binary.format is Format.SCRIPT}
    problem = start_problem(files, settings, lambda path: scripts.get(path, ""))
    if problem is None:
        if not first_word(settings)[1]:
            _tell_unstartable(found, platform, words, listener)
        return
    what = f"{platform}: the image would not start: {problem.reason}"
    if problem.fault is StartFault.NOT_EXECUTABLE:
        listener(Noted(f"{what}; {words.way_out}"))
        return
    command = settings.get("Entrypoint")
    is_ours = problem.setting == "Entrypoint" and command != inherited.get("Entrypoint")
    is_shell = isinstance(command, list) and (command[1:2] == ["-c"] or command[:-1] == settings.get("Shell"))
    if not is_ours or is_shell or "/" not in problem.word:
        listener(Noted(what))
        return
    there = [f"/{one.path}" for one in found if one.is_executable and one.binary.kind is BinaryKind.PROGRAM]
    offer = f"there is {', '.join(there[:_OFFERED])}; " if there else ""
    raise UsageError(
        what, hint=f"{offer}{words.entrypoint} names a file of the image, CMD what is mounted when it is run"
    )


def _tell_unstartable(found: Sequence[Found], platform: Platform, words: FrontendWords, listener: Listener) -> None:
    """An image without a command whose programs all lack the x bit: a hand-over between two jobs lost it."""
    programs = [one for one in found if one.binary.kind is BinaryKind.PROGRAM]
    native = [one for one in programs if one.binary.format is Format.ELF]
    if native and not any(one.is_executable for one in programs):
        more = f" and {len(native) - 1} more" if len(native) > 1 else ""
        text = f"{platform}: /{native[0].path}{more} has no x bit, so nothing can start it; {words.way_out}"
        listener(Noted(text))


_OFFERED: Final = 5
"""Programs that are offered instead of one that is not there."""
_CACHE: Final = "etc/ld.so.cache"


def lacking(found: Iterable[Found], image: FileTree[FileAttributes], env: Mapping[str, str]) -> tuple[Missing, ...]:
    """What each program lacks in the image (K173); `env` is the environment of its configuration.

    Libraries that are not executable are left alone: whoever loads them may know where to look.
    """
    folders, programs = (
        [folder for folder in env.get(key, "").split(":") if folder.startswith("/")]
        for key in ("LD_LIBRARY_PATH", "PATH")
    )

    def exists(path: str) -> bool:
        there = image.lookup(path)
        return there is not None and there.kind in {FileKind.FILE, FileKind.HARDLINK}

    @lru_cache(1)
    def known() -> frozenset[str]:
        return frozenset(path.rpartition("/")[2] for path in image.paths())

    def is_cached(name: str) -> bool:
        # What the loader's cache lists is not read: a library of that name somewhere may be in it.
        return exists(_CACHE) and name in known()

    judged = (
        missing(
            one.binary,
            one.path,
            exists,
            library_path=folders,
            program_path=programs or PROGRAM_PATH,
            is_cached=is_cached,
        )
        for one in found
        if one.is_executable
    )
    return tuple(one for one in judged if one is not None)
