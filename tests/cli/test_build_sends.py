"""What becomes of a layer between its packing and its sending: told as the file in the store has it, and soon."""

import os

import pytest

from tests.fakes.faults import Fault
from tests.fakes.programs import Elf

SIZE = 300_000


def truncate(path):
    os.truncate(path, SIZE // 2)


def change(path):
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"spoilt")


@pytest.mark.parametrize(
    ("spoil", "code", "words", "sends"),
    [
        (truncate, 6, "sent 150000 of the", 0),
        (change, 6, "hashes to sha256:", 1),
        (lambda path: path.unlink(), 3, "no blob sha256:", 0),
    ],
)
def test_a_new_layer_that_is_spoilt_before_it_is_sent_is_told_with_its_store(
    home, run, monkeypatch, registry, spoil, code, words, sends
):
    """The registry is not blamed for it, although nothing was hashed on the way to it."""
    monkeypatch.chdir(home)
    (home / "app").write_bytes(Elf(62).build() + os.urandom(SIZE))
    (home / "app").chmod(0o755)

    def first():
        for path in (home / ".cache").rglob("content/blobs/sha256/*"):
            if path.stat().st_size > SIZE:
                spoil(path)

    registry.faults.append(Fault("POST /v2/app/blobs/uploads/", first=first, edit={"x-spoilt": "1"}))
    where = ("--platform", "linux/amd64", "-t", f"{registry.host}/app:1", "--push")

    done = run("build", ".", "--toolchain", "prebuilt", "--copy", "app:/bin/", *where)

    assert (code, 1) == (done.exit_code, done.stderr.count("error: ")), done.stderr
    assert words in done.stderr
    assert f"oci:{home}/.cache/ocitool/content" in done.stderr
    assert sends == sum(one.size > SIZE for one in registry.asked("PUT"))
    assert {} == registry.tags
