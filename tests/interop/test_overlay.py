"""Layers that an engine unpacks apart and mounts over each other: what a layer does not name is 0755 of root there."""

import stat
from pathlib import Path

import pytest

from ocitool.store.layout import LayoutStore
from tests.fakes.busybox import put_busybox
from tests.peers.engines import run_root, sh

pytestmark = pytest.mark.interop


@pytest.fixture
def mounted(peer, tmp_path):
    """`mounted("oci:dir:tag")`: the files of an image as podman's overlay driver shows them."""
    podman = [peer("podman"), "--storage-driver", "overlay", "--root", tmp_path / "podman", "--runroot", run_root()]
    seen = []

    def call(reference: str) -> Path:
        image = sh(*podman, "pull", "-q", reference).split()[-1]
        try:
            place = Path(sh(*podman, "image", "mount", image).strip())
        except AssertionError as error:
            pytest.skip(f"podman cannot mount with overlay here: {str(error)[-300:]}")
        seen.append(image)
        return place

    yield call
    for image in seen:
        sh(*podman, "image", "unmount", image)


@pytest.mark.parametrize("way", ["Dockerfile", "--copy"])
def test_directories_of_the_base_are_as_they_were(mounted, tmp_path, run, way):
    """K161: files go into /tmp, which is 1777, and into the home of an account."""
    context, layout = tmp_path / "context", tmp_path / "base"
    context.mkdir()
    (context / "f").write_text("x")
    put_busybox(LayoutStore(layout, create=True), "1")
    words = ["--copy", "f:/tmp/", "--copy", "f:/home/www/deep/", "--base", f"oci:{layout}:1"]
    if way == "Dockerfile":
        (context / "Dockerfile").write_text("FROM bb\nCOPY f /tmp/\nCOPY f /home/www/deep/\n")
        words = ["--build-context", f"bb=oci-layout://{layout}:1"]

    built = run("build", context, "--platform", "linux/amd64", "-o", f"oci:{tmp_path}/image:1", *words)
    assert 0 == built.exit_code, built.stderr
    root = mounted(f"oci:{tmp_path}/image:1")

    assert "x" == (root / "tmp" / "f").read_text()
    found = {name: (root / name).stat() for name in ("tmp", "home/www", "home/www/deep")}
    assert {"tmp": (0o1777, 0, 0), "home/www": (0o750, 82, 83), "home/www/deep": (0o755, 0, 0)} == {
        name: (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) for name, status in found.items()
    }
