"""Rust programs: which cargo compiles them, which programs a package has, and the command for each platform.

For musl rustc links by itself (rust-lld and its own C library); for glibc the C compiler's wrapper links. C code of
crates is compiled through the same wrapper.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ocitool.errors import OcitoolError, Unsupported, UsageError, local_io
from ocitool.model.numbers import MIB
from ocitool.model.platform import Platform
from ocitool.model.toml import TomlError, parse_toml
from ocitool.toolchains.base import CompileJob, Project, Target, find_program
from ocitool.toolchains.c import compiler_environ, first_uses
from ocitool.toolchains.compilers import Compiler, find_compiler
from ocitool.toolchains.debian import unpacked_versions
from ocitool.toolchains.options import CompilerOptions, Program, RustOptions
from ocitool.toolchains.processes import capture
from ocitool.toolchains.sysroot import Sysroot
from ocitool.toolchains.wrappers import wrappers
from ocitool.values import dataclass

PASSED: Final = (
    "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_NET_RETRY", "CARGO_HTTP_CAINFO",
    "CARGO_HTTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY", "https_proxy", "http_proxy",
    "no_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""Variables of this process that cargo gets, to find its toolchains and to fetch crates; no token is among them."""
_TRIPLES: Final = {
    "amd64": "x86_64-unknown-linux-", "386": "i686-unknown-linux-", "arm64": "aarch64-unknown-linux-",
    "arm/v5": "armv5te-unknown-linux-", "arm/v6": "arm-unknown-linux-", "arm/v7": "armv7-unknown-linux-",
    "arm/v8": "armv7-unknown-linux-", "ppc64le": "powerpc64le-unknown-linux-",
    "riscv64": "riscv64gc-unknown-linux-", "s390x": "s390x-unknown-linux-", "loong64": "loongarch64-unknown-linux-",
}  # fmt: skip
_ABIS: Final = {"arm/v5": "eabi", "arm/v6": "eabihf", "arm/v7": "eabihf", "arm/v8": "eabihf"}
_CPUS: Final = {
    "amd64": {f"v{n}": f"x86-64-v{n}" for n in (2, 3, 4)},
    "ppc64le": {"power9": "pwr9", "power10": "pwr10"},
}
_DEBIAN: Final = ("libstd-rust-dev", "libstd-rust-web-dev", "libstd-rust-mozilla-dev")
"""Debian's packages of the standard library, each for the rustc of the same name and version."""
_LIMIT: Final = MIB


