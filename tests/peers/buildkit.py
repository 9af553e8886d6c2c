"""BuildKit's daemon, run in folders of its own; what builds write is a layout that ours reads."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ocitool.store.layout import LayoutStore
from tests import peers

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/386", "linux/riscv64")
_WARNING = re.compile(r"^WARNING: (\w+).*\n(?P<text>.*)\n[^\n:]+:(?P<line>\d+)$", re.MULTILINE)


class Refused(Exception):  # noqa: N818 - an answer of BuildKit's, which tests may compare
    """BuildKit did not build; the text is its error."""


@dataclass(frozen=True, slots=True)
class BuildKit:
    """A running daemon and its client."""

    buildctl: Path
    socket: Path

    def build(
        self,
        context: Path,
        to: Path,
        *words: object,
        file: Path | None = None,
        form: str = "rewrite-timestamp=true",
    ) -> LayoutStore:
        """The image of a folder's Dockerfile as the only one of a new layout `to`. Raises Refused.

        `words` are buildctl's: `"--opt", "target=a"`. A Dockerfile elsewhere has its folder in `file`. `form` is
        more of what the output is to be: `compression=zstd`; as it stands, times beyond SOURCE_DATE_EPOCH, given as
        a build argument, become that one.
        """
        output = f"type=oci,tar=false,{form},dest={to}"
        self._call(context, file or context, "--output", output, *words)
        return LayoutStore(to)

    def lint(self, context: Path, *words: object) -> tuple[tuple[str, int, str], ...]:
        """What BuildKit's own check says of a Dockerfile: rule, line and text of each warning, in its order."""
        capable = "frontend.caps=moby.buildkit.frontend.subrequests"
        said = self._call(context, context, "--opt", "requestid=frontend.lint", "--opt", capable, *words)
        return tuple((found[1], int(found["line"]), found["text"]) for found in _WARNING.finditer(said))

    def _call(self, context: Path, file: Path, *words: object) -> str:
        local = ("--local", f"context={context}", "--local", f"dockerfile={file}")
        argv = [self.buildctl, "--addr", f"unix://{self.socket}", "build", "--frontend", "dockerfile.v0", *local]
        done = subprocess.run(
            [str(word) for word in (*argv, *words)], capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode:
            raise Refused(done.stderr.rpartition("error: ")[2].strip())
        return done.stdout


@contextmanager
def buildkit(root: Path, snapshotter: str = "native") -> Iterator[BuildKit]:
    """A daemon with its state in `root`. Raises Missing where it is not to be had, or needs rights we lack.

    RUN is carried out by runc as root; `overlayfs` as snapshotter saves a copy of the root for each.
    """
    daemon, client = peers.find("buildkitd"), peers.find("buildctl")
    peers.find("runc")  # it does not start without one
    if os.geteuid() != 0:
        raise peers.Missing("buildkitd needs root")
    root.mkdir(parents=True, exist_ok=True)
    # A socket's path has at most 107 bytes, and pytest's folders are longer.
    with tempfile.TemporaryDirectory(prefix="bkd-") as short:
        socket, log, config = Path(short) / "s", root / "log", root / "buildkitd.toml"
        config.write_text("")  # else it reads this machine's
        argv = [daemon, "--config", config, "--root", root / "state", "--addr", f"unix://{socket}"]
        argv += ["--otel-socket-path", f"{short}/otel", "--cdi-disabled", "--containerd-worker=false"]
        argv += [f"--oci-worker-snapshotter={snapshotter}", "--oci-worker-gc=false", "--oci-worker-net=host"]
        argv += [f"--oci-worker-platform={platform}" for platform in PLATFORMS]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [str(word) for word in argv],
                stdout=out,
                stderr=out,
                env={
                    **os.environ,
                    "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
                    "XDG_RUNTIME_DIR": short,  # it makes folders in this one, which has to be there
                },
            )
        try:
            if not _listens(socket, process):
                raise peers.Missing(f"buildkitd does not start: {log.read_text(errors='replace')[-300:]}")
            yield BuildKit(client, socket)
        finally:
            process.terminate()
            process.wait(60)


def _listens(socket: Path, process: "subprocess.Popen[bytes]") -> bool:
    """Whether the daemon's socket is there before it ends or a minute is over."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if socket.exists():
            return True
        time.sleep(0.02)  # the only way to learn that a foreign process listens
    return False
