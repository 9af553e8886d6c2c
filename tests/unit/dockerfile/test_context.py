"""The context as a tree: what is seen of a folder, and when something in it is refused."""

import inspect
import os
import socket
import sys
from pathlib import Path

import pytest

from ocitool.dockerfile.context import Context
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.errors import LocalIOError, UsageError
from ocitool.model.files import FileKind
from ocitool.pack.entries import Entry
from ocitool.rootfs.files import Layered


@pytest.fixture
def shallow():
    """Few frames are left, so that what recurses by folders ends in an error."""
    before = sys.getrecursionlimit()

    def limit():
        sys.setrecursionlimit(len(inspect.stack(0)) + 100)

    yield limit
    sys.setrecursionlimit(before)


def test_what_cannot_be_packed_is_refused_when_it_is_taken(tmp_path):
    """K158: a file of holes that nothing copies stands in nobody's way."""
    (tmp_path / "f").write_text("x")
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(200 * 1024**3)
    source = Context(tmp_path)

    assert ("f", "holes") == source.names("")
    assert FileKind.FILE is source.kind_at("holes")
    assert 1 == source.get("f").content.size
    with pytest.raises(UsageError, match="mostly holes") as refused:
        source.get("holes")
    assert "say --allow-sparse" in refused.value.hint
    assert 200 * 1024**3 == Context(tmp_path, allow_sparse=True).get("holes").content.size


def test_a_socket_is_not_there_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's address is short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("sock")
        source = Context(tmp_path)

    assert () == source.names("")
    assert source.get("sock") is None
    assert "sock is a socket, which no image can hold" == source.why_absent("sock")


