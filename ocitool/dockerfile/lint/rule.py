"""The form of a check: a pure function over a LintContext, under a name that never changes."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from ocitool.dockerfile.lint.context import LintContext
from ocitool.dockerfile.syntax.lines import Line
from ocitool.documentation import page
from ocitool.findings import Severity
from ocitool.values import dataclass

_MANUAL: Final = "https://docs.docker.com/go/dockerfile/rule/"


@dataclass(frozen=True, slots=True)
class LineRange:
    """The first and the last physical line of what is pointed to, from 1."""

    first: int
    last: int

    @classmethod
    def of(cls, line: Line) -> "LineRange":
        """A whole instruction."""
        return cls(line.number, line.end)


LintHit: TypeAlias = tuple[LineRange, str]
"""Where, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class LintRule:
    """A check with what its page in the reference says.

    Those with a `page` are BuildKit's, known by the same name there; the others are ours. `example` is what the
    check finds, `better` what to write. An `is_experimental` one is asked for by `check=experimental=NAME`.
    """

    name: str
    title: str
    reason: str
    example: str
    better: str
    find: Callable[[LintContext], Iterator[LintHit]]
    page: str = ""
    severity: Severity = Severity.WARNING
    is_experimental: bool = False

    @property
    def url(self) -> str:
        """Where BuildKit's manual explains the check; empty for one of ours."""
        return f"{_MANUAL}{self.page}/" if self.page else ""

    @property
    def reference(self) -> str:
        """The link to what our own reference says of the check."""
        return page("reference/dockerfile-checks.md", self.name)


@dataclass(frozen=True, slots=True)
class LintWarning:
    """One thing that a check found in a file."""

    rule: LintRule
    place: LineRange
    message: str

    def to_tree(self, file: str) -> dict[str, Any]:
        """The finding for JSON output."""
        tree: dict[str, Any] = {
            "rule": self.rule.name,
            "severity": self.rule.severity.value,
            "title": self.rule.title.replace("`", ""),
            "message": self.message,
            "file": file,
            "line": self.place.first,
            "end_line": self.place.last,
        }
        return tree | ({"url": self.rule.url} if self.rule.url else {})
