"""Variables in the words of a Dockerfile: every form of `$name` and `${name…}`, quotes and escapes.

Spec: BuildKit's Dockerfile reference, "Environment replacement"; what it leaves open is as its lexer does it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ocitool.errors import UsageError

_NAME: Final = re.compile(r"\d+|[@*#?\-$!]|[^\W\d]\w*")
_PLAIN: Final = re.compile(r"[^$'\"\\`}/]+")
"""Characters that mean nothing anywhere; heredocs of megabytes are full of them."""
_MAX_DEPTH: Final = 64
"""How deep `${a:-${b:-…}}` may go: a guess at what nobody writes, below what Python's stack holds."""
_PIECE = tuple[str, bool]
_ESCAPED: Final = "*?\\/}"
"""What a backslash may stand before in a pattern of the shell's; the last two only because of where it stands."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A word after expansion, and the variables that it asked for, set or not, each once."""

    text: str
    names: tuple[str, ...] = ()


def expand(word: str, variables: Mapping[str, str], *, escape: str = "\\", keeps_quotes: bool = False) -> Expanded:
    """The word with variables, quotes and escapes taken out of it.

    With `keeps_quotes` (the body of a heredoc) quotes are text. Raises UsageError for a bad substitution, for
    quotes without an end and for `${name:?message}` of a variable that is not set.
    """
    lexer = _Lexer(word, variables, escape, keeps_quotes)
    return Expanded("".join(text for text, _ in lexer.until("")), tuple(lexer.names))


def expand_words(word: str, variables: Mapping[str, str], *, escape: str = "\\") -> tuple[str, ...]:
    """The same, split again at the blanks that stand outside quotes (EXPOSE)."""
    words, is_open = [""], False
    for text, is_quoted in _Lexer(word, variables, escape, keeps_quotes=False).until(""):
        for mark in text:
            if mark.isspace() and not is_quoted:
                words += [""] if is_open else []
                is_open = False
            else:
                words[-1] += mark
                is_open = True
    return tuple(words if is_open else words[:-1])


