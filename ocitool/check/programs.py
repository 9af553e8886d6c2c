"""The programs of an image, and which of them are there to be run on it.

Healthy images hold programs that never start there: a compiler's test data, builds for many platforms beside each
other, examples for a shell that few have. What the config starts, and what lies in a folder of its PATH, in its
working directory or in the root, is at hand; of the rest, a program is kept apart where its folder says that it is
for another platform, or holds programs of several.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Final

from ocitool.binaries.binary import Binary, BinaryKind, Format
from ocitool.binaries.compatibility import Mismatch, mismatch
from ocitool.binaries.needs import PROGRAM_PATH
from ocitool.check.inspection import InspectedImage, Inspection
from ocitool.check.layers import ImageProgram
from ocitool.errors import MalformedDocument
from ocitool.image.starting import StartFault, StartProblem, first_word, start_problem, starts_files
from ocitool.model.digest import Digest
from ocitool.model.files import FileKind
from ocitool.model.numbers import KIB
from ocitool.model.platform import Platform
from ocitool.rootfs.tree import Tree
from ocitool.values import dataclass

_CROWD: Final = 3
"""So many kinds of machine in one folder, or in those directly below it, are a collection; a guess."""
_MOST: Final = 256
"""Folders of a variable, and words of a command, that are looked up; a guess. Each goes with each of the others."""
_LONGEST: Final = 4096
"""Characters of a path that Linux does not open any more (PATH_MAX)."""
_VARIABLE: Final = 128 * KIB
"""Characters of a variable with which Linux starts no program any more (MAX_ARG_STRLEN)."""
_COMMON: Final = frozenset(
    [
        "",
        "app",
        "lib",
        "opt",
        "usr",
        "usr/lib",
        "usr/lib64",
        "usr/libexec",
        "usr/local",
        "usr/local/lib",
        "usr/share",
    ]
)
"""Folders that hold whatever there is, so that what is beside a folder in them says nothing about it."""
_PACKAGES: Final = "node_modules"
_PACKAGED: Final = frozenset(["bin", "sbin", "usr/bin", "usr/sbin"])
_WORDS: Final = {
    "amd64": r"amd64|x86[_-]?64|x64|win64",
    "386": r"[3-6i]86|i[3-6]86|x86(?![_-]?64)|ia32|win32",
    "arm64": r"arm64|aarch64|armv8\w*",
    "arm": r"arm(?!64|v8)\w*",
    "ppc64le": r"ppc64(le|el)|powerpc64le",
    "ppc64": r"ppc64|powerpc64",
    "ppc": r"ppc|powerpc\w*",
    "loong64": r"loong64|loongarch64",
    "mips": r"mips\w*",
    "mipsle": r"mips\w*",
    "mips64": r"mips64\w*",
    "mips64le": r"mips64\w*",
    "windows": r"windows|win(32|64)?|mingw\w*",
    "darwin": r"darwin|mac|macos\w*|osx",
}
"""What folders for an architecture or os are called, where its own name is not all."""


@dataclass(frozen=True, slots=True)
class LayerProgram:
    """A program and the layer it is in. `is_apart` says that it is kept for another platform, and not at hand.

    `is_packaged` is set where it is at hand for its folder alone, one of those that a distribution fills.
    """

    layer: Digest
    program: ImageProgram
    is_at_hand: bool
    is_packaged: bool
    is_apart: bool


def held(inspection: Inspection, image: InspectedImage, tree: Tree) -> tuple[LayerProgram, ...]:
    """The programs a container of the image would find: those of lower layers that are replaced are none."""
    found: list[tuple[Digest, ImageProgram]] = []
    for number, layer in enumerate(image.manifest.layers):
        for program in inspection.layers[layer.digest].programs if layer.digest in inspection.layers else ():
            node = tree.get(program.path)
            if node is not None and node.layer == number:
                found.append((layer.digest, program))
    folders, started = frozenset(_folders(image, tree)), frozenset(_started(image, tree))
    crowds, own = _crowds(found), _own(image, found)
    rows: list[LayerProgram] = []
    for digest, program in found:
        is_started, folder = program.path in started, posixpath.dirname(program.path)
        is_at_hand = is_started or folder in folders
        is_packaged = folder in _PACKAGED and not is_started
        rows.append(
            LayerProgram(
                digest, program, is_at_hand, is_packaged, not is_at_hand and _is_apart(program, crowds, own)
            )
        )
    return tuple(rows)


def judged(
    inspection: Inspection, image: InspectedImage, platform: Platform
) -> Iterator[tuple[LayerProgram, Mismatch | None]]:
    """Every program that speaks for some platform, with how it fails to fit `platform`; those kept apart too."""
    tree = inspection.tree(image.manifest)
    for one in held(inspection, image, tree) if tree is not None else ():
        binary = one.program.binary
        if not binary.is_portable and binary.kind is not BinaryKind.OBJECT:
            yield one, mismatch(binary, platform, is_executable=one.program.is_executable)


def speaking(found: Iterable[tuple[LayerProgram, Mismatch | None]]) -> list[tuple[LayerProgram, Mismatch | None]]:
    """Those that say what the image is for: not what is kept apart, unless there is nothing else."""
    every = list(found)
    return [(one, misfit) for one, misfit in every if not one.is_apart] or every


def start_problems(inspection: Inspection) -> Iterator[tuple[InspectedImage, StartProblem]]:
    """What keeps each image whose layers were read from starting (K212).

    An image whose config starts nothing, and whose programs at hand are all without an x bit, cannot start either.
    """
    for image in {image.digest: image for image in inspection.images}.values():
        tree = inspection.tree(image.manifest) if starts_files(image.platform) else None
        if tree is None or image.config is None:
            continue
        programs = held(inspection, image, tree)
        scripts = {
            one.program.path: one.program.binary.loader
            for one in programs
            if one.program.binary.format is Format.SCRIPT
        }
        problem = start_problem(tree, image.config.settings, partial(_known, scripts))
        if problem is None and not first_word(image.config.settings)[1]:
            problem = _unstartable(tree, programs)
        if problem is not None and not _is_data(problem, tree) and not _is_shell(problem, image):
            yield image, problem


def _known(scripts: Mapping[str, str], path: str) -> str:
    return scripts.get(path, "")


def _is_shell(problem: StartProblem, image: InspectedImage) -> bool:
    """Whether what is missing is the shell of a shell form: its text may name a program that is there."""
    words = _setting(image, problem.setting)
    return problem.fault is StartFault.MISSING and words[1:2] == ["-c"]


def _is_data(problem: StartProblem, tree: Tree) -> bool:
    """Whether an image is there to copy files from alone: engines unpack none without a CMD, so it has one."""
    if problem.fault is not StartFault.MISSING or problem.setting != "Cmd":
        return False
    return not any(node.kind is FileKind.FILE and node.mode & 0o111 for _, node in tree.walk())


def _unstartable(tree: Tree, programs: Sequence[LayerProgram]) -> StartProblem | None:
    """An image without a command, whose programs all lack the x bit: they lost it on the way."""
    native = [one.program for one in programs if one.is_at_hand and one.program.binary.kind is BinaryKind.PROGRAM]
    native = [program for program in native if program.binary.format is Format.ELF]
    if not native or any(one.program.is_executable for one in programs):
        return None
    path = native[0].path
    node = tree.get(path)
    mode = node.mode & 0o7777 if node is not None else 0
    reason = f"the config starts nothing, and /{path} has mode {mode:04o}: no program can be executed"
    return StartProblem(StartFault.NOT_EXECUTABLE, "", "", reason, path)


def environment(image: InspectedImage, key: str) -> list[str]:
    """The absolute folders of a variable in the environment of an image's config, the first of very many."""
    lines = (line for line in _setting(image, "Env") if line.startswith(f"{key}="))
    folders = dict.fromkeys(next(lines, "")[:_VARIABLE].partition("=")[2].split(":", _MOST)[:_MOST])
    return [folder for folder in folders if folder.startswith("/") and len(folder) < _LONGEST]


