"""make, CMake, configure scripts and meson: what each is asked for, so that its install tree can be packed.

Each works in a copy of the sources for each platform, with a folder of wrappers for a compiler; the prefix is
/usr, and what is installed goes below DESTDIR. The project's own files are never changed.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from ocitool.errors import Unsupported, UsageError, local_io
from ocitool.model.numbers import KIB
from ocitool.toolchains.base import BuildTree, CompileJob, JobStep, Target, find_program
from ocitool.toolchains.c import first_uses
from ocitool.toolchains.compilers import Compiler
from ocitool.toolchains.options import BuildSystemOptions
from ocitool.toolchains.wrappers import build_variables, cmake_file, meson_file, variables, wrappers
from ocitool.values import dataclass, field, replace

_DESTDIR: Final = "{destdir}"
_WIDTHS: Final = ("MAKEFLAGS", "CMAKE_BUILD_PARALLEL_LEVEL")
"""Variables that change how fast a build is and nothing that it makes."""
_HEAD: Final = 512 * KIB
_RULES_LIMIT: Final = 1000
_MAKEFILE: Final = re.compile(r"(?:GNU)?[Mm]akefile(?:\.(?:in|am))?|.*\.(?:mk|mak|make)|config\.mk\.in")
_INSTALL_RULE: Final = re.compile(rb"^[\w ./-]*\binstall\b[\w ./-]*:(?!=)", re.MULTILINE)
_ROOT_NAMES: Final = (b"INSTALL_ROOT", b"INSTALL_TOP", b"INSTALL_PREFIX", b"PREFIX", b"prefix")
_ROOTS: Final = re.compile(rb"^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*[?:]*=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BuildSystemToolchain:
    """A build system as a toolchain.

    `tools` are its own programs on this machine by their names (`find_tools`). `environ` is what `compiler_environ`
    gives, `width` how many processes it may run.
    """

    name: str
    compiler: Compiler
    options: BuildSystemOptions
    environ: tuple[tuple[str, str], ...]
    cache: Path
    tools: Mapping[str, str] = field(hash=False)
    width: int = 1
    configure: "ConfigureScript | None" = None

    def plan(self, target: Target) -> CompileJob:
        """The commands that configure, build and install for one target."""
        tree_folder = target.output.parent / f"{target.program.name}-{self.name}"
        wrapper_folder = tree_folder / "wrappers"
        environ = dict(self.environ)
        files = list(wrappers(self.compiler, wrapper_folder, tree_folder, environ))
        env = {**environ, "HOME": str(tree_folder / "home"), "MAKEFLAGS": f"-j{self.width}"}
        env["CMAKE_BUILD_PARALLEL_LEVEL"] = str(self.width)
        if self.name == "meson":
            env = {**build_variables(wrapper_folder), **env}
        elif self.name != "cmake":
            # A Makefile that says CC = gcc finds the wrapper of that name, without being edited.
            env["PATH"] = f"{wrapper_folder}:{env.get('PATH', '')}".rstrip(":")
            env = {**variables(wrapper_folder), **env}
        tree = BuildTree(tree_folder, "", tree_folder / "installed")
        source = tree.sources / self.options.directory
        build = source
        if self.name == "cmake":
            build = tree_folder / "build"
            env["DESTDIR"] = str(tree.installed)
            files.append(cmake_file(self.compiler, wrapper_folder, tree_folder / "toolchain.cmake"))
            steps = self._cmake(source, build, tree_folder / "toolchain.cmake", tree)
        elif self.name == "meson":
            build = tree_folder / "build"
            files.append(meson_file(self.compiler, wrapper_folder, tree_folder / "cross.ini"))
            steps = self._meson(source, build, tree_folder / "cross.ini", tree)
        elif self.name == "autotools":
            steps = self._autotools(source, tree)
        else:
            steps = self._make(source, tree)
        if self.options.programs:
            place = str(tree.installed / "usr" / "bin")
            words = ("-D", "-m", "755", "-t", place, *self.options.programs)
            steps = (*steps[:-1], JobStep((self.tools["install"], *words), build))
        stable = sorted((key, value) for key, value in env.items() if key not in _WIDTHS)
        texts = [(str(file.path), file.text) for file in files]
        commands = [[word for word in step.argv if word != f"-j{self.width}"] for step in steps]
        key = hashlib.sha256(repr((stable, texts, commands)).encode()).hexdigest()
        *before, last = steps
        return CompileJob(
            target,
            last.argv,
            env,
            last.cwd,
            (),
            steps=tuple(before),
            files=tuple(files),
            tree=replace(tree, key=key),
            first_uses=first_uses(self.compiler, self.cache, is_cpp=False),
        )

    def _make(self, source: Path, tree: BuildTree) -> tuple[JobStep, ...]:
        make = self.tools["make"]
        words = tuple(f"{key}={value}" for key, value in self.options.variables)
        prefix = ("PREFIX=/usr", "prefix=/usr")
        return (
            JobStep((make, *prefix, *words, *self.options.targets), source),
            JobStep((make, *prefix, *words, *self._install(("install", f"DESTDIR={_DESTDIR}"), tree)), source),
        )

    def _autotools(self, source: Path, tree: BuildTree) -> tuple[JobStep, ...]:
        script = self.configure or ConfigureScript()
        words = ["--prefix=/usr"]
        if script.is_autoconf:
            words += [f"--host={self.compiler.triple}", f"--build={os.uname().machine}-unknown-linux-gnu"]
        if script.has_shared and self.compiler.is_static:
            words += ["--disable-shared", "--enable-static"]
        words += [*self.options.arguments, *(f"{key}={value}" for key, value in self.options.variables)]
        make = self.tools["make"]
        generate = () if script.exists else (JobStep((self.tools["autoreconf"], "-fi"), source, once="autoreconf"),)
        return (
            *generate,
            JobStep((str(source / "configure"), *words), source, once="configure"),
            JobStep((make, *self.options.targets), source),
            JobStep((make, *self._install(("install", f"DESTDIR={_DESTDIR}"), tree)), source),
        )

    def _cmake(self, source: Path, build: Path, toolchain: Path, tree: BuildTree) -> tuple[JobStep, ...]:
        cmake = self.tools["cmake"]
        words = [f"-DCMAKE_TOOLCHAIN_FILE={toolchain}", "-DCMAKE_INSTALL_PREFIX=/usr", "-DCMAKE_BUILD_TYPE=Release"]
        words += ["-DBUILD_SHARED_LIBS=OFF"] if self.compiler.is_static else []
        words += self.options.arguments
        targets = tuple(word for target in self.options.targets for word in ("--target", target))
        here = tree.folder
        return (
            JobStep((cmake, "-S", str(source), "-B", str(build), *words), here, "configure"),
            JobStep((cmake, "--build", str(build), *targets), here),
            JobStep((cmake, "--install", str(build), *(self.options.install or ())), here),
        )

    def _meson(self, source: Path, build: Path, cross: Path, tree: BuildTree) -> tuple[JobStep, ...]:
        meson, here = self.tools["meson"], tree.folder
        words = ["--cross-file", str(cross), "--prefix=/usr", "--buildtype=release"]
        words += ["-Ddefault_library=static"] if self.compiler.is_static else []
        return (
            JobStep((meson, "setup", str(build), str(source), *words, *self.options.arguments), here, "configure"),
            JobStep((meson, "compile", "-C", str(build), f"-j{self.width}", *self.options.targets), here),
            JobStep(
                (meson, "install", "-C", str(build), "--no-rebuild", "--destdir", str(tree.installed))
                + (self.options.install or ()),
                here,
            ),
        )

    def _install(self, usual: tuple[str, ...], tree: BuildTree) -> tuple[str, ...]:
        words = usual if self.options.install is None else self.options.install
        return tuple(word.replace(_DESTDIR, str(tree.installed)) for word in words)


@dataclass(frozen=True, slots=True)
class ConfigureScript:
    """A project's configure script; without one `autoreconf` has to make it from configure.ac."""

    exists: bool = False
    is_autoconf: bool = True
    has_shared: bool = False


