"""Findings as text, in the form that BuildKit prints: the check, what is wrong, and the lines it is about."""

from collections.abc import Sequence
from typing import Final

from ocitool.dockerfile.lint.engine import Report
from ocitool.dockerfile.lint.rule import LineRange, LintWarning
from ocitool.findings import Severity

_RULER: Final = "-" * 20
_AROUND: Final = 2
_SHOWN: Final = 20
"""Lines of one instruction that are quoted at most; a heredoc can have thousands."""


def as_text(report: Report, lines: Sequence[str]) -> str:
    """The findings one after the other, each with its lines out of the file, and a last line that counts."""
    return "\n\n".join([*(_block(report.file.file, one, lines) for one in report.findings), summary(report)])


def summary(report: Report) -> str:
    """How much was found, in one line."""
    counts = [(severity.value, len(report.of(severity))) for severity in Severity]
    told = ", ".join(f"{count} {word}{'s' if count != 1 else ''}" for word, count in counts if count)
    return f"{report.file.file}: {told or 'nothing wrong'}"


def _block(file: str, one: LintWarning, lines: Sequence[str]) -> str:
    return "\n".join(
        [
            f"{one.rule.severity.value.upper()}: {one.rule.name} - {one.rule.url or one.rule.reference}",
            one.message,
            f"{file}:{one.place.first}",
            _RULER,
            *_quoted(one.place, lines),
            _RULER,
        ]
    )


def _quoted(place: LineRange, lines: Sequence[str]) -> list[str]:
    """The lines of a place with two before and after, their numbers, and marks at those that are meant."""
    last = min(place.last, place.first + _SHOWN - 1)
    numbers = range(max(1, place.first - _AROUND), min(len(lines), last + _AROUND) + 1)
    quoted = []
    for number in numbers:
        mark = ">>>" if place.first <= number <= last else "   "
        quoted.append(f"{number:4} | {mark} {lines[number - 1]}".rstrip())
    if last < place.last:
        quoted.append(f"     |     … {place.last - last} more lines")
    return quoted
