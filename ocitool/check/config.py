"""Which rules count: the `[check]` table of ocitool.toml, and what a caller says on top of it."""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ocitool.change.promises import Promises
from ocitool.check.engine import DOCUMENTED, Allowance, Selection, installed_rules
from ocitool.check.rules.expected import RULES as EXPECTED_RULES
from ocitool.check.rules.rule import Rule
from ocitool.check.rules.tag import RULES as TAG_RULES
from ocitool.check.runner import Checked
from ocitool.errors import UsageError
from ocitool.findings import Severity
from ocitool.model.expectation import Expectation
from ocitool.model.platform import Platform
from ocitool.project.build_files import FILE_NAME
from ocitool.project.promises import EXPECT, expectation_errors
from ocitool.values import dataclass

if TYPE_CHECKING:
    from ocitool.project.toml import KeyPath, TomlFile

_TABLE: Final = "check"
_HINT: Final = "docs/reference/rules.md lists the rules"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a check is asked for: which findings count, the rules there are, and the platforms that are expected."""

    selection: Selection
    rules: tuple[Rule, ...]
    expects: Expectation | None


def read_wanted(
    config: Path | None = None,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    expect: Sequence[str | Platform] = (),
    expect_at_least: Sequence[str | Platform] = (),
) -> Wanted:
    """What is asked for, by rules of ours and those of installed packages.

    `select` and `ignore` are ids or patterns, several in a text if commas part them; they come on top of the file's
    `[check]`. Only one of `expect` and `expect_at_least`, platforms, may be given, and goes before what the file
    expects. Without `config`, the ocitool.toml of the current folder is read if there is one. Raises
    UsageError with the line of the file, an ExceptionGroup of them if there are several.
    """
    said = Promises.parse(expect, expect_at_least).expects
    rules = installed_rules()
    known = tuple(dict.fromkeys((*(rule.id for rule in rules), *(rule.id for rule in DOCUMENTED))))
    table = _table(config, known)
    flags = Selection(
        select=tuple(word for text in select for word in text.split(",")),
        ignore=tuple(word for text in ignore for word in text.split(",")),
    )
    flags.check(known)
    chosen = Selection(
        select=flags.select or tuple(table.get("select", ())),
        ignore=(*flags.ignore, *table.get("ignore", ())),
        allow=tuple(Allowance(**row) for row in table.get("allow", ())),
        severity=tuple((rule, Severity(word)) for rule, word in table.get("severity", {}).items()),
    )
    return Wanted(chosen, rules, said or Promises.parse(*(table.get(key, ()) for key in EXPECT)).expects)


def idle_notes(wanted: Wanted, checked: Checked, *, deep: bool, all_tags: bool) -> tuple[str, ...]:
    """What has no effect: rules that were chosen and cannot see anything, allowances that nothing needs."""
    chosen, more = wanted.selection, EXPECTED_RULES if wanted.expects is not None else ()
    ran = [
        rule.id for rule in (*wanted.rules, *(TAG_RULES if all_tags else ()), *more) if deep or not rule.needs_deep
    ]
    notes: list[str] = []
    for pattern in chosen.select:
        if not any(fnmatchcase(rule, pattern) for rule in ran):
            flag = "--all-tags" if any(fnmatchcase(rule.id, pattern) for rule in TAG_RULES) else "--deep"
            notes.append(f"{pattern} sees something only with {flag}")
    unused = chosen.idle(checked.findings, ran) if not (checked.unanswered or checked.failed) else ()
    return (*notes, *(f"[check] allows {one}, and there is nothing to allow" for one in unused))


def _table(config: Path | None, known: Sequence[str]) -> dict[str, Any]:
    path = config or Path(FILE_NAME)
    if config is None and not path.is_file():
        return {}
    from ocitool.project.schema import SCHEMA, problems
    from ocitool.project.toml import read_toml

    file = read_toml(path)
    table = file.tree.get(_TABLE, {})
    schema = problems(table, SCHEMA["properties"][_TABLE], (_TABLE,))
    found = [file.error(problem.path, problem.message, problem.hint) for problem in schema]
    found = found or list(_unknown(file, table, known))
    if len(found) == 1:
        raise found[0]
    if found:
        raise ExceptionGroup(f"{path} has {len(found)} errors", found)
    return dict(table)


def _unknown(file: "TomlFile", table: dict[str, Any], known: Iterable[str]) -> Iterator[UsageError]:
    """Patterns that no rule matches, and reasons that are none."""
    named: list[tuple[KeyPath, str]] = [
        ((_TABLE, key, number), pattern)
        for key in ("select", "ignore")
        for number, pattern in enumerate(table.get(key, ()))
    ]
    rows = list(enumerate(table.get("allow", ())))
    named += [((_TABLE, "allow", number, "rule"), row["rule"]) for number, row in rows]
    named += [((_TABLE, "severity", pattern), pattern) for pattern in table.get("severity", {})]
    for place, pattern in named:
        if not any(fnmatchcase(rule, pattern) for rule in known):
            yield file.error(place, f"names {pattern!r}, and no rule is called so", hint=_HINT)
    yield from expectation_errors(file, table)
    for number, row in rows:
        if not row["reason"].strip():
            yield file.error((_TABLE, "allow", number, "reason"), "is empty", hint="say why it is right")
