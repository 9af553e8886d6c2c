"""Programs that are there already: what they are, whether they fit the platform, which one starts the image.

The same look is taken at compiled programs, so that no toolchain's word is trusted without its bytes.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from ocitool.binaries.binary import Binary, Kind
from ocitool.binaries.fit import Mismatch, mismatch
from ocitool.binaries.identify import inspect_binary
from ocitool.errors import WrongPlatform, local_io
from ocitool.events import Listener, Noted, silent
from ocitool.model.platform import Platform


@dataclass(frozen=True, slots=True)
class Candidate:
    """A regular file on its way into an image: `path` is its place there, without a leading slash."""

    path: str
    is_executable: bool
    open_file: Callable[[], AbstractContextManager[BinaryIO]]


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate that is a program, library or script."""

    path: str
    is_executable: bool
    binary: Binary


def survey(candidates: Iterable[Candidate]) -> tuple[Found, ...]:
    """The programs among the files, in their order; of each file only headers are read.

    Raises LocalIOError for a file that cannot be read.
    """
    found = []
    for candidate in candidates:
        try:
            binary = inspect_binary(candidate.open_file)
        except OSError as error:
            raise local_io(error, f"read {candidate.path}") from error
        if binary is not None:
            found.append(Found(candidate.path, candidate.is_executable, binary))
    return tuple(found)


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


def only_program(found: Sequence[Found]) -> str | None:
    """The path of the one executable program or script, or None if there are none or several.

    A file that is both a library and executable, as many shared libraries are, is no program.
    """
    programs = [one.path for one in found if one.is_executable and one.binary.kind is Kind.PROGRAM]
    return programs[0] if len(programs) == 1 else None
