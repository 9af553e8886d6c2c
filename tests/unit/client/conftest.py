"""A layout with images, and a client in a home of its own."""

import pytest

import ocitool
from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.layout import LayoutStore
from tests.fakes.images import put_image, tar


@pytest.fixture
def layout(home, monkeypatch):
    """`oci:images` in the current folder: an index `app` of two platforms, an image `s390x`, an index that lost one."""
    monkeypatch.chdir(home)
    store = LayoutStore(home / "images", create=True)
    platforms = [ocitool.Platform("linux", "amd64"), ocitool.Platform("linux", "arm64", "v8")]
    for platform in platforms:
        put_image(store, platform.architecture, str(platform), layers=[tar(hello=str(platform).encode())])
    put_image(store, "s390x", "linux/s390x")
    members = [Descriptor.of(store.get_manifest(p.architecture), p) for p in platforms]
    index = compose.index(Family.OCI, members)
    store.put_manifest(index, "app")
    lost = compose.index(Family.OCI, [members[0], Descriptor.of(ocitool.Document(b"{}", members[0].media_type))])
    store.put_manifest(lost, "lost")
    return "oci:images"


@pytest.fixture
def client(layout):
    """A client with a home of its own."""
    with ocitool.Client() as opened:
        yield opened
