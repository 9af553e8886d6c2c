"""K207: `--build-context NAME=LOC` takes every place that ocitool reads."""

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.built import built
from tests.fakes.busybox import put_busybox


@pytest.fixture
def place(home, run, registry):
    """`place("oci:…")`: that place, with a busybox for two platforms in it."""
    put_busybox(LayoutStore(home / "lay", create=True), "1")

    def call(kind):
        if kind == "reference":
            name = f"{registry.host}/team/bb:1"
            with Opener(Access(), Scope()) as opener:
                put_busybox(*opener.open(name, write=True))
            return name
        if "archive" in kind:
            digest = run("digest", "oci:lay:1", "--platform", "linux/amd64").stdout.strip()
            source = f"oci:lay@{digest}" if "docker" in kind else "oci:lay:1"
            done = run("copy", source, kind)
            assert 0 == done.exit_code, done.stderr
        return kind

    return call


@pytest.mark.parametrize("prefix", ["", "docker-image://"])
@pytest.mark.parametrize(
    "kind",
    [
        "oci:lay:1",
        "oci:lay",
        "oci-layout://lay:1",
        "oci-archive:a.tar:1",
        "docker-archive:d.tar:x/y:1",
        "reference",
    ],
)
def test_k207_every_place_is_a_context(home, build, place, kind, prefix):
    where = place(kind)
    if prefix and kind != "reference":
        return

    outcome = build(
        "FROM bx AS a\nFROM scratch\nCOPY --from=a /etc/passwd /a\nCOPY --from=bx /etc/passwd /b\n",
        "--build-context",
        f"bx={prefix}{where}",
    )

    image = built(home, outcome)
    assert b"root:x:0:0" == image.data("a")[:10] == image.data("b")[:10]


def test_a_folder_of_such_a_name_goes_first(home, build):
    (home / "alpine:3").mkdir()
    (home / "alpine:3" / "x").write_text("x")

    image = built(home, build("FROM scratch\nCOPY --from=c x /\n", "--build-context", "c=alpine:3"))

    assert b"x" == image.data("x")


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        ("none", 3, "no folder none for context c"),
        ("./none:1", 3, "no folder ./none:1 for context c"),
        ("oci:none:1", 3, "none"),
        ("oci:", 2, "names no path"),
        ("containers-storage:x", 2, "is read and written by other tools"),
        ("docker-image://A B", 2, "--build-context c: not a repository name"),
        ("https://h.example/x.git", 9, "is not on this machine"),
        ("", 2, "says no place"),
    ],
)
def test_k207_what_is_no_place(build, place, code, words):
    outcome = build("FROM scratch\nCOPY --from=c x /\n", "--build-context", f"c={place}")

    assert code == outcome.exit_code, outcome.stderr
    assert words in outcome.stderr


def test_no_stage_is_built_upon_a_folder(build):
    outcome = build("FROM c\n", "--build-context", "c=.")

    assert 9 == outcome.exit_code, outcome.stderr
    assert "context c is a folder, and no stage can be built upon one" in outcome.stderr
