"""Debian's packages of another architecture as a sysroot: fetched and checked by apt, unpacked, never installed.

apt gets a state of its own, so that neither root nor `dpkg --add-architecture` is needed, and this machine's
packages stay as they are. It checks signatures as it always does; unsigned repositories are refused.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from ocitool.errors import BuildError, NetworkError, OcitoolError, Unsupported, UsageError, local_io
from ocitool.events import Listener, Noted
from ocitool.model.platform import Platform
from ocitool.tasks import Scope
from ocitool.toolchains.base import find_program
from ocitool.toolchains.processes import call
from ocitool.toolchains.sysroot import merge, tame

_ARCHITECTURES: Final = {
    "amd64": "amd64", "386": "i386", "arm/v5": "armel", "arm/v6": "armel", "arm/v7": "armhf", "arm/v8": "armhf",
    "arm64": "arm64", "ppc64le": "ppc64el", "riscv64": "riscv64", "s390x": "s390x", "loong64": "loong64",
    "mips64le": "mips64el", "mipsle": "mipsel",
}  # fmt: skip
LIST: Final = "var/lib/dpkg/packages.ocitool"
"""Where a sysroot of packages tells their names and versions, one a line."""


def debian_architecture(platform: Platform) -> str:
    """Debian's name of the platform. Raises Unsupported."""
    wanted = platform.normalised()
    key = f"arm/{wanted.variant or 'v7'}" if wanted.architecture == "arm" else wanted.architecture
    if wanted.os != "linux" or key not in _ARCHITECTURES:
        raise Unsupported(
            f"Debian has no packages for {platform}", ability=str(platform), hint="take an image or path"
        )
    return _ARCHITECTURES[key]


def unpack_packages(
    packages: tuple[str, ...],
    platform: Platform,
    cache: Path,
    environ: Mapping[str, str],
    *,
    scope: Scope,
    listener: Listener,
    dependencies: bool = True,
) -> Path:
    """The folder with the packages, and with all that they need, for the platform; unpacked only once.

    A package is a name, or NAME=VERSION. Raises Unsupported without apt-get and dpkg-deb, UsageError for a name
    that is none, NetworkError and BuildError with apt's words, LocalIOError.
    """
    architecture = debian_architecture(platform)
    for name in packages:
        if name.startswith("-") or not name.isascii() or any(letter in name for letter in " \t\n;|&$"):
            raise UsageError(f"not a package: {name!r}", hint="write NAME or NAME=VERSION")
    tools = {name: find_program(name, environ) for name in ("apt-get", "dpkg-deb")}
    named = (architecture, *packages, *(() if dependencies else ("",)))
    key = hashlib.sha256("\0".join(named).encode()).hexdigest()[:24]
    folder = cache / "sysroots" / f"debian-{architecture}-{key}"
    if (folder / LIST).is_file():
        return folder
    for name, program in tools.items():
        if program is None:
            hint = 'packages need a Debian or Ubuntu here; an image works everywhere: image = "debian:bookworm"'
            raise Unsupported(f"no {name} on PATH", ability=name, hint=hint)
    state, making = cache / "sysroots" / f"apt-{architecture}", folder.with_suffix(".new")
    words = _apt(str(tools["apt-get"]), architecture, state)
    env = {key: environ[key] for key in ("PATH", "http_proxy", "https_proxy", "no_proxy") if key in environ}
    env |= {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        shutil.rmtree(making, ignore_errors=True)
        shutil.rmtree(state / "archives", ignore_errors=True)
        for name in ("lists/partial", "archives/partial"):
            (state / name).mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        making.mkdir(parents=True)
        listener(Noted(f"fetching {' '.join(packages)} of Debian {architecture}, once", "notice"))
        _call((*words, "update"), state, env, scope, platform)
        how = ("install", "-y", "--download-only") if dependencies else ("download",)
        _call((*words, *how, *packages), state if dependencies else state / "archives", env, scope, platform)
        told, sums = [], {}
        for archive in sorted((state / "archives").glob("*.deb")):
            part, control = state / "part", state / "control"
            for folder_of_one in (part, control):
                shutil.rmtree(folder_of_one, ignore_errors=True)
                folder_of_one.mkdir(mode=0o700)
            # One at a time in a folder of its own: tar follows the links that another package has left.
            _call((str(tools["dpkg-deb"]), "-x", str(archive), str(part)), state, env, scope, platform)
            merge(part, making)
            name, version, _ = archive.stem.split("_")
            told.append(f"{name}={unquote(version)}\n")
            _call((str(tools["dpkg-deb"]), "-e", str(archive), str(control)), state, env, scope, platform)
            listing = control / "md5sums"
            if listing.is_file() and not listing.is_symlink():
                sums[name] = listing.read_bytes()
        tame(making)
        info = making / "var/lib/dpkg/info"
        info.mkdir(parents=True, exist_ok=True)
        for name, text in sums.items():  # which library is of which package, for its licence
            (info / f"{name}.md5sums").write_bytes(text)
        (making / LIST).write_text("".join(told), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
        for left in ("archives", "part", "control"):
            shutil.rmtree(state / left, ignore_errors=True)
    except OSError as error:
        raise local_io(error, f"unpack packages into {folder}") from error
    return folder


def unpacked_versions(folder: Path) -> dict[str, str]:
    """The versions of the packages in a sysroot by their names; empty where it is not of packages."""
    path = folder / LIST
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text("utf-8").split())
    return {name: version for name, _, version in pairs}


def _apt(program: str, architecture: str, state: Path) -> tuple[str, ...]:
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
        "Dir::Log": state,
        "APT::Sandbox::User": "",
        "APT::Install-Recommends": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "Acquire::AllowInsecureRepositories": "false",
        "APT::Update::Error-Mode": "any",
        "DPkg::Post-Invoke::": "",
        "Acquire::Languages": "none",
    }
    return (program, "-q", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")))


def _call(argv: tuple[str, ...], cwd: Path, env: Mapping[str, str], scope: Scope, platform: Platform) -> None:
    returncode, said = call(argv, cwd, env, scope)
    if returncode == 0:
        return
    name = argv[0].rpartition("/")[2]
    what = f"cannot make the sysroot of {platform}: {name} exited with {returncode}"
    raise _failure(what, argv, returncode, said, platform)


def _failure(what: str, argv: tuple[str, ...], returncode: int, said: str, platform: Platform) -> OcitoolError:
    lines = [line for line in said.splitlines() if line.startswith("E: ")] or said.splitlines()[-1:]
    if any("Failed to fetch" in line or "resolving" in line or "connect" in line for line in lines):
        return NetworkError(f"{what}: {lines[0]}", hint="packages come from this machine's apt sources")
    hint = ""
    if any(
        "Unable to locate" in line or "not found" in line or "no installation candidate" in line for line in lines
    ):
        hint = "names and versions are those of this machine's apt sources: apt-cache policy NAME tells them"
    if any("unmet dep" in line.lower() or "broken packages" in line for line in lines):
        hint = "dependencies = false in [sysroot] brings the named packages alone"
    said = "\n".join(lines)
    return BuildError(what, target=str(platform), argv=argv, returncode=returncode, stderr=said, hint=hint)
