"""Which tests may run beside each other, and registries, cosign and keys for what is signed.

Those of two files may, unless both use an engine that keeps state of this machine.
"""

import os
import subprocess

import pytest

from ocitool.errors import Unsupported
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from ocitool.toolchains.base import Project
from ocitool.toolchains.options import CompilerOptions
from ocitool.toolchains.rust import find_cargo, find_std, rust_environ
from tests import peers
from tests.fakes.sick import Ward
from tests.peers.registries import olareg

PASSWORD = "open sesame"
FORMS = pytest.mark.parametrize("form", ["tag", "bundle"])

# Whatever root they are given, podman and buildah number their locks in one piece of shared memory.
ENGINES = {"test_engines", "test_layer_tars", "test_load", "test_outputs", "test_overlay"}


def bundled(form):
    """cosign's flag for a form."""
    return f"--new-bundle-format={'true' if form == 'bundle' else 'false'}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each file a group, which one worker of xdist gets: its fixtures start daemons, and count processes."""
    for item in items:
        if item.get_closest_marker("interop") is not None:
            item.add_marker(pytest.mark.xdist_group("engines" if item.path.stem in ENGINES else item.path.stem))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Stop where groups are asked for and do not count: the tests of a file would disturb each other."""
    marked = (item for item in session.items if item.get_closest_marker("interop") is not None)
    if session.config.getoption("loadgroup", False) and any("@" not in item.nodeid for item in marked):
        raise pytest.UsageError(
            "pytest and pytest-xdist do not agree on groups: see the versions in pyproject.toml"
        )


@pytest.fixture
def tool(peer, home):
    """`tool("crane", …)`: a peer's answer, or a failure with its words."""

    def call(program, *words):
        argv = [str(word) for word in (peer(program), *words)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"{program} {' '.join(argv[1:])}: {done.stderr[-800:]}"
        return done.stdout

    return call


@pytest.fixture(params=["docker_registry", "olareg"])
def repository(request, tmp_path):
    """One registry without the referrers API, and one that has it."""
    if request.param != "olareg":
        yield request.getfixturevalue(request.param).repository()
        return
    try:
        with olareg(peers.find("olareg"), tmp_path / "olareg") as running:
            yield running.repository()
    except peers.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def digests(repository):
    """An index under the tag `1`: its digest, and those of its two images."""
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(repository, write=True)[0])
        images = [ward.image("linux/arm64"), ward.image()]
        ward.index(*images)
        return [str(ward.store.head("1").digest), *(image["digest"] for image in images)]


@pytest.fixture
def cosign(peer, tmp_path, home):
    """`cosign("sign", …)`: its exit code and what it said, offline."""

    def call(verb, *words, env=None):
        signs = ("--tlog-upload=false", "--use-signing-config=false", "-y", "--allow-http-registry")
        verifies = ("--insecure-ignore-tlog=true", "--allow-http-registry")
        said = {"sign": signs, "attest": signs, "verify": verifies, "verify-attestation": verifies}
        argv = [peer("cosign"), verb, *said.get(verb, ()), *words]
        done = subprocess.run(
            list(map(str, argv)),
            env={**os.environ, "COSIGN_PASSWORD": PASSWORD} | (env or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=tmp_path,
        )
        return done.returncode, done.stdout + done.stderr

    return call


@pytest.fixture
def password(monkeypatch):
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    return ("--password-from", "env:KEY_PASSWORD")


@pytest.fixture
def ours(run, tmp_path, password):
    """A key that we made."""
    assert 0 == run("key", "generate", "-o", tmp_path / "ours", *password).exit_code
    return tmp_path / "ours"


@pytest.fixture
def theirs(cosign, tmp_path):
    """A key that cosign made."""
    assert (0, "") == ((answer := cosign("generate-key-pair"))[0], "" if answer[0] == 0 else answer[1])
    return tmp_path / "cosign"


@pytest.fixture
def rust_for_musl(home, monkeypatch):
    """The real home's rustup; or a skip where it cannot compile for arm64."""
    monkeypatch.setenv("RUSTUP_HOME", os.environ.get("RUSTUP_HOME") or str(peers.real_home() / ".rustup"))
    try:
        find_cargo(os.environ)
        environ = rust_environ(Project(home, home, os.environ, home), CompilerOptions())
        find_std("aarch64-unknown-linux-musl", environ, home)
    except Unsupported as missing:
        pytest.skip(f"{missing}: {missing.hint}")
