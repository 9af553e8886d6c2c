"""The file that a prune is written into, for people to look at before it is carried out."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ocitool.arguments import read_small
from ocitool.errors import Conflict, MalformedDocument, UsageError, local_io
from ocitool.model.digest import Digest
from ocitool.model.document import parse
from ocitool.model.files import temporary_beside
from ocitool.model.moments import moment_of
from ocitool.model.numbers import MIB
from ocitool.repository.graph import RepositoryGraph, is_beside
from ocitool.repository.policy import Decision
from ocitool.repository.prune import Prune
from ocitool.values import dataclass, field

FORM: Final = "ocitool-prune-1"
LIMIT: Final = 256 * MIB
"""Bytes of such a file: what the most tags take that are looked at."""


@dataclass(frozen=True, slots=True)
class PlannedPrune:
    """What a file says: the repository, a decision for each of its tags, and what the other tags held."""

    repository: str
    decisions: tuple[Decision, ...]
    others: Mapping[str, Digest] = field(hash=False)

    def check(self, graph: RepositoryGraph) -> None:
        """Raise UsageError for another repository, Conflict where a tag of this one is not what the file says."""
        if graph.label != self.repository:
            raise UsageError(f"the plan is for {self.repository}, and not for {graph.label}")
        planned = {one.tag: one.digest for one in self.decisions} | dict(self.others)
        moved = sorted(tag for tag in {*planned, *graph.tags} if planned.get(tag) != graph.tags.get(tag))
        if moved:
            more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
            raise Conflict(
                f"{graph.label} has moved since the plan was made: {', '.join(moved[:5])}{more}",
                tag=moved[0],
                expected=str(planned.get(moved[0], "")),
                found=str(graph.tags.get(moved[0], "")),
                hint="nothing was deleted; make the plan anew",
            )


def write_plan(path: Path, prune: Prune) -> None:
    """Write a prune into a file, one line for each tag. Raises LocalIOError."""
    judged = {one.tag for one in prune.decisions}
    held = (prune.plan.unmoved or {}).items()
    others = [{"tag": tag, "digest": digest} for tag, digest in held if digest and tag not in judged]
    lists = {
        "delete": [one.to_tree() for one in prune.going],
        "keep": [one.to_tree() for one in prune.staying],
        "others": others,
    }
    body = ",\n".join(f'  "{key}": [{_lines(rows)}]' for key, rows in lists.items())
    text = f'{{\n  "form": "{FORM}",\n  "repository": {json.dumps(prune.target)},\n{body}\n}}\n'
    temporary = temporary_beside(path)
    try:
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise local_io(error, f"write {path}") from error


def read_plan(path: Path) -> PlannedPrune:
    """What a file says; an entry may have been moved from one list to the other. Raises MalformedDocument."""
    try:
        tree = parse(read_small(path, LIMIT))
        if tree["form"] != FORM:
            raise MalformedDocument(f"{path} is of the form {tree['form']!r}, and {FORM} is read", where=str(path))
        decisions = tuple(
            Decision(str(row["tag"]), Digest(row["digest"]), goes, str(row.get("why", "")), _moment(row))
            for key, goes in (("delete", True), ("keep", False))
            for row in tree[key]
        )
        others = {str(row["tag"]): Digest(row["digest"]) for row in tree["others"]}
        repository = str(tree["repository"])
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedDocument(f"{path} is no plan of a prune: {error}", where=str(path)) from None
    names = [one.tag for one in decisions] + list(others)
    twice = next((name for name, count in Counter(names).items() if count > 1), "")
    wrong = next((one.tag for one in decisions if is_beside(one.tag)), "")
    if twice or wrong:
        why = "stands there twice" if twice else "belongs to a manifest, and goes and stays with it"
        raise MalformedDocument(f"{path}: {twice or wrong} {why}", where=str(path))
    return PlannedPrune(repository, decisions, others)


def _lines(rows: list[dict[str, Any]]) -> str:
    lines = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in rows)
    return f"\n{lines}\n  " if rows else ""


def _moment(row: Mapping[str, Any]) -> float | None:
    created = row.get("created")
    return moment_of(created) if isinstance(created, str) else None
