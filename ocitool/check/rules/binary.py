"""Rules about the programs in an image, decided by their headers and never by running them; --deep only."""

from collections.abc import Iterator
from typing import Final

from ocitool.binaries.binary import Kind
from ocitool.binaries.fit import Misfit, Mismatch, describe, mismatch
from ocitool.binaries.needs import missing as missing_needs
from ocitool.check.finding import Location, Severity
from ocitool.check.layers import Program
from ocitool.check.look import Image, Look
from ocitool.check.rules.rule import Hit, Rule
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.rootfs.tree import Tree


def wrong_platform(look: Look) -> Iterator[Hit]:
    """A program of another os or architecture than the image is offered for (K010)."""
    for image, layer, program, misfit in _misfits(look):
        if misfit.is_fatal and misfit.misfit is not Misfit.LEVEL:
            found = describe(program.binary)
            yield _at(image, layer, program), f"a program for {found} in an image for {misfit.expected}"


def level(look: Look) -> Iterator[Hit]:
    """A program that needs a better processor than the image promises."""
    for image, layer, program, misfit in _misfits(look):
        if misfit.misfit is Misfit.LEVEL:
            yield _at(image, layer, program), misfit.reason


def missing(look: Look) -> Iterator[Hit]:
    """A program whose loader, interpreter or libraries the image lacks (K173)."""
    for image in look.images:
        tree = look.tree(image.manifest)
        if tree is None:
            continue
        env = image.config.setting("Env") if image.config is not None else None
        path = next((one for one in env or () if isinstance(one, str) and one.startswith("LD_LIBRARY_PATH=")), "")
        folders = [folder for folder in path.partition("=")[2].split(":") if folder]
        cached = tree.lookup("etc/ld.so.cache") is not None
        for layer, program in programs(look, image, tree):
            if program.is_executable and program.binary.kind is Kind.PROGRAM:
                lack = missing_needs(
                    program.binary,
                    program.path,
                    lambda wanted, tree=tree: tree.lookup(wanted.lstrip("/")) is not None,  # type: ignore[misc]
                    library_path=folders,
                    is_cached=lambda _, cached=cached: cached,  # type: ignore[misc]
                )
                if lack is not None:
                    yield _at(image, layer, program), str(lack)


def programs(look: Look, image: Image, tree: Tree) -> Iterator[tuple[Digest, Program]]:
    """The programs a container of the image would find: those of lower layers that are replaced are none."""
    for number, layer in enumerate(image.manifest.layers):
        for program in look.layers[layer.digest].programs if layer.digest in look.layers else ():
            node = tree.get(program.path)
            if node is not None and node.layer == number:
                yield layer.digest, program


def judged(look: Look, image: Image, platform: Platform) -> Iterator[tuple[Digest, Program, Mismatch | None]]:
    """Every program that speaks for some platform, with how it fails to fit `platform`."""
    tree = look.tree(image.manifest)
    for layer, program in programs(look, image, tree) if tree is not None else ():
        if not program.binary.is_portable and program.binary.kind is not Kind.OBJECT:
            yield layer, program, mismatch(program.binary, platform, is_executable=program.is_executable)


def _misfits(look: Look) -> Iterator[tuple[Image, Digest, Program, Mismatch]]:
    for image in look.images:
        if image.platform is not None:
            for layer, program, misfit in judged(look, image, image.platform):
                if misfit is not None:
                    yield image, layer, program, misfit


def _at(image: Image, layer: Digest, program: Program) -> Location:
    return Location(layer, path=program.path, label=image.label)


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
    ),
    Rule(
        "binary/missing-needs", "A program's loader, interpreter or library is not in the image",
        'The kernel says "no such file or directory" for a file that is there.',
        "a glibc program in an empty image", Severity.ERROR, missing, needs_deep=True,
    ),
)  # fmt: skip
