"""What went into the images of a Dockerfile, as materials: emulators of the platforms whose programs RUN starts."""

import pytest

from ocitool.attest.provenance import file_material
from ocitool.builder.dockerfile_frontend import DockerfileFrontend
from ocitool.builder.executors import RememberedExecutor, find_emulators
from ocitool.builder.request import BuildRequest
from ocitool.dockerfile.request import DockerfileOptions
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.model.views import view
from ocitool.project.values import BuildSpec
from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.workspace import Workspace
from tests.fakes.executor import FakeExecutor
from tests.fakes.images import put_image, tar
from tests.fakes.sick import Ward

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


@pytest.fixture
def work(tmp_path):
    return Workspace(MachineStore(tmp_path / "cache"), Opener(Access(), Scope()), Scope(), AMD64)


@pytest.fixture
def materials(tmp_path, work):
    """`materials(executor, "FROM …", ARM64)`: those of a Dockerfile's image for a platform, without the base's."""
    ward = Ward(LayoutStore(tmp_path / "base", create=True))
    ward.index(ward.image("linux/amd64"), ward.image("linux/arm64"))

    def call(executor, text, platform):
        options = DockerfileOptions(text=text.encode(), contexts=(("base", f"oci-layout://{tmp_path}/base:1"),))
        request = BuildRequest(
            tmp_path, platforms=(AMD64, ARM64), dockerfile=options, executor=executor, environ={"PATH": ""}
        )
        frontend = DockerfileFrontend.of("dockerfile", request, BuildSpec(), work, tmp_path / "work")
        return [one for one in frontend.materials(platform) if one.name != "base"]

    return call


@pytest.fixture
def qemu(tmp_path):
    path = tmp_path / "qemu-aarch64-static"
    path.write_bytes(b"emulator")
    return path


def test_the_emulator_of_what_runs_is_one_by_its_digest(materials, tmp_path, qemu):
    executor = FakeExecutor(tmp_path, emulators={"arm64": str(qemu)})
    text = "FROM base\nRUN true\n"
    made = file_material("emulator qemu-aarch64-static", Digest.of(b"emulator"))

    assert [file_material("Dockerfile", Digest.of(text.encode())), made] == materials(executor, text, ARM64)
    assert made not in materials(executor, text, AMD64)


@pytest.mark.parametrize(
    "text", ["FROM base\n", "FROM --platform=$BUILDPLATFORM base AS b\nRUN true\nFROM base\nCOPY --from=b / /\n"]
)
def test_there_is_none_where_nothing_is_emulated(materials, tmp_path, qemu, text):
    executor = FakeExecutor(tmp_path, emulators={"arm64": str(qemu)})

    assert ["Dockerfile"] == [one.name for one in materials(executor, text, ARM64)]


def test_the_image_that_it_is_out_of_is_one_too(materials, tmp_path, work):
    put_image(
        LayoutStore(tmp_path / "img", create=True), "1", "linux/amd64", layers=[tar(**{"bin/qemu-aarch64": b"e"})]
    )
    named = find_emulators(f"oci:{tmp_path}/img:1", work)
    inner = FakeExecutor(tmp_path, emulators={"arm64": str(next(iter(named)))})
    inner.maps = type("Maps", (), {"is_single": True})
    executor = RememberedExecutor(lambda: inner, work.machine.memo, "here", named=named)

    _, program, image = materials(executor, "FROM base\nRUN true\n", ARM64)

    stored = view(LayoutStore(tmp_path / "img").get_manifest("1")).document.digest
    assert ("emulator qemu-aarch64", Digest.of(b"e").hex) == (program.name, program.digest["sha256"])
    assert ("emulator", stored.hex) == (image.name, image.digest["sha256"])
    assert image.uri.startswith("pkg:docker/")
