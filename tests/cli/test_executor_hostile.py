"""Bases that somebody made to lead a builder astray: what they name outside is not touched, and nobody waits for them."""

import tarfile

import pytest

from ocitool.errors import OcitoolError, Unsupported
from ocitool.executor.base import Mount, MountKind
from ocitool.executor.runtime import RuntimeExecutor
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.workspace import host_platform
from tests.fakes.executions import BUSYBOX, execution, folder, layer

pytestmark = pytest.mark.skipif(not BUSYBOX.exists(), reason="no busybox-static here")
PREFIX = "SCHILY.xattr."


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    executor = RuntimeExecutor(MachineStore(tmp_path_factory.mktemp("store")))
    try:
        executor.check([host_platform()])
    except Unsupported as error:
        pytest.skip(str(error))
    yield executor
    executor.close()


@pytest.fixture
def carry_out(executor):
    """Carries a command out; gives (changes, what it said)."""

    def run(command, *more, **fields):
        said = bytearray()
        changes = executor.run(execution(command, *more, **fields), scope=Scope(), output=said.extend)
        return changes, said.decode()

    return run


def link(name, target):
    return name, {"type": tarfile.SYMTYPE, "linkname": target}, b""


@pytest.mark.parametrize("space", ["user.overlay.", "trusted.overlay."])
def test_attributes_of_overlay_in_a_base_mean_nothing(carry_out, space):
    """They would hide the folder below, or show another one in its place."""
    headers = {f"{PREFIX}{space}{name}": value for name, value in {"opaque": "y", "redirect": "/etc"}.items()}
    _, said = carry_out(
        "ls /home/www; cat /home/www/file /etc/old",
        layer(
            folder("home/www", pax_headers=headers),
            ("etc/old", {"pax_headers": {f"{PREFIX}{space}metacopy": ""}}, b"new\n"),
        ),
    )

    assert said == "file\ntheirs\nnew\n"


def test_a_device_that_overlay_reads_as_a_removal_removes_nothing(carry_out):
    device = ("etc/old", {"type": tarfile.CHRTYPE, "devmajor": 0, "devminor": 0}, b"")
    assert carry_out("cat /etc/old", layer(device))[1] == "old\n"


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.DIRTYPE])
@pytest.mark.parametrize("name", ["passwd", "group"])
def test_accounts_that_are_no_file_are_told(carry_out, name, kind):
    """A runtime would wait for a pipe without end."""
    top = layer((f"etc/.wh.{name}", {}, b"")), layer((f"etc/{name}", {"type": kind}, b""))

    with pytest.raises(OcitoolError, match=f"/etc/{name} of the image is no file"):
        carry_out("true", *top)


@pytest.mark.parametrize("target", ["../../../../../../../..{}", "{}", "passwd"])
def test_accounts_behind_a_link_are_those_of_the_image(carry_out, tmp_path, target):
    (tmp_path / "planted").write_text("www:x:0:0::/:\n")
    top = layer(("etc/.wh.passwd", {}, b"")), layer(link("etc/passwd", target.format(tmp_path / "planted")))

    assert carry_out("echo ran", *top)[1] == "ran\n"
    with pytest.raises(OcitoolError, match="www"):
        carry_out("true", *top, user="www")


@pytest.mark.parametrize("target", ["/planted", "../../../../../../../../planted", "../run/planted/file"])
@pytest.mark.parametrize("name", ["resolv.conf", "hosts"])
def test_a_link_in_the_place_of_a_mount_leads_nowhere_else(carry_out, name, target):
    changes, said = carry_out(f"cat /etc/{name} >/dev/null && echo ran", layer(link(f"etc/{name}", target)))

    assert said == "ran\n"
    assert changes.is_empty


def test_a_link_to_itself_in_the_place_of_a_mount_is_told(carry_out):
    with pytest.raises(OcitoolError, match=r"cannot mount at /etc/hosts"):
        carry_out("true", layer(link("etc/hosts", "hosts")))


def test_a_mount_over_a_link_is_where_the_link_leads_inside(carry_out, tmp_path):
    (tmp_path / "outside").mkdir()
    shown = layer(("file", {}, b"shown\n"))
    top = layer(link("away", str(tmp_path / "outside")))
    changes, said = carry_out(
        f"cat /away/in/file {tmp_path}/outside/in/file",
        top,
        mounts=(Mount(MountKind.BIND, "/away/in", layers=(shown,)),),
    )

    assert said == "shown\nshown\n"
    assert [] == list((tmp_path / "outside").iterdir())
    assert changes.is_empty


@pytest.mark.parametrize("name", ["proc", "dev", "sys"])
def test_a_link_in_the_place_of_a_system_folder_does_not_lead_out(carry_out, tmp_path, name):
    (tmp_path / "outside").mkdir()
    with pytest.raises(OcitoolError, match=f"/{name} of the image is a link"):
        carry_out("true", layer(link(name, f"../../../../../../..{tmp_path}/outside")))

    assert [] == list((tmp_path / "outside").iterdir())
