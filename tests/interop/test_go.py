"""The real Go compiler: every platform it is asked for, and the same bytes from anywhere."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ocitool.binaries.binary import Binary
from ocitool.builder.compile import plan_compile
from ocitool.builder.programs import misfits, refuse_foreign, survey
from ocitool.errors import BuildError, Unsupported
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.pack.entries import Entry, FileContent
from ocitool.project.values import BuildSpec, Stamp, load_spec
from ocitool.tasks import Scope
from ocitool.toolchains.base import Project
from ocitool.toolchains.go import find_go
from ocitool.toolchains.processes import run

HELLO = Path(__file__).parents[2] / "testdata" / "src-go" / "hello"
pytestmark = pytest.mark.interop


@pytest.fixture(scope="module", autouse=True)
def _compiler():
    try:
        find_go(os.environ)
    except Unsupported as missing:
        pytest.skip(f"{missing}: {missing.hint}")


def compile_(source: Path, work: Path, *platforms: str, spec: BuildSpec | None = None, environ=os.environ):
    wanted = [Platform.parse(text) for text in platforms]
    planned = plan_compile("go", spec or BuildSpec(), wanted, Project(source, work, environ))
    return run([one.job for one in planned], Scope(), 2)


def inspected(output: Path) -> Binary:
    (found,) = survey([Entry(output.name, FileKind.FILE, 0o755, content=FileContent(output))])
    return found.binary


PLATFORMS = (
    "linux/amd64", "linux/amd64/v2", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5", "linux/riscv64",
    "linux/s390x", "windows/amd64", "darwin/arm64",
)  # fmt: skip


@pytest.mark.slow
def test_every_program_is_for_its_platform_and_records_its_level(tmp_path):
    for done in compile_(HELLO, tmp_path, *PLATFORMS):
        output = done.job.outputs[0]
        platform = done.job.target.platform
        found = survey([Entry("bin/hello", FileKind.FILE, 0o755, content=FileContent(output))])

        refuse_foreign(found, platform)
        assert platform.variant in {"", found[0].binary.platform.variant}
        assert "example.com/hello" == found[0].binary.go.module
        for other in PLATFORMS:
            if other.split("/")[1] != platform.architecture:
                assert misfits(found, Platform.parse(other))


def test_the_same_bytes_from_another_folder_umask_and_zone(tmp_path):
    clone = tmp_path / "other" / "clone"
    shutil.copytree(HELLO, clone)
    elsewhere = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "TZ": "Asia/Tokyo", "LC_ALL": "C",
        "GOCACHE": str(tmp_path / "gocache"), "GOFLAGS": "-buildvcs=true",
    }  # fmt: skip

    (one,) = compile_(HELLO, tmp_path / "a", "linux/amd64")
    umask = os.umask(0o077)
    try:
        (two,) = compile_(clone, tmp_path / "b", "linux/amd64", environ=elsewhere)
    finally:
        os.umask(umask)

    assert _digest(one.job.outputs[0]) == _digest(two.job.outputs[0])
    assert str(HELLO).encode() not in one.job.outputs[0].read_bytes()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_program_without_cgo_is_static_and_holds_the_stamped_version(tmp_path):
    (tmp_path / "ocitool.toml").write_text("version = '1.2.3'\n[go]\nldflags = '-s -w -X main.version={version}'\n")
    spec = load_spec(tmp_path / "ocitool.toml", Stamp)

    (done,) = compile_(HELLO, tmp_path / "out", "linux/amd64", spec=spec)

    assert inspected(done.job.outputs[0]).is_static
    assert "hello from linux/amd64, version 1.2.3\n" == subprocess.check_output([done.job.outputs[0]], text=True)


def test_the_compilers_words_and_the_platform_are_told(tmp_path):
    source = tmp_path / "bad"
    source.mkdir()
    (source / "go.mod").write_text("module example.com/bad\n\ngo 1.24\n")
    (source / "main.go").write_text("package main\n\nfunc main() { undefinedName() }\n")

    with pytest.raises(BuildError, match="cannot compile bad for linux/arm/v6: go exited with 1") as failed:
        compile_(source, tmp_path / "out", "linux/arm/v6")

    assert "./main.go:3:15: undefined: undefinedName" in failed.value.stderr.splitlines()


def test_a_machine_without_home_or_cache_compiles(tmp_path):
    (done,) = compile_(HELLO, tmp_path, "linux/amd64", environ={"PATH": os.environ["PATH"]})

    assert inspected(done.job.outputs[0]).go is not None
