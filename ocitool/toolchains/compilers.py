"""C and C++ compilers: which one is here, and what it has to be told for a platform.

zig (ADR 0078) compiles for every platform of the table; Debian's GNU cross compilers and clang are taken where
ocitool.toml asks for them. Nothing here is started.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ocitool.errors import Unsupported, UsageError
from ocitool.model.platform import Platform
from ocitool.toolchains.base import find_program
from ocitool.toolchains.options import KINDS, CompilerOptions
from ocitool.toolchains.sysroot import Sysroot
from ocitool.values import dataclass, field

_LIBC: Final = re.compile(r"(musl)|glibc(?::(\d+\.\d+))?")


@dataclass(frozen=True, slots=True)
class _Names:
    """What one architecture is called: by zig (and the ending of its ABI), Debian's folders, GNU's prefix."""

    zig: str
    abi: str
    folder: str
    prefix: str


_NAMES: Final = {
    "amd64": _Names("x86_64", "", "x86_64-linux-gnu", "x86_64-linux-gnu"),
    "386": _Names("x86", "", "i386-linux-gnu", "i686-linux-gnu"),
    "arm/v5": _Names("arm", "eabi", "arm-linux-gnueabi", "arm-linux-gnueabi"),
    "arm/v6": _Names("arm", "eabihf", "arm-linux-gnueabi", "arm-linux-gnueabi"),
    "arm/v7": _Names("arm", "eabihf", "arm-linux-gnueabihf", "arm-linux-gnueabihf"),
    "arm/v8": _Names("arm", "eabihf", "arm-linux-gnueabihf", "arm-linux-gnueabihf"),
    "arm64": _Names("aarch64", "", "aarch64-linux-gnu", "aarch64-linux-gnu"),
    "ppc64le": _Names("powerpc64le", "", "powerpc64le-linux-gnu", "powerpc64le-linux-gnu"),
    "ppc64": _Names("powerpc64", "", "powerpc64-linux-gnu", "powerpc64-linux-gnu"),
    "riscv64": _Names("riscv64", "", "riscv64-linux-gnu", "riscv64-linux-gnu"),
    "s390x": _Names("s390x", "", "s390x-linux-gnu", "s390x-linux-gnu"),
    "loong64": _Names("loongarch64", "", "loongarch64-linux-gnu", "loongarch64-linux-gnu"),
    "mips64le": _Names("mips64el", "abi64", "mips64el-linux-gnuabi64", "mips64el-linux-gnuabi64"),
    "mips64": _Names("mips64", "abi64", "mips64-linux-gnuabi64", "mips64-linux-gnuabi64"),
    "mipsle": _Names("mipsel", "eabihf", "mipsel-linux-gnu", "mipsel-linux-gnu"),
    "mips": _Names("mips", "eabihf", "mips-linux-gnu", "mips-linux-gnu"),
}
_ZIG_LEVELS: Final = {
    # Without -mcpu zig makes ARMv7 of every arm; its runtime library has no atomics for ARMv5.
    "amd64": {"v2": "x86_64_v2", "v3": "x86_64_v3", "v4": "x86_64_v4"},
    "arm": {"v6": "arm1176jzf_s", "v7": "", "v8": "cortex_a53"},
    "arm64": {f"v8.{n}": f"generic+v8_{n}a" for n in range(1, 10)}
    | {"v9": "generic+v9a"}
    | {f"v9.{n}": f"generic+v9_{n}a" for n in range(1, 7)},
    "ppc64le": {"power8": "pwr8", "power9": "pwr9", "power10": "pwr10"},
    "riscv64": {"rva20u64": "", "rva22u64": "generic_rv64+rva22u64", "rva23u64": "generic_rv64+rva23u64"},
}
_GNU_LEVELS: Final = {
    "amd64": {level: f"-march=x86-64-{level}" for level in ("v2", "v3", "v4")},
    "arm": {"v5": "-march=armv5te", "v6": "-march=armv6", "v7": "", "v8": "-march=armv8-a"},
    "arm64": {f"v8.{n}": f"-march=armv8.{n}-a" for n in range(1, 7)} | {"v9": "-march=armv9-a"},
    "ppc64le": {level: f"-mcpu={level}" for level in ("power8", "power9", "power10")},
    "riscv64": {"rva20u64": ""},
}
_INSTALL: Final = "pip install 'ocitool[zig]', or pip install '.[zig]' in a checkout"


@dataclass(frozen=True, slots=True)
class Compiler:
    """One compiler for one platform.

    `tools` are its commands by the names cc, c++, ar, ranlib, ld and objcopy; `flags` go to cc and c++ always,
    `link_flags` where something is linked that is no shared library. `triple` is what configure scripts are told,
    `identity` tells this very program from any other version of it.
    """

    kind: str
    platform: Platform
    triple: str
    libc: str
    is_static: bool
    tools: Mapping[str, tuple[str, ...]] = field(hash=False)
    flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    identity: str
    sysroot: Sysroot | None = None

    @property
    def has_debug(self) -> bool:
        """Whether it makes debug information and a build id."""
        return "-g" in self.flags

    @property
    def target(self) -> str:
        """What tells what the compiler makes once for a target from what it makes for another."""
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", "-".join((self.identity, *self.flags[:3])))


def find_compiler(
    options: CompilerOptions,
    platform: Platform,
    environ: Mapping[str, str],
    sysroot: Sysroot | None = None,
    packages: Sequence[str] | None = None,
) -> Compiler:
    """The compiler that is asked for, told everything for a platform.

    `packages` are the folders that the Python package `ziglang` is looked for in (`sys.path` if None). Raises
    Unsupported if it is not there or cannot compile for the platform, UsageError for words that it does not know.
    """
    kind = options.use or "zig"
    names = _names(platform, kind)
    libc, version = _libc(options, kind, sysroot)
    is_static = options.static if options.static is not None else libc == "musl" and sysroot is None
    if is_static and libc == "glibc" and kind == "zig":
        raise Unsupported(
            "zig does not link glibc statically",
            ability="static",
            hint='leave static = true out of [compiler], or say libc = "musl" for a static program',
        )
    level = _level(kind, platform)
    search = {"PATH": options.path} if options.path else environ
    if kind == "zig":
        own = _zig(find_zig(search, () if options.path else packages), names, libc, version, level)
        link: tuple[str, ...] = ("-dynamic",) if libc == "musl" and not is_static else ()
    else:
        own = _gnu(search, names, level) if kind == "gnu" else _clang(search, names, level)
        link = (*own.link_flags, "-static") if is_static else own.link_flags
    flags = own.flags
    if sysroot is not None:
        flags += sysroot.compile_flags(names.folder, whole=kind != "zig")
        link += sysroot.link_flags(names.folder)
    if options.with_debug:
        flags, link = (*flags, "-g"), (*link, "-Wl,--build-id=sha1")
    elif options.strip:
        link += ("-s",)
    identity = _identity(Path(own.tools["cc"][0]))
    return Compiler(kind, platform, own.triple, libc, is_static, own.tools, flags, link, identity, sysroot)


@dataclass(frozen=True, slots=True)
class _Own:
    """What a kind of compiler says by itself."""

    triple: str
    tools: Mapping[str, tuple[str, ...]] = field(hash=False)
    flags: tuple[str, ...]
    link_flags: tuple[str, ...] = ()


def _zig(program: Path, names: _Names, libc: str, version: str, level: str) -> _Own:
    triple = f"{names.zig}-linux-{'musl' if libc == 'musl' else 'gnu'}{names.abi}"
    tools = {name: (str(program), name) for name in ("cc", "c++", "ar", "ranlib", "objcopy")}
    tools["ld"] = (str(program), "ld.lld")
    flags = ("-target", f"{triple}.{version}" if version else triple, *([f"-mcpu={level}"] if level else []))
    # zig's default for a program without -O is to end it at undefined behaviour, which no other compiler does.
    return _Own(triple, tools, (*flags, "-fno-sanitize=undefined"))


def _gnu(environ: Mapping[str, str], names: _Names, level: str) -> _Own:
    package = names.prefix.replace("_", "-")
    hint = f"on Debian: apt-get install gcc-{package} g++-{package}; zig needs neither: {_INSTALL}"
    words = {"cc": "gcc", "c++": "g++", "ar": "ar", "ranlib": "ranlib", "ld": "ld", "objcopy": "objcopy"}
    tools = {name: (str(_find(f"{names.prefix}-{word}", environ, hint)),) for name, word in words.items()}
    return _Own(names.prefix, tools, (level,) if level else ())


def _clang(environ: Mapping[str, str], names: _Names, level: str) -> _Own:
    words = {"cc": "clang", "c++": "clang++", "ar": "llvm-ar", "ranlib": "llvm-ranlib", "ld": "ld.lld"}
    words["objcopy"] = "llvm-objcopy"
    hint = f"on Debian: apt-get install clang lld llvm; zig needs none of them: {_INSTALL}"
    tools = {name: (str(_find(word, environ, hint)),) for name, word in words.items()}
    flags = (f"--target={names.prefix}", *([level] if level else []), "-Qunused-arguments")
    return _Own(names.prefix, tools, flags, ("-fuse-ld=lld",))


def find_zig(environ: Mapping[str, str], packages: Sequence[str] | None = None) -> Path:
    """The zig program: on PATH, else the one of the Python package `ziglang`. Raises Unsupported."""
    found = find_program("zig", environ)
    if found is not None:
        return found
    here = Path.cwd()
    for folder in map(Path, sys.path if packages is None else packages):
        program = folder / "ziglang" / "zig"
        # Only an installed package: a folder named ziglang where the user happens to stand is not one.
        if folder.is_absolute() and folder != here and program.is_file() and (folder / "ziglang" / "lib").is_dir():
            return program
    raise Unsupported("no C compiler: zig is not installed", ability="zig", hint=_INSTALL)


def debian_folder(platform: Platform) -> str:
    """Debian's name of a folder of libraries for the platform. Raises Unsupported where there is none."""
    return _names(platform, "zig").folder


