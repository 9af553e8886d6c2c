"""COPY: what goes where, over what is there."""

import os
from pathlib import Path

import pytest

from ocitool.dockerfile.context import Context
from ocitool.dockerfile.copy import CopyAttributes, LayerBuilder, Order, copy, not_found
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.errors import NotFound, UsageError
from ocitool.model.files import FileKind
from ocitool.pack.entries import BytesContent, Entry
from ocitool.rootfs.files import Layered


def directory(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, FileKind.DIRECTORY, mode, uid, gid)


def file(path: str, text: str = "x", mode: int = 0o644, uid: int = 0) -> Entry:
    return Entry(path, FileKind.FILE, mode, uid, content=BytesContent(text.encode()))


def link(path: str, target: str) -> Entry:
    return Entry(path, FileKind.SYMLINK, 0o777, link=target)


SOURCE = Layered(
    [
        file("a.txt"),
        file("b.txt"),
        directory("d", 0o700, 5),
        file("d/one", mode=0o4755),
        directory("d/sub", 0o711, 5),
        file("d/sub/two"),
        link("l", "d/one"),
        link("dl", "d"),
        link("d/in", "one"),
    ]
)


def unpacked(*entries: Entry, below: list[Entry]) -> dict[str, str]:
    onto = LayerBuilder(Layered(below))
    archive = Layered([file("a.tar")])
    copy(Order(("a.tar",), "/"), archive, onto, lambda p: not_found(p, "here", ""), lambda _: entries)
    return {entry.path: entry.kind.name for entry in onto.entries}


def copied(*words: str, below: list[Entry] | None = None, source=SOURCE, **more) -> dict[str, tuple]:
    *sources, destination = words
    onto = LayerBuilder(Layered(below) if below is not None else None)
    copy(Order(tuple(sources), destination, **more), source, onto, lambda p: not_found(p, "here", ""))
    return {entry.path: (entry.kind.name, oct(entry.mode), entry.uid) for entry in onto.entries}


def paths(*words: str, **more) -> list[str]:
    return list(copied(*words, **more))


def test_a_file_into_a_directory_or_under_a_name():
    assert ["x", "x/a.txt"] == paths("a.txt", "/x/")
    assert ["x", "x/y"] == paths("a.txt", "/x/y")
    assert ["a.txt"] == paths("a.txt", "/")
    assert ["x", "x/a.txt"] == paths("a.txt", "/x/.")


def test_a_directory_gives_its_contents():
    assert ["e", "e/in", "e/one", "e/sub", "e/sub/two"] == paths("d", "/e")
    assert ["in", "one", "sub", "sub/two"] == paths("d/", "/")


def test_the_destination_keeps_its_attributes_and_directories_below_take_the_sources():
    """K161: /app keeps 1000:1000 0750; one that was not there is 0:0 0755."""
    below = [directory("app", 0o750, 1000, 1000), directory("app/sub", 0o777, 1000)]

    assert "app" not in copied("d", "/app", below=below)
    assert ("DIRECTORY", "0o711", 5) == copied("d", "/app", below=below)["app/sub"]
    assert ("DIRECTORY", "0o755", 0) == copied("d", "/app")["app"]


def test_an_existing_directory_needs_no_slash_and_links_to_it_are_followed():
    """K163: the file goes into the directory; a link on the way stays."""
    below = [directory("real"), directory("real/foo"), link("path", "/real"), link("foo", "real/foo")]

    assert ["real/foo/a.txt"] == paths("a.txt", "/real/foo", below=below)
    assert ["real/foo/a.txt"] == paths("a.txt", "/path/foo", below=below)
    assert ["real/foo/a.txt"] == paths("a.txt", "/foo", below=below)


def test_wildcards_with_one_match_with_many_and_with_none():
    """K164: one file gets the name, two need a directory, none is an error."""
    assert ["dest", "dest/art.tgz"] == paths("a.*", "/dest/art.tgz")
    assert ["dest", "dest/a.txt", "dest/b.txt"] == paths("*.txt", "/dest/")
    assert ["dest/a.txt", "dest/b.txt"] == paths("*.txt", "/dest", below=[directory("dest")])
    with pytest.raises(UsageError, match=r"2 files go to /dest/art\.tgz, which is no directory"):
        copied("*.txt", "/dest/art.tgz")
    with pytest.raises(NotFound, match=r"no file matches x\* in here"):
        copied("x*", "/dest/")


def test_directories_that_a_wildcard_matches_give_their_contents():
    """K164: COPY d/* /dest: files by name, directories by what they hold."""
    assert ["dest", "dest/in", "dest/one", "dest/two"] == paths("d/*", "/dest/")


