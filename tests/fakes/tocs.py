"""Layers that can be read in parts, made of a tar: eStargz and zstd:chunked as their specifications have them.

Written independently of what reads them, and small: a member or frame for each header and each chunk.
"""

import base64
import gzip
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import zstandard

from ocitool.codec.members import empty_member, table_bytes

STARGZ = "containerd.io/snapshot/stargz/toc.digest"
CHUNKED = "io.github.containers.zstd-chunked."
_TYPES = {
    tarfile.REGTYPE: "reg",
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}


def digest(data: bytes) -> str:
    """A sha256 digest."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def entry_of(info: tarfile.TarInfo) -> dict[str, Any]:
    """What a table says of a file, without its content."""
    entry: dict[str, Any] = {
        "name": info.name + ("/" if info.isdir() else ""),
        "type": _TYPES[info.type],
        "modtime": datetime.fromtimestamp(info.mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "mode": info.mode,
        "uid": info.uid,
        "gid": info.gid,
    }
    if info.linkname:
        entry["linkName"] = info.linkname
    if info.isdev() and not info.isfifo():
        entry |= {"devMajor": info.devmajor, "devMinor": info.devminor}
    xattrs = {key.removeprefix("SCHILY.xattr."): value for key, value in info.pax_headers.items() if "xattr" in key}
    if xattrs:
        entry["xattrs"] = {key: base64.b64encode(value.encode()).decode() for key, value in xattrs.items()}
    return entry


def pieces_of(tar: bytes, chunk: int) -> tuple[list[dict[str, Any]], list[tuple[bytes, dict[str, Any] | None]]]:
    """The entries of a table, and the tar in parts: each is to be compressed alone, its entry gets the offset."""
    entries: list[dict[str, Any]] = []
    parts: list[tuple[bytes, dict[str, Any] | None]] = []
    at = 0
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for info in archive:
            entry = entry_of(info)
            entries.append(entry)
            if not info.isreg() or not info.size:
                continue
            parts.append((tar[at : info.offset_data], None))
            at = info.offset_data + info.size
            content = tar[info.offset_data : at]
            entry |= {"size": info.size, "digest": digest(content)}
            for start in range(0, info.size, chunk):
                part = content[start : start + chunk]
                own = entry if not start else {"type": "chunk", "name": entry["name"], "chunkOffset": start}
                if start:
                    entries.append(own)
                own |= {"chunkDigest": digest(part)}
                if start + chunk < info.size or start:
                    own["chunkSize"] = len(part)
                parts.append((part, own))
    parts.append((tar[at:], None))
    return entries, parts


def estargz(tar: bytes, *, chunk: int = 4 << 20, level: int = 1) -> tuple[bytes, dict[str, str]]:
    """The blob of an eStargz layer, and the annotations of its descriptor."""
    entries, parts = pieces_of(tar[:-1024].rstrip(b"\0") + bytes(-len(tar[:-1024].rstrip(b"\0")) % 512), chunk)
    return seal_estargz(_blob(parts, lambda part: gzip.compress(part, level, mtime=0)), entries)


def seal_estargz(blob: bytes, entries: Any, **more: Any) -> tuple[bytes, dict[str, str]]:
    """Members of files with a table of these entries behind them."""
    toc = json.dumps({"version": 1, "entries": entries} | more, indent="\t").encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("stargz.index.json")
        info.size, info.mode = len(toc), 0o444
        archive.addfile(info, io.BytesIO(toc))
    extra = b"SG" + struct.pack("<H", 22) + b"%016xSTARGZ" % len(blob)
    footer = b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + struct.pack("<H", len(extra)) + extra
    footer += b"\x01\x00\x00\xff\xff" + bytes(8)
    return blob + gzip.compress(out.getvalue(), mtime=0) + footer, {STARGZ: digest(toc)}


def zstd_chunked(tar: bytes, *, chunk: int = 64 << 10, level: int = 1) -> tuple[bytes, dict[str, str]]:
    """The blob of a zstd:chunked layer, and the annotations of its descriptor."""
    entries, parts = pieces_of(tar, chunk)
    machine = zstandard.ZstdCompressor(level=level)
    for entry in entries:
        if "chunkSize" not in entry:
            entry.pop("chunkDigest", None)  # there is none where a file is one chunk
    return seal_chunked(_blob(parts, machine.compress), entries)


def seal_chunked(
    blob: bytes,
    entries: Any,
    compress: Callable[[bytes], bytes] = zstandard.compress,
    **more: Any,
) -> tuple[bytes, dict[str, str]]:
    """Frames of files with a table of these entries behind them."""
    toc = json.dumps({"version": 1, "entries": entries} | more).encode()
    packed = compress(toc)
    at = len(blob) + 8
    footer = struct.pack("<QQQQQQQ", at, len(packed), len(toc), 1, 0, 0, 0) + b"GnUlInUx"
    return blob + _skipped(packed) + _skipped(footer), {
        f"{CHUNKED}manifest-checksum": digest(packed),
        f"{CHUNKED}manifest-position": f"{at}:{len(packed)}:{len(toc)}:1",
    }


def _skipped(data: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + struct.pack("<I", len(data)) + data


def _blob(parts, compress) -> bytes:
    out = bytearray()
    for part, entry in parts:
        if entry is not None:
            entry["offset"] = len(out)
        if part:
            out += compress(part)
    return bytes(out)


def listed(tar: bytes, **_: int) -> tuple[bytes, dict[str, str]]:
    """The blob of a listed layer and its annotations, by the only program that writes them: ours."""
    from ocitool.codec.codecs import parse_codec
    from ocitool.tasks import Scope

    compressed = parse_codec("gzip,toc").compress([tar], Scope())
    pieces = []
    while True:
        try:
            pieces.append(next(compressed))
        except StopIteration as end:
            return b"".join(pieces), dict(end.value.annotations) if end.value else {}


def seal_listed(members: list[bytes], entries: Any, **more: Any) -> tuple[bytes, dict[str, str]]:
    """Our gzip members with a table of these entries behind them."""
    toc = json.dumps({"version": 1, "entries": entries} | more).encode()
    packed = gzip.compress(toc, mtime=0)
    carried = b"".join(empty_member(b"OC", packed[at : at + 60_000]) for at in range(0, len(packed), 60_000))
    table = table_bytes(1 << 20, [len(member) for member in members])
    return b"".join(members) + carried + table, {"org.ocitool.toc.digest": digest(toc)}
