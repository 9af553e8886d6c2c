"""Wrappers of a compiler for one platform: a folder of small programs that build systems are given.

The same folder serves make, configure scripts, CMake, meson, cargo and cgo. What it holds is text; a job writes it.
"""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ocitool.toolchains.base import JobFile, find_program
from ocitool.toolchains.compilers import Compiler, debian_folder

_NAMES: Final = {
    "cc": ("cc", "gcc", "clang", "c99"),
    "c++": ("c++", "g++", "clang++"),
    "ar": ("ar", "gcc-ar"),
    "ranlib": ("ranlib", "gcc-ranlib"),
    "ld": ("ld",),
    "objcopy": ("objcopy",),
    "strip": ("strip",),
    "pkg-config": ("pkg-config", "pkgconf"),
}
"""Under which names Makefiles look for each tool."""
_PROCESSORS: Final = {
    "amd64": "x86_64", "386": "i686", "arm": "armv7l", "arm64": "aarch64", "loong64": "loongarch64",
    "mips64le": "mips64", "mipsle": "mips",
}  # fmt: skip
"""What `uname -m` says, where it is not Go's name."""
_FAMILIES: Final = {
    "amd64": "x86_64", "386": "x86", "arm64": "aarch64", "ppc64le": "ppc64", "loong64": "loongarch64",
    "mips64le": "mips64", "mipsle": "mips",
}  # fmt: skip
"""Meson's names of CPU families, where they are not Go's."""

# Only what links is told how to link: a shared library is not static, and -c links nothing. zig makes its own
# libraries once for each kind of optimisation, so that a link of objects, to which that says nothing, takes the
# same kind as all our other links. Its linker is asked itself for its version: meson wants to read a name that it
# knows.
_DRIVER: Final = """#!/bin/sh
# {identity}
link=1 level= source=
for word; do
    shift
    case $word in
    -c | -S | -E | -M | -MM | -r | -shared | -fsyntax-only) link= ;;
    -O*) level=1 ;;
    -x | -flto* | *.[cCsSm] | *.cc | *.cpp | *.cxx | *.c++ | *.mm) source=1 ;;
    -Wl,--version) exec {linker} --version ;;{quirks}
    esac
    set -- "$@" "$word"
done
[ -z "$link" ] || set -- "$@" {link}
[ -z "$link" ] || [ "$level$source" = 11 ] || set -- "$@" -O2
exec {command} {flags} "$@"
"""
# rustc and the crate that compiles C for it speak to zig as to clang or gcc: other triples, gcc's own library.
_ZIG_QUIRKS: Final = """
    --target=* | -march=armv[567]* | -lgcc) continue ;;
    -lgcc_s | -lgcc_eh) word=-lunwind ;;"""
_TOOL: Final = """#!/bin/sh
exec {command} "$@"
"""
_STRIP: Final = """#!/bin/sh
# Programs are stripped when they are linked, so what is left to do is to copy one that has to go elsewhere.
out= in=
while [ $# -gt 0 ]; do
    case $1 in
    -o) out=$2; shift ;;
    -*) ;;
    *) in=$1 ;;
    esac
    shift
done
[ -z "$out" ] || exec cp -- "$in" "$out"
"""
_PKG_CONFIG: Final = """#!/bin/sh
unset PKG_CONFIG_PATH
export PKG_CONFIG_LIBDIR={folders} PKG_CONFIG_SYSROOT_DIR={sysroot}
exec {program} "$@"
"""
_NO_PKG_CONFIG: Final = """#!/bin/sh
echo 'pkg-config is not installed on this machine; on Debian: apt-get install pkg-config' >&2
exit 1
"""
_NO_COMPILER: Final = """#!/bin/sh
echo 'no compiler for programs that run during the build; on Debian: apt-get install gcc g++' >&2
exit 1
"""
_FOR_BUILD: Final = {
    "cc-for-build": ("cc", "gcc", "clang"),
    "c++-for-build": ("c++", "g++", "clang++"),
    "ar-for-build": ("ar",),
}
"""What makes programs that a build starts itself, by the names that this machine's own have."""


def wrappers(compiler: Compiler, folder: Path, tree: Path, environ: Mapping[str, str]) -> tuple[JobFile, ...]:
    """The programs of the folder. `tree` is the build tree, whose path stays out of what is compiled."""
    flags = (*compiler.flags, f"-ffile-prefix-map={tree}=.")
    texts = {name: _driver(name, compiler, flags, compiler.link_flags) for name in ("cc", "c++")}
    for name in ("ar", "ranlib", "ld", "objcopy"):
        texts[name] = _TOOL.format(command=shlex.join(compiler.tools[name]))
    texts["strip"] = _STRIP
    texts["pkg-config"] = _pkg_config(compiler, environ)
    files = [JobFile(folder / alias, texts[name]) for name, aliases in _NAMES.items() for alias in aliases]
    return (*files, *(JobFile(folder / name, _for_build(name, compiler, environ)) for name in _FOR_BUILD))


def _driver(name: str, compiler: Compiler, flags: Sequence[str], link_flags: Sequence[str]) -> str:
    return _DRIVER.format(
        identity=compiler.identity,
        command=shlex.join(compiler.tools[name]),
        flags=shlex.join(flags),
        link=shlex.join(link_flags),
        linker=shlex.join(compiler.tools["ld"]),
        quirks=_ZIG_QUIRKS if compiler.kind == "zig" else "",
    )


