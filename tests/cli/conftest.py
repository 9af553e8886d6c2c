"""What the tests of Dockerfiles share."""

import pytest

from ocitool.store.layout import LayoutStore
from tests.fakes.busybox import put_busybox
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