class _Lexer:
    """One word, read from the left; pieces come out with a mark for those that must not be split."""

    def __init__(self, word: str, variables: Mapping[str, str], escape: str, keeps_quotes: bool) -> None:  # noqa: FBT001
        self._word = word
        self._at = 0
        self._variables = variables
        self._escape = escape
        self._keeps_quotes = keeps_quotes
        self._depth = 0
        self.names: dict[str, None] = {}

    def _peek(self) -> str:
        return self._word[self._at : self._at + 1]

    def _next(self) -> str:
        mark = self._peek()
        self._at += 1
        return mark

    def _plain(self) -> str:
        """The characters from here on that mean nothing."""
        match = _PLAIN.match(self._word, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def until(self, stop: str, *, raw: bool = False) -> list[_PIECE]:
        """The pieces up to the character `stop`, or up to the end if it is empty; `raw` keeps escapes."""
        pieces: list[_PIECE] = []
        while mark := self._plain() or self._next():
            if mark == stop:
                return pieces
            if mark == "$":
                pieces.append((self._dollar(), False))
            elif mark == "'" and not self._keeps_quotes:
                pieces.append((self._single(), True))
            elif mark == '"' and not self._keeps_quotes:
                pieces += self._double()
            elif mark == self._escape:
                pieces.append(((mark if raw else "") + self._next(), True))
            else:
                pieces.append((mark, False))
        if stop:
            missing = "missing '}'" if stop == "}" else f"missing {stop!r}"
            raise UsageError(f"{self._word[:200]!r}: {missing}")
        return pieces

    def _single(self) -> str:
        end = self._word.find("'", self._at)
        if end < 0:
            raise UsageError(f"{self._word[:200]!r}: a single quote has no end")
        text = self._word[self._at : end]
        self._at = end + 1
        return text

    def _double(self) -> list[_PIECE]:
        pieces: list[_PIECE] = []
        while mark := self._plain() or self._next():
            if mark == '"':
                return pieces
            if mark == "$":
                mark = self._dollar()
            elif mark == self._escape and (after := self._peek()) in {'"', "$", self._escape, ""}:
                self._at += 1
                mark = after
            pieces.append((mark, True))
        raise UsageError(f"{self._word[:200]!r}: a double quote has no end")

    def _name(self) -> str:
        match = _NAME.match(self._word, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _value(self, name: str) -> str:
        self.names[name] = None
        return self._variables.get(name, "")

    def _dollar(self) -> str:
        if self._peek() != "{":
            name = self._name()
            return self._value(name) if name else "$"
        self._at += 1
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise UsageError(f"{self._word[:200]!r}: substitutions more than {_MAX_DEPTH} deep")
        value = self._braced()
        self._depth -= 1
        return value

    def _braced(self) -> str:
        """The value of `${…}`, its two first characters taken."""
        name = self._name()
        if not name:
            raise UsageError(f"{self._word[:200]!r}: bad substitution", hint="write ${NAME}")
        mark = self._next()
        if mark == "}":
            return self._value(name)
        if mark == "/":
            return self._replaced(name)
        null_is_unset = mark == ":"
        mark = self._next() if null_is_unset else mark
        if not mark:
            raise UsageError(f"{self._word[:200]!r}: missing '}}'")
        if mark not in ("-+?" if null_is_unset else "-+?#%"):
            said = f":{mark}" if null_is_unset else mark
            raise UsageError(f"{self._word[:200]!r}: {said!r} is no modifier", hint="one of :- :+ :? - + ? # % /")
        word = "".join(text for text, _ in self.until("}", raw=mark in "#%"))
        if mark in "#%":
            return _trimmed(self._value(name), word, mark)
        self.names[name] = None
        value = self._variables.get(name)
        is_set = value is not None and not (null_is_unset and not value)
        if mark == "-":
            return value if is_set and value is not None else word
        if mark == "+":
            return word if is_set else ""
        if not is_set:
            why = word or f"is not allowed to be {'unset' if value is None else 'empty'}"
            raise UsageError(f"{name}: {why}", hint=f"set it, for example with --build-arg {name}=VALUE")
        return value or ""

    def _replaced(self, name: str) -> str:
        is_all = self._peek() == "/"
        self._at += is_all
        pattern = "".join(text for text, _ in self.until("/", raw=True))
        word = "".join(text for text, _ in self.until("}", raw=True))
        return _replaced(self._value(name), re.compile(_expression(pattern)), word, is_all=is_all)


def _expression(pattern: str) -> str:
    """A pattern of the shell's, with `*`, `?` and escapes and nothing else."""
    parts, at = [""], 0
    while at < len(pattern):
        mark = pattern[at]
        at += 1
        if mark == "\\":
            mark, at = pattern[at : at + 1], at + 1
            if not mark or mark not in _ESCAPED:
                what = f"a backslash before {mark!r}" if mark else "a backslash at its end"
                raise UsageError(f"not a pattern: {pattern[:200]!r}: {what}", hint="write \\\\ for a backslash")
            parts[-1] += re.escape(mark)
        elif mark == "*":
            parts.append("")
        else:
            parts[-1] += "." if mark == "?" else re.escape(mark)
    # Between two stars the first match will do: looking for others as well would take forever.
    first, *others = parts
    middle, last = others[:-1], others[-1:]
    return first + "".join(f"(?>.*?{part})" for part in middle) + "".join(f".*{part}" for part in last)


def _replaced(value: str, pattern: re.Pattern[str], word: str, *, is_all: bool) -> str:
    """The value with the first match replaced, or all; as in Go, none that is empty follows another at once."""
    out, end, matched = "", 0, -1
    for match in pattern.finditer(value):
        if match.end() == matched:
            continue
        out, end, matched = f"{out}{value[end : match.start()]}{word}", match.end(), match.end()
        if not is_all:
            break
    return out + value[end:]


def _trimmed(value: str, pattern: str, mark: str) -> str:
    """The value without its shortest start or end that matches; the longest if the mark is doubled."""
    is_longest = pattern.startswith(mark)
    compiled = re.compile(_expression(pattern.removeprefix(mark)))
    lengths = range(len(value), -1, -1) if is_longest else range(len(value) + 1)
    for length in lengths:
        cut = value[:length] if mark == "#" else value[len(value) - length :]
        if compiled.fullmatch(cut):
            return value[length:] if mark == "#" else value[: len(value) - length]
    return value
