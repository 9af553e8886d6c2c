"""Engines of other people, run so that nothing of this machine is touched: containerd, podman."""

import os
import stat
import subprocess
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import peers


@dataclass(frozen=True, slots=True)
class Containerd:
    """A running daemon; `socket` is where it listens. Each `namespace` has images and content of its own."""

    ctr: Path
    socket: Path
    namespace: str = "default"

    def pull(self, reference: str, platform: str) -> None:
        """Pull one platform over HTTP, unpacking nothing for a foreign one. Raises CalledProcessError."""
        self._call("content", "fetch", "--plain-http", "--platform", platform, reference)

    @contextmanager
    def mounted(self, reference: str, platform: str, place: Path) -> Iterator[Path]:
        """Pull and unpack one platform over HTTP; its file system at `place` inside the block."""
        native = ("--snapshotter", "native", "--platform", platform)
        self._call("images", "pull", "--plain-http", *native, reference)
        place.mkdir()
        self._call("images", "mount", *native, reference, str(place))
        try:
            yield place
        finally:
            sh("umount", place)

    def content(self) -> set[str]:
        """The digests of everything the daemon holds in this namespace."""
        return set(self._call("content", "ls", "-q").split())

    def images(self) -> set[str]:
        """The names of the images in this namespace."""
        return set(self._call("images", "ls", "-q").split())

    def _call(self, *words: str) -> str:
        done = subprocess.run(
            [self.ctr, "-a", self.socket, "-n", self.namespace, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"ctr {' '.join(words)}: {done.stderr[-800:]}"
        return done.stdout


@contextmanager
def containerd(root: Path) -> Iterator[Containerd]:
    """A daemon without CRI in `root`. Raises Missing where there is none, or it needs rights we lack."""
    binary, ctr = peers.find("containerd"), peers.find("ctr")
    if os.geteuid() != 0:
        raise peers.Missing("containerd needs root")
    # A socket's path has at most 107 bytes, and pytest's folders are longer.
    with tempfile.TemporaryDirectory(prefix="ctrd-") as short:
        socket = Path(short) / "s"
        config = root / "config.toml"
        config.write_text(
            textwrap.dedent(f"""\
                version = 2
                root = "{root / "root"}"
                state = "{short}/state"
                disabled_plugins = ["io.containerd.grpc.v1.cri"]
                [grpc]
                address = "{socket}"
                [ttrpc]
                address = "{socket}.ttrpc"
                """)
        )
        log = root / "log"
        with log.open("wb") as out:
            process = subprocess.Popen([binary, "--config", str(config)], stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + 60
            while not socket.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)  # the only way to learn that a foreign process listens
            if not socket.exists():
                raise peers.Missing(f"containerd does not start: {log.read_text(errors='replace')[-300:]}")
            yield Containerd(ctr, socket)
        finally:
            process.terminate()
            process.wait(60)


def sh(*argv: object, env: dict[str, str] | None = None, cwd: Path | None = None, timeout: float = 300) -> str:
    """What a program printed; its words are the failure if it fails.

    podman and its relatives insist on the file that DOCKER_CONFIG promises, so it is only passed if it is there.
    """
    if env is None:
        promised = os.environ.get("DOCKER_CONFIG", "") + "/config.json"
        env = {k: v for k, v in os.environ.items() if k != "DOCKER_CONFIG" or os.path.exists(promised)}
    done = subprocess.run(
        [str(word) for word in argv], capture_output=True, text=True, check=False, timeout=timeout, env=env, cwd=cwd
    )
    assert done.returncode == 0, f"{' '.join(map(str, argv))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_root() -> str:
    """A folder for what podman and buildah keep of what runs; they take no more than 50 characters."""
    return tempfile.mkdtemp(prefix="ocitool-", dir="/tmp")


def podman(program: Path, place: Path, runs_in: str = "") -> Callable[..., str]:
    """`podman("pull", …)` with storage of its own, where others may say what `runs_in` it; `run` gets what a container needs inside another one."""
    storage = ["--storage-driver", "vfs", "--root", place / "root", "--runroot", runs_in or run_root()]
    base = [program, *storage, "--runtime", "runc"]
    inside = ["--rm", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--network=host"]

    def call(verb: str, *argv: object) -> str:
        insecure = ["--tls-verify=false"] if verb in {"pull", "run"} else []
        return sh(*base, verb, *(inside if verb == "run" else []), *insecure, *argv)

    return call


def tree(root: Path) -> dict[str, str]:
    """Every path below a folder: its mode in octal, and what it is or where it leads."""
    found = {}
    for folder, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = Path(folder) / name
            status = path.lstat()
            kind = stat.filemode(status.st_mode)[0]
            end = os.readlink(path) if path.is_symlink() else status.st_size if kind == "-" else ""
            mode = "" if kind == "l" else oct(stat.S_IMODE(status.st_mode))
            found[str(path.relative_to(root))] = f"{kind} {mode} {end}"
    return found
