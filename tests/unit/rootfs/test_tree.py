import pytest
import zstandard

from ocitool.codec.tar_reader import TarLimits, read_members
from ocitool.errors import MalformedDocument, NotFound
from ocitool.model.digest import Digest
from ocitool.model.files import FileKind
from ocitool.model.mediatype import OCI_LAYER_ZSTD
from ocitool.model.views import Descriptor, Manifest
from ocitool.pack.entries import BytesContent, Entry
from ocitool.pack.tar import tar_stream
from ocitool.rootfs.tree import Listed, Node, Tree, list_layer, read_file, read_tree
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes.layers import stored, tar


def merged(*layers: bytes) -> Tree:
    return Tree([Listed.of(member) for member in read_members([layer])] for layer in layers)


def names(tree: Tree) -> list[str]:
    return [path for path, _ in tree.walk()]


def content(store: MemoryStore, manifest: Manifest, path: str, **bounds: int) -> bytes:
    tree = read_tree(store, manifest, None, scope=Scope())
    return b"".join(read_file(store, manifest, tree, path, scope=Scope(), **bounds))


def test_layers_are_laid_over_each_other():
    tree = merged(tar(("etc/", ""), ("etc/a", "one")), tar(("etc/b", "two"), ("opt/x/y", "")))

    assert ["etc", "etc/a", "etc/b", "opt", "opt/x", "opt/x/y"] == names(tree)
    assert (0, 1) == (tree.get("etc/a").layer, tree.get("etc/b").layer)


def test_a_whiteout_deletes_below_and_is_not_seen():
    tree = merged(tar(("d/", ""), ("d/a", ""), ("d/b", "")), tar(("d/.wh.a", "")))

    assert ["d", "d/b"] == names(tree)


@pytest.mark.parametrize("order", [["d/new", "d/.wh..wh..opq"], ["d/.wh..wh..opq", "d/new"]])
def test_an_opaque_directory_keeps_what_its_own_layer_brings(order):
    """K149: whatever the order in the layer."""
    tree = merged(tar(("d/", ""), ("d/old", "")), tar(*((name, "") for name in order)))

    assert ["d", "d/new"] == names(tree)


@pytest.mark.parametrize("name", ["etc/.wh.", ".wh.", ".wh..wh.plnk", "etc/.wh..wh.aufs"])
def test_a_whiteout_without_a_name_deletes_nothing(name):
    """K148"""
    tree = merged(tar(("etc/", ""), ("etc/passwd", "")), tar((name, "")))

    assert ["etc", "etc/passwd"] == names(tree)


def test_a_whiteout_of_nothing_is_harmless():
    assert ["a"] == names(merged(tar(("a", "")), tar((".wh.b", ""), ("c/.wh.d", ""))))


def test_no_markers_are_left_of_a_single_layer():
    """K151"""
    assert ["d", "d/f"] == names(merged(tar(("d/.wh..wh..opq", ""), ("d/f", ""))))


def test_a_directory_over_a_directory_takes_its_attributes_and_keeps_what_it_holds():
    tree = merged(tar(("d/", "700"), ("d/a", "")), tar(("d/", "1777")))

    assert 0o1777 == tree.get("d").mode
    assert ["d", "d/a"] == names(tree)


def test_a_file_over_a_directory_replaces_all_of_it():
    assert ["d"] == names(merged(tar(("d/", ""), ("d/a", "")), tar(("d", "file"))))


def test_a_directory_entry_replaces_a_link():
    tree = merged(tar(("usr/bin/", ""), ("bin", "-> usr/bin")), tar(("bin/", ""), ("bin/app", "")))

    assert FileKind.DIRECTORY is tree.kind_at("bin")


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("bin/sh", "usr/bin/sh"),
        ("../../bin/sh", "usr/bin/sh"),
        ("abs/sh", "usr/bin/sh"),
        ("up/etc", "etc"),
        ("nothing/there", "nothing/there"),
        ("/", ""),
    ],
)
def test_links_are_followed_inside_the_root(path, real):
    tree = merged(
        tar(("usr/bin/", ""), ("usr/bin/sh", ""), ("bin", "-> usr/bin"), ("abs", "-> /bin"), ("up", "-> ../../.."))
    )

    assert real == tree.resolve(path)


def test_a_loop_of_links_ends():
    tree = merged(tar(("a", "-> b"), ("b", "-> a")))

    with pytest.raises(MalformedDocument, match="links"):
        tree.resolve("a/x")
    assert tree.lookup("a/x") is None


def test_a_hard_link_outlives_its_target():
    """K143: B keeps the data when A, the first name, is deleted."""
    store, manifest = stored(tar(("A", "data"), ("B", "= A")), tar((".wh.A", "")))

    tree = read_tree(store, manifest, None, scope=Scope())

    assert ["B"] == names(tree)
    assert b"data" == content(store, manifest, "B")


