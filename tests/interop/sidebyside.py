"""One Dockerfile built by BuildKit and by us, and what the two images hold, read by neither of them.

Layers are read with Python's tarfile and laid over each other by a model that is nothing but a dictionary.
"""

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import lzma
import os
import socket
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from ocitool.model.platform import Platform, choose
from ocitool.model.views import Index, Manifest, view
from ocitool.store.layout import LayoutStore
from ocitool.store.verify import read_blob
from tests.fakes.busybox import put_busybox
from tests.fakes.images import put_image

EPOCH = 1_234_567_890
"""Older than every file of the context, so that both sides write it for every file."""


@dataclass(frozen=True, slots=True)
class Case:
    """A Dockerfile, the words both sides are called with, and what stands beside the common context.

    `differs` is the heading of docs/reference/buildkit-differences.md that tells what may differ, and why. `secrets`
    are texts by their ids; `words` are more words for BuildKit, `own` the same for us.
    """

    text: str
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    ignore: str = ""
    own_ignore: str = ""
    platforms: tuple[str, ...] = ("linux/amd64",)
    differs: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    words: tuple[tuple[str, ...], ...] = ()
    own: tuple[str, ...] = ()


ARCHIVE = (
    ("top", tarfile.DIRTYPE, 0o700, ""),
    ("top/file", tarfile.REGTYPE, 0o4640, ""),
    ("top/hard", tarfile.LNKTYPE, 0o4640, "top/file"),
    ("top/soft", tarfile.SYMTYPE, 0o777, "file"),
    ("./dotted/implied/file", tarfile.REGTYPE, 0o600, ""),
    ("/rooted", tarfile.REGTYPE, 0o644, ""),
)
LINKS = (
    ("bin", tarfile.DIRTYPE, 0o711, ""),
    ("bin/x", tarfile.REGTYPE, 0o755, ""),
    ("tmp/y", tarfile.REGTYPE, 0o755, ""),
    ("etc", tarfile.DIRTYPE, 0o700, ""),
)
ODD = (
    ("absolute", tarfile.SYMTYPE, 0o777, "/etc/passwd"),
    ("up", tarfile.SYMTYPE, 0o777, "../../x"),
    ("pipe", tarfile.FIFOTYPE, 0o600, ""),
    ("null", tarfile.CHRTYPE, 0o666, ""),
    ("twice", tarfile.REGTYPE, 0o600, ""),
    ("twice", tarfile.REGTYPE, 0o644, ""),
    ("late/file", tarfile.REGTYPE, 0o644, ""),
    ("late", tarfile.DIRTYPE, 0o700, ""),
)
HARD = (
    ("file", tarfile.REGTYPE, 0o600, ""),
    ("other", tarfile.LNKTYPE, 0o4751, "file"),
    ("link", tarfile.SYMTYPE, 0o777, "file"),
    ("last", tarfile.LNKTYPE, 0o640, "other"),
)
WHITEOUT = (("d", tarfile.DIRTYPE, 0o755, ""), ("d/.wh.x", tarfile.REGTYPE, 0o644, ""))
UP = (("../up", tarfile.REGTYPE, 0o644, ""), ("d/../f", tarfile.REGTYPE, 0o644, ""))
NOWHERE = (("link", tarfile.SYMTYPE, 0o777, "nowhere"), ("link/in", tarfile.REGTYPE, 0o644, ""))
XATTR = "SCHILY.xattr."
KINDS = {
    tarfile.DIRTYPE: "d",
    tarfile.SYMTYPE: "l",
    tarfile.REGTYPE: "f",
    tarfile.FIFOTYPE: "p",
    tarfile.CHRTYPE: "c",
}

BASES: dict[str, dict[str, Any]] = {
    "bb": {},
    "nopath": {"Env": ["A=base"], "Cmd": ["x"]},
    "rich": {
        "User": "www",
        "WorkingDir": "/home/www",
        "Env": ["PATH=/bin", "A=base", "B=two words"],
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["-c", "true"],
        "Labels": {"z": "1", "a": "2"},
        "ExposedPorts": {"81/tcp": {}},
        "Volumes": {"/data": {}},
        "Shell": ["/bin/ash", "-ec"],
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5_000_000_000},
    },
    "onbuild": {"OnBuild": ["COPY a.txt /from-base/", "ENV ONB=1", "WORKDIR /onb", "LABEL t=$ONB"]},
}


