"""containerd for one test: a daemon of its own in a folder, asked with ctr."""

import os
import subprocess
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import peers


@dataclass(frozen=True, slots=True)
class Containerd:
    """A running daemon; `socket` is where it listens."""

    ctr: Path
    socket: Path

    def pull(self, reference: str, platform: str) -> None:
        """Pull one platform over HTTP, unpacking nothing for a foreign one. Raises CalledProcessError."""
        self._call("content", "fetch", "--plain-http", "--platform", platform, reference)

    def content(self) -> set[str]:
        """The digests of everything the daemon holds."""
        return set(self._call("content", "ls", "-q").split())

    def _call(self, *words: str) -> str:
        done = subprocess.run(
            [self.ctr, "-a", self.socket, *words], capture_output=True, text=True, check=False, timeout=120
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
            deadline = time.monotonic() + 20
            while not socket.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)  # the only way to learn that a foreign process listens
            if not socket.exists():
                raise peers.Missing(f"containerd does not start: {log.read_text(errors='replace')[-300:]}")
            yield Containerd(ctr, socket)
        finally:
            process.terminate()
            process.wait(20)
