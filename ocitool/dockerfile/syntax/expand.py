"""Variables in the words of a Dockerfile: every form of `$name` and `${name…}`, quotes and escapes.

Spec: BuildKit's Dockerfile reference, "Environment replacement"; what it leaves open is as its lexer does it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from ocitool.errors import UsageError
from ocitool.model.numbers import MIB
from ocitool.values import dataclass

_NAME: Final = re.compile(r"\d+|[@*#?\-$!]|[^\W\d]\w*")
_PLAIN: Final = re.compile(r"[^$'\"\\`}/]+")
"""Characters that mean nothing anywhere; heredocs of megabytes are full of them."""
_MAX_DEPTH: Final = 64
"""How deep `${a:-${b:-…}}` may go: a guess at what nobody writes, below what Python's stack holds."""
_MAX_VALUES: Final = MIB
"""Characters that variables bring into one word: more than any program can be started with."""
_MAX_BODY_VALUES: Final = 16 * MIB
"""The same for the body of a heredoc: twice the largest Dockerfile."""
_MAX_IN_ALL: Final = 64 * MIB
"""The same for all words of a stage and of those below it: a guess at what nobody means."""
_PIECE = tuple[str, bool]
_ESCAPED: Final = "*?\\/}"
"""What a backslash may stand before in a pattern of the shell's; the last two only because of where it stands."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A word after expansion, and the variables that it asked for, set or not, each once.

    `work` is the number of characters that were looked at for it, each as often as it was.
    """

    text: str
    names: tuple[str, ...] = ()
    work: int = 0


def expand(word: str, variables: Mapping[str, str], *, escape: str = "\\", keeps_quotes: bool = False) -> Expanded:
    """The word with variables, quotes and escapes taken out of it.

    With `keeps_quotes` (the body of a heredoc) quotes are text. Raises UsageError for a bad substitution, for
    quotes without an end, for `${name:?message}` of a variable that is not set, and for values of too much text.
    """
    lexer = _Lexer(word, variables, escape, keeps_quotes)
    return Expanded("".join(text for text, _ in lexer.until("")), tuple(lexer.names), lexer.work)


def expand_words(word: str, variables: Mapping[str, str], *, escape: str = "\\") -> tuple[str, ...]:
    """The same, split again at the blanks that stand outside quotes (EXPOSE)."""
    words: list[list[str]] = [[]]
    for text, is_quoted in _Lexer(word, variables, escape, keeps_quotes=False).until(""):
        if is_quoted:
            words[-1] += [text] if text else []
            continue
        for part in re.findall(r"\s+|\S+", text):
            if not part.isspace():
                words[-1].append(part)
            elif words[-1]:
                words.append([])
    return tuple("".join(parts) for parts in words if parts)


class WorkBudget:
    """How much the variables of a Dockerfile may still bring: each word is a value of the next one (K206)."""

    def __init__(self) -> None:
        self._left = _MAX_IN_ALL

    def spend(self, work: int) -> None:
        """Count so many characters more. Raises UsageError when it is too much."""
        self._left -= work
        if self._left < 0:
            raise _too_much(f"with their variables the words come to more than {_MAX_IN_ALL} characters")


def _too_much(what: str) -> UsageError:
    return UsageError(what, hint="a variable that names itself several times grows with every line")


