"""What tests of one command share: those of Dockerfiles, and those of repairs and what follows them."""

from contextlib import ExitStack

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.busybox import put_busybox
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward
from tests.fakes.web import serve_files


@pytest.fixture
def build(home, run, monkeypatch):
    """`build("FROM scratch", …)`: a Dockerfile in the current folder, into oci:img:1."""
    monkeypatch.chdir(home)
    put_busybox(LayoutStore(home / "base", create=True), "1")

    def call(text, *flags, platform="linux/amd64"):
        (home / "Dockerfile").write_text(text)
        return run(
            "build",
            ".",
            "--build-context",
            "bb=oci-layout://base:1",
            "--platform",
            platform,
            "-o",
            "oci:img:1",
            *flags,
        )

    return call


@pytest.fixture
def web():
    """A server of files."""
    with serve_files() as server:
        yield server


@pytest.fixture
def registry():
    """A registry that does what a test tells it to."""
    with fake_registry() as running:
        yield running


@pytest.fixture
def ward():
    """`ward(LOC)`: what fills a place with images."""
    with ExitStack() as stack:
        opener = stack.enter_context(Opener(Access(), Scope()))
        yield lambda place: Ward(opener.open(place, write=True)[0])


@pytest.fixture
def app(registry, ward):
    """The repository that is to be mended."""
    return ward(f"{registry.host}/app")


@pytest.fixture
def name(registry):
    """The tag of it that is."""
    return f"{registry.host}/app:1"


@pytest.fixture
def kept(tmp_path):
    """A layout that has what the registry loses."""
    return Ward(LayoutStore(tmp_path / "kept", create=True))
