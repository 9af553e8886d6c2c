"""What check and repair share: which rules count, by ocitool.toml and by flags."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocitool.build.schema import SCHEMA, problems
from ocitool.build.spec import FILE_NAME
from ocitool.build.toml import read_toml
from ocitool.check.engine import DOCUMENTED, Allowance, Selection, installed_rules
from ocitool.check.rules.rule import Rule
from ocitool.errors import UsageError


def selection(
    config: Path | None, select: Sequence[str], ignore: Sequence[str]
) -> tuple[Selection, tuple[Rule, ...]]:
    """What counts, and the rules there are. Flags come on top of the file's `[check]`.

    Without `config`, the ocitool.toml of the current folder is read if there is one. Raises UsageError.
    """
    table = _table(config)
    rules = installed_rules()
    chosen = Selection(
        select=tuple(word for text in select for word in text.split(",")) or tuple(table.get("select", ())),
        ignore=(*(word for text in ignore for word in text.split(",")), *table.get("ignore", ())),
        allow=tuple(Allowance(**row) for row in table.get("allow", ())),
    )
    chosen.check((*(rule.id for rule in rules), *(rule.id for rule in DOCUMENTED)))
    return chosen, rules


def _table(config: Path | None) -> dict[str, Any]:
    path = config or Path(FILE_NAME)
    if config is None and not path.is_file():
        return {}
    tree = read_toml(path).tree
    table = tree.get("check", {})
    for problem in problems(table, SCHEMA["properties"]["check"], ("check",)):
        where = ".".join(map(str, problem.path))
        raise UsageError(f"{path}: {where} {problem.message}", hint=problem.hint)
    return dict(table)