def test_an_entry_goes_through_a_link_of_a_lower_layer():
    """As in engines: the layer has no entry for `bin` itself, so the link stays and usr/bin gets the file."""
    tree = merged(
        tar(("usr/bin/", ""), ("bin", "-> usr/bin"), ("root", "-> /")), tar(("bin/app", ""), ("root/x", ""))
    )

    assert ["bin", "root", "usr", "usr/bin", "usr/bin/app", "x"] == names(tree)
    assert FileKind.SYMLINK is tree.kind_at("bin")


def test_an_entry_below_a_dangling_link_makes_what_the_link_names():
    assert ["a", "b", "b/c", "b/c/f"] == names(merged(tar(("a", "-> /b/c"), ("a/f", ""))))


def test_whiteouts_go_through_links_too():
    tree = merged(
        tar(("usr/bin/a", ""), ("usr/lib/b", ""), ("bin", "-> usr/bin"), ("lib", "-> usr/lib")),
        tar(("bin/.wh.a", ""), ("lib/.wh..wh..opq", "")),
    )

    assert ["bin", "lib", "usr", "usr/bin", "usr/lib"] == names(tree)


def test_an_opaque_directory_in_the_place_of_a_link_leaves_the_links_target_alone():
    """Overlay file systems mark a directory as opaque that took the place of something else."""
    tree = merged(tar(("data/f", ""), ("d", "-> data")), tar(("d/", ""), ("d/.wh..wh..opq", ""), ("d/new", "")))

    assert ["d", "d/new", "data", "data/f"] == names(tree)


@pytest.mark.parametrize("order", [["d/new", ".wh.d"], [".wh.d", "d/new"]])
def test_a_deleted_directory_that_comes_back_holds_the_new_alone(order):
    """K149, for a plain whiteout: neither what was in the directory nor its mode comes back."""
    tree = merged(tar(("d/", "700"), ("d/old", ""), ("d/x/old", "")), tar(*((name, "") for name in order)))

    assert ["d", "d/new"] == names(tree)
    assert 0o755 == tree.get("d").mode


def test_a_hard_link_to_a_lower_layer_is_a_file_of_its_own_layer():
    tree = merged(tar(("a", "data")), tar(("d/b", "= a"), ("d/.wh..wh..opq", "")))

    assert (FileKind.FILE, 0, 4) == (tree.get("d/b").kind, tree.get("d/b").layer, tree.get("d/b").size)


def test_every_name_of_a_file_has_what_the_last_header_says():
    """As Docker, containerd and podman unpack it; a link's own mode and time are nobody's."""
    tree = merged(
        tar(
            ("f", "data", {"mode": 0o600, "uid": 7}),
            ("g", "= f", {"mode": 0o4751, "uid": 8}),
            ("s", "-> f"),
            ("t", "= s", {"mode": 0o600, "uid": 5}),
            ("h", "= f", {"mode": 0o640, "uid": 9, "mtime": 99}),
        )
    )

    assert {(0o640, 9, 99, 4)} == {
        (node.mode, node.uid, node.mtime, node.size) for node in map(tree.get, ("f", "g", "h"))
    }
    assert {(FileKind.SYMLINK, "f", 5)} == {(node.kind, node.link, node.uid) for node in map(tree.get, ("s", "t"))}


def test_a_link_of_another_layer_dresses_the_name_it_links_to():
    """The names that are left below are another file from then on: a lower layer is never written."""
    tree = merged(
        tar(("f", "data", {"mode": 0o600}), ("g", "= f", {"mode": 0o600})), tar(("h", "= f", {"mode": 0o755}))
    )

    assert [0o755, 0o600, 0o755] == [tree.get(name).mode for name in ("f", "g", "h")]


def test_a_name_that_comes_again_is_a_file_of_its_own():
    tree = merged(
        tar(
            ("f", "old", {"mode": 0o600}),
            ("g", "= f", {"mode": 0o600}),
            ("f", "newer", {"mode": 0o644}),
            ("h", "= f", {"mode": 0o755}),
        )
    )

    assert [(0o755, 5), (0o600, 3), (0o755, 5)] == [(tree.get(n).mode, tree.get(n).size) for n in ("f", "g", "h")]


def test_a_hard_link_to_nothing_stays_one():
    assert FileKind.HARDLINK is merged(tar(("b", "= a"))).kind_at("b")


@pytest.mark.parametrize("name", ["a/.wh...", "a/.wh..", ".wh..", ".wh..."])
def test_a_whiteout_of_the_directory_itself_or_its_parent_deletes_nothing(name):
    """K148"""
    assert ["a", "a/b"] == names(merged(tar(("a/b", "")), tar((name, ""))))


