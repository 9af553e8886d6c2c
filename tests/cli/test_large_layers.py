"""Layers that are edited pass in pieces: memory is that of a few blocks, however much is in a layer."""

import tarfile
import tracemalloc
import zlib

import pytest

from ocitool import Client
from ocitool.model import mediatype
from ocitool.model.digest import Tap
from ocitool.model.numbers import MIB
from ocitool.store.layout import LayoutStore
from tests.fakes.sick import Ward, member, tar

SIZE = 128 * MIB


def pieces():
    """A layer of a small file and a large one."""
    yield tar(member("small"))[:-1024]
    info = tarfile.TarInfo("large")
    info.size = SIZE
    yield info.tobuf()
    yield from (bytes(MIB) for _ in range(SIZE // MIB))
    yield bytes(1024)


@pytest.fixture
def name(tmp_path, home):
    ward, diff, machine = Ward(LayoutStore(tmp_path / "out", create=True)), Tap(), zlib.compressobj(1, wbits=31)
    data = b"".join([*map(machine.compress, diff(pieces())), machine.flush()])
    layer, top = ward.blob(data, mediatype.OCI_LAYER_GZIP), tar(member("top"))
    ward.image(
        layers=[b"", top],
        config=lambda tree: tree["rootfs"]["diff_ids"].__setitem__(0, str(diff.digest)),
        manifest=lambda tree: tree["layers"].__setitem__(0, layer),
        tag="1",
    )
    return f"oci:{tmp_path / 'out'}:1"


EDITS = {
    "squash": lambda client, name: client.plan_squash(name),
    "recompress": lambda client, name: client.plan_recompress(name, "zstd"),
    "strip": lambda client, name: client.plan_strip(name, "/small"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_memory_does_not_grow_with_a_layer(name, edit):
    with Client() as client:
        tracemalloc.start(1)
        try:
            client.apply(EDITS[edit](client, name))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak < 48 * MIB
