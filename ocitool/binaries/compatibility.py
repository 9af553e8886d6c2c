"""Whether a program can run where an image says it does: one pure rule over a Binary and a Platform."""

from enum import Enum
from typing import Final

from ocitool.binaries.binary import Binary, BinaryKind, Format
from ocitool.model.platform import Platform
from ocitool.model.platform_names import RUNS_ALSO
from ocitool.values import dataclass, replace


class Misfit(Enum):
    """In what way a program does not fit; the value ends the sentence "the program is for another ..."."""

    OS = "os"
    ARCHITECTURE = "architecture"
    LEVEL = "processor level"
    COMPATIBILITY = "architecture of the same family"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A program that does not fit. `found` and `expected` are platforms as text, `reason` is one clause.

    A fatal one cannot run; another runs only on machines with more than the platform promises, or is a file
    that is probably not meant to run here.
    """

    misfit: Misfit
    found: str
    expected: str
    reason: str
    is_fatal: bool


_NATIVE: Final = {"windows": Format.PE, "darwin": Format.MACHO, "ios": Format.MACHO}


def mismatch(binary: Binary, platform: Platform, *, is_executable: bool = True) -> Mismatch | None:
    """How `binary` fails to fit an image of `platform`, or None if it fits or cannot be judged.

    Scripts, portable code and object files always fit. A lower level fits a higher one (a v6 program in a v7
    image), never the reverse; a level that the file does not record is taken on trust. Programs of another
    os or of a machine that no image is for are fatal only if `is_executable`, because data of that kind is
    common (Windows launchers in Python packages, firmware).
    """
    if binary.is_portable or binary.kind is BinaryKind.OBJECT:
        return None
    if not binary.platforms:
        return Mismatch(
            Misfit.ARCHITECTURE,
            binary.machine,
            str(platform),
            f"it is {binary.format.value} code for {binary.machine}, which no image platform names",
            is_fatal=is_executable,
        )
    found = [_judge(binary, has, platform, is_executable=is_executable) for has in binary.platforms]
    return None if None in found else min((m for m in found if m), key=lambda m: m.is_fatal)


def describe(binary: Binary) -> str:
    """The binary's platform for a message: `linux/arm/v6`, or the machine where there is no platform."""
    return " and ".join(str(_shown(platform)) for platform in binary.platforms) or binary.machine


def _judge(binary: Binary, has: Platform, wants: Platform, *, is_executable: bool) -> Mismatch | None:
    def differs(misfit: Misfit, reason: str, *, is_fatal: bool = True) -> Mismatch:
        return Mismatch(misfit, str(_shown(has)), str(wants), reason, is_fatal)

    wanted = wants.normalised()
    if binary.format is not _NATIVE.get(wanted.os, Format.WASM if wanted.architecture == "wasm" else Format.ELF):
        return differs(Misfit.OS, f"{binary.format.value} files do not run on {wanted.os}", is_fatal=is_executable)
    if has.architecture != wanted.architecture:
        if RUNS_ALSO.get(wanted.architecture) == has.architecture:
            reason = f"it runs only where {wanted.architecture} machines still run {has.architecture} programs"
            return differs(Misfit.COMPATIBILITY, reason, is_fatal=False)
        return differs(Misfit.ARCHITECTURE, f"its header says {binary.machine}")
    if has.os != wanted.os and not binary.os_is_guess:
        return differs(Misfit.OS, f"it is a program of {has.os}", is_fatal=is_executable)
    if has.variant and not _level_fits(has, wanted):
        lowest = wants.variant or "the lowest level"
        reason = f"it needs {has.variant}, the image promises {lowest}"
        # Of C code for ARM the highest level of any part is recorded, and parts are chosen at run time: by
        # libraries, and by PostgreSQL's programs, which have checksums for ARMv8.
        is_part = binary.kind is BinaryKind.LIBRARY or has.variant == "v8"
        is_chosen = has.architecture == "arm" and binary.go is None and is_part
        return differs(Misfit.LEVEL, reason, is_fatal=not is_chosen)
    return None


def _shown(platform: Platform) -> Platform:
    """The platform without a level that is the lowest anyway; arm keeps its own."""
    if platform.architecture == "arm":
        return platform
    return replace(platform, variant="") if not platform.normalised().variant else platform


def _level_fits(has: Platform, wanted: Platform) -> bool:
    mine = has.normalised()
    return not mine.variant or any(
        (one.architecture, one.variant) == (mine.architecture, mine.variant) for one in wanted.candidates()
    )