def test_links_named_as_sources_are_followed_and_links_found_inside_are_kept():
    assert ("FILE", "0o4755", 0) == copied("l", "/x")["x"]
    assert ["y", "y/in", "y/one", "y/sub", "y/sub/two"] == paths("dl", "/y")
    assert "SYMLINK" == copied("dl", "/y")["y/in"][0]


def test_sources_cannot_leave_their_root():
    assert ["x"] == paths("../../a.txt", "/x")
    with pytest.raises(NotFound, match="no nothing in here"):
        copied("nothing", "/x")


def test_owner_and_mode_are_set_on_everything_that_is_copied():
    attributes = CopyAttributes((7, 8), lambda entry: 0o640)

    found = copied("d", "/new/e", attributes=attributes)

    assert ("FILE", "0o640", 7) == found["new/e/one"]
    assert ("SYMLINK", "0o777", 7) == found["new/e/in"]
    assert ("DIRECTORY", "0o755", 7) == found["new/e"]


def test_directories_on_the_way_take_the_mode_that_is_said_for_them():
    """K160: those of the source do not."""
    mode = CopyAttributes(mode=lambda _: 0o4600, folder_mode=0o600)

    assert ("DIRECTORY", "0o600", 0) == copied("a.txt", "/x/y/", attributes=mode)["x"]
    assert ("DIRECTORY", "0o600", 0) == copied("d", "/x", attributes=mode)["x"]
    assert ("DIRECTORY", "0o4600", 5) == copied("d", "/x", attributes=mode)["x/sub"]


def test_several_directories_need_no_slash():
    assert ["x", "x/in", "x/one", "x/sub", "x/sub/two", "x/two"] == paths("d", "d/sub", "/x")
    assert "x/a.txt" in paths("d", "a.txt", "/x")
    with pytest.raises(UsageError, match="2 files go to /x, which is no directory"):
        copied("d", "a.txt", "b.txt", "/x")


def test_each_source_has_its_own_hard_links():
    """A file that is named twice is two files, names of one file in a directory stay one."""
    shared = BytesContent(b"x")
    source = Layered([directory("d"), *(Entry(f"d/{name}", FileKind.FILE, content=shared) for name in "ab")])

    def links(*words: str) -> dict[str, str]:
        onto = LayerBuilder(None)
        copy(Order(words, "/x/"), source, onto, lambda p: not_found(p, "here", ""))
        return {entry.path: entry.link for entry in onto.sorted() if entry.kind is not FileKind.DIRECTORY}

    assert {"x/a": "", "x/b": ""} == links("d/a", "d/b") == links("d/*")
    assert {"x/a": "", "x/b": "x/a"} == links("d")


def test_a_layer_names_the_directories_it_stands_in():
    """Engines that mount layers over each other take 0755 and root for those it does not name."""
    onto = LayerBuilder(Layered([directory("tmp", 0o1777, 5), directory("tmp/in", 0o700), file("tmp/in/old")]))

    copy(Order(("a.txt",), "/tmp/in/"), SOURCE, onto, lambda p: not_found(p, "here", ""))

    assert [("tmp", 0o1777, 5), ("tmp/in", 0o700, 0), ("tmp/in/a.txt", 0o644, 0)] == [
        (entry.path, entry.mode, entry.uid) for entry in onto.sorted()
    ]


def test_exclude_is_relative_to_each_directory_and_can_be_taken_back():
    assert paths("d", "/e") == paths("d", "/e", exclude=IgnoreRules.of(["/one"]))
    assert ["e", "e/in", "e/one"] == paths("d", "/e", exclude=IgnoreRules.of(["sub"]))
    assert ["e", "e/sub", "e/sub/two"] == paths("d", "/e", exclude=IgnoreRules.of(["*", "!sub/two"]))
    assert ["e"] == paths("d", "/e", exclude=IgnoreRules.of(["*", "!nothing"]))


def test_what_cannot_stand_in_anothers_place():
    with pytest.raises(UsageError, match="/x/sub is a file and cannot"):
        copied("d", "/x", below=[directory("x"), file("x/sub")])
    with pytest.raises(UsageError, match="/x/one is a directory and cannot become a file"):
        copied("d", "/x", below=[directory("x"), directory("x/one")])
    with pytest.raises(UsageError, match="/a is not a directory"):
        copied("a.txt", "/a/b", below=[file("a")])


def test_a_folder_of_the_context_over_a_link_of_the_base_names_the_way_out():
    """moby/moby#47367: `COPY rootfs /` with a bin in it, over a base whose /bin is a link."""
    with pytest.raises(UsageError, match=r"/x/sub is a link to \.\./y and cannot") as refused:
        copied("d", "/x", below=[directory("x"), link("x/sub", "../y"), directory("y")])

    assert "to /x/sub/" in refused.value.hint
    assert "y/two" in copied("d/sub", "/x/sub/", below=[directory("x"), link("x/sub", "../y"), directory("y")])


