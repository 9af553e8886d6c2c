"""How many sequential round trips commands take on a real registry: the table of docs/reference/requests.md."""

import subprocess
import sys
from dataclasses import dataclass, replace

import pytest

from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope, collect
from tests.conftest import process_environment
from tests.fakes.images import PLATFORMS, put_image, tar
from tests.fakes.rounds import rounds

pytestmark = [pytest.mark.registry, pytest.mark.slow]


@dataclass(frozen=True)
class Counted:
    """What a command took."""

    waves: int
    requests: tuple[tuple[str, str], ...]

    def of(self, method, part=""):
        return [path for one, path in self.requests if one == method and part in path]


@pytest.fixture
def way(docker_registry):
    """Two hosts that are one registry, at any distance."""
    with rounds(docker_registry.host, docker_registry.host) as running:
        yield running


@pytest.fixture
def places(way, docker_registry):
    """A place of its own: a repository by the first host and by the second, and without any distance."""
    name = docker_registry.repository().partition("/")[2]
    return (*(f"{host}/{name}" for host in way.hosts), f"{docker_registry.host}/{name}")


@pytest.fixture
def counted(way, home):
    """`counted("copy", …)`: the command line as a process of its own, which has to succeed."""

    def call(*argv):
        way.waves.clear()
        words = [sys.executable, "-m", "ocitool", *map(str, argv)]
        with subprocess.Popen(
            words, env=process_environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE
        ) as one:
            way.pid = one.pid
            _, said = one.communicate()
        assert 0 == one.returncode, said.decode()
        return Counted(len(way.waves), tuple(way.requests))

    return call


@pytest.fixture
def filled(tmp_path):
    """`filled(place)`: an index of four platforms with ten layers each, no two of them the same."""

    def fill(place, word="layer"):
        with Opener(Access(), Scope()) as opener:
            store, tag = opener.open(place, write=True)
            entries = []
            for platform in PLATFORMS[:4]:
                layers = [f"{word} {number} of {platform}".encode() for number in range(10)]
                held = store.head(str(put_image(store, "", platform, layers=layers)))
                entries.append(replace(held, platform=Platform(*platform.split("/"))))
            store.put_manifest(compose.index(Family.OCI, entries), tag)
        return place

    return fill


def test_copy_of_a_layout(counted, filled, places, tmp_path):
    """44 blobs by HEAD, POST and PUT on 16 connections are nine; the tag, the last manifest, the tag again."""
    source = filled(f"oci:{tmp_path}/layout:1")

    first = counted("copy", source, f"{places[0]}:1")
    again = counted("copy", source, f"{places[0]}:1")
    trusting = counted("copy", "--trust", source, f"{places[0]}:1")

    assert first.waves <= 12
    assert (88, 49) == (len(first.of("PUT", "/blobs/")) + len(first.of("POST")), len(first.of("HEAD")))
    assert again.waves <= 5
    assert [] == again.of("PUT") + again.of("POST")
    assert (2, 2) == (trusting.waves, len(trusting.requests))


def test_copy_inside_a_registry(counted, filled, places):
    """44 mounts on 16 connections are three."""
    filled(f"{places[2]}/from:1")

    first = counted("copy", f"{places[0]}/from:1", f"{places[0]}/to:1")

    assert first.waves <= 9
    assert 44 == len(first.of("POST", "mount="))
    assert [] == first.of("PUT", "/blobs/") + first.of("GET", "/blobs/")


def test_copy_between_registries(counted, filled, places):
    filled(f"{places[2]}/from:1")

    first = counted("copy", f"{places[0]}/from:1", f"{places[1]}/to:1")
    again = counted("copy", f"{places[0]}/from:1", f"{places[1]}/to:1")
    trusting = counted("copy", "--trust", f"{places[0]}/from:1", f"{places[1]}/to:1")

    assert first.waves <= 17
    assert again.waves <= 7
    assert len(trusting.requests) <= 4


def test_index_of_32_and_its_configs(counted, places):
    """The members' manifests and configs are four; the tag before, the tag again, the write."""
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(places[2], write=True)
        for number, platform in enumerate(PLATFORMS):
            put_image(store, f"t{number}", platform)
    members = [f"{places[0]}:t{number}" for number in range(len(PLATFORMS))]

    made = counted("index", "create", f"{places[0]}:all", *members)
    looked = counted("inspect", "--config", f"{places[0]}:all")

    assert made.waves <= 8
    assert len(made.requests) <= 67
    assert (5, 65) == (looked.waves, len(looked.requests))


