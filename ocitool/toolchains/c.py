"""`--toolchain c`: C and C++ sources straight to a program, in one command for each platform."""

from pathlib import Path
from typing import Final

from ocitool.errors import UsageError, local_io
from ocitool.toolchains.base import CompileJob, FirstUse, Inputs, Project, Target
from ocitool.toolchains.compilers import Compiler
from ocitool.toolchains.options import CompilerOptions, CProgram
from ocitool.values import dataclass

_C: Final = frozenset([".c"])
_CPP: Final = frozenset([".cc", ".cpp", ".cxx", ".c++", ".C"])
PASSED: Final = frozenset(["PATH", "TMPDIR", "XDG_CACHE_HOME", "ZIG_GLOBAL_CACHE_DIR"])
"""Variables of this process that compilers of C, and the build files of a project, get beside those it names."""


@dataclass(frozen=True, slots=True)
class CToolchain:
    """A compiler of C as a toolchain. `environ` is what `compiler_environ` gives, `cache` what compilers keep."""

    compiler: Compiler
    program: CProgram
    environ: tuple[tuple[str, str], ...]
    cache: Path

    @property
    def name(self) -> str:
        """The word after `--toolchain`."""
        return "c"

    def plan(self, target: Target) -> CompileJob:
        """The command for one target; `program.sources` are files here. No path of this machine gets into it."""
        compiler, sources = self.compiler, self.program.sources
        is_cpp = any(Path(name).suffix in _CPP for name in sources)
        # zig takes each source for what its name says, also as c++; the drivers of GNU and clang do not.
        driver = "c++" if is_cpp and (compiler.kind == "zig" or not has_c(sources)) else "cc"
        argv = (
            *compiler.tools[driver],
            *compiler.flags,
            "-O2",
            f"-ffile-prefix-map={target.source}=.",
            *self.program.flags,
            "-o",
            str(target.output),
            *sources,
            *self.program.ldflags,
            *(("-lstdc++",) if is_cpp and driver == "cc" else ()),
            *compiler.link_flags,
        )
        env = {**dict(self.environ), "HOME": str(target.output.parent / "home")}
        return CompileJob(
            target,
            argv,
            env,
            target.source,
            (target.output,),
            inputs=Inputs.C_SOURCES if compiler.sysroot is None or compiler.sysroot.identity else Inputs.UNKNOWN,
            first_uses=first_uses(compiler, self.cache, is_cpp=is_cpp),
        )


def has_c(sources: tuple[str, ...]) -> bool:
    """Whether one of them is C and not C++."""
    return any(Path(name).suffix in _C for name in sources)


def find_sources(source: Path, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The sources that the patterns name, sorted, relative to the folder; those of the folder if there are none.

    Raises UsageError where there is nothing, or a pattern leads out of the folder; LocalIOError.
    """
    found: list[Path] = []
    try:
        for pattern in patterns:
            if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
                raise UsageError(f"sources stand in the project: {pattern!r} does not")
            here = sorted(path for path in source.glob(pattern) if path.is_file())
            if not here:
                raise UsageError(f"no source {pattern} in {source}", hint="correct sources in [c]")
            found += here
        if not patterns:
            found = own_sources(source)
    except (OSError, ValueError, NotImplementedError) as error:
        if isinstance(error, OSError):
            raise local_io(error, f"list the folder {source}") from error
        raise UsageError(f"not a pattern of sources: {error}") from error
    if not found:
        raise UsageError(
            f"no C or C++ source in {source}", hint='name them in ocitool.toml: [c] sources = ["lib/*.c", "main.c"]'
        )
    return tuple(dict.fromkeys(path.relative_to(source).as_posix() for path in found))


def own_sources(source: Path) -> list[Path]:
    """The C and C++ sources right in the folder, else those in its folder `src`, sorted. Raises OSError."""
    for folder in (source, source / "src"):
        if folder.is_dir():
            found = sorted(path for path in folder.iterdir() if path.suffix in _C | _CPP and path.is_file())
            if found:
                return found
    return []


def compiler_environ(project: Project, options: CompilerOptions) -> dict[str, str]:
    """What a compiler and a project's build files see: PATH, what is named in `[compiler]`, and no more.

    Strangers' build files run here, so that CI's tokens, our credentials and the home are kept from them.
    """
    environ = project.environ
    kept = {key: environ[key] for key in sorted(PASSED.union(options.passed)) if key in environ}
    kept.setdefault("ZIG_GLOBAL_CACHE_DIR", str(project.compiler_cache / "zig"))
    return {
        **kept,
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": environ.get("SOURCE_DATE_EPOCH", "0"),
        **dict(options.env),
    }


def first_uses(compiler: Compiler, cache: Path, *, is_cpp: bool) -> tuple[FirstUse, ...]:
    """What zig makes of its own libraries when it first compiles for the target (measured on a shared core)."""
    if compiler.kind != "zig":
        return ()
    folder = cache / "zig-made"
    libc, seconds = ("musl", 25) if compiler.libc == "musl" else ("the stubs of glibc", 3)
    made = [FirstUse(folder / f"{compiler.target}-libc", f"{libc} for {compiler.platform}, about {seconds} s")]
    if is_cpp:
        made.append(FirstUse(folder / f"{compiler.target}-libcxx", f"libc++ for {compiler.platform}, about 45 s"))
    return tuple(made)
