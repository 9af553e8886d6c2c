"""Real registries on loopback, each in a folder of its own."""

import base64
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.peers import Missing

USER = "hello"
PASSWORD = "opensesame"
# bcrypt of PASSWORD, four rounds: it guards nothing.
HTPASSWD = f"{USER}:$2b$04$.aKDaAc3cWrvKNHpKdfn5uzJxHvUzrIu0EX0TdRTL2yWDlkLyaAX2\n"


@dataclass(frozen=True, slots=True)
class Registry:
    """A running registry: `host` is host:port, `root` the folder with its data, `log` what it said."""

    host: str
    root: Path
    log: Path
    process: subprocess.Popen[bytes]
    names: Iterator[int]
    user: str = ""
    password: str = ""

    def repository(self, name: str = "app") -> str:
        """A repository that no other test uses: `127.0.0.1:port/t7/app`."""
        return f"{self.host}/t{next(self.names)}/{name}"

    def login(self, home: Path) -> None:
        """Leave the credentials where docker would, below `home`."""
        folder = home / ".docker"
        folder.mkdir(exist_ok=True)
        secret = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        (folder / "config.json").write_text(json.dumps({"auths": {self.host: {"auth": secret}}}))


@contextmanager
def distribution(
    binary: Path, root: Path, *, auth: bool = False, more: Mapping[str, Any] | None = None
) -> Iterator[Registry]:
    """CNCF Distribution (2.8 or 3) on a free loopback port, deletes allowed, with Basic auth if asked.

    `more` are further sections of its configuration; what stands in `http` is added to ours.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / "htpasswd").write_text(HTPASSWD)
    for attempt in range(3):
        port = free_port()
        (root / "config.yml").write_text(_config(root, port, auth=auth, more=more or {}))
        log = root / f"log-{attempt}"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [binary, "serve", str(root / "config.yml")],
                stdout=out,
                stderr=out,
                # Version 3 would send traces to a collector that is not there.
                env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
            )
        try:
            if _answers(port, process):
                extra = {"user": USER, "password": PASSWORD} if auth else {}
                yield Registry(f"127.0.0.1:{port}", root / "data", log, process, count(1), **extra)
                return
        finally:
            process.terminate()
            process.wait(60)
    raise Missing(f"{binary} does not start: {log.read_text(errors='replace')[-300:]}")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _config(root: Path, port: int, *, auth: bool, more: Mapping[str, Any]) -> str:
    """The configuration; JSON is YAML."""
    tree: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(root / "data")},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": f"127.0.0.1:{port}"} | dict(more.get("http", {})),
    }
    if auth:
        tree["auth"] = {"htpasswd": {"realm": "test", "path": str(root / "htpasswd")}}
    return json.dumps(tree | {key: value for key, value in more.items() if key != "http"})


@contextmanager
def olareg(binary: Path, root: Path) -> Iterator[Registry]:
    """olareg, which has the referrers API, with a folder on a free loopback port."""
    root.mkdir(parents=True, exist_ok=True)
    log = root / "log"
    for _ in range(3):
        port = free_port()
        argv = [binary, "serve", "--addr", "127.0.0.1", "--port", str(port), "--dir", str(root / "data")]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*argv, "--api-delete", "--api-blob-delete", "--gc-frequency", "-1s"], stdout=out, stderr=out
            )
        try:
            if _answers(port, process):
                yield Registry(f"127.0.0.1:{port}", root / "data", log, process, count(1))
                return
        finally:
            process.terminate()
            process.wait(60)
    raise Missing(f"{binary} does not start: {log.read_text(errors='replace')[-300:]}")


def _answers(port: int, process: "subprocess.Popen[bytes]") -> bool:
    """Whether the registry speaks HTTP (or TLS) before it ends or a minute is over."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            opener.open(f"http://127.0.0.1:{port}/v2/", timeout=20).close()
        except urllib.error.HTTPError as answer:
            answer.close()
            return answer.code in {400, 401}  # 400: it wants TLS
        except OSError:
            time.sleep(0.02)  # the only way to learn that a foreign process listens
        else:
            return True
    return False


def held(reference: str) -> tuple[str, list[str]]:
    """The digest of a tag, and its platforms."""
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(reference)
        document = store.get_manifest(tag)
        return str(document.digest), [str(child.platform) for child in view(document).platforms]
