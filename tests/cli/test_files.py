"""`files`, `cat` and `export` from the command line, on layouts and a registry."""

import base64
import io
import json
import stat
import subprocess
import sys
import tarfile

import pytest

from ocitool.model import compose
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource
from ocitool.store.layout import LayoutStore
from tests.conftest import process_environment
from tests.fakes.layers import stored, tar

LAYERS = (
    tar(
        ("etc/", ""),
        ("etc/os-release", "ID=old"),
        ("usr/bin/", "555"),
        ("usr/bin/sudo", "x", {"mode": 0o4755}),
        ("bin", "-> usr/bin"),
        ("gone", ""),
        ("dev/null", "c 1 3", {"mode": 0o666}),
    ),
    tar(("etc/os-release", "ID=new", {"mtime": 1_700_000_000}), (".wh.gone", ""), ("tmp/", "1777")),
)


@pytest.fixture
def image(tmp_path):
    """An index of two platforms with the same layers, `v1` in a layout."""
    layout = LayoutStore(tmp_path / "layout", create=True)
    memory, manifest = stored(*LAYERS)
    for layer in manifest.layers:
        with memory.open_blob(layer) as pieces:
            layout.put_blob(layer, BytesSource(b"".join(pieces)))
    entries = []
    for arch in ("amd64", "arm64"):
        platform = Platform("linux", arch)
        config = compose.image_config(Family.OCI, platform, settings={}, diff_ids=[], history=[], created="")
        layout.put_blob(Descriptor.of(config), BytesSource(config.raw))
        one = compose.manifest(Family.OCI, Descriptor.of(config), manifest.layers)
        layout.put_manifest(one)
        entries.append(Descriptor.of(one, platform))
    layout.put_manifest(compose.index(Family.OCI, entries), "v1")
    return f"oci:{layout.path}:v1"


def test_files_lists_one_path_a_line(image, run):
    done = run("files", image, "--platform", "linux/arm64")

    assert (0, "") == (done.exit_code, done.stderr)
    assert [
        "bin",
        "dev",
        "dev/null",
        "etc",
        "etc/os-release",
        "tmp",
        "usr",
        "usr/bin",
        "usr/bin/sudo",
    ] == done.stdout.splitlines()


def test_files_tells_more_when_asked(image, run):
    lines = run("files", image, "--platform", "linux/arm64", "-l").stdout.splitlines()

    assert [
        "lrw-r--r--       0:0           0 1970-01-01T00:00:00Z bin -> usr/bin",
        "crw-rw-rw-       0:0         1,3 1970-01-01T00:00:00Z dev/null",
        "-rw-r--r--       0:0           6 2023-11-14T22:13:20Z etc/os-release",
        "drwxrwxrwt       0:0           0 1970-01-01T00:00:00Z tmp",
        "-rwsr-xr-x       0:0           1 1970-01-01T00:00:00Z usr/bin/sudo",
    ] == [lines[n] for n in (0, 2, 4, 5, 8)]


def test_files_as_json_say_which_layer_they_come_from(image, run):
    _, manifest = stored(*LAYERS)

    data = json.loads(run("files", image, "--platform", "linux/amd64", "--json").stdout)["data"]

    (found,) = [file for file in data["files"] if file["path"] == "etc/os-release"]
    assert {
        "path": "etc/os-release",
        "kind": "file",
        "mode": "0644",
        "uid": 0,
        "gid": 0,
        "size": 6,
        "mtime": "2023-11-14T22:13:20Z",
        "layer": manifest.layers[1].digest,
    } == found


def test_names_cannot_write_to_the_terminal(tmp_path, run):
    layout = LayoutStore(tmp_path / "layout", create=True)
    memory, manifest = stored(tar(("a\x1b]0;x\x07\nb", ""), ("caf\udce9", ""), ("é", "")))
    with memory.open_blob(manifest.layers[0]) as pieces:
        layout.put_blob(manifest.layers[0], BytesSource(b"".join(pieces)))
    layout.put_manifest(manifest.document, "v1")

    done = run("files", f"oci:{layout.path}:v1")

    assert ["a\\x1b]0;x\\x07\\nb", "caf\\xe9", "é"] == done.stdout.splitlines()