@dataclass(frozen=True, slots=True)
class RustToolchain:
    """Cargo as a toolchain. `environ` is what `rust_environ` gives, `has_lock` says that there is a Cargo.lock.

    `std` is the folder of the target's standard library where rustc has none of its own (`find_std`). `for_build`
    links what runs during the build, such as a build.rs, where this machine has no linker of its own.
    """

    cargo: Path
    compiler: Compiler
    options: RustOptions
    environ: tuple[tuple[str, str], ...]
    cache: Path
    has_lock: bool = False
    std: Path | None = None
    for_build: Compiler | None = None

    @property
    def name(self) -> str:
        """The word after `--toolchain`."""
        return "rust"

    def plan(self, target: Target) -> CompileJob:
        """`cargo build --release` for one target. Raises Unsupported for what rustc cannot compile for."""
        options, compiler = self.options, self.compiler
        triple = rust_triple(target.platform, compiler.libc)
        environ = dict(self.environ)
        work = target.output.parent
        crates, built = environ["CARGO_HOME"], work / "cargo"
        argv = [str(self.cargo), "build", "--release", "--target", triple, "--bin", target.program.name]
        argv += ["--package", options.package] if options.package else []
        argv += ["--features", ",".join(options.features)] if options.features else []
        argv += [] if options.default_features else ["--no-default-features"]
        argv += ["--locked"] if self.has_lock else []
        paths = {target.source: ".", crates: "/cargo", work: "/target"}
        flags = [f"--remap-path-prefix={path}={name}" for path, name in paths.items()]
        flags += [f"-L{self.std}"] if self.std is not None else []
        flags += [f"-Ctarget-cpu={cpu}"] if (cpu := _cpu(target.platform)) else []
        wrapper_folder = work / "wrappers"
        if compiler.libc == "musl":
            flags += [f"-Ctarget-feature={'+' if compiler.is_static else '-'}crt-static"]
        if compiler.has_debug and compiler.libc == "musl":  # the wrapper of the C compiler says it by itself
            flags += ["-Clink-arg=--build-id=sha1"]
        files = wrappers(compiler, wrapper_folder, work, environ)
        own: dict[str, str] = {}
        if self.for_build is not None:
            folder = work / "wrappers-for-build"
            host = rust_triple(self.for_build.platform, self.for_build.libc)
            own = {f"CARGO_TARGET_{host.replace('-', '_').upper()}_LINKER": str(folder / "cc")}
            files += wrappers(self.for_build, folder, work, environ)
        linker = "rust-lld" if compiler.libc == "musl" else str(wrapper_folder / "cc")
        variable = triple.replace("-", "_")
        env = {
            **environ,
            "HOME": str(work / "home"),
            "CARGO_TARGET_DIR": str(built),
            "CARGO_INCREMENTAL": "0",
            "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
            "HOST_CC": str(wrapper_folder / "cc-for-build"),
            "HOST_CXX": str(wrapper_folder / "c++-for-build"),
            **own,
            f"CARGO_TARGET_{variable.upper()}_LINKER": linker,
            f"CC_{variable}": str(wrapper_folder / "cc"),
            f"CXX_{variable}": str(wrapper_folder / "c++"),
            f"AR_{variable}": str(wrapper_folder / "ar"),
            f"RANLIB_{variable}": str(wrapper_folder / "ranlib"),
            f"PKG_CONFIG_{variable}": str(wrapper_folder / "pkg-config"),
            "PKG_CONFIG_ALLOW_CROSS": "1",
            "CARGO_PROFILE_RELEASE_STRIP": "symbols" if "-s" in compiler.link_flags else "none",
            **({"CARGO_PROFILE_RELEASE_DEBUG": "full"} if compiler.has_debug else {}),
            **dict(options.env),
        }
        return CompileJob(
            target,
            (*argv, *options.flags),
            env,
            target.source,
            (built / triple / "release" / target.program.name,),
            is_fresh=False,
            files=files,
            # rust-lld brings musl itself; zig only compiles what is C, and that needs no library.
            first_uses=first_uses(compiler, self.cache, is_cpp=False) if compiler.libc != "musl" else (),
        )


def rust_triple(platform: Platform, libc: str) -> str:
    """What rustc calls the platform. Raises Unsupported."""
    wanted = platform.normalised()
    key = f"arm/{wanted.variant or 'v7'}" if wanted.architecture == "arm" else wanted.architecture
    if wanted.os != "linux" or key not in _TRIPLES:
        known = ", ".join(f"linux/{name}" for name in _TRIPLES)
        raise Unsupported(f"rust cannot compile for {platform} here", ability=str(platform), hint=f"known: {known}")
    return f"{_TRIPLES[key]}{'musl' if libc == 'musl' else 'gnu'}{_ABIS.get(key, '')}"


def _cpu(platform: Platform) -> str:
    wanted = platform.normalised()
    if not wanted.variant or wanted.architecture == "arm":
        return ""
    known = _CPUS.get(wanted.architecture, {})
    if wanted.variant not in known:
        hint = f"its levels of {wanted.architecture} are {', '.join(known)}" if known else "leave the variant out"
        raise Unsupported(f"rust cannot compile for {platform}", ability=str(platform), hint=hint)
    return known[wanted.variant]


def find_cargo(environ: Mapping[str, str]) -> Path:
    """The cargo command on PATH. Raises Unsupported."""
    found = find_program("cargo", environ)
    if found is None:
        raise Unsupported("no cargo on PATH", ability="cargo", hint="install Rust by rustup, or Debian's cargo-web")
    return found


def find_build_compiler(environ: Mapping[str, str]) -> Compiler | None:
    """Zig for this machine where rustc finds no `cc` to link with; None where it does, or where zig cannot.

    rustc of a Linux with glibc, as Debian and rustup have it there, starts programs for glibc.
    """
    if find_program("cc", environ) is not None or sys.platform != "linux":
        return None
    try:
        platform = Platform.parse(f"linux/{os.uname().machine}").normalised()
        return find_compiler(CompilerOptions(libc="glibc"), platform, environ)
    except OcitoolError:
        return None