class _Lexer:
    """One word, read from the left; pieces come out with a mark for those that must not be split."""

    def __init__(self, word: str, variables: Mapping[str, str], escape: str, keeps_quotes: bool) -> None:  # noqa: FBT001
        self._word = word
        self._at = 0
        self._variables = variables
        self._escape = escape
        self._keeps_quotes = keeps_quotes
        self._limit = _MAX_BODY_VALUES if keeps_quotes else _MAX_VALUES
        self._depth = 0
        self.names: dict[str, None] = {}
        self.work = 0

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
        size = 0
        while mark := self._plain() or self._next():
            if mark == stop:
                return pieces
            if mark == "$":
                value = self._dollar()
                size = self._fits(size + len(value))
                pieces.append((value, False))
            elif mark == "'" and not self._keeps_quotes:
                pieces.append((self._single(), True))
            elif mark == '"' and not self._keeps_quotes:
                inside, more = self._double()
                size = self._fits(size + more)
                pieces += inside
            elif mark == self._escape:
                pieces.append(((mark if raw else "") + self._next(), True))
            else:
                pieces.append((mark, False))
        if stop:
            missing = "missing '}'" if stop == "}" else f"missing {stop!r}"
            raise UsageError(f"{self._word[:200]!r}: {missing}")
        return pieces

    def _fits(self, size: int) -> int:
        """The size. Raises UsageError if variables bring too much."""
        if size > self._limit:
            raise _too_much(f"{self._word[:200]!r}: its variables bring more than {self._limit} characters")
        return size

    def _work(self, value: str, pattern: str) -> str:
        """The value, for a pattern that is looked for in all of it. Raises UsageError if that never ends."""
        self.work += len(value) * (1 + len(pattern) // 16) + 64 * len(pattern)
        if self.work > _MAX_IN_ALL:
            raise UsageError(f"{self._word[:200]!r}: its pattern is too long for its value", hint="shorten them")
        return value

    def _single(self) -> str:
        end = self._word.find("'", self._at)
        if end < 0:
            raise UsageError(f"{self._word[:200]!r}: a single quote has no end")
        text = self._word[self._at : end]
        self._at = end + 1
        return text

    def _double(self) -> tuple[list[_PIECE], int]:
        """What stands in double quotes, and how much variables bring."""
        pieces: list[_PIECE] = []
        size = 0
        while mark := self._plain() or self._next():
            if mark == '"':
                return pieces, size
            if mark == "$":
                mark = self._dollar()
                size = self._fits(size + len(mark))
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
        """The value of what begins with the dollar that was taken."""
        value = self._substituted()
        self.work += len(value)
        return value

    def _substituted(self) -> str:
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
            return _trimmed(self._work(self._value(name), word), word, mark)
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
        value = self._work(self._value(name), pattern)
        return self._joined(_replacements(value, _pieces(pattern), word, is_all=is_all))

    def _joined(self, parts: Iterable[str]) -> str:
        found, size = [], 0
        for part in parts:
            size = self._fits(size + len(part))
            found.append(part)
        return "".join(found)


_Pieces: TypeAlias = Sequence[Sequence[str]]
"""A pattern of the shell's, parted at its stars; each piece is an expression for each of its characters."""


def _pieces(pattern: str) -> list[list[str]]:
    """A pattern of the shell's, with `*`, `?` and escapes and nothing else. Raises UsageError."""
    pieces: list[list[str]] = [[]]
    at = 0
    while at < len(pattern):
        mark = pattern[at]
        at += 1
        if mark == "\\":
            mark, at = pattern[at : at + 1], at + 1
            if not mark or mark not in _ESCAPED:
                what = f"a backslash before {mark!r}" if mark else "a backslash at its end"
                raise UsageError(f"not a pattern: {pattern[:200]!r}: {what}", hint="write \\\\ for a backslash")
            pieces[-1].append(re.escape(mark))
        elif mark == "*":
            pieces.append([])
        else:
            pieces[-1].append("." if mark == "?" else re.escape(mark))
    return pieces


def _expression(pieces: _Pieces, *, is_longest: bool) -> re.Pattern[str]:
    """The pattern at a place. What follows a star is looked for once: where it is found first, others can follow.

    Only the last star can be long, and then it reaches the last place: the work is the value for each part.
    """
    first, *others = ["".join(piece) for piece in pieces]
    last = [others.pop()] if is_longest and others else []
    return re.compile(first + "".join(f"(?>.*?{part})" for part in others) + "".join(f".*{part}" for part in last))


def _matches(value: str, pieces: _Pieces) -> Iterator[tuple[int, int]]:
    """Where the pattern is, leftmost and longest, one after the other.

    A star stays on its line, so that what does not follow one start does not follow a later one on that line.
    """
    first, whole = re.compile("".join(pieces[0])), _expression(pieces, is_longest=True)
    at = 0
    while at <= len(value) and (start := first.search(value, at)) is not None:
        match = whole.match(value, start.start()) if len(pieces) > 1 else start
        if match is not None:
            yield match.span()
            at = match.end() + (match.start() == match.end())
            continue
        end = value.find("\n", start.end())
        if end < 0:
            return
        at = max(start.start() + 1, end + 1 - len(pieces[0]))


def _replacements(value: str, pieces: _Pieces, word: str, *, is_all: bool) -> Iterator[str]:
    """The value with the first match replaced, or all; as in Go, none that is empty follows another at once."""
    end = 0
    last = -1
    for start, stop in _matches(value, pieces):
        if stop == last:
            continue
        yield value[end:start]
        yield word
        end = last = stop
        if not is_all:
            break
    yield value[end:]


def _trimmed(value: str, pattern: str, mark: str) -> str:
    """The value without its shortest start or end that matches; the longest if the mark is doubled."""
    is_longest = pattern.startswith(mark)
    pieces = _pieces(pattern.removeprefix(mark))
    if mark == "#":
        match = _expression(pieces, is_longest=is_longest).match(value)
        return value[match.end() :] if match is not None else value
    match = _expression([piece[::-1] for piece in pieces[::-1]], is_longest=is_longest).match(value[::-1])
    return value[: len(value) - match.end()] if match is not None else value
