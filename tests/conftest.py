"""What every test may use: an isolated home, the command line in and out of process, real registries, peers.

No test sees the home, the credentials, the settings or the engines of whoever runs it: the environment is rebuilt
before the first test, and each CLI helper gives its program a home of its own.
"""

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import peers
from tests.peers.buildkit import BuildKit, buildkit
from tests.peers.registries import Registry, distribution

REPOSITORY = Path(__file__).resolve().parents[1]
_KEPT = (
    "PATH",
    "TMPDIR",
    "LANG",
    "PYTHONPATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "GOPROXY",
    "GOSUMDB",
    "CI",
    "COVERAGE_PROCESS_CONFIG",
    "OCITOOL_LONG",
    peers.ROOT,
)
_session_home = tempfile.TemporaryDirectory(prefix="ocitool-home-")


def pytest_configure(config: pytest.Config) -> None:
    """Give the whole session a home of its own, and wait for no disk: what tests write need not outlast the power."""
    os.fsync = lambda _descriptor: None
    os.environ[peers.ROOT] = str(peers.cache_root())  # a worker of xdist is started when HOME has moved
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"OCITOOL_ENGINE": "none"}
    os.environ.clear()
    caches = peers.go_environment() | peers.zig_environment() | peers.python_environment()
    os.environ.update(kept | caches | homes(Path(_session_home.name)))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it."""
    _session_home.cleanup()


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Ids that read, and are the same in every process: what a compressor made holds the time of day."""
    return argname if isinstance(val, bytes) and not (len(val) < 60 and val.isascii()) else None


def homes(home: Path) -> dict[str, str]:
    """The variables that make `home` the home for us and for the peers."""
    return {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "DOCKER_CONFIG": str(home / ".docker"),
    }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of the command line left behind."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home that the environment points to, for this test alone; RUN is refused unless a test wants it."""
    place = tmp_path / "home"
    place.mkdir()
    for name, value in homes(place).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OCITOOL_NO_RUN", "1")
    return place


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """`run("inspect", "oci:out")`: the command line in this process, with a home of its own.

    `stdin` are bytes. Whatever escapes from `main` but SystemExit fails the test. Waits between tries are drawn by
    lot, and here the lot is always the shortest one.
    """
    from ocitool.cli import main

    monkeypatch.setattr("random.uniform", lambda low, high: low)

    def call(*argv: object, stdin: bytes = b"") -> Outcome:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        old = sys.stdin
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = main([str(word) for word in argv])
        except SystemExit as leaving:
            code = leaving.code
        finally:
            sys.stdin = old
        texts = (stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err))
        return Outcome(int(code or 0), *texts)

    return call


@pytest.fixture
def ocitool(home: Path) -> Callable[..., Outcome]:
    """`ocitool("--version")`: the command line as a process of its own, with a home of its own.

    `env` adds variables, `cwd` is the folder, `stdin` bytes, `timeout` seconds.
    """

    def call(
        *argv: object,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes = b"",
        timeout: float = 300,
    ) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "ocitool", *map(str, argv)],
            env=process_environment(env),
            cwd=cwd or home,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=timeout,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


def process_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a process that runs this checkout's ocitool."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), **(extra or {})}


def untraced(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without coverage.

    Under a trace function CPython 3.11 spins in a thread while a signal waits for a main thread that is in a call.
    """
    return {name: value for name, value in environ.items() if not name.startswith("COVERAGE_")}


@pytest.fixture(scope="session")
def peer() -> Callable[[str], Path]:
    """`peer("crane")`: the path of somebody else's tool, or a skip that says why there is none."""

    def find(name: str) -> Path:
        try:
            return peers.find(name)
        except peers.Missing as missing:
            pytest.skip(str(missing))

    return find


@pytest.fixture(scope="session")
def _registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Registry]]:
    """Start registries on demand and stop them with the session."""
    with ExitStack() as running:

        def start(program: str, *, auth: bool = False) -> Registry:
            try:
                binary = peers.find(program)
                return running.enter_context(distribution(binary, tmp_path_factory.mktemp(program), auth=auth))
            except peers.Missing as missing:
                pytest.skip(str(missing))

        yield start


@pytest.fixture(scope="session")
def docker_registry(_registries: Callable[..., Registry]) -> Registry:
    """Debian's docker-registry 2.8: one for the session, so use `.repository()` for a place of your own."""
    return _registries("docker-registry")


@pytest.fixture(scope="session")
def distribution_v3(_registries: Callable[..., Registry]) -> Registry:
    """CNCF Distribution 3: one for the session."""
    return _registries("distribution-v3")


@pytest.fixture(scope="session")
def registry_with_auth(_registries: Callable[..., Registry]) -> Registry:
    """docker-registry 2.8 behind Basic auth; `.user` and `.password` open it."""
    return _registries("docker-registry", auth=True)


@pytest.fixture(scope="session", name="buildkit")
def _buildkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuildKit]:
    """A BuildKit daemon for the session, or a skip that says why there is none."""
    with ExitStack() as running:
        try:
            daemon = running.enter_context(buildkit(tmp_path_factory.mktemp("buildkit")))
        except peers.Missing as missing:
            pytest.skip(str(missing))
        yield daemon