def _names(platform: Platform, kind: str) -> _Names:
    wanted = platform.normalised()
    key = f"arm/{wanted.variant or 'v7'}" if wanted.architecture == "arm" else wanted.architecture
    if wanted.os != "linux" or key not in _NAMES:
        known = ", ".join(f"linux/{name}" for name in _NAMES)
        raise Unsupported(
            f"{kind} cannot compile for {platform} here", ability=str(platform), hint=f"known: {known}"
        )
    return _NAMES[key]


def _level(kind: str, platform: Platform) -> str:
    """What says the CPU's level; empty for the lowest. Raises Unsupported, naming the compiler that can."""
    wanted = platform.normalised()
    if not wanted.variant or (wanted.architecture, wanted.variant) in {("amd64", "v1"), ("arm64", "v8")}:
        return ""
    levels = {name: _ZIG_LEVELS if name == "zig" else _GNU_LEVELS for name in KINDS}
    known = levels[kind].get(wanted.architecture, {})
    if wanted.variant in known:
        return known[wanted.variant]
    able = [name for name in KINDS if wanted.variant in levels[name].get(wanted.architecture, {})]
    if able:
        hint = f'{" and ".join(able)} can: write use = "{able[0]}" into [compiler]'
    else:
        hint = f"its levels of {wanted.architecture} are {', '.join(known)}" if known else "leave the variant out"
    raise Unsupported(f"{kind} cannot compile for {platform}", ability=str(platform), hint=hint)


def _libc(options: CompilerOptions, kind: str, sysroot: Sysroot | None) -> tuple[str, str]:
    """The name of the C library, and the version of glibc where one is asked for."""
    own = sysroot.libc if sysroot is not None and sysroot.libc else "musl" if kind == "zig" else "glibc"
    said = options.libc or own
    match = _LIBC.fullmatch(said)
    if match is None:
        raise UsageError(f"not a C library: {said!r}", hint="write musl, glibc or glibc:2.31")
    libc, version = match[1] or "glibc", match[2] or ""
    if kind != "zig" and (libc == "musl" or (version and options.libc)):
        raise Unsupported(
            f"{kind} links the glibc that belongs to it, not {said}",
            ability=said,
            hint='zig can: write use = "zig" into [compiler]',
        )
    return libc, version if kind == "zig" else ""


def _find(name: str, environ: Mapping[str, str], hint: str) -> Path:
    found = find_program(name, environ)
    if found is None:
        raise Unsupported(f"no {name} on PATH", ability=name, hint=hint)
    return found


def _identity(program: Path) -> str:
    status = program.resolve().stat()
    return f"{program.name}-{status.st_size}-{status.st_mtime_ns}"