def _setting(image: InspectedImage, key: str) -> list[str]:
    words = image.config.setting(key) if image.config is not None else None
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []


def _work_folder(image: InspectedImage) -> str:
    folder = image.config.setting("WorkingDir") if image.config is not None else None
    return folder if isinstance(folder, str) and folder.startswith("/") else "/"


def _folders(image: InspectedImage, tree: Tree) -> Iterator[str]:
    """The folders in which a program is at hand, links followed."""
    for folder in ("/", _work_folder(image), *(environment(image, "PATH") or PROGRAM_PATH)):
        real = _real(tree, folder)
        if real is not None:
            yield real


def _started(image: InspectedImage, tree: Tree) -> Iterator[str]:
    """Every file that a word of what the config starts may name, links followed."""
    words = (word for key in ("Entrypoint", "Cmd") for text in _setting(image, key) for word in text.split())
    real_path = [folder for folder in environment(image, "PATH") or PROGRAM_PATH if tree.lookup(folder[1:])]
    for word in islice(dict.fromkeys(words), _MOST):
        for folder in [_work_folder(image)] if "/" in word else real_path:
            real = _real(tree, posixpath.join(folder, word))
            if real:
                yield real


def _real(tree: Tree, path: str) -> str | None:
    """The path with its links followed; None for a loop of links, and for one that no kernel opens."""
    if len(path) >= _LONGEST:
        return None
    try:
        return tree.resolve(posixpath.normpath(path).lstrip("/"))
    except MalformedDocument:
        return None