@dataclass(frozen=True, slots=True)
class File:
    """What a tar says of one path; `link` is a symbolic link's target, `names` all names of a hard-linked file.

    `attributes` are extended ones, by name.
    """

    kind: str
    mode: int
    owner: str
    mtime: int
    link: str = ""
    digest: str = ""
    names: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """An image of one platform, taken apart."""

    config: Any
    layers: tuple[dict[str, File], ...]
    tree: dict[str, File]

    @property
    def history(self) -> list[Any]:
        """Its history, oldest first."""
        return self.config["history"]


def make_context(root: Path) -> Path:
    """The files that all Dockerfiles copy from, all younger than EPOCH."""
    root.mkdir()
    modes = {"a.txt": 0o644, "b.txt": 0o600, "run.sh": 0o755, "setuid": 0o4755, "with blank.txt": 0o644}
    modes |= {"br[1].txt": 0o644, "grüße.txt": 0o644, "dir/one": 0o640, "dir/two.txt": 0o644, "dir/.hidden": 0o644}
    modes |= {"dir/sub/three.txt": 0o644, "dir/sub/four.md": 0o444, "dir/sub/deep/five.txt": 0o644}
    modes |= {"out/amd64/app": 0o755, "out/arm64/app": 0o755, "out/arm/app": 0o755, "src/x/y/z.c": 0o644}
    modes |= {"src/x/m.c": 0o644, "src/w/n.h": 0o644, "docs/README.md": 0o644, "docs/other.md": 0o644}
    modes |= {"passwd": 0o644, "group": 0o644, "one/f": 0o644, "two/f": 0o755}
    for name, mode in modes.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"this is {name}\n")
        path.chmod(mode)
    (root / "passwd").write_text("root:x:0:0::/:\napp:x:1001:1002::/:\n")
    (root / "group").write_text("root:x:0:\nstaff:x:50:app\n")
    (root / "dir" / "empty").mkdir()
    for name, target in {
        "dir/link": "one",
        "dir/abs": "/etc/passwd",
        "dangling": "nowhere",
        "to-file": "a.txt",
        "to-dir": "dir",
        "dir/up": "../out",
    }.items():
        (root / name).symlink_to(target)
    (root / "hard").mkdir()
    (root / "hard" / "first").write_text("one file\n")
    os.link(root / "hard" / "first", root / "hard" / "second")
    for name, mode in {"dir": 0o750, "dir/sub": 0o2755, "dir/empty": 0o1777, "out": 0o700}.items():
        (root / name).chmod(mode)
    data = _archive(ARCHIVE)
    packed = {"t.tar": data, "t.tar.gz": gzip.compress(data), "t.tar.bz2": bz2.compress(data)}
    packed |= {"t.tar.xz": lzma.compress(data), "t.tar.zst": zstandard.compress(data), "no.tar.gz": b"no archive\n"}
    packed |= {"only.gz": gzip.compress(b"no tar\n"), "links.tar": _archive(LINKS), "odd.tar": _archive(ODD)}
    for name, content in packed.items():
        (root / name).write_bytes(content)
    packed = {"behind.tar.gz": gzip.compress(data) + b"behind it", "whiteout.tar": _archive(WHITEOUT)}
    packed |= {"up.tar": _archive(UP), "nowhere.tar": _archive(NOWHERE), "hard.tar": _archive(HARD)}
    (root / "more").mkdir()
    for name, content in packed.items():
        (root / "more" / name).write_bytes(content)
    (root / "special").mkdir()
    os.mkfifo(root / "special" / "pipe")
    return root


