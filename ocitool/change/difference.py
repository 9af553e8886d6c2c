"""Differences between two documents, as values: what a plan shows before anything is written.

The entries of an index are paired by all they say, by digest, then by platform, so that a replaced image reads
as one line and an entry that only moved is not a removal and an addition.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from ocitool.errors import MalformedDocument
from ocitool.model.document import Document, JsonTree
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTED, ZSTD_IMAGE
from ocitool.values import dataclass

_WIDEST: Final = 120
"""Characters of a value that a line shows."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `kind` is added, removed, changed or moved; `before` or `after` is None where absent.

    `pointer` is the JSON pointer in the new document (in the old one for what was removed); `label` names
    the index entry it belongs to, for people, and is empty elsewhere. `why` is what asked for it, where that is
    known: ids of rules, or flags.
    """

    kind: str
    pointer: str
    label: str = ""
    before: JsonTree = None
    after: JsonTree = None
    why: tuple[str, ...] = ()

    def to_tree(self) -> dict[str, JsonTree]:
        """The change for JSON output; keys that do not apply are left out."""
        tree: dict[str, JsonTree] = {"kind": self.kind, "pointer": self.pointer}
        if self.label:
            tree["label"] = self.label
        if self.kind != "added":
            tree["before"] = self.before
        if self.kind != "removed":
            tree["after"] = self.after
        if self.why:
            tree["why"] = list(self.why)
        return tree

    def text(self) -> str:
        """One line: a sign, what, old → new, and why."""
        return f"{self._sentence()}  [{', '.join(self.why)}]" if self.why else self._sentence()

    def _sentence(self) -> str:
        sign = {"added": "+", "removed": "-", "moved": "↕"}.get(self.kind, "~")
        what = self._what()
        if self.kind == "moved":
            return f"{sign} {what}  entry {self.before + 1} → {self.after + 1}"
        if self.kind in {"added", "removed"}:
            value = _short(self.after if self.kind == "added" else self.before)
            return f"{sign} {what}  {value}" if value != what else f"{sign} {what}"
        return f"{sign} {what}  {_short(self.before)} → {_short(self.after)}"

    def _what(self) -> str:
        if not self.label:
            return self.pointer.replace("~1", "/").replace("~0", "~").removeprefix("/") or "document"
        inside = "/".join(self.pointer.split("/")[3:]).replace("~1", "/").replace("~0", "~")
        return f"{self.label} {inside}".rstrip()


def difference(before: Document | None, after: Document | None) -> tuple[Change, ...]:
    """Every difference between two documents, in the order of the new one, what was removed first.

    A missing document counts as an empty object. Raises MalformedDocument if one does not parse.
    """
    old = before.tree() if before else {}
    new = after.tree() if after else {}
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        raise MalformedDocument("only JSON objects can be compared")
    return tuple(_objects(old, new, ""))


def is_carried(before: Document | None, ours: Document, theirs: Document) -> bool:
    """Whether what `ours` changed in the index `before` is so in `theirs` too, as where its author had read ours.

    Entries count by all they say: what was added is there, what was removed is not, other fields that changed are
    the same. False for what is no index, and where only the order changed, which nobody can tell (K267).
    """
    old, new, now = (_listed(one) for one in (before, ours, theirs))
    if new is None or now is None or (old is None and before is not None):
        return False
    (was, fields), (put, changed), (has, held) = old or (set(), {}), new, now
    differing = {key for key in {*fields, *changed} if fields.get(key) != changed.get(key)} if old else set()
    return (
        bool(put ^ was or differing)
        and put - was <= has
        and not (was - put) & has
        and all(changed.get(key) == held.get(key) for key in differing)
    )


def is_apart(before: Document | None, ours: Document, theirs: Document) -> bool:
    """Whether `theirs` left alone every platform that `ours` changes of `before`, an index or nothing (K267)."""
    old, new, now = _listed(before) if before else (set(), {}), _listed(ours), _listed(theirs)
    if old is None or new is None or now is None:
        return False
    touched = {_platform(json.loads(entry)) for entry in old[0] ^ new[0]}
    return "" not in touched and not {_platform(json.loads(entry)) for entry in old[0] ^ now[0]} & touched


def _listed(document: Document | None) -> tuple[set[str], dict[str, str]] | None:
    """The entries of an index and its other fields, as text; None for what is no index."""
    tree = document.tree() if document is not None else None
    if not isinstance(tree, Mapping) or not isinstance(tree.get("manifests"), list):
        return None
    fields = {key: _dump(value) for key, value in tree.items() if key not in {"manifests", "annotations"}}
    annotations = tree.get("annotations")
    if isinstance(annotations, Mapping):
        fields |= {f"annotations {key}": _dump(value) for key, value in annotations.items()}
    return {_dump(entry) for entry in tree["manifests"]}, fields


def _objects(
    old: Mapping[str, JsonTree], new: Mapping[str, JsonTree], pointer: str, label: str = ""
) -> Iterator[Change]:
    for key in old:
        if key not in new:
            if key == "manifests" and not pointer and isinstance(old[key], list):
                yield from _entries(old[key], [])
            else:
                yield Change("removed", f"{pointer}/{_escape(key)}", label, before=old[key])
    for key, value in new.items():
        at = f"{pointer}/{_escape(key)}"
        if key == "manifests" and not pointer and isinstance(value, list):
            listed = old.get(key)
            yield from _entries(listed if isinstance(listed, list) else [], value)
        elif key not in old:
            yield Change("added", at, label, after=value)
        else:
            yield from _values(old[key], value, at, label)


def _values(old: JsonTree, new: JsonTree, pointer: str, label: str) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _objects(old, new, pointer, label)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _values(a, b, f"{pointer}/{number}", label)
    elif json.dumps(old) != json.dumps(new):
        yield Change("changed", pointer, label, old, new)


def _entries(old: list[JsonTree], new: list[JsonTree]) -> Iterator[Change]:
    pairs = _pair(old, new)
    kept = {place for place in pairs if place is not None}
    for number, entry in enumerate(old):
        if number not in kept:
            yield Change("removed", f"/manifests/{number}", entry_label(entry), before=entry)
    order = [place for place in pairs if place is not None]
    ranks = {place: rank for rank, place in enumerate(sorted(order))}
    rank = 0
    for number, (entry, place) in enumerate(zip(new, pairs, strict=True)):
        at = f"/manifests/{number}"
        if place is None:
            yield Change("added", at, entry_label(entry), after=entry)
            continue
        if ranks[place] != rank:
            yield Change("moved", at, entry_label(entry), place, number)
        rank += 1
        yield from _values(old[place], entry, at, entry_label(entry))


def _pair(old: list[JsonTree], new: list[JsonTree]) -> list[int | None]:
    """For each new entry the old one it continues: the same in all, the same digest, the same platform."""
    pairs: list[int | None] = [None] * len(new)
    for key in (_dump, _digest, _platform):
        free: dict[str, list[int]] = {}
        taken = {place for place in pairs if place is not None}
        for number, entry in enumerate(old):
            if number not in taken and (name := key(entry)):
                free.setdefault(name, []).append(number)
        for number, entry in enumerate(new):
            if pairs[number] is None and free.get(key(entry)):
                pairs[number] = free[key(entry)].pop(0)
    return pairs


def _dump(entry: JsonTree) -> str:
    return json.dumps(entry, sort_keys=True)


def _digest(entry: JsonTree) -> str:
    return str(entry.get("digest", "")) if isinstance(entry, Mapping) else ""


def _platform(entry: JsonTree) -> str:
    platform = _platform_of(entry)
    return str(platform.normalised()) if platform and not platform.is_unknown else ""


def _platform_of(entry: JsonTree) -> Platform | None:
    if not isinstance(entry, Mapping):
        return None
    try:
        return Platform.from_tree(entry.get("platform"))
    except MalformedDocument:
        return None


def entry_label(entry: JsonTree) -> str:
    """What people call an index entry: its platform, or what an attestation belongs to, or its digest."""
    if not isinstance(entry, Mapping):
        return "entry"
    annotations = entry.get("annotations")
    attested = annotations.get(ATTESTED) if isinstance(annotations, Mapping) else None
    if attested:
        return f"attestation of {_short(attested)}"
    platform = _platform_of(entry)
    zstd = " (zstd)" if isinstance(annotations, Mapping) and annotations.get(ZSTD_IMAGE) == "true" else ""
    return f"{platform}{zstd}" if platform else _short(entry.get("digest", "entry"))


def _short(value: JsonTree) -> str:
    if isinstance(value, Mapping) and "digest" in value:
        return _short(value["digest"])
    if isinstance(value, str):
        algorithm, colon, encoded = value.partition(":")
        if colon and algorithm.startswith("sha") and encoded:
            return f"{algorithm}:{encoded[:12]}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
