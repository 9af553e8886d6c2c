"""Roots of images made of Debian's packages, for any architecture: busybox alone, and a system with dpkg and apt.

apt fetches with a state of its own, nothing is installed, no script of a package is run, and root is not needed:
what the scripts would have made (accounts, alternatives, dpkg's own files) is written here. All is kept in the
cache of the peers, so that a machine fetches once.
"""

import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath

from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_LAYER, Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource, Store
from ocitool.toolchains.debian import debian_architecture
from tests import peers

FORM = "2"
"""What is made of the packages; another number, and all roots are made anew."""
EPOCH = 1_600_000_000
SYSTEM = (
    "apt base-files base-passwd bash bsdutils coreutils dash debianutils diffutils dpkg findutils grep gzip hostname "
    "init-system-helpers libc-bin login mawk ncurses-base ncurses-bin passwd adduser perl-base sed sysvinit-utils tar "
    "util-linux libcap2-bin attr debian-archive-keyring"
).split()
REPOSITORY = ("hello", "unzip", "tree", "jq", "tini", "rsync", "ca-certificates")
"""Packages that a repository for tests holds, and all that they need beyond SYSTEM."""
_LEFT_OUT = tuple(f"usr/share/{name}/" for name in "doc man info locale lintian bug menu doc-base".split())
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_FOLDERS = {
    "dev": 0o755, "etc": 0o755, "home": 0o755, "media": 0o755, "mnt": 0o755, "opt": 0o755, "proc": 0o755,
    "run": 0o755, "run/lock": 0o1777, "srv": 0o755, "sys": 0o755, "tmp": 0o1777, "root": 0o700, "var": 0o755,
    "var/backups": 0o755, "var/cache": 0o755, "var/lib": 0o755, "var/log": 0o755, "var/spool": 0o755,
    "var/tmp": 0o1777, "usr": 0o755, "usr/bin": 0o755, "usr/sbin": 0o755, "usr/lib": 0o755, "usr/share": 0o755,
    "usr/share/man": 0o755, "usr/share/man/man1": 0o755, "usr/share/doc": 0o755, "usr/local": 0o755,
    "usr/local/bin": 0o755, "usr/local/lib": 0o755, "usr/local/sbin": 0o755, "usr/local/share": 0o755,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Root:
    """The root of an image as one layer, compressed with gzip, in the cache of the peers."""

    platform: str
    layer: Path
    diff_id: str


@dataclass(slots=True)
class _Entry:
    info: tarfile.TarInfo
    data: bytes = b""


def busybox(platform: str) -> Root:
    """busybox and the links of its names, /tmp, /root and two accounts. Raises Missing."""
    return _kept(platform, "busybox", lambda: _busybox_entries(debian_architecture(Platform.parse(platform))))


def system(platform: str, *more: str) -> Root:
    """A Debian with dpkg, apt, perl-base and what is essential; `more` are packages beyond that. Raises Missing."""
    architecture = debian_architecture(Platform.parse(platform))
    name = f"system-{hashlib.sha256(' '.join(more).encode()).hexdigest()[:8]}" if more else "system"
    return _kept(platform, name, lambda: _system_entries(fetch(architecture, *SYSTEM, *more)))


def repository(platform: str) -> Path:
    """A folder with packages and the lists that apt reads: `deb [trusted=yes] file:DIR ./`. Raises Missing."""
    architecture = debian_architecture(Platform.parse(platform))
    place = _cache() / f"repository-{architecture}-{FORM}"
    if not (place / "Packages").exists():
        place.mkdir(parents=True, exist_ok=True)
        there = {path.name for path in fetch(architecture, *SYSTEM)}
        lines = []
        for package in fetch(architecture, *SYSTEM, *REPOSITORY):
            if package.name in there:
                continue
            name = package.name.replace("%3a", "_")
            shutil.copy(package, place / name)
            data = package.read_bytes()
            lines.append(f"{_control(package).strip()}\nFilename: ./{name}\nSize: {len(data)}")
            lines.append(f"MD5sum: {hashlib.md5(data).hexdigest()}\nSHA256: {hashlib.sha256(data).hexdigest()}\n")
        (place / "Packages.new").write_text("\n".join(lines) + "\n")
        (place / "Packages.new").replace(place / "Packages")
    return place


def put(store: Store, tag: str, roots: Sequence[Root], **settings: object) -> Digest:
    """Store an index of images, one a root, under a tag; `settings` go into each config."""
    entries = []
    for root in roots:
        platform, data = Platform.parse(root.platform), root.layer.read_bytes()
        layer = replace(Descriptor(OCI_LAYER, Digest.of(data), len(data)), media_type=f"{OCI_LAYER}+gzip")
        store.put_blob(layer, BytesSource(data))
        config = {
            "created": "2024-05-06T07:08:09Z",
            "architecture": platform.architecture,
            "os": platform.os,
            **({"variant": platform.variant} if platform.variant else {}),
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": ["/bin/sh"],
                **settings,
            },
            "rootfs": {"type": "layers", "diff_ids": [root.diff_id]},
            "history": [{"created": "2024-05-06T07:08:09Z", "created_by": "Debian's packages"}],
        }
        raw = json.dumps(config).encode()
        held = Descriptor.of(Document(raw, Family.OCI.config))
        store.put_blob(held, BytesSource(raw))
        document = compose.manifest(Family.OCI, held, [layer])
        store.put_manifest(document)
        entries.append(Descriptor.of(document, platform))
    index = compose.index(Family.OCI, entries)
    store.put_manifest(index, tag)
    return index.digest


