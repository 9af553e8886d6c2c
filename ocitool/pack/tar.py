"""A tar whose bytes depend on its entries alone: ustar headers, pax records only where ustar cannot say it.

No owner names, no access or change times, no padding beyond the two zero blocks of the end.
Spec: POSIX pax; image-spec layer.md.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from ocitool.errors import UsageError
from ocitool.model.files import FileKind, name_bytes
from ocitool.model.numbers import KIB, is_digits, whole
from ocitool.model.pieces import gathered
from ocitool.pack.entries import Entry

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
"""What every tar ends with."""
_GATHERED: Final = 64 * KIB
_MAX_OCTAL_7: Final = 0o7777777
_MAX_OCTAL_11: Final = 0o77777777777
_MAGIC: Final = b"ustar\x0000"
_PAX_NAME: Final = b"././@PaxHeader"  # the same for every entry: a process id here cost others their digest (K140)
_LAST_SECOND: Final = 253402300799  # the end of the year 9999, the last that RFC 3339 can write


def parse_epoch(text: str) -> int:
    """The seconds that SOURCE_DATE_EPOCH names. Raises UsageError for all but a plain decimal number (K142).

    The rule here: files of a context carry the epoch; a file of another layer keeps its time, but
    not beyond the epoch.
    """
    seconds = whole(text, _LAST_SECOND) if is_digits(text) else None
    if seconds is None:
        raise UsageError(
            f"SOURCE_DATE_EPOCH is not a number of seconds: {text[:40]!r}",
            hint="give whole seconds since 1970, such as the output of git log -1 --format=%ct",
        )
    return seconds


def tar_stream(entries: Iterable[Entry], epoch: int) -> Iterator[bytes]:
    """The tar of `entries` in their order, in pieces of at most 256 KiB; what small files make comes together.

    No time is later than `epoch` (seconds since 1970). Each content is read once, when its turn comes.
    Raises LocalIOError if a file cannot be read or is no longer what it was.
    """
    members = chain.from_iterable(entry_stream(entry, epoch) for entry in entries)
    return gathered(chain(members, (END,)), _GATHERED)


def entry_stream(entry: Entry, epoch: int) -> Iterator[bytes]:
    """The part of a tar that one entry is; as `tar_stream`."""
    yield entry_header(entry, epoch)
    if entry.kind is FileKind.FILE and entry.content is not None:
        yield from entry.content.pieces()
        if rest := -entry.content.size % BLOCK:
            yield bytes(rest)


def entry_header(entry: Entry, epoch: int) -> bytes:
    """The header blocks of one entry: one ustar block, before it a pax header where that is not enough."""
    name = name_bytes(entry.path) + (b"/" if entry.kind is FileKind.DIRECTORY else b"")
    link = name_bytes(entry.link)
    size = entry.content.size if entry.kind is FileKind.FILE and entry.content is not None else 0
    mtime = epoch if entry.mtime is None else min(entry.mtime, epoch)
    records = {b"SCHILY.xattr." + name_bytes(key): value for key, value in entry.xattrs}
    prefix, short = _split(name)
    if short is None:
        records[b"path"] = name
        short = name[:100]
    if len(link) > 100 or not link.isascii():
        records[b"linkpath"] = link
        link = link[:100]
    uid = _fit(entry.uid, _MAX_OCTAL_7, b"uid", records)
    gid = _fit(entry.gid, _MAX_OCTAL_7, b"gid", records)
    size = _fit(size, _MAX_OCTAL_11, b"size", records)
    mtime = _fit(mtime, _MAX_OCTAL_11, b"mtime", records)
    flag = entry.kind.value.encode()
    block = _block(short, prefix, entry.mode & 0o7777, uid, gid, size, mtime, flag, link, entry.device)
    return _pax(records, epoch) + block if records else block


def _fit(number: int, limit: int, key: bytes, records: dict[bytes, bytes]) -> int:
    """The number if the ustar field holds it; else 0, and a pax record says it."""
    if 0 <= number <= limit:
        return number
    records[key] = str(number).encode()
    return 0


def _split(name: bytes) -> tuple[bytes, bytes | None]:
    """The ustar prefix and name; no name if they cannot hold it.

    Names beyond ASCII go to pax, which alone says that they are UTF-8.
    """
    if not name.isascii():
        return b"", None
    if len(name) <= 100:
        return b"", name
    at = name.rfind(b"/", 0, min(156, len(name) - 1))  # not the slash that ends a directory's name
    if at <= 0 or len(name) - at - 1 > 100:
        return b"", None
    return name[:at], name[at + 1 :]


def _pax(records: dict[bytes, bytes], epoch: int) -> bytes:
    body = b"".join(_record(key, value) for key, value in sorted(records.items()))
    mtime = min(max(epoch, 0), _MAX_OCTAL_11)
    block = _block(_PAX_NAME, b"", 0o644, 0, 0, len(body), mtime, b"x", b"", (0, 0))
    return block + body + bytes(-len(body) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE` and a newline, the length counting its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if rest + len(str(length)) > length:
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


def _block(  # noqa: PLR0917 - the fields of a header in its order
    name: bytes,
    prefix: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    flag: bytes,
    link: bytes,
    device: tuple[int, int],
) -> bytes:
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, mtime)
    devices = b"%07o\0%07o\0" % device
    # The checksum counts its own eight bytes as spaces; what only fills up counts nothing.
    checksum = sum(name + numbers + flag + link + _MAGIC + devices + prefix) + 8 * 0x20
    head = name.ljust(100, b"\0") + numbers + b"%06o\0 " % checksum + flag
    return head + link.ljust(100, b"\0") + _MAGIC + bytes(64) + devices + prefix.ljust(155, b"\0") + bytes(12)
