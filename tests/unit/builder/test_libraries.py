"""`ocitool.builder.libraries`: what programs lack is brought from the sysroot, with what that needs and its licences."""

import pytest

from ocitool.builder.libraries import missing_libraries
from ocitool.builder.programs import survey
from ocitool.errors import LocalIOError
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.pack.entries import BytesContent, Entry
from ocitool.rootfs.files import Layered
from ocitool.toolchains.sysroot import Sysroot
from tests.fakes.programs import Elf, dynamic

ARM64 = Platform("linux", "arm64")
LOADER = "/lib/ld-linux-aarch64.so.1"
MUSL = "/lib/ld-musl-aarch64.so.1"
TRIPLET = "aarch64-linux-gnu"


def elf(*needed: str, loader: str = "") -> bytes:
    """A program of ARM64 that needs these libraries."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in needed)
    places = [names.index(name.encode()) for name in needed]
    count = 3 if loader else 2
    at = -(-(64 + 56 * count) // 16) * 16
    table = dynamic("<", 64, [*((1, place) for place in places), (5, at), (10, len(names))])
    first = [(3, 4, loader.encode() + b"\0")] if loader else []
    return Elf(183, kind=3, segments=[(1, 4, names), (2, 6, table), *first]).build()


@pytest.fixture
def sysroot(tmp_path):
    """`sysroot(path=bytes)`: a folder with these files; packages' lists among them."""

    def make(files):
        for path, data in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(data)
        return Sysroot(tmp_path)

    return make


def brought(sysroot, program, *there):
    """The paths that are brought beside one program, over files that are there."""
    app = Entry("bin/app", FileKind.FILE, 0o755, content=BytesContent(program))
    image = Layered([app, *(Entry(path, FileKind.FILE, 0o755, content=BytesContent(b"")) for path in there)])
    return {entry.path: entry for entry in missing_libraries(survey([app]), image, {}, sysroot, ARM64)}


def test_a_library_comes_with_its_loader_and_with_what_it_needs_itself(sysroot):
    root = sysroot(
        {
            LOADER.strip("/"): b"loader",
            f"usr/lib/{TRIPLET}/libz.so.1": elf("libm.so.6"),
            f"lib/{TRIPLET}/libm.so.6": elf(),
            f"lib/{TRIPLET}/libother.so.1": elf(),
        }
    )

    found = brought(root, elf("libz.so.1", loader=LOADER))

    assert {LOADER.strip("/"), f"usr/lib/{TRIPLET}/libz.so.1", f"lib/{TRIPLET}/libm.so.6"} == set(found)
    assert {0o755} == {entry.mode for entry in found.values()}
    assert b"loader" == b"".join(found[LOADER.strip("/")].content.pieces())


def test_what_the_image_has_is_not_brought_and_what_nobody_has_is_left_out(sysroot):
    root = sysroot({f"lib/{TRIPLET}/libz.so.1": elf(), "lib/libz.so.1": elf()})

    assert {} == brought(root, elf("libz.so.1"), f"usr/lib/{TRIPLET}/libz.so.1")
    assert {} == brought(root, elf("libnone.so.1"))
    assert [f"lib/{TRIPLET}/libz.so.1"] == list(brought(root, elf("libz.so.1", "libnone.so.1")))


def test_a_library_that_is_brought_and_still_not_found_is_brought_once(sysroot):
    """musl does not look into Debian's folders."""
    root = sysroot({f"lib/{TRIPLET}/libz.so.1": elf()})

    assert [f"lib/{TRIPLET}/libz.so.1"] == list(brought(root, elf("libz.so.1", loader=MUSL), MUSL.strip("/")))


def test_a_chain_of_libraries_is_followed_for_twenty_rounds(sysroot):
    root = sysroot({f"lib/lib{n}.so": elf(f"lib{n + 1}.so") for n in range(30)})

    assert [f"lib/lib{n}.so" for n in range(20)] == sorted(brought(root, elf("lib0.so")), key=lambda p: (len(p), p))


def test_the_licence_of_a_librarys_package_comes_along(sysroot):
    info = "var/lib/dpkg/info"
    root = sysroot(
        {
            f"usr/lib/{TRIPLET}/libz.so.1": elf(),
            f"usr/lib/{TRIPLET}/libm.so.6": elf(),
            f"{info}/zlib1g:arm64.md5sums": f"0  lib/{TRIPLET}/libz.so.1\n".encode(),
            f"{info}/libc6:arm64.md5sums": f"0  usr/lib/{TRIPLET}/libm.so.6\n".encode(),
            f"{info}/other.md5sums": b"0  usr/lib/other\n",
            "usr/share/doc/zlib1g/copyright": b"zlib licence",
            "usr/share/doc/other/copyright": b"another",
        }
    )

    found = brought(root, elf("libz.so.1", "libm.so.6"))

    licence = found.pop("usr/share/doc/zlib1g/copyright")
    assert (0o644, b"zlib licence") == (licence.mode, b"".join(licence.content.pieces()))
    assert {f"usr/lib/{TRIPLET}/libz.so.1", f"usr/lib/{TRIPLET}/libm.so.6"} == set(found)


def test_a_list_of_packages_that_cannot_be_read_is_told(sysroot, tmp_path):
    root = sysroot({f"lib/{TRIPLET}/libz.so.1": elf()})
    (tmp_path / "var/lib/dpkg/info/loop.md5sums").mkdir(parents=True)

    with pytest.raises(LocalIOError, match="cannot read the packages of the sysroot"):
        brought(root, elf("libz.so.1"))
