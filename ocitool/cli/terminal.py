"""Text as a terminal shows it: in colour where that is wanted, and no wider than it is."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import IO, Final

_STYLES: Final = {"error": "1;31", "warning": "1;33", "note": "36", "hint": "36", "see": "2"}
_LEADING: Final = rf"(?m)^( *)({'|'.join(_STYLES)})(:| +(?=\S))"
_BETWEEN: Final = ("  ", " ")
"""What is between cells, and between words."""
_HANGING: Final = 4


def width_of(stream: IO[str]) -> int:
    """The columns of the terminal that a stream writes to, by COLUMNS or as it says; 0 where it is none."""
    if not stream.isatty():
        return 0
    columns = os.environ.get("COLUMNS", "")
    try:
        known = int(columns) if columns.isascii() and columns.isdecimal() else 0
        return known or os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 0


def is_coloured(stream: IO[str], environ: Mapping[str, str]) -> bool:
    """Whether to colour what a stream gets: NO_COLOR forbids it, FORCE_COLOR wants it, else a terminal decides."""
    if environ.get("NO_COLOR"):
        return False
    forced = environ.get("FORCE_COLOR") or environ.get("CLICOLOR_FORCE")
    if forced:
        return forced != "0"
    return stream.isatty() and environ.get("CLICOLOR") != "0" and environ.get("TERM") != "dumb"


def painted(text: str, stream: IO[str]) -> str:
    """The text with the words that begin its lines in colour: error, warning, note, hint, see."""
    if not is_coloured(stream, os.environ):
        return text
    return re.sub(_LEADING, lambda match: f"{match[1]}\x1b[{_STYLES[match[2]]}m{match[2]}\x1b[0m{match[3]}", text)


def fitted(text: str, width: int) -> str:
    """The text with lines of at most so many columns: what does not fit goes on below, a cell or a word at a time.

    A word that is longer, such as a digest, stays whole. With a width of 0 the text is as it was.
    """
    return "\n".join(part for line in text.split("\n") for part in _parts(line, width)) if width else text


def _parts(line: str, width: int) -> Iterator[str]:
    """The line in parts: cut between cells where there are several, else between words."""
    at = len(line) - len(line.lstrip())
    before = line[:at]
    below = " " * min(at + _HANGING, width // 2)
    while len(before) + len(line) - at > width:
        end = _cut(line, at, at + max(width - len(before), 0))
        follows = next((place for place in range(end, len(line)) if line[place] != " "), None)
        if follows is None:
            break
        yield before + line[at:end]
        at, before = follows, below
    yield before + line[at:]


def _cut(line: str, at: int, limit: int) -> int:
    """Where a part that begins at a word ends: at most at the limit, unless its first word is longer."""
    for blank in _BETWEEN:
        found = line.rfind(blank, at, limit + len(blank))
        if found > at:
            return at + len(line[at:found].rstrip(" "))
    longer = line.find(" ", limit)
    return longer if longer > 0 else len(line)
