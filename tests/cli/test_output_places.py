"""Outputs that are no plain file yet: links are followed, pipes and devices are written into."""

import os
import stat
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ocitool.store.layout import LayoutStore
from tests.fakes.images import put_image
from tests.fakes.layers import tar

WRITES = {
    "oci-archive": lambda place: ("copy", "oci:img:1", f"oci-archive:{place}"),
    "docker-archive": lambda place: ("copy", "oci:img:1", f"docker-archive:{place}:app:1"),
    "export": lambda place: ("export", "oci:img:1", "-o", str(place)),
}


@pytest.fixture(params=WRITES, ids=list(WRITES))
def write(request, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_image(LayoutStore(Path("img"), create=True), "1", "linux/amd64", layers=[tar(("f", "x"))])
    return lambda place: run(*WRITES[request.param](place))


def names(place) -> list[str]:
    with tarfile.open(place) as archive:
        return archive.getnames()


@pytest.mark.parametrize("is_there", [True, False], ids=["a file", "nothing yet"])
def test_a_link_is_followed(write, is_there):
    Path("far").mkdir()
    if is_there:
        Path("far/real.tar").write_text("old")
    Path("link.tar").symlink_to("far/real.tar")

    done = write("link.tar")

    assert 0 == done.exit_code, done.stderr
    assert (True, "far/real.tar") == (Path("link.tar").is_symlink(), os.readlink("link.tar"))
    assert names("far/real.tar")
    assert ["real.tar"] == os.listdir("far")


def test_a_pipe_gets_the_bytes_and_stays_one(write):
    os.mkfifo("pipe.tar")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(Path("pipe.tar").read_bytes)
        done = write("pipe.tar")
        if done.exit_code:  # nobody wrote: let the reader go
            os.close(os.open("pipe.tar", os.O_WRONLY | os.O_NONBLOCK))
        got = reading.result(30)

    assert 0 == done.exit_code, done.stderr
    assert stat.S_ISFIFO(os.stat("pipe.tar").st_mode)
    Path("got.tar").write_bytes(got)
    assert names("got.tar")


def test_a_device_stays_one(write, tmp_path):
    try:
        os.mknod("null.tar", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        Path("null.tar").write_bytes(b"x")
    except OSError as error:
        pytest.skip(f"no device can be made or opened here: {error}")

    done = write("null.tar")

    assert 0 == done.exit_code, done.stderr
    assert stat.S_ISCHR(os.stat("null.tar").st_mode)
    assert [] == [name for name in os.listdir() if name.startswith(".null")]


def test_an_open_descriptor(run, write):  # `write` has made the image
    with Path("out.tar").open("wb") as file:
        done = run("copy", "oci:img:1", f"oci-archive:/dev/fd/{file.fileno()}")

    assert 0 == done.exit_code, done.stderr
    assert names("out.tar")