def test_cat_prints_the_file_a_container_would_see(image, run):
    assert "ID=new" == run("cat", image, "/etc/os-release", "--platform", "linux/amd64").stdout
    assert "x" == run("cat", image, "bin/sudo", "--platform", "linux/amd64").stdout


def test_cat_as_json_is_base64(image, run):
    data = json.loads(run("cat", image, "bin/sudo", "--platform", "linux/amd64", "--json").stdout)["data"]

    assert ("usr/bin/sudo", b"x") == (data["path"], base64.b64decode(data["base64"]))


@pytest.mark.parametrize("path", ["gone", "etc", "etc/missing", "dev/null"])
def test_cat_of_what_is_no_file_is_not_found(image, run, path):
    done = run("cat", image, path, "--platform", "linux/amd64")

    assert (3, "", f"error: no file /{path} in the image") == (
        done.exit_code,
        done.stdout,
        done.stderr.splitlines()[0],
    )


def test_several_platforms_have_to_be_chosen_from(image, run):
    done = run("files", image)

    assert (2, "hint: choose one with --platform: linux/amd64, linux/arm64") == (
        done.exit_code,
        done.stderr.splitlines()[-2],
    )


def test_export_writes_a_directory(image, run, tmp_path):
    done = run("export", image, "--platform", "linux/amd64", "-o", tmp_path / "out")

    assert (0, "") == (done.exit_code, done.stdout)
    assert "warning: devices and links to nothing are left out: /dev/null" == done.stderr.splitlines()[0]
    assert "ID=new" == (tmp_path / "out/etc/os-release").read_text()
    assert "dr-xr-xr-x" == stat.filemode((tmp_path / "out/usr/bin").stat().st_mode)
    assert not (tmp_path / "out/gone").exists()
    assert not (tmp_path / "out/dev/null").exists()


def test_export_writes_the_same_tar_each_time(image, run, tmp_path):
    for name in ("a.tar", "b.tar"):
        assert 0 == run("export", image, "--platform", "linux/amd64", "-o", tmp_path / name).exit_code

    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as archive:
        names = archive.getnames()
        assert b"ID=new" == archive.extractfile("etc/os-release").read()
    assert ["dev", "etc", "tmp", "usr", "usr/bin/sudo", "etc/os-release", "bin", "usr/bin"] == names


def test_export_to_a_pipe_is_a_tar(image, home):
    done = subprocess.run(
        [sys.executable, "-m", "ocitool", "export", image, "--platform", "linux/amd64", "-o", "-"],
        env=process_environment(),
        capture_output=True,
        check=True,
    )

    with tarfile.open(fileobj=io.BytesIO(done.stdout), mode="r|") as archive:
        assert "etc/os-release" in [member.name for member in archive]


def test_export_will_not_write_into_what_is_there(image, run, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("x")

    done = run("export", image, "--platform", "linux/amd64", "-o", tmp_path / "full")

    assert 2 == done.exit_code
    assert ["mine"] == [path.name for path in (tmp_path / "full").iterdir()]


def test_a_damaged_layer_is_an_error_and_leaves_nothing(image, run, tmp_path):
    _, manifest = stored(*LAYERS)
    assert 0 == run("files", image, "--platform", "linux/amd64").exit_code  # the listing is known now
    blob = LayoutStore(tmp_path / "layout").blob_path(manifest.layers[0].digest)
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)

    for output in ("out", "out.tar"):
        done = run("export", image, "--platform", "linux/amd64", "-o", tmp_path / output)

        assert (6, False) == (done.exit_code, (tmp_path / output).exists())
    assert 6 == run("cat", image, "bin/sudo", "--platform", "linux/amd64").exit_code


@pytest.mark.registry
def test_files_of_an_image_in_a_registry(image, run, docker_registry, tmp_path):
    reference = f"{docker_registry.repository()}:v1"
    assert 0 == run("copy", image, reference).exit_code
    assert 0 == run("files", reference, "--platform", "linux/arm64").exit_code

    done = run("files", reference, "--platform", "linux/amd64")

    assert done.stdout.startswith("bin\n")
    assert "ID=new" == run("cat", reference, "etc/os-release", "--platform", "linux/arm64").stdout
