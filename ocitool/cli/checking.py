"""Rules that check and repair are asked for: which count, by ocitool.toml and by flags."""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from shlex import quote
from typing import Any, Final

from ocitool.check.engine import DOCUMENTED, Allowance, Selection, installed_rules
from ocitool.check.rules.rule import Rule
from ocitool.check.rules.tag import RULES as TAG_RULES
from ocitool.check.runner import Checked, CheckedName
from ocitool.cli.options import App
from ocitool.errors import Cancelled, OcitoolError, UsageError
from ocitool.events import Noted
from ocitool.findings import Severity
from ocitool.model.printable import shown
from ocitool.model.reference import Reference
from ocitool.project.schema import SCHEMA, problems
from ocitool.project.toml import KeyPath, TomlFile, read_toml
from ocitool.project.values import FILE_NAME
from ocitool.store.locate import Locator

_ADVISED: Final = 3
"""Names that are told what to do next; who has more of them knows by then."""
_TABLE: Final = "check"
_HINT: Final = "docs/reference/rules.md lists the rules"


def selection(
    config: Path | None, select: Sequence[str], ignore: Sequence[str]
) -> tuple[Selection, tuple[Rule, ...]]:
    """What counts, and the rules there are. Flags come on top of the file's `[check]`.

    Without `config`, the ocitool.toml of the current folder is read if there is one. Raises UsageError with the
    line of the file, an ExceptionGroup of them if there are several.
    """
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
    return chosen, rules


def tell_idle(
    app: App, chosen: Selection, rules: Sequence[Rule], checked: Checked, *, deep: bool, all_tags: bool
) -> None:
    """Warn of what has no effect: rules that were chosen and cannot see anything, allowances that nothing needs."""
    ran = [rule.id for rule in (*rules, *(TAG_RULES if all_tags else ())) if deep or not rule.needs_deep]
    for pattern in chosen.select:
        if not any(fnmatchcase(rule, pattern) for rule in ran):
            flag = "--all-tags" if any(fnmatchcase(rule.id, pattern) for rule in TAG_RULES) else "--deep"
            app.listener(Noted(f"{pattern} sees something only with {flag}"))
    for one in chosen.idle(checked.findings, ran) if not (checked.unanswered or checked.failed) else ():
        app.listener(Noted(f"[check] allows {one}, and there is nothing to allow"))


def opened(app: App, places: Sequence[str]) -> tuple[CheckedName, ...]:
    """Each place's store, or why it could not be opened. Raises UsageError for what is no place at all."""
    located = [(Locator.parse(place), place) for place in places]
    return tuple(_open(app, at, place) for at, place in located)


def _open(app: App, at: Locator, place: str) -> CheckedName:
    try:
        store, name = app.opener.open(at)
    except Cancelled:
        raise
    except OcitoolError as error:
        return error, "", place
    return store, name, place


def advice(checked: Checked, *, deep: bool) -> str:
    """What to do next, a line each: where `repair` has something to mend, and what may open what was closed."""
    broken = dict.fromkeys(one.where for one in checked.findings if one.fixable and not one.allowed)
    flag = " --deep" if deep else ""
    lines = [f"hint: ocitool repair {quote(shown(where))}{flag} shows what would mend it" for where in broken]
    more = [f"hint: so it is for {len(lines) - _ADVISED} more"] if len(lines) > _ADVISED else []
    hints = dict.fromkeys(f"hint: {shown(error.hint)}" for error in checked.unanswered if error.hint)
    return "\n".join([*lines[:_ADVISED], *more, *hints][: 2 * _ADVISED])


def check_whole(places: Sequence[str]) -> None:
    """Raise UsageError for a place that names a tag or digest where whole repositories are meant."""
    for place in places:
        at = Locator.parse(place)
        name = at.name if at.reference is None else Reference.parse(place, default_tag="").name
        if name:
            raise UsageError(
                f"--all-tags looks at every tag, and {place} names {name}",
                hint="leave it out, or leave --all-tags out to look at it alone",
            )


def _table(config: Path | None, known: Sequence[str]) -> dict[str, Any]:
    path = config or Path(FILE_NAME)
    if config is None and not path.is_file():
        return {}
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


def _unknown(file: TomlFile, table: dict[str, Any], known: Iterable[str]) -> Iterator[UsageError]:
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
    for number, row in rows:
        if not row["reason"].strip():
            yield file.error((_TABLE, "allow", number, "reason"), "is empty", hint="say why it is right")
