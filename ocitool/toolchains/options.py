"""Options of toolchains: the values that ocitool.toml and flags are read into, for one program or for all."""

import re
from typing import Final

from ocitool.errors import UsageError
from ocitool.values import dataclass

SYSTEMS: Final = ("make", "cmake", "autotools", "meson")
NATIVE: Final = ("rust", "c", *SYSTEMS)
"""The toolchains of programs in C, C++ and Rust."""
KINDS: Final = ("zig", "gnu", "clang")
_PROGRAM_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")


@dataclass(frozen=True, slots=True)
class Program:
    """One program to be built: the name it gets in the image, and where its source is inside the project.

    `package` is what the toolchain calls it: a Go package such as `./cmd/server`. Raises UsageError for a
    name that cannot be a file's.
    """

    name: str
    package: str = "."

    def __post_init__(self) -> None:
        if not _PROGRAM_NAME.fullmatch(self.name):
            raise UsageError(
                f"not a program name: {self.name!r}", hint="use letters, digits, dot, dash and underscore"
            )


@dataclass(frozen=True, slots=True)
class GoOptions:
    """How to compile, beyond the platform.

    `ldflags` are added to ours, `flags` stand before the package; `env` wins over everything but the target's
    variables. `private` are module patterns, added to those of GOPRIVATE. `cgo` off makes static programs.
    `vcs` lets Go stamp the state of the checkout, which makes the bytes depend on it. `with_debug` keeps debug
    information whatever `ldflags` say, and makes a build id of Go's own.
    """

    tags: tuple[str, ...] = ()
    ldflags: str = ""
    flags: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    private: tuple[str, ...] = ()
    cgo: bool = False
    vcs: bool = False
    with_debug: bool = False


@dataclass(frozen=True, slots=True)
class RustOptions:
    """`[rust]`: how cargo compiles. `package` is one of a workspace, `flags` are arguments of cargo build."""

    package: str = ""
    features: tuple[str, ...] = ()
    default_features: bool = True
    flags: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CProgram:
    """`[c]`: what the program is made of.

    `sources` are files or patterns below the folder, empty for all C and C++ sources right in it, or in its folder
    `src`. `flags` are for compiling, `ldflags` come after the sources.
    """

    sources: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    ldflags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """A command that compiles.

    The arguments in `run` and `output` hold the placeholders {os}, {arch}, {variant}, `run` also {output}.
    `output` is the file that the command writes, below the project; empty means that it obeys OCITOOL_OUTPUT.
    `passed` are names of further variables of this process that it may see.
    """

    run: tuple[str, ...] = ()
    output: str = ""
    env: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] = ()
    is_parallel: bool = False


@dataclass(frozen=True, slots=True)
class CompilerOptions:
    """`[compiler]`: which compiler is used, and how it links.

    `use` is one of KINDS, empty for zig; `path` the folder it is in, empty for PATH. `libc` is `musl`, `glibc` or
    `glibc:2.31`; empty means that of the sysroot, else musl (glibc where the compiler has no other). `static` None
    means static with musl and no sysroot. `env` and `passed` are variables for it and the project's build files.
    `with_debug` makes debug information and a build id, and strips nothing.
    """

    use: str = ""
    path: str = ""
    libc: str = ""
    static: bool | None = None
    strip: bool = True
    env: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] = ()
    with_debug: bool = False


@dataclass(frozen=True, slots=True)
class BuildSystemOptions:
    """`[make]`, `[cmake]`, `[autotools]` or `[meson]`.

    `directory` is the folder of the build file below the sources. `arguments` are for configuring, `variables` for
    make's command line (or configure's), `targets` are built. `install` are the words of the install step, with
    {destdir}, None for the usual ones; with `programs`, files of the build tree, these go to /usr/bin and nothing
    is installed. `files` are patterns of the installed paths that are packed, all if empty.
    """

    directory: str = ""
    arguments: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    targets: tuple[str, ...] = ()
    install: tuple[str, ...] | None = None
    programs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SysrootOptions:
    """`[sysroot]`: one of an image, Debian packages or a folder (`path`, below the project or absolute).

    `copy_libraries` brings the libraries that a program lacks in its image from here. Without `dependencies` the
    packages come alone, without what they need.
    """

    image: str = ""
    packages: tuple[str, ...] = ()
    path: str = ""
    copy_libraries: bool = False
    dependencies: bool = True

    def __post_init__(self) -> None:
        if sum(map(bool, (self.image, self.packages, self.path))) > 1:
            raise UsageError("takes one of image, packages and path", hint="keep one of them")

    @property
    def is_there(self) -> bool:
        """Whether one is named."""
        return bool(self.image or self.packages or self.path)