def test_what_is_not_there_is_told_with_what_may_be_meant(tmp_path):
    """K163: a link out of the context, a name in other letters."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Main.py").touch()
    (tmp_path / "out").symlink_to("../elsewhere")
    source = Context(tmp_path)

    assert "out is a link to ../elsewhere, which leads to nothing in the context" == source.why_absent("out")
    assert "did you mean app/Main.py?" == source.why_absent("app/main.py")
    assert "did you mean app?" == source.why_absent("ap")
    assert ["", "", ""] == [source.why_absent(path) for path in ("package.json", "app/other", "nothing/main.py")]


def test_kinds_and_names_beyond_utf_8(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("dir")
    with open(os.fsencode(tmp_path) + b"/dir/\xff", "wb"):
        pass
    source = Context(tmp_path)

    assert [FileKind.DIRECTORY, FileKind.SYMLINK, FileKind.FIFO] == [
        source.get(name).kind for name in ("dir", "link", "pipe")
    ]
    assert ["dir", None] == [source.link_at(name) for name in ("link", "dir")]
    assert ("\udcff",) == source.names("dir")
    assert FileKind.FILE is source.get("dir/\udcff").kind
    assert [None, None] == [source.kind_at(path) for path in ("link/x", "pipe/x")]


@pytest.mark.slow
def test_directories_that_are_ignored_are_searched_for_what_is_kept(tmp_path, shallow):
    """At any depth, and each of them once."""
    deep = "/".join(["d"] * 300)
    os.makedirs(tmp_path / deep)
    (tmp_path / deep / "kept").touch()
    for name in ("a/b/c", "a/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    source = Context(tmp_path, IgnoreRules.parse("*\n!**/kept\n!a/x\n"))

    shallow()
    assert ("a", "d") == source.names("")
    assert ("x",) == source.names("a")
    assert ("kept",) == source.names(deep)
    assert FileKind.FILE is source.kind_at(f"{deep}/kept")


def test_what_no_exception_leads_into_is_not_looked_into(tmp_path, monkeypatch):
    """K167: a data folder of another user that is ignored need not be readable."""
    for name in ("pgdata/base/1", "node_modules/m/i.js", "target/a.jar", "target/x/y", "docs/a/b.md", "docs/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    looked_into = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked_into.append(Path(os.fsdecode(path))) or scandir(path))
    source = Context(tmp_path, IgnoreRules.parse("*\n!target/a.jar\n!doc?/*/*.md\n"))

    assert ("docs", "target") == source.names("")
    assert {"", "target", "docs", "docs/a"} == {
        str(path.relative_to(tmp_path)).replace(".", "", 1) for path in looked_into
    }


def test_a_file_deep_down_can_be_asked_for_at_once(tmp_path, shallow):
    deep = "/".join(["d"] * 300)
    os.makedirs(tmp_path / deep)
    (tmp_path / deep / "f").write_text("x")

    shallow()
    assert 1 == Context(tmp_path).get(f"{deep}/f").content.size


def tree(*paths: str) -> list[Entry]:
    """Entries of these paths: with a slash at the end a directory, with one at the start a link, else a file."""
    kinds = {True: FileKind.DIRECTORY, False: FileKind.FILE}
    return [
        Entry(path[1:], FileKind.SYMLINK, link="x")
        if path[0] == "/"
        else Entry(path.rstrip("/"), kinds[path[-1] == "/"])
        for path in paths
    ]


@pytest.mark.parametrize("base", [tree("x/", "x/deep", "y"), tree("x"), tree("y/", "y/deep"), []])
@pytest.mark.parametrize("middle", [tree("x/", "x/a", "z"), tree("x"), tree("/x"), tree("y/", "y/b", "y/c", "x/")])
@pytest.mark.parametrize("top", [tree("x/", "x/a"), tree("x", "z"), tree("/y", "x/", "x/new"), tree("w/", "w/w")])
def test_layers_that_became_one_are_what_they_were(base, middle, top):
    """What stands over each other, looked at in one way and in the other: a folder over a file is empty."""

    class Apart:
        """A tree that no level joins with."""

        def __init__(self, files):
            self.get, self.names, self.kind_at, self.link_at = (
                files.get, files.names, files.kind_at, files.link_at
            )  # fmt: skip

    joined = Layered(top, Layered(middle, Layered(base)))
    apart = Layered(top, Apart(Layered(middle, Apart(Layered(base)))))

    for path in ("", "x", "y", "z", "w"):
        assert apart.names(path) == joined.names(path)
    for path in ("x", "x/a", "x/deep", "x/new", "y", "y/b", "y/deep", "z", "w", "w/w", "x/a/b"):
        assert apart.get(path) == joined.get(path)
        assert apart.kind_at(path) is joined.kind_at(path)


def test_a_path_that_the_system_cannot_take_is_named(tmp_path, monkeypatch):
    """A folder can be deeper than any path to what is in it."""
    monkeypatch.chdir(tmp_path)
    for _ in range(18):
        os.mkdir("d" * 250)
        os.chdir("d" * 250)
    source = Context(tmp_path)

    with pytest.raises(LocalIOError, match="file name too long"):
        for depth in range(1, 19):
            source.names("/".join(["d" * 250] * depth))


def test_a_file_that_goes_away_while_it_is_looked_at_is_named(tmp_path):
    (tmp_path / "gone").touch()

    class Rules(IgnoreRules):
        """Whoever else works in the folder, in the moment between its listing and the look at the file."""

        def judge(self, path, above=None):
            (tmp_path / path).unlink()
            return super().judge(path, above)

    with pytest.raises(LocalIOError, match="gone went away while it was looked at"):
        Context(tmp_path, Rules()).names("")


def test_a_file_that_becomes_a_folder_while_it_is_looked_at_is_one(tmp_path, monkeypatch):
    (tmp_path / "d").write_text("x")
    source, scanned = Context(tmp_path), Context._scanned

    def changed(context, folder):
        found = scanned(context, folder)
        if not folder:
            (tmp_path / "d").unlink()
            (tmp_path / "d").mkdir()
            (tmp_path / "d" / "f").write_text("y")
        return found

    monkeypatch.setattr(Context, "_scanned", changed)

    assert ("d",) == source.names("")
    assert ("f",) == source.names("d")
    assert 1 == source.get("d/f").content.size