def test_a_second_repository_mounts_what_an_earlier_run_put_beside_it(counted, filled, places, tmp_path):
    """And a place that lost its blobs costs no request: the session that the mount opens is gone on with."""
    source = filled(f"oci:{tmp_path}/layout:1")
    counted("copy", source, f"{places[0]}/one:1")
    lost = tmp_path / "home/.cache/ocitool/places"

    second = counted("copy", source, f"{places[0]}/two:1")
    for file in lost.iterdir():
        file.write_text(file.read_text().replace("/two\n", "/never\n"))
    third = counted("copy", source, f"{places[0]}/three:1")

    assert second.waves <= 9
    assert (44, []) == (len(second.of("POST", "mount=")), second.of("PUT", "/blobs/"))
    assert (44, 44) == (len(third.of("POST")), len(third.of("PUT", "/blobs/")))


def test_check_of_100_tags(counted, places):
    """A HEAD, a manifest and a config for each, one layer of all: nobody waits long for what another asks for."""
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(places[2], write=True)
        collect(
            Scope(), lambda n: put_image(store, f"t{n}", "linux/amd64", layers=[b"x"], note=str(n)), range(100), 16
        )

    # Which of the tags goes on first is the scheduler's choice, and on a busy machine it costs a wave or two.
    looks = [counted("check", "--all-tags", places[0]) for _ in range(3)]

    assert all(len(checked.requests) <= 302 for checked in looks)
    assert min(checked.waves for checked in looks) <= 302 // 16 + 4


def test_check_of_tags_whose_children_are_the_same(counted, places):
    """The tags wait for what they share, so that the first of them asks for several things side by side."""
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(places[2], write=True)
        entries = []
        for platform in PLATFORMS[:4]:
            held = store.head(str(put_image(store, "", platform, layers=[b"x"])))
            entries.append(replace(held, platform=Platform(*platform.split("/"))))
        for number in range(40):
            document = compose.index(Family.OCI, entries, annotations={"n": str(number)})
            store.put_manifest(document, f"t{number}")

    looks = [counted("check", "--all-tags", places[0]) for _ in range(3)]

    assert all(len(checked.requests) <= 95 for checked in looks)
    assert min(checked.waves for checked in looks) <= 13


@pytest.mark.parametrize("frontend", ["prebuilt", "dockerfile"])
def test_build_upon_a_base_of_many_platforms(counted, places, tmp_path, frontend):
    """The index, the manifests of all platforms, their configs, the layer of all: as many round trips as for one."""
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(f"{places[2]}/base", write=True)
        entries = []
        for platform in PLATFORMS[:4]:
            held = store.head(str(put_image(store, "", platform, layers=[tar(**{"etc/motd": b"x"})])))
            entries.append(replace(held, platform=Platform(*platform.split("/"))))
        store.put_manifest(compose.index(Family.OCI, entries), "1")
    (tmp_path / "file").write_text("x")
    (tmp_path / "Dockerfile").write_text(f"FROM {places[0]}/base:1\nCOPY file /\n")
    said = {"prebuilt": ("--base", f"{places[0]}/base:1", "--copy", "file:/"), "dockerfile": ()}[frontend]

    def built(*platforms):
        words = ("build", tmp_path, "--toolchain", frontend, "--platform", ",".join(platforms), *said)
        return counted(*words, "-t", "app:1", "-o", f"oci:{tmp_path}/out-{len(platforms)}")

    one, four = built(PLATFORMS[0]), built(*PLATFORMS[:4])

    assert four.waves <= one.waves + 1
    assert 10 == len(four.of("GET", "/base/"))


def test_build_and_push(counted, places, tmp_path):
    """Layers go while others are packed; then configs, manifests and the tag."""
    arches = ("amd64", "arm64", "arm", "riscv64")
    source = tmp_path / "source"
    source.mkdir()
    for arch in arches:
        (source / arch).write_text(arch)
    platforms = ",".join(f"linux/{arch}" for arch in arches)

    pushed = counted(
        *("build", source, "--toolchain", "prebuilt", "--copy", "{arch}:/srv/", "--platform", platforms),
        *("-t", f"{places[0]}:1", "--push"),
    )

    assert pushed.waves <= 11
    assert len(pushed.requests) <= 35
