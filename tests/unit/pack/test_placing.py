import pytest

from ocitool.errors import UsageError
from ocitool.model.files import FileKind
from ocitool.pack.entries import BytesContent, Entry
from ocitool.pack.entry_table import EntryTable
from ocitool.pack.placing import add_parents, place
from ocitool.rootfs.tree import Listed, Node, Tree
from tests.fakes.effort import effort


def tree(**links_and_kinds: object) -> Tree:
    """A base: `usr=0o755` is a directory of that mode, `bin="usr/bin"` a link, `f=b"x"` a file. `_` is a slash."""
    listing = []
    for name, what in links_and_kinds.items():
        path = name.replace("_", "/")
        if isinstance(what, int):
            listing.append(Listed(path, Node(FileKind.DIRECTORY, what)))
        elif isinstance(what, str):
            listing.append(Listed(path, Node(FileKind.SYMLINK, 0o777, link=what)))
        else:
            listing.append(Listed(path, Node(FileKind.FILE, 0o644)))
    return Tree([listing])


USR_MERGED = tree(usr=0o755, usr_bin=0o755, bin="usr/bin", tmp=0o1777, etc=0o755, etc_passwd=b"")


def file(path: str, data: bytes = b"x") -> Entry:
    return Entry(path, FileKind.FILE, 0o755, content=BytesContent(data))


def paths(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.path for entry in entries]


def test_missing_parents_are_added_once():
    """K145"""
    placed = place([file("opt/app/a"), file("opt/app/b")], None)

    assert ["opt", "opt/app", "opt/app/a", "opt/app/b"] == paths(placed)
    assert [0o755, 0o755] == [entry.mode for entry in placed[:2]]


def test_a_link_of_the_base_is_followed_and_never_replaced():
    """An entry `bin/` over `bin -> usr/bin` destroys the image."""
    placed = place([Entry("bin", FileKind.DIRECTORY, 0o755), file("bin/app")], USR_MERGED)

    assert ["usr", "usr/bin", "usr/bin/app"] == paths(placed)


def test_a_directory_of_the_base_keeps_its_mode():
    """K161: an entry of 0700 for /tmp would take its 1777 away, and so would none in podman's overlay."""
    base = Tree([[Listed("tmp", Node(FileKind.DIRECTORY, 0o1777, 3, 4, mtime=5, xattrs=(("user.a", b"b"),)))]])

    placed = place([Entry("tmp", FileKind.DIRECTORY, 0o700), file("tmp/data")], base)

    assert Entry("tmp", FileKind.DIRECTORY, 0o1777, 3, 4, xattrs=(("user.a", b"b"),)) == placed[0]
    assert ["tmp", "tmp/data"] == paths(placed)


def test_a_directory_of_the_base_is_not_written_without_need():
    assert () == place([Entry("tmp", FileKind.DIRECTORY, 0o700)], USR_MERGED)


def test_absolute_and_climbing_links_stay_inside():
    base = tree(a="/../../srv", srv=0o755, b="a/../srv")

    assert ["srv", "srv/f", "srv/g"] == paths(place([file("a/f"), file("b/g")], base))


def test_a_loop_of_links_is_an_error():
    from ocitool.errors import MalformedDocument

    with pytest.raises(MalformedDocument, match="links"):
        place([file("a/f")], tree(a="b", b="a"))


def test_the_last_of_two_entries_for_one_path_wins():
    """K145, K146"""
    (entry,) = place([file("a", b"first"), file("a", b"last")], None)

    assert b"last" == entry.content.data


def test_a_file_cannot_take_the_place_of_a_directory():
    with pytest.raises(UsageError, match="directory"):
        place([file("usr/bin")], USR_MERGED)


def test_nothing_can_be_placed_below_a_file():
    with pytest.raises(UsageError, match="not a directory"):
        place([file("etc/passwd/x")], USR_MERGED)


def test_a_file_replaces_a_link_of_the_base():
    assert ["bin"] == paths(place([file("bin")], tree(bin="usr/bin", usr=0o755)))


def test_the_order_is_bytewise_and_parents_come_first():
    placed = place([file("b/z"), file("b-c"), file("a"), file("é")], None)

    assert ["a", "b", "b-c", "b/z", "é"] == paths(placed)


def test_names_of_one_content_become_hard_links():
    content = BytesContent(b"data")
    placed = place([Entry(name, FileKind.FILE, 0o644, content=content) for name in ("b", "a")], None)

    assert [("a", FileKind.FILE, ""), ("b", FileKind.HARDLINK, "a")] == [(e.path, e.kind, e.link) for e in placed]


def test_a_hard_link_follows_its_target_through_the_base():
    placed = place([file("bin/a"), Entry("bin/b", FileKind.HARDLINK, link="bin/a")], USR_MERGED)

    assert [("usr/bin/a", ""), ("usr/bin/b", "usr/bin/a")] == [(e.path, e.link) for e in placed[2:]]


def test_a_directory_goes_where_a_dangling_link_leads():
    base = tree(d="b/c")

    assert ["b", "b/c", "b/c/f"] == paths(place([Entry("d", FileKind.DIRECTORY, 0o755), file("d/f")], base))


def test_a_link_that_was_followed_cannot_become_a_file():
    """What went through it would be gone."""
    with pytest.raises(UsageError, match="/bin is a directory"):
        place([file("bin/app"), file("bin")], USR_MERGED)


def test_a_link_may_be_placed_over_the_same_link():
    placed = place([file("bin/app"), Entry("bin", FileKind.SYMLINK, 0o777, link="usr/bin")], USR_MERGED)

    assert ["bin", "usr", "usr/bin", "usr/bin/app"] == paths(placed)


def test_the_last_of_two_links_wins():
    """K145"""
    links = [Entry("bin", FileKind.SYMLINK, 0o777, link=target) for target in ("one", "two")]

    assert ["two"] == [entry.link for entry in place(links, None)]
    assert ["two"] == [entry.link for entry in place(links, USR_MERGED)]


def test_a_directory_that_the_base_lacks_is_not_made_up():
    deep, program = EntryTable([file("opt/x/y")]), EntryTable([file("usr/bin/app")])

    add_parents(deep, tree())
    add_parents(program, USR_MERGED)

    assert [file("opt/x/y")] == list(deep)
    assert ["usr", "usr/bin", "usr/bin/app"] == [entry.path for entry in program]


def test_folders_that_a_deep_layer_has_are_not_looked_for_again_for_each_below():
    def work(depth: int) -> int:
        folders = ["/".join("d" * number) for number in range(1, depth)]
        entries = [Entry(one, FileKind.DIRECTORY) for one in folders]
        return effort(add_parents, EntryTable([*entries, *(file(f"{one}/f") for one in folders)]), tree())

    work(20)
    assert work(200) < 2.5 * work(100)


def test_a_hard_link_to_what_the_layer_lacks_is_refused():
    link = Entry("a", FileKind.HARDLINK, 0o644, link="etc/passwd")

    with pytest.raises(UsageError, match="/a is a hard link to /etc/passwd, which is not in the same layer"):
        place([link], USR_MERGED)
