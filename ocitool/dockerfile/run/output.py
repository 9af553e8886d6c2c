"""Output of a RUN, told line by line as it comes, without the secrets that it was given."""

import codecs
from collections.abc import Callable, Iterable
from typing import Final

from ocitool.events import Listener, Printed
from ocitool.model.numbers import KIB

_LONGEST: Final = 16 * KIB
"""Characters of a line after which it is told although it has not ended."""
_SHORTEST: Final = 4
"""Characters of a secret's line below which it is no secret: it would be hidden everywhere."""
HIDDEN: Final = "***"


def hidden(secrets: Iterable[bytes]) -> Callable[[str], str]:
    """A function that puts asterisks in the place of every line of these secrets."""
    lines = {
        line.strip() for data in secrets for line in data.decode("utf-8", "replace").splitlines() if line.strip()
    }
    words = sorted((line for line in lines if len(line) >= _SHORTEST), key=len, reverse=True)

    def hide(text: str) -> str:
        for word in words:
            text = text.replace(word, HIDDEN)
        return text

    return hide


class ProcessOutput:
    """The output of one process on its way to a listener, in whole lines."""

    def __init__(self, label: str, hide: Callable[[str], str], listener: Listener) -> None:
        self._label = label
        self._hide = hide
        self._listener = listener
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def take(self, piece: bytes) -> None:
        """More of it."""
        self._rest += self._decoder.decode(piece)
        *lines, self._rest = self._rest.split("\n")
        if len(self._rest) > _LONGEST:
            lines.append(self._rest)
            self._rest = ""
        for line in lines:
            self._tell(line)

    def end(self) -> None:
        """Tell what is left."""
        self._rest += self._decoder.decode(b"", final=True)
        if self._rest:
            self._tell(self._rest)
            self._rest = ""

    def _tell(self, line: str) -> None:
        # Of a line that a program draws anew, as progress does, the last state counts.
        shown = line.rstrip("\r").rpartition("\r")[2]
        self._listener(Printed(self._label, self._hide(shown)))
