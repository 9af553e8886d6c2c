"""Explanations of exit codes, rules of check and checks of Dockerfiles, from the tables that hold them.

The reference pages are written from the same values.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ocitool.check.engine import advice, all_rules, reference
from ocitool.check.rules.rule import Rule
from ocitool.check.rules.tag import TagRule
from ocitool.cli.exit_codes import EXIT_CODES, ExitCode, exit_code_page
from ocitool.dockerfile.lint.engine import RULES as LINT_RULES
from ocitool.dockerfile.lint.rule import LintRule
from ocitool.errors import NotFound, closest
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a name means (`title`), what it is told for (`reason`), what to do (`advice`) and what brings it about.

    `better` is the example as it should be, empty where there is no such thing; `page` is where the reference says
    the same. `marks` are words such as a severity.
    """

    name: str
    title: str
    marks: tuple[str, ...]
    reason: str
    advice: str
    example: str
    page: str
    better: str = ""

    def text(self) -> str:
        """The explanation for people."""
        marks = f" ({', '.join(self.marks)})" if self.marks else ""
        parts = [f"{self.name}: {self.title}{marks}", self.reason, f"What to do: {self.advice}"]
        parts.append(_example("Example", self.example))
        parts += [_example("Better", self.better)] if self.better else []
        return "\n\n".join([*parts, *([f"See {self.page}"] if self.page else [])])

    def to_tree(self) -> dict[str, Any]:
        """The explanation for JSON output."""
        return asdict(self) | {"marks": list(self.marks)}


def explained() -> tuple[Explanation, ...]:
    """All that can be explained: exit codes, rules with those of installed packages, checks of Dockerfiles."""
    return (*map(of_exit_code, EXIT_CODES), *map(of_rule, all_rules()), *map(of_check, LINT_RULES))


def explain(name: str) -> Explanation:
    """The explanation of a rule, a check in any letter case, or an exit code. Raises NotFound."""
    known = {one.name.lower(): one for one in explained()}
    found = known.get(name.lower())
    if found is None:
        raise NotFound(f"no rule or exit code is called {name!r}", name=name, hint=_hint(name.lower(), known))
    return found


def _hint(name: str, known: Mapping[str, Explanation]) -> str:
    """What may have been meant: a number is an exit code, and a family of rules has several."""
    if name.lstrip("-").isdecimal():
        return f"exit codes are {', '.join(one for one in known if one.isdecimal())}"
    family = [one.name for key, one in known.items() if name and key.startswith(f"{name.rstrip('*').rstrip('/')}/")]
    if family:
        return f"it has the rules {', '.join(family)}"
    near = closest(name, known)
    return f"did you mean {known[near].name}?" if near else "ocitool explain without a name lists what there is"


def of_exit_code(one: ExitCode) -> Explanation:
    """The explanation of an exit code."""
    return Explanation(str(one.code), one.title, (), one.reason, one.advice, one.example, exit_code_page(one.code))


def of_rule(rule: Rule | TagRule) -> Explanation:
    """The explanation of a rule of check."""
    marks = (rule.severity.value, *(["fixable"] if rule.fixable else []), *(["deep"] if rule.needs_deep else []))
    return Explanation(rule.id, rule.title, marks, rule.reason, advice(rule), rule.example, reference(rule.id))


def of_check(rule: LintRule) -> Explanation:
    """The explanation of a check of a Dockerfile."""
    asked = (f"only by `check=experimental={rule.name}`",) if rule.is_experimental else ()
    advice = f"Write it as below, or let it be with `# check=skip={rule.name}`."
    marks = (rule.severity.value, *asked)
    return Explanation(rule.name, rule.title, marks, rule.reason, advice, rule.example, rule.reference, rule.better)


def _example(word: str, text: str) -> str:
    if "\n" not in text:
        return f"{word}: {text}"
    return "\n".join([f"{word}:", *(f"  {line}".rstrip() for line in text.splitlines())])
