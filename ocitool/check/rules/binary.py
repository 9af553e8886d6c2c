"""Rules about the programs in an image, decided by their headers and never by running them; --deep only."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from ocitool.binaries.binary import BinaryKind, Format
from ocitool.binaries.compatibility import Misfit, Mismatch, describe, mismatch
from ocitool.binaries.needs import PROGRAM_PATH, Missing
from ocitool.binaries.needs import missing as missing_needs
from ocitool.check.finding import Location
from ocitool.check.inspection import InspectedImage, Inspection
from ocitool.check.layers import ImageProgram
from ocitool.check.programs import LayerProgram, environment, held, judged
from ocitool.check.rules.rule import Hit, Rule
from ocitool.findings import Severity
from ocitool.model.files import FileKind
from ocitool.rootfs.tree import Tree

_NEVER: Final = frozenset([Misfit.OS, Misfit.ARCHITECTURE])
_SHOWN: Final = 20
"""Findings of one kind in one image; one that is wrong through and through need not fill a screen."""


def wrong_platform(inspection: Inspection) -> Iterator[Hit]:
    """A program of another os or architecture than the image is offered for (K010)."""
    for image, strangers in _strangers(inspection, are_apart=False):
        rest = len(strangers) - 1
        more = f", as {'is' if rest == 1 else 'are'} {rest} more" if rest else ""
        for number, (one, misfit) in enumerate(strangers[:_SHOWN]):
            yield _at(image, one), _stranger(one, misfit) + ("" if number else more)


def apart_platform(inspection: Inspection) -> Iterator[Hit]:
    """A program of another platform among programs for many, or in a folder that says so."""
    for image, strangers in _strangers(inspection, are_apart=True):
        for one, misfit in strangers[:_SHOWN]:
            yield _at(image, one), _stranger(one, misfit)


def _stranger(one: LayerProgram, misfit: Mismatch) -> str:
    return f"a program for {describe(one.program.binary)} in an image for {misfit.expected}"


def _strangers(
    inspection: Inspection, *, are_apart: bool
) -> Iterator[tuple[InspectedImage, list[tuple[LayerProgram, Mismatch]]]]:
    """What cannot run because of its os or architecture. Where nothing in the image can, nothing is kept apart."""
    for image, found in _judged(inspection):
        can_run = any(misfit is None for _, misfit in found)
        strangers = [
            (one, misfit)
            for one, misfit in found
            if misfit is not None
            and misfit.is_fatal
            and misfit.misfit is not Misfit.LEVEL
            and (one.is_apart and can_run) is are_apart
        ]
        if strangers:
            yield image, strangers


def level(inspection: Inspection) -> Iterator[Hit]:
    """A program that needs a better processor than the image promises."""
    for image, found in _judged(inspection):
        for one, misfit in found:
            if misfit is not None and misfit.is_fatal and misfit.misfit is Misfit.LEVEL and not one.is_apart:
                yield _at(image, one), misfit.reason


def missing(inspection: Inspection) -> Iterator[Hit]:
    """A program whose loader, interpreter or libraries the image lacks (K173)."""
    return (
        (_at(image, one), lack.reason) for image, one, lack in _lacking(inspection) if not _is_aside(image, one)
    )


def apart_needs(inspection: Inspection) -> Iterator[Hit]:
    """The same of a script that is not on the PATH, of a program kept apart, of one for an older architecture."""
    count: Counter[tuple[str, str]] = Counter()
    for image, one, lack in _lacking(inspection):
        if _is_aside(image, one):
            count[image.digest, lack.reason] += 1
            if count[image.digest, lack.reason] <= _SHOWN:
                yield _at(image, one), lack.reason


def same_program(inspection: Inspection) -> Iterator[Hit]:
    """A program that is byte for byte that of another platform (K216)."""
    seen: dict[tuple[str, str], InspectedImage] = {}
    for image, programs in _native(inspection):
        same: dict[str, list[LayerProgram]] = {}
        for one in programs:
            other = seen.setdefault((one.program.path, one.program.digest), image)
            if other is not image and _machine(other) != _machine(image):
                same.setdefault(other.label, []).append(one)
        for label, found in same.items():
            rest = len(found) - 1
            more = f", as {'is' if rest == 1 else 'are'} {rest} more" if rest else ""
            yield _at(image, found[0]), f"byte for byte the program of {label}{more}"


def mixed_linkage(inspection: Inspection) -> Iterator[Hit]:
    """A program that is static for one platform and needs a loader for another (K216)."""
    seen: dict[str, list[tuple[InspectedImage, LayerProgram]]] = {}
    for image, programs in _native(inspection):
        for one in programs:
            if one.program.binary.format is Format.ELF and not one.is_packaged:
                seen.setdefault(one.program.path, []).append((image, one))
    for rows in seen.values():
        static = [row for row in rows if row[1].program.binary.is_static]
        dynamic = [row for row in rows if not row[1].program.binary.is_static]
        if static and dynamic:
            odd, others = (static, dynamic) if len(static) < len(dynamic) else (dynamic, static)
            how = ("statically", "dynamically") if odd is static else ("dynamically", "statically")
            names = ", ".join(dict.fromkeys(image.label for image, _ in others))
            for image, one in odd[:_SHOWN]:
                yield _at(image, one), f"is linked {how[0]}, and {how[1]} for {names}"


def _machine(image: InspectedImage) -> tuple[str, str, str] | None:
    """What a program is made for: versions of an os share programs."""
    own = image.platform.normalised() if image.platform is not None else None
    return (own.os, own.architecture, own.variant) if own is not None else None


def _native(inspection: Inspection) -> Iterator[tuple[InspectedImage, list[LayerProgram]]]:
    """The programs at hand in each image that run on its platform, one image after the other."""
    for image, found in _judged(inspection):
        yield (
            image,
            [
                one
                for one, misfit in found
                if one.is_at_hand
                and one.program.is_executable
                and one.program.binary.kind is BinaryKind.PROGRAM
                and (misfit is None or not misfit.is_fatal)
            ],
        )


def _is_aside(image: InspectedImage, one: LayerProgram) -> bool:
    """Whether nothing says that the program is meant to be started here.

    Packages bring scripts for interpreters that they only recommend.
    """
    binary = one.program.binary
    if binary.format is Format.SCRIPT:
        return not one.is_at_hand or one.is_packaged
    is_older = image.platform is not None and mismatch(binary, image.platform) is not None
    return not one.is_at_hand and (one.is_apart or is_older)


def _lacking(inspection: Inspection) -> Iterator[tuple[InspectedImage, LayerProgram, Missing]]:
    """What would not start for lack of something. What cannot run here at all lacks nothing."""
    for image in inspection.images:
        tree = inspection.tree(image.manifest)
        if tree is None or image.is_windows:
            continue
        lacks = _lacks(image, tree)
        for one in held(inspection, image, tree):
            binary = one.program.binary
            if not one.program.is_executable or binary.kind is not BinaryKind.PROGRAM:
                continue
            misfit = mismatch(binary, image.platform) if image.platform is not None else None
            lack = None if misfit is not None and misfit.misfit in _NEVER else lacks(one.program)
            if lack is not None:
                yield image, one, lack


def _lacks(image: InspectedImage, tree: Tree) -> Callable[[ImageProgram], Missing | None]:
    """What a program lacks in the merged files of an image and with its environment."""

    def exists(path: str) -> bool:
        node = tree.lookup(path.lstrip("/"))
        return node is not None and node.kind is not FileKind.DIRECTORY

    def is_cached(name: str) -> bool:
        # What the loader's cache lists is not read: a library of that name somewhere may be in it.
        return exists("etc/ld.so.cache") and name in names()

    names = lru_cache(1)(lambda: frozenset(path.rpartition("/")[2] for path, _ in tree.walk()))
    libraries, path = (environment(image, key) for key in ("LD_LIBRARY_PATH", "PATH"))
    return lambda program: missing_needs(
        program.binary,
        program.path,
        exists,
        library_path=libraries,
        program_path=path or PROGRAM_PATH,
        is_cached=is_cached,
    )


def _judged(inspection: Inspection) -> Iterator[tuple[InspectedImage, list[tuple[LayerProgram, Mismatch | None]]]]:
    for image in inspection.images:
        if image.platform is not None:
            yield image, list(judged(inspection, image, image.platform))


def _at(image: InspectedImage, one: LayerProgram) -> Location:
    return Location(one.layer, path=one.program.path, label=image.label)


RULES: Final = (
    Rule(
        "binary/wrong-platform", "A program of another platform",
        "It cannot start there; on desktops emulation hides it until the image reaches a server.",
        "an x86-64 program in an arm64 image", Severity.ERROR, wrong_platform, fixable=True, needs_deep=True,
    ),
    Rule(
        "binary/level", "A program needs a better processor than the image promises",
        "It dies with an illegal instruction on the machines the image is offered to.",
        "an ARMv7 program in a linux/arm/v6 image", Severity.ERROR, level, needs_deep=True,
        advice="Compile for the lower level: GOARM, GOAMD64, or `-march` of the platform that the image promises.",
    ),
    Rule(
        "binary/missing-needs", "A program's loader, interpreter or library is not in the image",
        'The kernel says "no such file or directory" for a file that is there.',
        "a glibc program in an empty image", Severity.ERROR, missing, needs_deep=True,
        advice="Link the program statically, or build upon a base that has its loader and libraries.",
    ),
    Rule(
        "binary/same-program", "Two platforms have the same program",
        "One build was copied over the other: it runs, or fails, as the one it was made for does.",
        "one ARM program in linux/arm/v6 and linux/arm/v7", Severity.WARNING, same_program, needs_deep=True,
        advice="Look at how the build gets its platform: an output path without `{arch}` is often why.",
    ),
    Rule(
        "binary/mixed-linkage", "A program is static for one platform and not for another",
        "One of the builds took another C library or other flags, and what one platform needs the other lacks.",
        "/app is static in linux/amd64 and wants a loader in linux/arm64", Severity.WARNING, mixed_linkage,
        needs_deep=True,
        advice="Compile for every platform with the same C library and flags.",
    ),
    Rule(
        "binary/apart-platform", "A program of another platform is kept apart",
        "Test data of compilers and builds for every platform beside each other harm nobody. It is no fault unless "
        "it is what ought to run here.",
        "prebuilds/linux-arm64/addon.node in an amd64 image", Severity.NOTE, apart_platform, needs_deep=True,
        advice="Nothing, unless it ought to run: then build with the program of this platform.",
    ),
    Rule(
        "binary/apart-needs", "A script or program that is kept apart would not start",
        "The config does not start it, and it does not stand where an image has its own programs, so perhaps "
        "nobody ever does.",
        "an example for /bin/ksh below /usr/share/doc", Severity.NOTE, apart_needs, needs_deep=True,
        advice="Nothing, unless it ought to run: then add what it needs.",
    ),
)  # fmt: skip
