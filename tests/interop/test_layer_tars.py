"""Layer tars in the hands of other programs, and theirs in ours: names, links, owners, attributes, holes."""

import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from ocitool.codec.tar_reader import read_members
from ocitool.model.files import FileKind
from ocitool.model.views import view
from ocitool.pack.entries import BytesContent, Entry
from ocitool.pack.placing import place
from ocitool.pack.tar import tar_stream
from ocitool.rootfs.extract import contents
from ocitool.rootfs.folder import export_folder
from ocitool.rootfs.tree import read_tree
from ocitool.store.layout import LayoutStore
from ocitool.tasks import Scope
from tests.fakes.images import put_image
from tests.fakes.layers import stored, tar
from tests.peers.engines import podman

pytestmark = pytest.mark.interop
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


def long_name(length: int) -> str:
    """A path of that many bytes, no component longer than 100."""
    return "/".join(["d" * 99] * (length // 100) + ["f" * (length % 100 or 100)])[-length:].lstrip("/")


def entries() -> tuple[Entry, ...]:
    """One of everything a layer of ours can hold (K133, K134, K136, K157)."""
    shared = BytesContent(b"shared " * 1000)
    named = [
        Entry(long_name(length), FileKind.FILE, content=BytesContent(b"%d" % length))
        for length in (99, 100, 101, 155, 255, 256, 300)
    ]
    return place(
        [
            *named,
            Entry("usr/share/" + "ä" * 60, FileKind.FILE, content=BytesContent("ä".encode())),
            Entry("empty", FileKind.DIRECTORY, 0o755),
            Entry("tmp", FileKind.DIRECTORY, 0o1777),
            Entry("bin/sudo", FileKind.FILE, 0o4755, content=BytesContent(b"s")),
            Entry("bin/wall", FileKind.FILE, 0o2755, content=BytesContent(b"w")),
            Entry("first", FileKind.FILE, content=shared),
            Entry("second/" + "h" * 99, FileKind.FILE, content=shared),
            Entry("link", FileKind.SYMLINK, 0o777, link="t/" * 125),
            Entry("short-link", FileKind.SYMLINK, 0o777, link="/first"),
            Entry("theirs", FileKind.FILE, uid=3_000_000, gid=4_000_000, content=BytesContent(b"t")),
            Entry("nothing", FileKind.FILE, content=BytesContent(b"")),
            Entry("pipe", FileKind.FIFO, 0o600),
        ],
        None,
    )


@pytest.fixture
def ours(tmp_path) -> Path:
    """A tar of ours with all of it."""
    path = tmp_path / "ours.tar"
    path.write_bytes(b"".join(tar_stream(entries(), 1_600_000_000)))
    return path


def seen(root: Path) -> dict[str, tuple]:
    """Every path with its kind, mode, time and content or link text; a group of names by its first."""
    first: dict[int, str] = {}
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = ("l", os.readlink(path))
            continue
        content = path.read_bytes() if path.is_file() else None
        mode, when = stat.S_IMODE(status.st_mode), int(status.st_mtime)
        same = first.setdefault(status.st_ino, name)
        found[name] = (stat.S_IFMT(status.st_mode), mode, when, content, same if path.is_file() else name)
    return found


def told(packed: tuple[Entry, ...]) -> dict[str, tuple]:
    """The same of entries."""
    kinds = {FileKind.DIRECTORY: stat.S_IFDIR, FileKind.FIFO: stat.S_IFIFO}
    by_path = {entry.path: entry for entry in packed}
    found = {}
    for entry in packed:
        if entry.kind is FileKind.SYMLINK:
            found[entry.path] = ("l", entry.link)
            continue
        origin = by_path[entry.link] if entry.kind is FileKind.HARDLINK else entry
        content = None
        if origin.kind is FileKind.FILE:
            content = b"".join(origin.content.pieces()) if origin.content else b""
        kind = kinds.get(entry.kind, stat.S_IFREG)
        found[entry.path] = (kind, entry.mode, 1_600_000_000, content, origin.path)
    return found


@pytest.mark.parametrize(
    "argv",
    [("tar", "-xpf"), ("bsdtar", "-xpf"), ("busybox", "tar", "-xpf")],
    ids=["GNU tar", "bsdtar", "busybox"],
)
def test_others_unpack_our_tars(peer, ours, tmp_path, argv):
    """K133, K134, K157"""
    expected = told(entries())
    out = tmp_path / "out"
    out.mkdir()

    subprocess.run([peer(argv[0]), *argv[1:], ours, "-C", out], check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})

    found = seen(out)
    assert set(expected) == set(found)
    for path, what in expected.items():
        if argv[0] == "busybox" and what[0] == stat.S_IFDIR:  # it sets the time before the files are there
            assert what[:2] == found[path][:2], path
        else:
            assert what == found[path], path


def test_gnu_tar_and_bsdtar_tell_the_large_owners(peer, ours):
    """K136"""
    for argv in (("tar", "--numeric-owner", "-tvf"), ("bsdtar", "--numeric-owner", "-tvf")):
        lines = subprocess.run(
            [peer(argv[0]), *argv[1:], ours], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        (line,) = [line for line in lines if line.endswith("theirs")]
        assert {"3000000", "4000000"} <= set(line.replace("/", " ").split()), line


def test_python_reads_our_tars(ours):
    with tarfile.open(ours) as archive:
        found = {member.name: member for member in archive}

    assert {entry.path for entry in entries()} == set(found)
    assert (3_000_000, 4_000_000) == (found["theirs"].uid, found["theirs"].gid)
    assert "t/" * 125 == found["link"].linkname


@pytest.fixture
def folder(tmp_path) -> Path:
    """A directory with long names, links, a hole, odd modes."""
    root = tmp_path / "folder"
    (root / "d" / ("n" * 120)).mkdir(parents=True)
    (root / "d" / ("n" * 120) / ("m" * 90)).write_text("deep")
    (root / "ä").write_text("ä")
    (root / "hard").hardlink_to(root / "ä")
    (root / "sym").symlink_to("d/" + "n" * 120)
    (root / "dangling").symlink_to("/no/where/" + "x" * 150)
    (root / "suid").write_text("s")
    (root / "suid").chmod(0o4711)
    (root / "sticky").mkdir()
    (root / "sticky").chmod(0o1777)
    (root / "empty").touch()
    with (root / "holes").open("wb") as file:
        for at in range(40):  # more areas than fit into a header of GNU's own format
            file.seek(at * 131_072 + 65_536)
            file.write(b"%d" % at)
        file.truncate(6_000_000)
    os.mkfifo(root / "pipe")
    for path in root.rglob("*"):
        os.utime(path, (1_500_000_000, 1_500_000_000), follow_symlinks=False)
    return root


WRITERS = {
    "GNU": ("tar", "--format=gnu"),
    "GNU sparse": ("tar", "--format=gnu", "--sparse"),
    "old GNU": ("tar", "--format=oldgnu", "--sparse"),
    "pax": ("tar", "--format=pax"),
    "pax sparse 0.0": ("tar", "--format=pax", "--sparse", "--sparse-version=0.0"),
    "pax sparse 0.1": ("tar", "--format=pax", "--sparse", "--sparse-version=0.1"),
    "pax sparse 1.0": ("tar", "--format=pax", "--sparse", "--sparse-version=1.0"),
    "bsdtar pax": ("bsdtar", "--format=pax"),
    "bsdtar restricted pax": ("bsdtar", "--format=paxr"),
    "bsdtar GNU": ("bsdtar", "--format=gnutar"),
    "ustar": ("bsdtar", "--format=ustar", "--exclude=*n*"),
    "busybox": ("busybox", "tar"),
}


@pytest.mark.parametrize("argv", WRITERS.values(), ids=WRITERS)
def test_we_unpack_what_others_pack(peer, folder, tmp_path, argv):
    """K158 among them: every way to write a sparse file gives the same bytes, and the holes stay holes."""
    packed = subprocess.run(
        [peer(argv[0]), *argv[1:], "-cf", "-", "-C", folder, "."],
        capture_output=True,
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    ).stdout
    expected = seen(folder)
    if "--exclude=*n*" in argv:
        expected = {
            path: what for path, what in expected.items() if "n" not in path and what[1] != "d/" + "n" * 120
        }

    store, manifest = stored(packed)
    tree = read_tree(store, manifest, None, scope=Scope())
    export_folder(store, manifest, tree, contents(tree), tmp_path / "out", scope=Scope())

    found = seen(tmp_path / "out")
    if os.geteuid() != 0:
        expected["suid"] = (expected["suid"][0], 0o711, *expected["suid"][2:])
    assert set(expected) == set(found)
    for path, what in expected.items():
        if what[0] == "l" or path == "pipe":
            assert what[:2] == found[path][:2], path
        else:
            assert what == found[path], path
    if "--sparse" in argv:
        assert (tmp_path / "out/holes").stat().st_blocks * 512 < 3_000_000


def test_a_capability_comes_back_from_gnu_tar(peer, tmp_path):
    """K139: both ways, bytes that are no text."""
    (tmp_path / "in").mkdir()
    program = tmp_path / "in" / "ping"
    program.write_bytes(b"x")
    try:
        os.setxattr(program, "security.capability", CAPABILITY)
    except OSError as error:
        pytest.skip(f"no capability can be set here: {error}")
    packed = subprocess.run(
        [peer("tar"), "--xattrs", "--xattrs-include=*", "-cf", "-", "-C", tmp_path / "in", "ping"],
        capture_output=True,
        check=True,
    ).stdout
    (member,) = read_members([packed])
    assert dict(member.xattrs)["security.capability"] == CAPABILITY

    ours = tmp_path / "ours.tar"
    entry = Entry("ping", FileKind.FILE, 0o755, content=BytesContent(b"x"), xattrs=member.xattrs)
    ours.write_bytes(b"".join(tar_stream([entry], 0)))
    (tmp_path / "out").mkdir()
    subprocess.run([peer("tar"), "--xattrs", "--xattrs-include=*", "-xf", ours, "-C", tmp_path / "out"], check=True)

    assert CAPABILITY == os.getxattr(tmp_path / "out/ping", "security.capability")


def test_podman_gives_a_file_what_the_last_link_to_it_says(peer, tmp_path):
    """As Docker and containerd do; umoci keeps what the file's own header says."""
    layer = tar(
        ("f", "data", {"mode": 0o600, "uid": 7}),
        ("g", "= f", {"mode": 0o4751, "uid": 8}),
        ("h", "= g", {"mode": 0o640, "uid": 9, "mtime": 99}),
        ("alone", "x", {"mode": 0o600, "uid": 7}),
    )
    store = LayoutStore(tmp_path / "layout", create=True)
    put_image(store, "1", "linux/amd64", layers=[layer])
    call = podman(peer("podman"), tmp_path)
    image = call("pull", f"oci:{tmp_path / 'layout'}:1").split()[-1]

    place = Path(call("image", "mount", image).split()[-1])
    theirs = {path.name: path.lstat() for path in place.iterdir() if path.name in {"f", "g", "h", "alone"}}
    read = read_tree(store, view(store.get_manifest("1")), None, scope=Scope())

    assert {name: (stat.S_IMODE(one.st_mode), one.st_uid, int(one.st_mtime)) for name, one in theirs.items()} == {
        path: (node.mode, node.uid, node.mtime) for path, node in read.walk()
    }
