"""The commands that the shell of a RUN line would start, as far as the text alone tells.

This is no shell. It knows quotes, separators, redirections and the words of control, which is enough to name what a
line does and to read a `go build`; whatever a shell would compute stays in the words as it is written.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from ocitool.dockerfile.syntax.instructions import Run
from ocitool.values import dataclass, field, replace

_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_HEREDOC: Final = re.compile(r"\d*<<-?\S+")
_CONTROL: Final = frozenset(
    ["if", "then", "else", "elif", "fi", "while", "until", "do", "done", "esac", "!", "{", "}", "time"]
)
_HEADS: Final = frozenset({"for", "case", "select", "function"})
_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh"})
_CARRIERS_OF_USERS: Final = frozenset({"gosu", "su-exec"})
_CARRIERS: Final = frozenset({"sudo", "exec", "env", "nice", "command"}) | _CARRIERS_OF_USERS


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """One command: its words as they are written, the variables set before it, the files its output goes to.

    A command without words only sets variables. What `is_appending` adds to the end of a file.
    """

    words: tuple[str, ...]
    settings: tuple[tuple[str, str], ...] = ()
    writes: tuple[str, ...] = ()
    is_appending: bool = False

    @property
    def name(self) -> str:
        """The program's name without its folder; empty if there is none."""
        return plain(self.words[0]).rpartition("/")[2] if self.words else ""

    @property
    def text(self) -> str:
        """The words without their quotes, one blank between them."""
        return " ".join(plain(word) for word in self.words)


@lru_cache(1024)
def commands(run: Run) -> tuple[ShellCommand, ...]:
    """The commands of a RUN in the order they stand, those of its heredoc if that is a script for the shell."""
    if not run.is_shell:
        return tuple(_carried(ShellCommand(tuple(_quoted(word) for word in run.words))))
    text = " ".join(run.words)
    bodies = [heredoc.content for heredoc in run.line.heredocs]
    if bodies and not (rest := _HEREDOC.sub("", text).strip()):
        body = bodies[0]
        if body.startswith("#!") and not re.match(r"#!\S*/(?:env )?(?:ba|da|a|z)?sh\b", body):
            return (ShellCommand((body.partition("\n")[0].split()[-1].rpartition("/")[2],)),)
        return parse_commands(body)
    if bodies and rest.split()[0].rpartition("/")[2] in _SHELLS:
        return parse_commands(bodies[0])
    return parse_commands(text)


def parse_commands(text: str) -> tuple[ShellCommand, ...]:
    """The commands of a script."""
    return tuple(one for raw in _Reader(text).commands() for one in _carried(raw))


def plain(word: str) -> str:
    """A word without its quotes; what a shell would compute in it stays."""
    return re.sub(
        r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"|\\(.)", lambda m: m[1] or m[2] or m[3] or "", word, flags=re.DOTALL
    )


def is_computed(word: str) -> bool:
    """Whether a shell would have to run something to know the word."""
    return "$(" in word or "`" in word


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else "'" + word.replace("'", "'\"'\"'") + "'"


def _carried(command: ShellCommand) -> Iterator[ShellCommand]:
    """The command itself, or what it only carries: the script of `sh -c`, the rest of `sudo` and `env`."""
    words = list(command.words)
    settings = list(command.settings)
    while words and plain(words[0]).rpartition("/")[2] in _CARRIERS:
        words = words[2 if plain(words[0]).rpartition("/")[2] in _CARRIERS_OF_USERS else 1 :]
        while words and (words[0].startswith("-") or _ASSIGNMENT.fullmatch(words[0])):
            if match := _ASSIGNMENT.fullmatch(words[0]):
                settings.append((match[1], match[2]))
            words = words[1:]
    if words and plain(words[0]).rpartition("/")[2] in _SHELLS:
        at = next((n for n, word in enumerate(words) if re.fullmatch(r"-[a-z]*c", word)), 0)
        if at and at + 1 < len(words):
            yield from parse_commands(plain(words[at + 1]))
            return
    yield replace(command, words=tuple(words), settings=tuple(settings))