def variables(folder: Path) -> dict[str, str]:
    """The variables that Makefiles and configure scripts read."""
    names = {"CC": "cc", "CXX": "c++", "AR": "ar", "RANLIB": "ranlib", "LD": "ld", "STRIP": "strip"}
    names |= {"BUILD_CC": "cc-for-build", "HOSTCC": "cc-for-build", "HOSTCXX": "c++-for-build"}
    return {
        **{key: str(folder / name) for key, name in names.items()},
        **build_variables(folder),
        "PKG_CONFIG": str(folder / "pkg-config"),
    }


def build_variables(folder: Path) -> dict[str, str]:
    """The variables that name compilers of programs which run during the build, to meson too."""
    names = {"CC_FOR_BUILD": "cc-for-build", "CXX_FOR_BUILD": "c++-for-build", "AR_FOR_BUILD": "ar-for-build"}
    return {key: str(folder / name) for key, name in names.items()}


def cmake_file(compiler: Compiler, folder: Path, path: Path) -> JobFile:
    """A toolchain file of CMake; AR and RANLIB are set for each language, else the host's are taken."""
    settings = {
        "CMAKE_SYSTEM_NAME": "Linux",
        "CMAKE_SYSTEM_PROCESSOR": processor(compiler),
        "CMAKE_LINKER": folder / "ld",
        "CMAKE_STRIP": folder / "strip",
        "CMAKE_OBJCOPY": folder / "objcopy",
        "PKG_CONFIG_EXECUTABLE": folder / "pkg-config",
        "CMAKE_AR": folder / "ar",
        "CMAKE_RANLIB": folder / "ranlib",
        "CMAKE_LIBRARY_ARCHITECTURE": debian_folder(compiler.platform),
        "CMAKE_FIND_ROOT_PATH": compiler.sysroot.folder if compiler.sysroot else folder / "no-sysroot",
        "CMAKE_FIND_ROOT_PATH_MODE_PROGRAM": "NEVER",
        "CMAKE_LINK_DEPENDS_USE_LINKER": "FALSE",  # zig's linker writes no list of dependencies
    }
    for language, name in (("C", "cc"), ("CXX", "c++"), ("ASM", "cc")):
        settings[f"CMAKE_{language}_COMPILER"] = folder / name
        settings[f"CMAKE_{language}_COMPILER_AR"] = folder / "ar"
        settings[f"CMAKE_{language}_COMPILER_RANLIB"] = folder / "ranlib"
    for what in ("LIBRARY", "INCLUDE", "PACKAGE"):
        settings[f"CMAKE_FIND_ROOT_PATH_MODE_{what}"] = "ONLY"
    lines = (f'set({key} "{value}")\n' for key, value in settings.items())
    return JobFile(path, "".join(lines), is_program=False)


def meson_file(compiler: Compiler, folder: Path, path: Path) -> JobFile:
    """A cross file of meson; programs of the target are never started, whatever emulators this machine has."""
    platform = compiler.platform
    family = _FAMILIES.get(platform.architecture, platform.architecture)
    tools = {"c": "cc", "cpp": "c++", "ar": "ar", "ranlib": "ranlib", "strip": "strip", "objcopy": "objcopy"}
    tools |= {"pkg-config": "pkg-config", "pkgconfig": "pkg-config"}
    endian = "big" if platform.architecture in {"s390x", "ppc64", "mips", "mips64"} else "little"
    lines = [
        "[binaries]",
        *(f"{key} = '{folder / name}'" for key, name in tools.items()),
        "[properties]",
        "needs_exe_wrapper = true",
        "[host_machine]",
        "system = 'linux'",
        f"cpu_family = '{family}'",
        f"cpu = '{processor(compiler)}'",
        f"endian = '{endian}'",
    ]
    return JobFile(path, "".join(f"{line}\n" for line in lines), is_program=False)


def processor(compiler: Compiler) -> str:
    """What `uname -m` says on the platform."""
    architecture = compiler.platform.architecture
    return _PROCESSORS.get(architecture, architecture)


def _for_build(name: str, compiler: Compiler, environ: Mapping[str, str]) -> str:
    """This machine's own compiler, for it finds this machine's libraries; zig where there is none."""
    found = (find_program(one, environ) for one in _FOR_BUILD[name])
    own = next((program for program in found if program is not None), None)
    if own is not None:
        return _TOOL.format(command=shlex.quote(str(own)))
    if name == "ar-for-build":
        return _TOOL.format(command=shlex.join(compiler.tools["ar"]))
    if compiler.kind != "zig":
        return _NO_COMPILER
    target = ("-target", f"{os.uname().machine}-linux-musl") if sys.platform == "linux" else ()
    return _driver(name.removesuffix("-for-build"), compiler, (*target, "-fno-sanitize=undefined"), ("-s",))


def _pkg_config(compiler: Compiler, environ: Mapping[str, str]) -> str:
    program = find_program("pkg-config", environ) or find_program("pkgconf", environ)
    if program is None:
        return _NO_PKG_CONFIG
    root = compiler.sysroot.folder if compiler.sysroot else None
    triplet = debian_folder(compiler.platform)
    names = (f"usr/lib/{triplet}/pkgconfig", "usr/lib/pkgconfig", "usr/share/pkgconfig")
    folders = ":".join(str(root / name) for name in names) if root else "/nonexistent"
    return _PKG_CONFIG.format(
        folders=shlex.quote(folders), sysroot=shlex.quote(str(root or "")), program=shlex.quote(str(program))
    )
