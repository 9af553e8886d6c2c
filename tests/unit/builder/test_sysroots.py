"""`ocitool.builder.sysroots`: the sysroot of each platform that has one."""

import pytest

from ocitool.builder.request import BuildRequest
from ocitool.builder.sysroots import find_sysroots
from ocitool.errors import NotVerified, Unsupported
from ocitool.model.platform import Platform
from ocitool.project.values import Stamp, load_spec
from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.workspace import Workspace
from tests.fakes.images import put_image, tar

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


@pytest.fixture
def find(tmp_path):
    """`find(text)`: the sysroots that an ocitool.toml asks for, and the notices."""

    def call(text, **settings):
        (tmp_path / "ocitool.toml").write_text(f"[c]\n{text}")
        told = []
        work = Workspace(
            MachineStore(tmp_path / "cache"),
            Opener(Access(), Scope()),
            Scope(),
            AMD64,
            listener=told.append,
            **settings,
        )
        spec = load_spec(tmp_path / "ocitool.toml", Stamp)
        return find_sysroots(spec, (AMD64, ARM64), BuildRequest(tmp_path), work), [one.text for one in told]

    return call


def test_a_folder_has_the_platform_in_its_name_and_a_platform_may_have_none(find, tmp_path):
    (tmp_path / "root/linux-arm64/usr/include").mkdir(parents=True)

    found, _ = find("[platform.'linux/arm64'.sysroot]\npath = 'root/{os}-{arch}{variant}'\n")

    assert [ARM64] == list(found)
    assert (tmp_path / "root/linux-arm64", "") == (found[ARM64].folder, found[ARM64].identity)


def test_a_folder_that_is_not_there_is_refused(find, tmp_path):
    (tmp_path / "root/amd64").mkdir(parents=True)

    with pytest.raises(Unsupported, match=f"no sysroot {tmp_path}/root/arm64 for linux/arm64") as refused:
        find("[sysroot]\npath = 'root/{arch}'\n")

    assert 'image = "REF"' in refused.value.hint


def test_an_image_is_asked_of_the_source_policy(find):
    def deny(reference):
        raise NotVerified(f"{reference} is denied")

    with pytest.raises(NotVerified, match="localhost:1/root:1 is denied"):
        find("[sysroot]\nimage = 'localhost:1/root:1'\n", convert=deny)


def test_an_image_is_unpacked_once(find, tmp_path):
    store = LayoutStore(tmp_path / "img", create=True)
    digest = put_image(store, "1", "linux/arm64", layers=[tar(**{"usr/include/z.h": b"z"})])
    text = f"[platform.'linux/arm64'.sysroot]\nimage = 'oci:{tmp_path}/img:1'\n"

    first, told = find(text)
    again, told_again = find(text)

    assert b"z" == (first[ARM64].folder / "usr/include/z.h").read_bytes()
    assert (first, digest.hex) == (again, first[ARM64].identity)
    assert ([True], []) == (["unpacking" in one for one in told], told_again)