@dataclass(slots=True)
class _Reader:
    """A script, read from the left."""

    text: str
    at: int = 0
    _words: list[str] = field(default_factory=list)
    _writes: list[str] = field(default_factory=list)
    _into: str = ""
    _is_appending: bool = False
    _in_pattern: bool = False

    def commands(self) -> Iterator[ShellCommand]:
        """Every command between two separators."""
        word = ""
        has_word = False
        while self.at < len(self.text):
            mark = self.text[self.at]
            if mark in " \t\r\n;&|()":
                self._take(word, has_word=has_word)
                word, has_word = "", False
                self.at += 1
                if mark in "\n;&|()":
                    yield from self._end(mark)
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
            elif mark == "#" and not has_word:
                self.at = self._find("\n")
            elif mark in "<>":
                if not word.isdigit():
                    self._take(word, has_word=has_word)
                word, has_word = "", False
                self._redirection()
            else:
                word += self._piece()
                has_word = True
        self._take(word, has_word=has_word)
        yield from self._end("")

    def _find(self, what: str, start: int | None = None) -> int:
        found = self.text.find(what, self.at if start is None else start)
        return len(self.text) if found < 0 else found

    def _piece(self) -> str:
        """One character, or what belongs together: quotes, an escape, a substitution."""
        start, mark = self.at, self.text[self.at]
        if mark == "\\":
            self.at += 2
            return self.text[start : self.at]
        if mark == "'":
            self.at = self._find("'", start + 1) + 1
        elif mark == '"':
            self.at += 1
            while self.at < len(self.text) and self.text[self.at] != '"':
                self.at += 2 if self.text[self.at] == "\\" else 1
            self.at += 1
        elif mark == "`":
            self.at = self._find("`", start + 1) + 1
        elif self.text.startswith("$(", start):
            depth = 0
            while self.at < len(self.text):
                depth += {"(": 1, ")": -1}.get(self.text[self.at], 0)
                self.at += 1
                if depth == 0 and self.text[self.at - 1] == ")":
                    break
        elif self.text.startswith("${", start):
            self.at = self._find("}") + 1
        else:
            self.at += 1
        return self.text[start : self.at]

    def _redirection(self) -> None:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in "<>&-":
            self.at += 1
        operator = self.text[start : self.at]
        while self.at < len(self.text) and self.text[self.at].isdigit() and "&" in operator:
            self.at += 1
        self._into = "" if "&" in operator else operator

    def _take(self, word: str, *, has_word: bool) -> None:
        if not has_word:
            return
        if self._into:
            if ">" in self._into and plain(word) != "/dev/null":
                self._writes.append(word)
                self._is_appending = self._is_appending or ">>" in self._into
            self._into = ""
        else:
            self._words.append(word)

    def _end(self, mark: str) -> Iterator[ShellCommand]:
        words, writes = self._words, tuple(self._writes)
        is_appending = self._is_appending
        self._words, self._writes, self._into, self._is_appending = [], [], "", False
        in_pattern = self._in_pattern and words[:1] != ["esac"]
        # What stands between ;; and ) in a `case` is a pattern and no command.
        self._in_pattern = (in_pattern and mark != ")") or self.text.startswith(";;", self.at - 1)
        while words and words[0] in _CONTROL:
            words = words[1:]
        if words[:1] == ["case"] and mark == "|":
            self._in_pattern = True
        if in_pattern or (words and words[0] in _HEADS):
            return
        settings = []
        while words and (match := _ASSIGNMENT.fullmatch(words[0])):
            settings.append((match[1], match[2]))
            words = words[1:]
        if words or settings or writes:
            yield ShellCommand(tuple(words), tuple(settings), writes, is_appending)
