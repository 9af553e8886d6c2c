"""Every tag of a repository looked at: each manifest and config fetched once, however many tags share it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ocitool.check.engine import ALL, RULES, Selection, findings
from ocitool.check.finding import Finding
from ocitool.check.look import look
from ocitool.check.once import Once
from ocitool.check.rules.rule import Rule
from ocitool.check.rules.tag import FALLBACK, Tagged
from ocitool.check.rules.tag import findings as tag_findings
from ocitool.errors import Cancelled, NotFound, OcitoolError
from ocitool.events import Done, Listener, Started, silent
from ocitool.model import mediatype
from ocitool.store.base import Reader
from ocitool.tasks import Scope


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of looking at one or many names."""

    findings: tuple[Finding, ...] = ()
    unanswered: tuple[OcitoolError, ...] = ()
    names: tuple[str, ...] = ()

    def to_tree(self) -> dict[str, Any]:
        """What was found for JSON output."""
        return {
            "looked": list(self.names),
            "findings": [one.to_tree() for one in self.findings],
            "unanswered": [{"code": error.code, "message": str(error)} for error in self.unanswered],
        }


def check_names(
    places: Iterable[tuple[Reader, str, str]],
    *,
    scope: Scope,
    selection: Selection = ALL,
    rules: Sequence[Rule] = RULES,
    deep: bool = False,
) -> Checked:
    """Look at each (store, name, what people call it). Raises what reading a name itself raises."""
    found: list[Finding] = []
    failed: list[OcitoolError] = []
    names: list[str] = []
    for store, name, label in places:
        names.append(label)
        one = look(store, name, scope=scope, deep=lambda _: deep)
        found += [replace(f, where=label) for f in findings(one, selection, rules)]
        failed += one.unanswered
    return Checked(tuple(found), tuple(failed), tuple(names))


def check_tags(
    places: Iterable[tuple[Reader, str, str]],
    *,
    scope: Scope,
    selection: Selection = ALL,
    rules: Sequence[Rule] = RULES,
    deep: bool = False,
    listener: Listener = silent,
) -> Checked:
    """Look at every tag of each place, one after another, tags with the same digest once.

    Memory is that of one tag and of a bounded memory of manifests and configs.
    """
    checked = [
        _Tags(store, scope, selection, rules, deep=deep, listener=listener).check() for store, _, _ in places
    ]
    return Checked(
        tuple(f for one in checked for f in one.findings),
        tuple(e for one in checked for e in one.unanswered),
        tuple(n for one in checked for n in one.names),
    )


class _Tags:
    """The growing state of one repository's look."""

    def __init__(
        self,
        store: Reader,
        scope: Scope,
        selection: Selection,
        rules: Sequence[Rule],
        *,
        deep: bool,
        listener: Listener,
    ) -> None:
        self._store, self._once, self._scope = store, Once(store), scope
        self._selection, self._rules, self._deep, self._listener = selection, rules, deep, listener
        self._now = datetime.now(UTC)
        self._tags: dict[str, Tagged] = {}
        self._seen: set[str] = set()
        self._found: list[Finding] = []
        self._failed: list[OcitoolError] = []

    def check(self) -> Checked:
        for name in self._store.tags():
            self._scope.check()
            try:
                self._look(name)
            except Cancelled:
                raise
            except NotFound:  # deleted while we were looking at others
                continue
            except OcitoolError as error:
                self._failed.append(error)
        tags = tag_findings(self._store.label, self._tags)
        self._found += [self._selection.apply(one) for one in tags if self._selection.takes(one.rule)]
        return Checked(tuple(self._found), tuple(self._failed), (self._store.label,))

    def _look(self, name: str) -> None:
        head = self._store.head(name)
        if head is None:
            return
        match = FALLBACK.fullmatch(name)
        gone = match is not None and self._store.head(f"{match[1]}:{match[2]}") is None
        self._tags[name] = Tagged(name, head.digest, mediatype.is_index(head.media_type), gone)
        if head.digest in self._seen or match is not None:
            return
        self._seen.add(head.digest)
        self._listener(Started(name, name))
        one = look(self._once, str(head.digest), scope=self._scope, deep=lambda _: self._deep, now=self._now)
        where = f"{self._store.label}:{name}"
        self._found += [replace(f, where=where) for f in findings(one, self._selection, self._rules)]
        self._failed += one.unanswered
        self._listener(Done(name, "looked at"))
