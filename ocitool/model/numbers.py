"""Numbers in what others wrote: ASCII digits, and no more of them than mean anything.

Python's own reader also takes digits of every other script, underscores and spaces, and its `isdigit` even says yes
to what that reader then refuses, such as a superscript.
"""

import re
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
SIZE_LIMIT: Final = 1 << 53
"""Bytes: more than any content has, and exact in every reader of JSON."""
_DIGITS: Final = re.compile(r"0*([0-9]{1,20})")


def is_digits(text: str) -> bool:
    """Whether it is ASCII digits alone, and at least one."""
    return text.isascii() and text.isdigit()


def whole(text: str, limit: int = SIZE_LIMIT) -> int | None:
    """A number of ASCII digits up to `limit`, whatever space is around it; None for anything else."""
    match = _DIGITS.fullmatch(text.strip())
    number = int(match[1]) if match else limit + 1
    return number if number <= limit else None