def find_std(triple: str, environ: Mapping[str, str], source: Path, sysroot: Sysroot | None = None) -> Path | None:
    """The folder of the target's standard library in the sysroot; None where the rustc to be used has its own.

    Raises Unsupported if neither has one, or the sysroot's is for another rustc.
    """
    rustc = find_program("rustc", environ)
    said = capture((str(rustc), "--print", "sysroot"), source, environ) if rustc is not None else None
    if rustc is None or said is None:
        raise Unsupported("rustc does not answer", ability="rustc", hint="rustc --version says why")
    root, place = Path(said.strip()), Path("lib/rustlib") / triple / "lib"
    if (root / place).is_dir():
        return None
    if sysroot is not None and (sysroot.folder / "usr" / place).is_dir():
        _refuse_other_version(rustc, environ, source, sysroot.folder)
        return sysroot.folder / "usr" / place
    hint = f"rustup target add {triple}"
    package = next((one for one in _DEBIAN if any((root / "../var/lib/dpkg/info").glob(f"{one}*.list"))), "")
    if root.name == "usr" and package:
        libc = 'libc = "glibc" in [compiler] and ' if "musl" in triple else ""
        hint = f'Debian has one: {libc}packages = ["{package}"] and dependencies = false in [sysroot]'
    raise Unsupported(f"no Rust standard library for {triple}", ability=triple, hint=hint)


def _refuse_other_version(rustc: Path, environ: Mapping[str, str], source: Path, sysroot: Path) -> None:
    """Raise Unsupported for a package of the standard library that is of another version than rustc."""
    own = (capture((str(rustc), "--version"), source, environ) or "").split()[1:2]
    for name, version in unpacked_versions(sysroot).items():
        if name in _DEBIAN and own and not version.startswith(own[0]):
            raise Unsupported(
                f"{name} {version} is for another rustc than {rustc}, which is {own[0]}",
                ability="rust",
                hint="take the rustc of the same Debian, or one version of the package: NAME=VERSION",
            )


def rust_environ(project: Project, options: CompilerOptions) -> dict[str, str]:
    """What cargo sees: what a C compiler does, and where toolchains and crates are."""
    environ = project.environ
    home = Path(environ.get("HOME") or project.work)
    kept = {key: environ[key] for key in PASSED if key in environ}
    kept.setdefault("CARGO_HOME", str(home / ".cargo"))
    if "RUSTUP_HOME" not in kept and (home / ".rustup").is_dir():
        kept["RUSTUP_HOME"] = str(home / ".rustup")
    return {**kept, **compiler_environ(project, options)}


def find_bins(source: Path, package: str) -> tuple[Program, ...]:
    """The programs of a package, or of a workspace's packages (of the one that is named).

    Raises UsageError where there is none or no such package, LocalIOError.
    """
    tree = _manifest(source)
    found = list(_bins(source, tree, package))
    for pattern in tree.get("workspace", {}).get("members", []):
        for folder in sorted(source.glob(pattern)):
            if (folder / "Cargo.toml").is_file():
                found += _bins(folder, _manifest(folder), package)
    if not found:
        what = f"package {package} of " if package else ""
        raise UsageError(f"no Rust program in {what}{source}", hint='name one: [rust] package = "NAME"')
    return tuple(dict.fromkeys(found))


def _bins(folder: Path, tree: Mapping[str, Any], package: str) -> tuple[Program, ...]:
    own = tree.get("package", {})
    name = own.get("name", "")
    if not name or (package and name != package):
        return ()
    names = [one["name"] for one in tree.get("bin", []) if isinstance(one, dict) and "name" in one]
    if own.get("autobins", True):
        names += [name] if (folder / "src" / "main.rs").is_file() and not names else []
        below = sorted((folder / "src" / "bin").glob("*")) if (folder / "src" / "bin").is_dir() else []
        names += [path.stem for path in below if path.suffix == ".rs" or (path / "main.rs").is_file()]
    return tuple(Program(one, name) for one in dict.fromkeys(names))


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "Cargo.toml"
    try:
        with path.open("rb") as file:
            return parse_toml(file.read(_LIMIT).decode())
    except OSError as error:
        raise local_io(error, f"read {path}") from error
    except (UnicodeDecodeError, TomlError) as error:
        raise UsageError(f"{path}: {error}", hint="cargo has to be able to read it") from error