def find_configure(folder: Path) -> ConfigureScript:
    """What the folder's configure script says of itself. Raises LocalIOError."""
    path = folder / "configure"
    try:
        if not path.is_file():
            return ConfigureScript()
        with path.open("rb") as file:
            text = file.read(_HEAD)
    except OSError as error:
        raise local_io(error, f"read {path}") from error
    return ConfigureScript(exists=True, is_autoconf=b"Autoconf" in text, has_shared=b"--enable-shared" in text)


def find_tools(
    name: str, options: BuildSystemOptions, configure: ConfigureScript | None, environ: Mapping[str, str]
) -> dict[str, str]:
    """The build system's own programs on this machine. Raises Unsupported for one that is not there."""
    needed = {"make": ["make"], "cmake": ["cmake"], "autotools": ["make"], "meson": ["meson"]}[name]
    if configure is not None and not configure.exists:
        needed.append("autoreconf")
    if options.programs:
        needed.append("install")
    packages = {"autoreconf": "autoconf automake libtool", "install": "coreutils"}
    found = {}
    for word in needed:
        program = find_program(word, environ)
        if program is None:
            hint = f"on Debian: apt-get install {packages.get(word, word)}"
            if word in {"cmake", "meson"}:
                hint += f"; or pip install {word} ninja"
            raise Unsupported(f"no {word} on PATH, which this project is built with", ability=word, hint=hint)
        found[word] = str(program)
    return found


def check_install(name: str, options: BuildSystemOptions, folder: Path) -> None:
    """Raise UsageError where `make install` would write into this machine's /usr, as its rules know no DESTDIR.

    A configure script by hand or automake may write other rules than those that are there, so only rules that are
    seen count. Raises LocalIOError.
    """
    if name not in {"make", "autotools"} or options.install is not None or options.programs:
        return
    rules: list[bytes] = []
    try:
        for path in islice(_makefiles(folder), _RULES_LIMIT):
            with path.open("rb") as file:
                rules.append(file.read(_HEAD))
            if b"DESTDIR" in rules[-1] or path.name == "Makefile.am":
                return
    except OSError as error:
        raise local_io(error, f"read the Makefiles of {folder}") from error
    if not any(_INSTALL_RULE.search(text) for text in rules):
        return
    found = {match[1] for text in rules for match in _ROOTS.finditer(text)}
    root = next((word.decode() for word in _ROOT_NAMES if word in found), "")
    hint = f'install = ["install", "{root}={{destdir}}/usr"]' if root else 'programs = ["NAME"]'
    raise UsageError(
        f"`make install` of {folder} would write into this machine: its rules know no DESTDIR",
        hint=f"say in [{name}] of ocitool.toml how it installs: {hint}",
    )


def _makefiles(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders.sort()
        for one in sorted(files):
            path = Path(here, one)
            if _MAKEFILE.fullmatch(one) and path.is_file():
                yield path


def check_options(options: BuildSystemOptions, source: Path) -> None:
    """Raise UsageError for folders and programs outside of the project."""
    for text in (options.directory, *options.programs):
        path = Path(text)
        if path.is_absolute() or ".." in path.parts:
            raise UsageError(f"{text!r} leads out of the project", hint="write a path below the sources")
    if not (source / options.directory).is_dir():
        raise UsageError(f"no folder {options.directory} in {source}")