def test_two_stars_without_parents_are_told_of():
    said = not_found("**/package.json", "the context", "")

    assert "COPY --parents" in said.hint
    assert "--parents" not in not_found("*/package.json", "the context", "").hint


def test_an_archive_takes_the_place_of_what_is_there_but_a_link_to_a_directory_stays():
    below = [
        directory("d"),
        file("d/old"),
        file("f"),
        link("bin", "usr/bin"),
        directory("usr"),
        directory("usr/bin"),
    ]

    assert {"d": "FILE"} == unpacked(directory("d"), file("d/new"), file("d"), below=below)
    assert {"d": "SYMLINK"} == unpacked(link("d", "x"), below=below)
    assert {"d": "FILE"} == unpacked(file("d"), below=[link("d", "x"), directory("x")])
    assert {"f": "DIRECTORY", "f/in": "FILE"} == unpacked(directory("f"), file("f/in"), below=below)
    assert {"usr/bin/x": "FILE"} == unpacked(directory("bin"), file("bin/x"), below=below)


def test_a_link_below_the_destination_is_replaced_by_a_file():
    assert ("FILE", "0o4755", 0) == copied("d", "/x", below=[directory("x"), link("x/one", "/etc/passwd")])["x/one"]


def context(tmp_path: Path, ignore: str = "") -> Context:
    for name in ("src/a.go", "docs/x.md", "docs/README.md", "target/a.jar", "target/b.jar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return Context(tmp_path, IgnoreRules.parse(ignore))


def test_what_is_ignored_is_not_there_and_the_folder_is_left_alone(tmp_path):
    """K167: nothing of the context is touched; the image sees only what is kept."""
    source = context(tmp_path, "*\n!target/a.jar\n")
    before = sorted(os.walk(tmp_path))

    assert ["x", "x/target", "x/target/a.jar"] == paths(".", "/x/", source=source)
    assert "src/a.go is there, but .dockerignore keeps it out" == source.why_absent("src/a.go")
    assert before == sorted(os.walk(tmp_path))


def test_modes_are_those_of_the_files_and_owners_are_not(tmp_path):
    (tmp_path / "run").write_text("#!")
    (tmp_path / "run").chmod(0o4751)

    assert ("FILE", "0o4751", 0) == copied("run", "/run", source=Context(tmp_path))["run"]


def test_names_of_one_file_share_their_content(tmp_path):
    (tmp_path / "a").write_text("x")
    os.link(tmp_path / "a", tmp_path / "b")
    source = Context(tmp_path)

    assert source.get("a").content is source.get("b").content


def test_a_link_out_of_the_context_leads_to_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "in/out").symlink_to("../secret")

    with pytest.raises(NotFound):
        copied("out", "/x", source=Context(tmp_path / "in"))


def test_a_stage_is_its_layers_over_each_other():
    stage = Layered([link("d", "a.txt"), file("b.txt/inner"), directory("b.txt")], SOURCE)

    assert stage.get("d/one") is None
    assert () == stage.names("d")
    assert ("inner",) == stage.names("b.txt")
    assert ("a.txt", "b.txt", "d", "dl", "l") == stage.names("")


def test_parents_are_copied_with_what_a_pattern_matches():
    """`--parents`: names from the root on, directories on the way as the source has them."""
    found = copied("d/sub/two", "a.txt", "/x", parents=True)

    assert ["x", "x/a.txt", "x/d", "x/d/sub", "x/d/sub/two"] == list(found)
    assert [("DIRECTORY", "0o700", 5), ("DIRECTORY", "0o711", 5)] == [found["x/d"], found["x/d/sub"]]
    assert ["x", "x/d", "x/d/sub", "x/d/sub/two"] == paths("**/two", "/x/", parents=True)
    assert ["x", "x/d", "x/d/in", "x/d/one"] == paths("d/*n*", "/x/", parents=True)
    assert ["x", "x/d", "x/d/sub", "x/d/sub/two"] == paths("./d/sub/", "/x/", parents=True)


def test_one_pattern_of_several_may_match_nothing():
    assert ["x", "x/d", "x/d/in", "x/d/one"] == paths("nothing*", "d/*n*", "/x/", parents=True)
    assert ["x", "x/a.txt"] == paths("nothing*", "a.txt", "/x/")
    for sources in (("nothing*", "no*/x"), ("a.txt", "nothing")):
        for parents in (False, True):
            with pytest.raises(NotFound):
                copied(*sources, "/x/", parents=parents)


def test_parents_begin_at_the_pivot():
    assert ["x", "x/sub", "x/sub/two"] == paths("d/./sub/two", "/x/", parents=True)
    assert ["x", "x/in", "x/one"] == paths("dl/./*n*", "/x/", parents=True)
    assert ["x", "x/two"] == paths("*/sub/./two", "/x/", parents=True)
    assert ["x", "x/in", "x/one", "x/sub", "x/sub/two"] == paths("d/./", "/x/", parents=True)


