"""Programs that would not start in their image."""

from ocitool.builder.programs import lacking, survey
from ocitool.model.files import FileKind
from ocitool.pack.entries import BytesContent, Entry
from ocitool.rootfs.files import Imaged, Layered
from ocitool.rootfs.tree import Listed, Node, Tree
from tests.fakes.programs import Elf, dynamic

LOADER = "/lib64/ld-linux-x86-64.so.2"


def program(loader: str = LOADER, mode: int = 0o755) -> Entry:
    data = Elf(62, segments=[(3, 4, loader.encode() + b"\0")]).build()
    return Entry("bin/app", FileKind.FILE, mode, content=BytesContent(data))


def tree(**files: str) -> Tree:
    """A base of one layer; a value that is not empty makes a link."""
    rows = []
    for path, link in files.items():
        kind = FileKind.SYMLINK if link else FileKind.FILE
        rows.append(Listed(path.replace("__", "/"), Node(kind, link=link)))
    return Tree([rows])


def lacked(entries, base, env):
    below = Imaged(base, lambda path, node: BytesContent(b"")) if base is not None else None
    return lacking(survey(entries), Layered(entries, below), env)


def lacks(entries, base, **env) -> list[str]:
    return [one.loader for one in lacked(entries, base, env)]


def test_k173_scratch_and_a_base_of_another_libc():
    """K173: the first two of the three images."""
    assert [LOADER] == lacks([program()], None)
    assert [LOADER] == lacks([program()], tree(**{"lib__ld-musl-x86_64.so.1": ""}))


def test_k173_links_of_the_base_are_followed_inside_the_root():
    """K173: lib64 -> usr/lib64, and an absolute link as Debian has it."""
    base = tree(
        **{
            "lib64": "usr/lib64",
            "usr__lib64__ld-linux-x86-64.so.2": "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "usr__lib__x86_64-linux-gnu__ld-linux-x86-64.so.2": "",
        }
    )

    assert [] == lacks([program()], base)


def test_what_is_copied_along_counts():
    loader = Entry(LOADER.strip("/"), FileKind.FILE, 0o755, content=BytesContent(b""))

    assert [] == lacks([program(), loader], None)


def test_a_loop_of_links_is_no_file():
    assert [LOADER] == lacks([program()], tree(lib64="lib64"))


def test_only_what_is_executable_is_judged():
    assert [] == lacks([program(mode=0o644)], None)


def test_a_directory_is_no_loader():
    assert ["/bin"] == lacks([program("/bin"), Entry("bin", FileKind.DIRECTORY, 0o755)], None)


def needing(name: bytes) -> Entry:
    """A program that needs a library."""
    names = b"\0" + name + b"\0"

    def build(at: int) -> bytes:
        table = dynamic("<", 64, [(1, 1), (5, at), (10, len(names))])
        return Elf(62, segments=[(3, 4, LOADER.encode() + b"\0"), (1, 4, names), (2, 6, table)]).build()

    return Entry("bin/app", FileKind.FILE, 0o755, content=BytesContent(build(build(0).index(names))))


def test_a_library_that_only_the_loaders_cache_knows():
    base = {LOADER.strip("/").replace("/", "__"): "", "opt__cuda__libcuda.so.1": ""}
    entries = [needing(b"libcuda.so.1")]

    def libraries(base):
        return [one.libraries for one in lacked(entries, tree(**base), {})]

    assert [("libcuda.so.1",)] == libraries(base)
    assert [] == libraries({**base, "etc__ld.so.cache": ""})


def test_folders_of_the_images_environment_are_searched():
    base = tree(**{LOADER.strip("/").replace("/", "__"): "", "opt__lib__libx.so": ""})
    entries = [needing(b"libx.so")]

    assert () == lacked(entries, base, {"LD_LIBRARY_PATH": "relative:/opt/lib"})
    assert 1 == len(lacked(entries, base, {}))