@cache
def fetch(architecture: str, *packages: str) -> tuple[Path, ...]:
    """The files of packages and of all that they need, fetched and checked by apt. Raises Missing."""
    key = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    place = _cache() / f"archives-{architecture}-{key}"
    if not (place / "complete").exists():
        with _alone():
            _fetch(architecture, packages, place)
    return tuple(sorted(place.glob("*.deb"), key=lambda path: (not path.name.startswith("base-files_"), path.name)))


def _fetch(architecture: str, packages: Sequence[str], place: Path) -> None:
    if not (place / "complete").exists():
        state = _cache() / f"apt-{architecture}"
        for folder in (state / "lists" / "partial", place / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        _apt(architecture, state, place, "update")
        _apt(architecture, state, place, "install", "-y", "--download-only", *packages)
        (place / "complete").touch()


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes of tests from fetching at the same time: apt would end with an error."""
    _cache().mkdir(parents=True, exist_ok=True)
    with (_cache() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cache() -> Path:
    return peers.cache_root() / "debian"


def _apt(architecture: str, state: Path, archives: Path, *words: str) -> None:
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Cache::archives": archives,
        "Dir::Log": state,
        "APT::Sandbox::User": "",
        "APT::Install-Recommends": "false",
        "DPkg::Post-Invoke::": "",
        "Acquire::Languages": "none",
    }
    argv = [
        str(peers.find("apt-get")),
        "-q",
        *(w for key, value in settings.items() for w in ("-o", f"{key}={value}")),
    ]
    done = subprocess.run([*argv, *words], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode and words != ("update",):  # one source without this architecture spoils an update
        raise peers.Missing(f"apt-get {words[0]} of {architecture}: {done.stderr.strip().rpartition(chr(10))[2]}")


def _kept(platform: str, name: str, make) -> Root:
    architecture = debian_architecture(Platform.parse(platform))
    place = _cache() / f"{name}-{architecture}-{FORM}.tar.gz"
    told = place.with_suffix(".json")
    if not told.exists():
        entries = make()
        diff_id = hashlib.sha256()
        new = place.with_suffix(f".{os.getpid()}")
        with gzip.GzipFile(new, "wb", compresslevel=1, mtime=0) as packed:
            archive = tarfile.open(fileobj=_Hashing(packed, diff_id), mode="w|", format=tarfile.PAX_FORMAT)
            for entry in _in_order(entries):
                archive.addfile(entry.info, io.BytesIO(entry.data))
            archive.close()
        new.replace(place)
        told.write_text(json.dumps({"diff_id": f"sha256:{diff_id.hexdigest()}"}))
    return Root(platform, place, json.loads(told.read_text())["diff_id"])


class _Hashing:
    def __init__(self, below, hasher) -> None:
        self.below, self.hasher = below, hasher

    def write(self, data: bytes) -> int:
        self.hasher.update(data)
        return self.below.write(data)


def _in_order(entries: dict[str, _Entry]) -> Iterator[_Entry]:
    """Directories before what is in them, hard links after what they name."""
    paths = sorted(entries, key=lambda path: (entries[path].info.islnk(), path.split("/")))
    for path in paths:
        info = entries[path].info
        info.name, info.mtime, info.uname, info.gname = path, EPOCH, "", ""
        yield entries[path]


def _file(entries: dict[str, _Entry], path: str, text: str | bytes, mode: int = 0o644, gid: int = 0) -> None:
    data = text.encode() if isinstance(text, str) else text
    info = tarfile.TarInfo(path)
    info.size, info.mode, info.gid = len(data), mode, gid
    entries[path] = _Entry(info, data)


def _folder(entries: dict[str, _Entry], path: str, mode: int = 0o755, gid: int = 0) -> None:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.gid = tarfile.DIRTYPE, mode, gid
    entries.setdefault(path, _Entry(info))


def _link(entries: dict[str, _Entry], path: str, target: str) -> None:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, target
    entries[path] = _Entry(info)


def _busybox_entries(architecture: str) -> dict[str, _Entry]:
    def program(of: str) -> bytes:
        unpacked: dict[str, _Entry] = {}
        for package in fetch(of, "busybox-static"):
            _unpack(package, unpacked)
        return unpacked["usr/bin/busybox"].data

    entries: dict[str, _Entry] = {}
    for name, mode in {"bin": 0o755, "etc": 0o755, "home": 0o755, "root": 0o700, "tmp": 0o1777, "usr": 0o755,
                       "usr/bin": 0o755, "var": 0o755, "var/old": 0o755, "dev": 0o755, "proc": 0o755, "sys": 0o755,
                       "opt": 0o755, "opt/data": 0o750, "opt/data/sub": 0o2755}.items():  # fmt: skip
        _folder(entries, name, mode)
    _file(entries, "bin/busybox", program(architecture), 0o755)
    for name in _names(program(_native())):
        _link(entries, f"bin/{name}", "busybox")
    _file(entries, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww:x:82:83:www:/home/www:/bin/sh\n")
    _file(entries, "etc/group", "root:x:0:\nweb:x:33:www\nwww:x:83:\n")
    _folder(entries, "home/www", 0o750, 83)
    entries["home/www"].info.uid = 82
    for name, text in {"one": "one\n", "two": "two\n", "sub/three": "three\n"}.items():
        _file(entries, f"opt/data/{name}", text, 0o640)
    _link(entries, "opt/current", "data")
    _file(entries, "var/old/file", "old\n")
    _file(entries, "usr/bin/tool", "#!/bin/sh\necho tool\n", 0o4755)
    hard = tarfile.TarInfo("usr/bin/tool-too")
    hard.type, hard.mode, hard.linkname = tarfile.LNKTYPE, 0o4755, "usr/bin/tool"
    entries["usr/bin/tool-too"] = _Entry(hard)
    return entries


def _native() -> str:
    done = subprocess.run([peers.find("dpkg"), "--print-architecture"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _names(program: bytes) -> list[str]:
    path = _cache() / f"busybox.{os.getpid()}"
    path.write_bytes(program)
    path.chmod(0o755)
    try:
        listed = subprocess.run([path, "--list"], capture_output=True, text=True, check=True).stdout.split()
    finally:
        path.unlink()
    return [name for name in listed if name != "busybox"]


def _system_entries(packages: tuple[Path, ...]) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    for name, mode in _FOLDERS.items():
        _folder(entries, name, mode)
    _folder(entries, "var/mail", 0o2775, 8)
    _folder(entries, "var/local", 0o2775, 50)
    for name in ("updates", "parts", "info", "alternatives", "triggers"):
        _folder(entries, f"var/lib/dpkg/{name}")
    status, triggers = [], {"File": "", "Unincorp": ""}
    for package in packages:
        listed = _unpack(package, entries)
        status.append(_told(package, entries, listed, triggers))
    for name, text in triggers.items():
        _file(entries, f"var/lib/dpkg/triggers/{name}", text)
    for name in ("diversions", "statoverride", "available", "lock"):
        _file(entries, f"var/lib/dpkg/{name}", "")
    _file(entries, "var/lib/dpkg/status", "\n".join(status))
    _file(entries, "var/lib/dpkg/info/format", "1\n")
    _file(entries, "var/lib/dpkg/alternatives/awk", "auto\n/usr/bin/awk\n\n/usr/bin/mawk\n5\n\n")
    for path, target in {
        "etc/alternatives/awk": "/usr/bin/mawk",
        "usr/bin/awk": "/etc/alternatives/awk",
        "etc/os-release": "../usr/lib/os-release",
        "var/run": "/run",
        "var/lock": "/run/lock",
        **{name: f"usr/{name}" for name in _MERGED if f"usr/{name}" in entries},
    }.items():
        _link(entries, path, target)
    shared = "usr/share/base-passwd"
    accounts = (
        entries[f"{shared}/passwd.master"].data.decode() + "_apt:*:42:65534::/nonexistent:/usr/sbin/nologin\n"
    )
    groups = entries[f"{shared}/group.master"].data.decode()
    _file(entries, "etc/passwd", accounts.replace(":*:", ":x:"))
    _file(entries, "etc/group", groups.replace(":*:", ":x:"))
    _file(
        entries,
        "etc/shadow",
        "".join(f"{line.split(':')[0]}:*:19000:0:99999:7:::\n" for line in accounts.split()),
        0o640,
        42,
    )
    _file(entries, "etc/gshadow", "".join(f"{line.split(':')[0]}:*::\n" for line in groups.split()), 0o640, 42)
    _file(entries, "etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
    _file(entries, "etc/shells", "/bin/sh\n/bin/bash\n/bin/dash\n")
    _file(entries, "etc/profile", entries["usr/share/base-files/profile"].data)
    _file(entries, "root/.bashrc", entries["usr/share/base-files/dot.bashrc"].data)
    return entries


def _unpack(package: Path, entries: dict[str, _Entry]) -> list[str]:
    """Add the files of a package below merged directories; the paths as dpkg lists them."""
    listed = []
    packed = subprocess.run([peers.find("dpkg-deb"), "--fsys-tarfile", package], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        for info in archive:
            path = info.name.removeprefix(".").strip("/")
            listed.append(f"/{path}" if path else "/.")
            placed = _placed(path)
            if not path or (f"{placed}/".startswith(_LEFT_OUT) and not info.isdir()):
                continue
            if info.isdir():
                if placed in _FOLDERS:
                    continue
                if f"{placed}/".startswith(_LEFT_OUT):
                    continue
                entries.setdefault(placed, _Entry(info))
                continue
            if info.islnk():
                info.linkname = _placed(info.linkname.removeprefix(".").strip("/"))
            read = archive.extractfile(info) if info.isreg() else None
            entries[placed] = _Entry(info, read.read() if read else b"")
            for parent in PurePosixPath(placed).parents:
                if str(parent) != ".":
                    _folder(entries, str(parent))
    return listed


def _placed(path: str) -> str:
    return f"usr/{path}" if path.partition("/")[0] in _MERGED else path


def _control(package: Path) -> str:
    return subprocess.run(
        [peers.find("dpkg-deb"), "-f", package], capture_output=True, text=True, check=True
    ).stdout


def _told(package: Path, entries: dict[str, _Entry], listed: list[str], triggers: dict[str, str]) -> str:
    """What dpkg keeps of an installed package: its files below info, and its paragraph of the status."""
    control = _control(package)
    fields = dict(line.split(": ", 1) for line in control.splitlines() if ": " in line and not line.startswith(" "))
    name = fields["Package"]
    full = f"{name}:{fields['Architecture']}" if fields.get("Multi-Arch") == "same" else name
    packed = subprocess.run([peers.find("dpkg-deb"), "--ctrl-tarfile", package], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        for info in archive:
            kind, read = info.name.removeprefix("./"), archive.extractfile(info) if info.isreg() else None
            if read is None or kind == "control":
                continue
            data = read.read()
            _file(entries, f"var/lib/dpkg/info/{full}.{kind}", data, info.mode)
            if kind == "triggers":
                for words in map(str.split, data.decode().splitlines()):
                    if words and words[0].startswith("interest"):
                        who = f"{name}/noawait" if words[0].endswith("-noawait") else name
                        if words[1].startswith("/"):
                            triggers["File"] += f"{words[1]} {who}\n"
                        else:
                            triggers[words[1]] = triggers.get(words[1], "") + f"{who}\n"
    _file(entries, f"var/lib/dpkg/info/{full}.list", "".join(f"{path}\n" for path in listed))
    first, _, rest = control.partition("\n")
    return f"{first}\nStatus: install ok installed\n{rest}"