def _archive(members: Iterable[tuple[str, bytes, int, str]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, mode, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.linkname, info.uid, info.gid, info.mtime = kind, mode, link, 7, 8, 1.7e9
            info.devmajor, info.devminor = (1, 3) if kind == tarfile.CHRTYPE else (0, 0)
            info.size = 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(b"data") if info.size else None)
    return buffer.getvalue()


def make_folders(root: Path) -> dict[str, Path]:
    """The named contexts; the files of `aged` are older than EPOCH, and `odd` has a socket."""
    folders = {name: root / name for name in ("extra", "aged", "odd")}
    for folder, name in zip(folders.values(), ("e.txt", "f", "*mark"), strict=True):
        folder.mkdir()
        (folder / name).write_text(f"this is {name}\n")
    for name in ("!mark", "b{2}/f", "bc/f"):
        (folders["odd"] / name).parent.mkdir(exist_ok=True)
        (folders["odd"] / name).write_text(f"this is {name}\n")
    (folders["odd"] / "bc" / "link").symlink_to("f")
    with socket.socket(socket.AF_UNIX) as bound, contextlib.chdir(folders["odd"]):
        bound.bind("socket")  # its whole path may be longer than an address can be
    for path in (folders["aged"] / "f", folders["aged"]):
        os.utime(path, (EPOCH - 1000, EPOCH - 1000))
    return folders


def make_bases(root: Path) -> dict[str, tuple[Path, str]]:
    """The base images by name: the layout each is in, and its index's digest."""
    found = {}
    lone = LayoutStore(root / "v6", create=True)
    found["v6"] = (root / "v6", str(put_image(lone, "1", "linux/arm/v6", layers=[_archive(ARCHIVE)], note="Me")))
    for name, settings in BASES.items():
        store = LayoutStore(root / name, create=True)
        found[name] = (root / name, str(put_busybox(store, "1", **settings)))
    return found


def seen_in(store: LayoutStore, platform: str, told: Callable[[bytes], str] | None = None) -> Seen:
    """The image for a platform in a layout that holds one image or index; `told` is what is said of a file's bytes."""
    found = view(store.get_manifest(""))
    if isinstance(found, Index):
        entry = choose(Platform.parse(platform), found.platforms, lambda entry: entry.platform)
        assert entry is not None, f"nothing for {platform}"
        found = view(store.get_manifest(str(entry.digest)))
    assert isinstance(found, Manifest)
    config = json.loads(read_blob(store, found.config, 1 << 20))
    layers = tuple(_layer(read_blob(store, layer, 1 << 26), told or _told) for layer in found.layers)
    assert len(config["rootfs"].get("diff_ids") or ()) == len(layers)
    config["rootfs"]["diff_ids"] = len(layers)
    return Seen(config, layers, _merged(layers))


def _layer(blob: bytes, told: Callable[[bytes], str]) -> dict[str, File]:
    data = gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob
    found: dict[str, File] = {}
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        for info in archive:
            name = info.name.strip("/")
            assert name not in found, f"{name} stands twice in a layer"
            assert ("", "") == (info.uname, info.gname)
            if info.islnk():
                target = found[info.linkname.strip("/")]
                names = tuple(sorted((*target.names, name)))
                for one in names:
                    found[one] = File(
                        target.kind,
                        info.mode,
                        f"{info.uid}:{info.gid}",
                        int(info.mtime),
                        "",
                        target.digest,
                        names,
                        target.attributes,
                    )
                continue
            read = archive.extractfile(info) if info.isreg() else None
            kind = KINDS[info.type]
            found[name] = File(
                kind,
                info.mode if kind != "l" else 0,
                f"{info.uid}:{info.gid}",
                int(info.mtime),
                info.linkname if kind == "l" else "",
                told(read.read()) if kind == "f" and read else "",
                (name,) if kind == "f" else (),
                tuple(sorted((key, text) for key, text in info.pax_headers.items() if key.startswith(XATTR))),
            )
    return found


def _told(content: bytes) -> str:
    """A file's content where it is short enough to be read in a failure, else its digest."""
    return content.decode("utf-8", "replace") if len(content) < 1000 else hashlib.sha256(content).hexdigest()[:12]


def _merged(layers: tuple[dict[str, File], ...]) -> dict[str, File]:
    """The layers over each other, as image-spec layer.md says."""
    tree: dict[str, File] = {}
    for layer in layers:
        for path, file in layer.items():
            above, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                tree = {one: kept for one, kept in tree.items() if not one.startswith(f"{above}/")}
            elif name.startswith(".wh."):
                gone = f"{above}/{name[4:]}".lstrip("/")
                tree = {one: kept for one, kept in tree.items() if one != gone and not one.startswith(f"{gone}/")}
            elif file.kind != "d":
                tree = {one: kept for one, kept in tree.items() if not one.startswith(f"{path}/")}
        tree |= {path: file for path, file in layer.items() if not path.rpartition("/")[2].startswith(".wh.")}
    return tree


def difference(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs between two mappings: BuildKit's value and ours, None for nothing."""
    return {
        key: (theirs.get(key), ours.get(key))
        for key in sorted({*theirs, *ours})
        if theirs.get(key) != ours.get(key)
    }