def test_parents_take_links_as_links_and_leave_out_what_is_excluded():
    assert ("SYMLINK", "0o777", 0) == copied("dl", "/x/", parents=True)["x/dl"]
    excluded = paths("d", "/x/", parents=True, exclude=IgnoreRules.of(["**/in", "d/sub"]))
    assert ["x", "x/d", "x/d/one"] == excluded


@pytest.mark.parametrize("pattern", ["nope", "d/nope*", "dl/one", "nope/./a.txt", "d/./nope"])
def test_parents_of_nothing(pattern):
    with pytest.raises(NotFound):
        copied(pattern, "/x/", parents=True)


def test_parents_look_into_no_directory_that_cannot_matter():
    looked = []

    class Watched(Layered):
        def names(self, path):
            looked.append(path)
            return super().names(path)

    source = Watched(
        [file("a/b/c"), directory("a"), directory("a/b"), directory("z"), file("z/b/c"), directory("z/b")]
    )

    assert ["x", "x/a", "x/a/b", "x/a/b/c"] == paths("a/b/c", "/x/", source=source, parents=True)
    assert ["", "a", "a/b"] == looked


@pytest.mark.slow
def test_directories_may_be_as_deep_as_a_path_is_long():
    names = ["/".join(["d"] * depth) for depth in range(1, 2001)]
    deep = Layered([*(directory(name) for name in names), file(f"{names[-1]}/f")])

    assert 2001 == len(paths("d", "/x", source=deep))
    assert 2001 == len(paths("d", "/x", source=deep, exclude=IgnoreRules.of(["*", "!**/f"])))


def added(*archives: list[Entry], to: str = "/x", below: list[Entry] | None = None) -> dict[str, str]:
    """What ADD of archives makes: each path's kind, or the content of a file."""
    sources = [file(f"{number}.tar") for number, _ in enumerate(archives)]
    inside = {id(source.content): tuple(archive) for source, archive in zip(sources, archives, strict=True)}
    onto = LayerBuilder(Layered(below) if below is not None else None)
    order = Order(tuple(source.path for source in sources), to)
    copy(order, Layered(sources), onto, KeyError, lambda content: inside[id(content)])
    return {
        entry.path: entry.content.data.decode() if entry.content is not None else entry.kind.name
        for entry in onto.entries
    }


def test_links_of_an_archive_end_where_it_is_unpacked():
    """What goes through them stays below the destination, whatever they say."""
    for target in ("/etc", "../../../etc", "../etc"):
        found = added([link("l", target), file("l/passwd", "new")])
        assert {"x": "DIRECTORY", "x/l": "SYMLINK", "x/etc": "DIRECTORY", "x/etc/passwd": "new"} == found
    through = added([link("l", "d"), file("l/f", "new")], below=[directory("x"), directory("x/d")])
    assert {"x/l": "SYMLINK", "x/d/f": "new"} == through


def test_an_archive_replaces_what_is_of_another_kind():
    below = [directory("d"), file("d/one"), link("l", "d"), file("f")]

    found = added(
        [link("d", "e"), directory("l"), file("l/f", "1"), directory("f"), file("f/g", "2")], to="/", below=below
    )

    assert {"d": "SYMLINK", "l": "DIRECTORY", "l/f": "1", "f": "DIRECTORY", "f/g": "2"} == found
    assert {"x": "DIRECTORY", "x/d": "last"} == added([directory("d"), file("d/f", "1")], [file("d", "last")])
    with pytest.raises(UsageError, match="/x/f is not a directory"):
        added([file("f", "1"), file("f/g", "2")])


@pytest.mark.parametrize(
    ("sources", "mode"), [(("a.tar", "f"), 0o755), (("f", "a.tar"), 0o700), (("a.tar",), 0o755), (("f",), 0o700)]
)
def test_k253_an_archive_first_into_a_new_folder_leaves_chmod_out(sources, mode):
    """K253: the folder is made by what comes first, and what an archive holds keeps its modes."""
    source = Layered([file("a.tar"), file("f")])
    onto = LayerBuilder(None)
    archive = source.get("a.tar").content
    attributes = CopyAttributes(mode=lambda _: 0o700, folder_mode=0o700)

    copy(Order(sources, "/new/", attributes), source, onto, lambda p: not_found(p, "here", ""),
         lambda content: (Entry("inside", FileKind.FILE, 0o640),) if content is archive else None)  # fmt: skip
    found = {entry.path: entry.mode for entry in onto.sorted()}

    assert mode == found["new"]
    assert {0o640 if path == "new/inside" else 0o700 for path in found if path != "new"} == {
        found[path] for path in found if path != "new"
    }
