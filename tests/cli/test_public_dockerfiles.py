"""Dockerfiles of the shapes that public ones have: every RUN is refused with a way out, and the way out builds.

testdata/dockerfiles holds a folder for each. `refused.txt` says what is told of the file as it is; what is built for
three platforms after taking the ways out is `instead.Dockerfile`, or the file itself with the folder's ocitool.toml.
"""

import re
import shutil
import tarfile

import pytest

from ocitool.binaries.identify import inspect_stream
from ocitool.dockerfile.stages import OriginKind, StageGraph, StageRequest
from ocitool.dockerfile.syntax.parse import parse
from ocitool.model.platform import Platform
from ocitool.project.values import Stamp, load_spec
from ocitool.store.layout import LayoutStore
from ocitool.toolchains.options import NATIVE
from tests.cli.test_build_dockerfile import Built
from tests.conftest import REPOSITORY
from tests.fakes.busybox import put_busybox
from tests.fakes.programs import Elf

FOLDER = REPOSITORY / "testdata" / "dockerfiles"
CASES = sorted(path.name for path in FOLDER.iterdir() if (path / "Dockerfile").exists())
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")
PROGRAMS = {"amd64": Elf(62), "arm64": Elf(183), "arm": Elf(40, 32)}
# Made here: an archive of sources with links that lead out of it is refused by installers (K244).
LINKS = {
    "logs/access.log": "/dev/stdout",
    "localtime/localtime": "/usr/share/zoneinfo/Europe/Vienna",
    "links/var/log/shop.log": "/dev/stdout",
    "links/current": "/opt/tool-1.4/bin/tool",
}
AMD64 = Platform("linux", "amd64")


@pytest.fixture
def build(home, run, monkeypatch):
    """`build(name, dockerfile, spec)`: a case of testdata in a folder with what the ways out prepare before a build.

    Every image that the file names is the busybox of the fakes.
    """
    monkeypatch.chdir(home)
    context = home / "context"
    shutil.copytree(FOLDER / "context", context, symlinks=True)
    for name, target in LINKS.items():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).symlink_to(target)
    (context / "downloads").mkdir()
    for name, elf in PROGRAMS.items():
        program = context / "out" / name / "tool"
        program.parent.mkdir(parents=True)
        program.write_bytes(elf.build())
        program.chmod(0o755)
        with tarfile.open(context / "downloads" / f"tool-{name}.tar.gz", "w:gz") as archive:
            archive.add(program, "tool")
    put_busybox(LayoutStore(home / "base", create=True), "1")

    def call(name, dockerfile, *, spec):
        shutil.copy(FOLDER / name / dockerfile, context / "Dockerfile")
        if (FOLDER / name / "Dockerfile.dockerignore").exists():
            shutil.copy(FOLDER / name / "Dockerfile.dockerignore", context)
        if spec:
            shutil.copy(FOLDER / name / "ocitool.toml", context)
        contexts = [
            word
            for image in images(context / "Dockerfile")
            for word in ("--build-context", f"{image}=oci-layout://base:1")
        ]
        return run("build", "context", "--platform", ",".join(PLATFORMS), *contexts, "-o", "oci:img:1")

    return call


def images(path):
    """The images that a Dockerfile names."""
    graph = StageGraph.of(parse(path.read_bytes(), "Dockerfile"), StageRequest(AMD64, AMD64))
    stage_bases = [stage_base for one in graph.needed for stage_base in (one.stage_base, *one.sources.values())]
    return sorted({stage_base.name for stage_base in stage_bases if stage_base.origin is OriginKind.IMAGE})


def rows(name, file):
    """The lines of a table of testdata."""
    return [[cell.strip() for cell in line.split("|")] for line in (FOLDER / name / file).read_text().splitlines()]


def test_there_are_enough_shapes():
    assert len(CASES) >= 39


@pytest.mark.parametrize("name", CASES)
def test_every_line_is_refused_with_its_ways_out(build, name):
    expected = rows(name, "refused.txt")

    outcome = build(name, "Dockerfile", spec=False)

    told = re.findall(r"^  \S*Dockerfile:(\d+): (?:RUN .*?: |it also )(.*)", outcome.stderr, re.MULTILINE)
    assert (9 if expected else 0) == outcome.exit_code, outcome.stderr
    assert [(number, does) for number, does, _ in expected] == [(n, words.partition("; ")[0]) for n, words in told]
    for (_, _, way), (_, words) in zip(expected, told, strict=True):
        assert way in words.partition("; ")[2]


@pytest.mark.parametrize("name", [name for name in CASES if (FOLDER / name / "ocitool.toml").exists()])
def test_the_tables_to_begin_with_are_an_ocitool_toml_for_the_same_stages(tmp_path, build, name):
    outcome = build(name, "Dockerfile", spec=False)
    told = tmp_path / "ocitool.toml"
    drafted = outcome.stderr.partition("hint: ocitool.toml beside the Dockerfile, to begin with\n")[2]
    told.write_text(drafted.partition("\nsee: ocitool explain ")[0])

    stages = {stage.name: stage.toolchain for stage in load_spec(FOLDER / name / "ocitool.toml", Stamp).stages}
    drafted = {stage.name: stage.toolchain for stage in load_spec(told, lambda: Stamp("1", "2")).stages}
    # Real compilers of C and Rust take minutes, so that a command stands for them; refused.txt has their names.
    assert stages == {key: "command" if value in NATIVE else value for key, value in drafted.items()}


@pytest.mark.parametrize("name", CASES)
def test_the_ways_out_build_for_every_platform(home, build, name):
    spec = (FOLDER / name / "ocitool.toml").exists()
    instead = "instead.Dockerfile" if (FOLDER / name / "instead.Dockerfile").exists() else "Dockerfile"

    outcome = build(name, instead, spec=spec)

    assert 0 == outcome.exit_code, outcome.stderr
    for platform in PLATFORMS:
        image = Built(home / "img", platform)
        for (line,) in rows(name, "image.txt"):
            path, mode, owner, *kind = line.split()
            node = image.tree.get(path)
            assert (mode, owner) == (f"{node.mode:o}", f"{node.uid}:{node.gid}"), path
            if kind:
                found = inspect_stream((image.data(path),)).platform
                assert Platform.parse(platform).architecture == found.architecture


def test_a_file_that_needs_no_other_is_built_as_it_is():
    """Where only ocitool.toml is added, the Dockerfile stays what it is for everybody else."""
    as_they_are = [name for name in CASES if not (FOLDER / name / "instead.Dockerfile").exists()]

    assert len(as_they_are) >= 12
    assert all((FOLDER / name / "ocitool.toml").exists() or not rows(name, "refused.txt") for name in as_they_are)