def _crowds(found: Iterable[tuple[Digest, ImageProgram]]) -> frozenset[str]:
    """The folders that hold, with those directly below them, programs of many kinds of machine."""
    machines: dict[str, set[tuple[str, str]]] = {}
    for _, program in found:
        if not program.binary.is_portable:
            folder = posixpath.dirname(program.path)
            for one in {folder, posixpath.dirname(folder)}:
                machines.setdefault(one, set()).add((program.binary.format.value, program.binary.machine))
    return frozenset(folder for folder, kinds in machines.items() if len(kinds) >= _CROWD) - _COMMON


def _own(image: InspectedImage, found: Iterable[tuple[Digest, ImageProgram]]) -> frozenset[str]:
    """The folders that hold, however deep, a program of the image's own architecture."""
    folders: set[str] = set()
    for _, program in found:
        if image.platform is not None and any(
            one.architecture == image.platform.architecture for one in program.binary.platforms
        ):
            folder = posixpath.dirname(program.path)
            while folder not in folders:
                folders.add(folder)
                folder = posixpath.dirname(folder)
    return frozenset(folders)


def _is_apart(program: ImageProgram, crowds: frozenset[str], own: frozenset[str]) -> bool:
    folder = posixpath.dirname(program.path)
    if folder in crowds or posixpath.dirname(folder) in crowds:
        return True
    above = _above_name(folder, program.binary)
    # npm installs a package for one platform: without a sibling for the image's own it was made on another machine.
    return above is not None and (_PACKAGES not in above.split("/") or above in own)


def _above_name(folder: str, binary: Binary) -> str | None:
    """What is above the part of a path that is called after the platform of the program; None if none is."""
    names = {name for one in binary.platforms for name in (one.architecture, one.os) if name != "linux"}
    pattern = "|".join(_WORDS.get(name, re.escape(name)) for name in sorted(names))
    parts = folder.split("/")
    for number, part in enumerate(parts):
        if names and re.search(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])", part.lower()):
            return "/".join(parts[:number])
    return None