def test_an_entry_behind_a_loop_of_links_takes_its_place():
    assert ["a", "a/f", "b"] == names(merged(tar(("a", "-> b"), ("b", "-> a"), ("a/f", ""))))


def test_deep_paths_through_links_take_little_time():
    deep = "d/" * 2000
    links = [(f"l{n}", f"-> {deep}l{n + 1}") for n in range(39)]
    tree = merged(tar(*links, *((f"l0/{n}", "") for n in range(50))))

    assert 2039 <= len(names(tree)) < 3000


def test_a_tree_has_a_limit():
    listing = [Listed.of(member) for member in read_members([tar(("d/" * 101, ""))])]

    with pytest.raises(MalformedDocument, match="100 files"):
        Tree([listing], TarLimits(members=100))


@pytest.mark.parametrize("limits", [TarLimits(members=1), TarLimits(names=1000)])
def test_a_layer_has_limits(limits):
    store, manifest = stored(tar(("x" * 600, ""), ("y" * 600, "")))

    with pytest.raises(MalformedDocument, match="more than 1 files"):
        list_layer(store, manifest.layers[0], None, scope=Scope(), limits=limits)


def test_a_bomb_is_not_read_to_its_end():
    data = zstandard.compress(tar(("zeros", "0" * 20_000_000)), 19)
    store = MemoryStore()
    layer = Descriptor(OCI_LAYER_ZSTD, Digest.of(data), len(data))
    store.put_blob(layer, BytesSource(data))

    with pytest.raises(MalformedDocument, match="unpacks to more than"):
        list_layer(store, layer, None, scope=Scope(), limits=TarLimits(size=1_000_000))


def test_a_file_is_read_through_links_and_from_the_layer_that_has_it():
    store, manifest = stored(
        tar(("usr/bin/", ""), ("bin", "-> usr/bin"), ("usr/bin/sh", "old")), tar(("usr/bin/sh", "new"))
    )

    assert b"new" == content(store, manifest, "bin/sh")


def test_the_last_of_two_equal_names_in_a_layer_counts():
    """K145"""
    store, manifest = stored(tar(("a", "first"), ("a", "last")))

    assert b"last" == content(store, manifest, "a")


@pytest.mark.parametrize("path", ["d", "nothing", "loop", ""])
def test_what_is_no_file_cannot_be_read(path):
    store, manifest = stored(tar(("d/", ""), ("loop", "-> loop")))

    with pytest.raises(NotFound):
        content(store, manifest, path)


def test_a_file_larger_than_allowed_is_refused():
    store, manifest = stored(tar(("big", "x" * 1000)))

    with pytest.raises(MalformedDocument, match="1000 bytes"):
        content(store, manifest, "big", limit=999)


class Memo:
    def __init__(self) -> None:
        self.known: dict = {}

    def recall(self, key: str):
        return self.known.get(key)

    def remember(self, key: str, value) -> None:
        self.known[key] = value


def test_a_layer_is_listed_once():
    data = b"".join(
        tar_stream(
            [
                Entry("usr", FileKind.DIRECTORY, 0o755),
                Entry(
                    "usr/cap",
                    FileKind.FILE,
                    0o4755,
                    uid=7,
                    content=BytesContent(b"x"),
                    xattrs=(("user.a", b"\0\xff"),),
                ),
                Entry("usr/dev", FileKind.CHAR, 0o600, device=(1, 3)),
                Entry("usr/link", FileKind.SYMLINK, 0o777, link="cap"),
            ],
            0,
        )
    )
    store, manifest = stored(data)
    memo = Memo()
    first = read_tree(store, manifest, memo, scope=Scope())
    store._blobs.clear()

    again = read_tree(store, manifest, memo, scope=Scope())

    assert list(first.walk()) == list(again.walk())


def test_what_is_no_file_is_told_as_what_it_is():
    store, manifest = stored(tar(("d/", "755"), ("l", "-> d"), ("f", "x")))

    for path, hint in (("d", "it is a directory"), ("/l", "it is a directory"), ("gone", "")):
        with pytest.raises(NotFound, match=f"no file /{path.lstrip('/')} in the image") as caught:
            content(store, manifest, path)
        assert hint == caught.value.hint
    assert b"x" == content(store, manifest, "f")


def test_a_listing_that_does_not_fit_its_layer_is_noticed():
    store, manifest = stored(tar(("a", "one")))
    wrong = Tree([[Listed("a", Node(FileKind.FILE, size=3, layer=0, offset=512))]])

    with pytest.raises(MalformedDocument, match="does not hold /a where it was listed"):
        list(read_file(store, manifest, wrong, "a", scope=Scope()))


def test_what_is_known_to_be_there_is_given_and_else_missed():
    found = merged(tar(("a", "one")))

    assert found.get("a") is found.node("a")
    with pytest.raises(KeyError, match="b"):
        found.node("b")
