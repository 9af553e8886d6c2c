""".dockerignore: a list of patterns of which the last that matches decides."""

import posixpath
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from ocitool.errors import UsageError
from ocitool.model.path_pattern import any_below, any_deep_glob
from ocitool.values import dataclass, field

_BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class _Rule:
    """Lines of one kind that follow each other: their patterns, and whether what matches is kept after all.

    Of such lines the first that matches decides, and the others would change nothing: they are looked at as one.
    """

    matches: Callable[[str], bool]
    keeps: bool
    may_match_below: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class IgnoreVerdict:
    """What the rules say of one path; handed down to what stands below it."""

    ignored: bool = False
    matched: tuple[bool, ...] = ()


_NOTHING_SAID: Final = IgnoreVerdict()


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules in their order. A pattern that matches a directory matches everything below it."""

    rules: tuple[_Rule, ...] = field(default=(), repr=False)
    name: str = ".dockerignore"

    @classmethod
    def parse(cls, text: str, name: str = ".dockerignore") -> "IgnoreRules":
        """The rules of a file. Raises UsageError with its name and line for a malformed pattern."""
        return cls._of(
            [
                (f"{name}:{number}", line)
                for number, line in enumerate(text.removeprefix(_BOM).split("\n"), 1)
                if not line.startswith("#")
            ],
            name,
        )

    @classmethod
    def of(cls, patterns: Sequence[str]) -> "IgnoreRules":
        """The rules of the words after `--exclude`, of which one with a leading slash matches nothing.

        Raises UsageError.
        """
        return cls._of([("--exclude", pattern) for pattern in patterns], "--exclude", root="")

    @classmethod
    def _of(cls, lines: Sequence[tuple[str, str]], name: str, root: str = "/") -> "IgnoreRules":
        kept: list[tuple[bool, str]] = []
        for where, line in lines:
            pattern = line.strip()
            if not pattern:
                continue
            keeps = pattern.startswith("!")
            pattern = _cleaned(pattern[1:].strip() if keeps else pattern, root)
            if not keeps and pattern.startswith("!"):  # ./!x is !x, as moby has it
                keeps, pattern = True, pattern[1:]
            if keeps and pattern in {"", "/"}:
                raise UsageError(f"{where}: '!' is followed by no pattern", hint="write !PATTERN")
            try:
                any_deep_glob((pattern,))
            except UsageError as error:
                raise UsageError(f"{where}: {error.what}", hint=error.hint) from None
            kept.append((keeps, pattern))
        groups = ((keeps, [one for _, one in group]) for keeps, group in groupby(kept, itemgetter(0)))
        return cls(tuple(_Rule(any_deep_glob(words), keeps, any_below(words)) for keeps, words in groups), name)

    @property
    def has_exceptions(self) -> bool:
        """Whether something below an ignored directory may be kept."""
        return any(rule.keeps for rule in self.rules)

    def may_keep_below(self, folder: str) -> bool:
        """Whether something below an ignored directory may be kept, so that it has to be searched.

        What is not searched need not be readable, and may be large.
        """
        return any(rule.may_match_below(folder) for rule in self.rules if rule.keeps)

    def judge(self, path: str, above: IgnoreVerdict | None = None) -> IgnoreVerdict:
        """The verdict on a path (relative, `/` between its parts), given that on the directory it stands in.

        A line that would change nothing where it stands is passed over, there and for what is below: with x/a
        and then !x, x/a stays ignored, for at x there was nothing to except it from. So do BuildKit's clients.
        """
        if not self.rules:
            return _NOTHING_SAID
        known = above.matched if above is not None and above.matched else (False,) * len(self.rules)
        matched: list[bool] = []
        ignored = False
        for rule, was in zip(self.rules, known, strict=True):
            does = was or (rule.keeps == ignored and rule.matches(path))
            matched.append(does)
            ignored = not rule.keeps if does else ignored
        return IgnoreVerdict(ignored, tuple(matched))

    def ignores(self, path: str) -> bool:
        """Whether the path is kept out, by its own name or by that of a directory above it."""
        verdict = IgnoreVerdict()
        at = path.find("/")
        while at > 0:
            verdict = self.judge(path[:at], verdict)
            at = path.find("/", at + 1)
        return self.judge(path, verdict).ignored


def _cleaned(pattern: str, root: str) -> str:
    """The pattern as Go's filepath.Clean leaves it; with a root, a slash at its start is no part of it."""
    if not pattern:
        return ""
    cleaned = posixpath.normpath(f"/{pattern}" if pattern.startswith("/") else pattern)
    return (cleaned.lstrip("/") or "/") if root else cleaned
