"""The build information inside Go programs: the best witness of GOOS, GOARM and the other levels.

Format: the blob that `go version -m` prints; Go 1.18 and later write its strings inline.
"""

import re
from typing import Final

from ocitool.binaries.binary import GoBuildInfo
from ocitool.binaries.window import READ_LIMIT, Window
from ocitool.model.numbers import KIB

_MAGIC: Final = b"\xff Go buildinf:"
_ALIGN: Final = 16
_HEADER: Final = 32
_FRAME: Final = 16
_INLINE: Final = 0x2
_MODULE_LIMIT: Final = 256 * KIB


def read_go_build(window: Window, offset: int, size: int) -> GoBuildInfo | None:
    """The build information in `size` bytes from `offset` (a section or segment), or None if there is none.

    Only the first MiB is searched. A blob written before Go 1.18 gives a GoBuild without a version.
    """
    data = window.at(offset, min(size, READ_LIMIT))
    at = data.find(_MAGIC)
    while at >= 0 and at % _ALIGN:
        at = data.find(_MAGIC, at + 1)
    if at < 0:
        return None
    blob = window.at(offset + at, _HEADER + _MODULE_LIMIT)
    if len(blob) < _HEADER or not blob[15] & _INLINE:
        return GoBuildInfo()
    version, next_at = _string(blob, _HEADER)
    text, _ = _string(blob, next_at)
    if len(text) >= 2 * _FRAME and text[-_FRAME - 1 : -_FRAME] == b"\n":
        text = text[_FRAME:-_FRAME]
    return _parse(version.decode("utf-8", "backslashreplace"), text.decode("utf-8", "backslashreplace"))


def arm_variant(goarm: str) -> str:
    """The variant of a GOARM value such as `7` or `6,hardfloat`; empty if it is not one."""
    match = re.match(r"([5-8])(?:,|$)", goarm)
    return f"v{match.group(1)}" if match else ""


def _string(blob: bytes, at: int) -> tuple[bytes, int]:
    """A string with its length as a varint before it; cut where the blob ends."""
    length = shift = 0
    for byte in blob[at : at + 10]:
        at += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return blob[at : at + length], at + length


def _parse(version: str, text: str) -> GoBuildInfo:
    path = module = module_version = ""
    settings: list[tuple[str, str]] = []
    dependencies: list[tuple[str, str, str]] = []
    for line in text.splitlines():
        key, _, rest = line.partition("\t")
        if key == "path":
            path = rest
        elif key == "mod":
            module, _, tail = rest.partition("\t")
            module_version = tail.partition("\t")[0]
        elif key == "dep":
            dependencies.append(_module(rest))
        elif key == "=>" and dependencies:  # what the module before was replaced with
            dependencies[-1] = _module(rest)
        elif key == "build":
            name, _, value = rest.partition("=")
            settings.append((name, value))
    return GoBuildInfo(version, path, module, module_version, tuple(settings), tuple(dependencies))


def _module(text: str) -> tuple[str, str, str]:
    path, version, checksum, *_ = (*text.split("\t"), "", "")
    return path, version, checksum
