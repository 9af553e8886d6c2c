"""What platforms have in common is one layer, and a changed program sends no data again (K213)."""

import json
import random

import pytest

from tests.fakes.programs import Elf

ASSETS = random.Random(213).randbytes(1_000_000)
MACHINES = {"amd64": Elf(62), "arm64": Elf(183)}


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    for name, elf in MACHINES.items():
        (folder / "out" / name).mkdir(parents=True)
        (folder / "out" / name / "app").write_bytes(elf.build() + random.Random(name).randbytes(10_000))
        (folder / "out" / name / "app").chmod(0o755)
    (folder / "assets" / "deep").mkdir(parents=True)
    (folder / "assets" / "deep" / "data").write_bytes(ASSETS)
    return folder


@pytest.fixture
def build(ocitool, project, tmp_path):
    """`build("--copy", …)`: the digests and sizes of each platform's layers in a layout, bottom first."""

    def call(*flags: str) -> dict[str, list[tuple[str, int]]]:
        words = ("build", project, *flags, "--platform", "linux/amd64,linux/arm64", "-o", f"oci:{tmp_path}/img:1")
        done = ocitool(*words, "--json")
        assert 0 == done.exit_code, done.stderr
        data = json.loads(done.stdout)["data"]
        sizes = {one["digest"]: one["size"] for one in data["layers"]}
        return {one["platform"]: [(d, sizes[d]) for d in one["layers"]] for one in data["platforms"]}

    return call


def copies(folder_per_platform: bool) -> tuple[str, ...]:
    rules = ("out/{arch}:/srv",) if folder_per_platform else ("assets:/srv", "out/{arch}/app:/srv/bin/")
    return ("--toolchain", "prebuilt", *(word for rule in rules for word in ("--copy", rule)))


@pytest.fixture(params=[False, True], ids=["rules of their own", "a folder per platform"])
def flags(request, project):
    if request.param:
        for name in MACHINES:
            (project / "out" / name / "deep").mkdir()
            (project / "out" / name / "deep" / "data").write_bytes(ASSETS)
    return copies(request.param)


def test_k213_equal_files_are_one_layer(build, flags):
    amd64, arm64 = build(*flags).values()

    assert (2, amd64[0], True) == (len(amd64), arm64[0], amd64[1] != arm64[1])
    assert amd64[0][1] > len(ASSETS) > 100 * amd64[1][1] / 2


def test_k213_a_changed_program_leaves_the_data_alone(build, flags, project):
    before = build(*flags)
    (project / "out" / "amd64" / "app").write_bytes(MACHINES["amd64"].build() + b"another")
    after = build(*flags)

    assert before["linux/arm64"] == after["linux/arm64"]
    assert before["linux/amd64"][0] == after["linux/amd64"][0]
    assert before["linux/amd64"][1] != after["linux/amd64"][1]


def test_k213_files_that_differ_do_not_take_the_equal_ones_with_them(build, project):
    for name in MACHINES:
        (project / "out" / name / "data").write_bytes(ASSETS)
        (project / "out" / name / "arch.txt").write_text(name)
    amd64, arm64 = build(*copies(True)).values()

    assert (3, 3, amd64[0]) == (len(amd64), len(arm64), arm64[0])
    assert amd64[0][1] > len(ASSETS)


def test_k213_one_platform_alone_has_the_same_layers(build, ocitool, project, tmp_path, flags):
    amd64, _ = build(*flags).values()
    done = ocitool("build", project, *flags, "--platform", "linux/amd64", "-o", f"oci:{tmp_path}/alone:1", "--json")

    assert [digest for digest, _ in amd64] == json.loads(done.stdout)["data"]["platforms"][0]["layers"]


def test_k213_the_image_is_what_was_copied(build, ocitool, project, tmp_path, flags):
    build(*flags)
    done = ocitool("files", f"oci:{tmp_path}/img:1", "--platform", "linux/arm64")

    assert {"srv", "srv/deep", "srv/deep/data"} <= set(done.stdout.split())
    assert {"srv/app", "srv/bin/app"} & set(done.stdout.split())


def test_k213_lines_of_a_dockerfile_that_copy_the_same_share_a_layer(build, project):
    for name in MACHINES:
        (project / "out" / name / "data").write_bytes(ASSETS)
    (project / "Dockerfile").write_text(
        "FROM scratch\nARG TARGETARCH\nCOPY assets /srv/\nCOPY out/$TARGETARCH/data /own/\n"
        "COPY out/$TARGETARCH/app /bin/\n"
    )
    amd64, arm64 = build().values()

    assert (3, amd64[:2]) == (len(amd64), arm64[:2])
    assert amd64[2] != arm64[2]
