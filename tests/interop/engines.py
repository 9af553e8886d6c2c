"""Engines of other people, run so that nothing of this machine is touched: podman, umoci, containerd."""

import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def sh(*argv: object, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """What a program printed; its words are the failure if it fails."""
    done = subprocess.run(
        [str(word) for word in argv], capture_output=True, text=True, check=False, timeout=300, env=env, cwd=cwd
    )
    assert done.returncode == 0, f"{' '.join(map(str, argv))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def podman(program: Path, place: Path) -> Callable[..., str]:
    """`podman("pull", …)` with storage of its own; `run` gets what a container needs inside another one."""
    runroot = tempfile.mkdtemp(prefix="ocitool-", dir="/tmp")  # podman takes no more than 50 characters
    base = [program, "--storage-driver", "vfs", "--root", place / "root", "--runroot", runroot, "--runtime", "runc"]
    inside = ["--rm", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--network=host"]

    def call(verb: str, *argv: object) -> str:
        insecure = ["--tls-verify=false"] if verb in {"pull", "run"} else []
        # It insists on the file that DOCKER_CONFIG promises.
        env = {key: value for key, value in os.environ.items() if key != "DOCKER_CONFIG"}
        return sh(*base, verb, *(inside if verb == "run" else []), *insecure, *argv, env=env)

    return call


@contextmanager
def containerd(program: Path, place: Path) -> Iterator[Callable[..., str]]:
    """A containerd in a folder of its own; gives `ctr(…)`."""
    socket = Path(f"/tmp/ocitool-ctr-{os.getpid()}.sock")  # a socket's path must be short
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.toml").write_text(
        f'version = 2\nroot = "{place}/root"\nstate = "{place}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{socket}"\n'
    )
    with (place / "log").open("wb") as log:
        daemon = subprocess.Popen([program, "-c", place / "config.toml"], stdout=log, stderr=log)
    try:
        for _ in range(100):
            if socket.exists():
                break
            time.sleep(0.1)  # the only way to learn that a foreign process listens
        yield lambda *argv: sh("ctr", "-a", socket, *argv)
    finally:
        daemon.terminate()
        daemon.wait(20)
        socket.unlink(missing_ok=True)


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
