"""Sizes in bytes as docker's flags and mounts write them: 64m, 1.5GiB, 1024.

Spec: docker/go-units, RAMInBytes.
"""

import re
from typing import Final

from ocitool.errors import UsageError

_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_size(text: str, name: str) -> int:
    """The bytes that a word means, its units powers of 1024. Raises UsageError that calls it `name`."""
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * 1024 ** _POWERS[found[2].lower()]) if found else -1
    if not 0 <= size < 2**63:
        raise UsageError(f"{name} {text[:40]!r} is no size", hint="write a number and a unit, such as 64m or 2g")
    return size
