"""A sync: tags of sources compared with those of targets, and brought where they differ or lack something.

Tags are looked at first, side by side, and every distinct blob is asked for once; what a digest means is known from
an earlier run. Only what differs is read, planned and carried out like any other copy, tags on one digest together.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from ocitool.change.lacking import Lacking, lacking
from ocitool.errors import AuthError, Cancelled, NetworkError, NotFound, OcitoolError, UsageError, as_one
from ocitool.index.copies import brought, taken_from
from ocitool.index.copy_plans import EVERY, CopyOptions, plan_copied, read_copied
from ocitool.model.digest import Digest
from ocitool.model.reference import Reference, subject_of
from ocitool.project.sync_file import SyncEntry
from ocitool.repository.catalog import list_repositories
from ocitool.store.base import Reader, Store, called
from ocitool.store.locate import Locator, is_below, names_of
from ocitool.sync.report import SyncedTag, SyncReport
from ocitool.sync.state import CopiedTree, SyncState
from ocitool.tasks import TaskGroup, collect
from ocitool.values import dataclass, field, replace
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.change.apply import ChangeReport
    from ocitool.change.plan import Plan
    from ocitool.workspace import Admit

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE: Final = 500
"""Tags that are looked at before the first of them is brought; a guess at what is little to hold."""
_ABREAST: Final = 8
"""Tags that are brought side by side; what each needs goes side by side too."""


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How to sync: `trust` believes what earlier runs did, `anew` forgets it, `dry_run` writes nothing."""

    trust: bool = False
    anew: bool = False
    dry_run: bool = False


@dataclass(slots=True, eq=False)
class _Target:
    """A target of one source: which blobs were asked for there, and which are not; whether it was given up."""

    place: str
    store: Store
    asked: set[Digest] = field(default_factory=set)
    absent: set[Digest] = field(default_factory=set)
    is_lost: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Route:
    """One source, its targets, and what is known of copies between them."""

    at: Locator
    source: Reader
    targets: tuple[_Target, ...]
    wish: CopyOptions
    state: SyncState


class SyncRun:
    """One run over the entries of a file. `apply` carries a plan out; `admit` gives the digest to use for a tag."""

    def __init__(
        self,
        work: Workspace,
        options: SyncOptions,
        apply: "Callable[[Plan], ChangeReport]",
        admit: "Admit | None" = None,
    ) -> None:
        self._work = work
        self._options = options
        self._apply = apply
        self._admit = admit
        self._tags = 0
        self._unchanged: list[int] = []
        self._written: list[SyncedTag] = []
        self._errors: list[OcitoolError] = []

    def run(self, entries: Iterable[SyncEntry]) -> SyncReport:
        """Sync each entry. What fails is in the report, and the rest goes on; raises Cancelled."""
        for entry in entries:
            with self._keeping(entry.where):
                for place in self._sources(entry):
                    with self._keeping(f"from {place}"):
                        self._sync(entry, place)
        return SyncReport(self._tags, sum(self._unchanged), tuple(self._written), tuple(self._errors))

    def _sources(self, entry: SyncEntry) -> Sequence[str]:
        if not entry.repositories:
            return (entry.source,)
        found = list_repositories(self._work.opener.session, entry.source, (entry.repositories,))
        if not found:
            raise NotFound(f"{entry.source} has no repository {entry.repositories}", where=entry.source)
        mirrored = _below_targets(entry)
        sources = [f"{entry.source}/{name}" for name in found if not name.startswith(mirrored)]
        if not sources:
            raise UsageError(
                f"all that {entry.source}/{entry.repositories} fits is below a target of its own",
                hint="name a target elsewhere, or a pattern that does not fit what was put there",
            )
        return sources

    def _sync(self, entry: SyncEntry, place: str) -> None:
        trust = self._options.trust
        wish = CopyOptions(entry.platforms, replaces=True, referrers=entry.referrers, trust=trust, tells=False)
        opener = self._work.opener
        source, _ = opener.open(place)
        route = _Route(
            Locator.parse(place),
            source,
            tuple(_Target(there, opener.open(there, write=True)[0]) for there in _targets(entry, place)),
            wish,
            SyncState(self._work.machine.memo, wish, anew=self._options.anew),
        )
        is_every = entry.wanted == EVERY and not entry.referrers and self._admit is None
        names = [entry.tag] if entry.tag else _names(source, entry, is_every=is_every)
        for start in range(0, len(names), _AT_ONCE):
            due = self._look(route, names[start : start + _AT_ONCE])
            with TaskGroup(self._work.scope, _ABREAST) as group:
                for digest, tags in due.items():
                    group.spawn(self._bring, route, digest, tags)

    # Looking

    def _look(self, route: _Route, names: Sequence[str]) -> Mapping[Digest, dict[str, list[_Target]]]:
        """What is to be brought, the tags that hold it, and the targets that lack it there or something of it."""
        heads = self._collect(route.source, route.source.head, names)
        held = {tag: found.digest for tag, found in zip(names, heads, strict=True) if found is not None}
        self._tags += len(held)
        trees = {digest: route.state.tree(digest) for digest in set(held.values())}
        due: dict[Digest, dict[str, list[_Target]]] = {}
        for target in route.targets:
            with self._keeping(f"at {target.place}", target):
                alike = self._alike(route, target, held, trees)
                self._unchanged.append(len(alike))
                for tag, digest in held.items():
                    if tag not in alike:
                        due.setdefault(digest, {}).setdefault(tag, []).append(target)
                    elif not self._options.dry_run:
                        route.state.set_put(target.place, tag, digest)
        return due

    def _alike(
        self, route: _Route, target: _Target, held: Mapping[str, Digest], trees: Mapping[Digest, CopiedTree | None]
    ) -> set[str]:
        """The tags that a target has as they should be with every blob of them, or had when that is trusted."""
        if target.is_lost:
            return set()
        alike = set[str]()
        if self._options.trust:
            alike.update(tag for tag, digest in held.items() if route.state.is_put(target.place, tag, digest))
        elif route.wish.referrers:  # nobody but the source knows what refers to it by now
            return alike
        known = {tag: tree for tag, digest in held.items() if tag not in alike and (tree := trees[digest])}
        heads = self._collect(target.store, target.store.head, list(known))
        fitting = [
            tag for tag, found in zip(known, heads, strict=True) if found and found.digest == known[tag].root
        ]
        if not self._options.trust:
            self._ask(target, [known[tag] for tag in fitting])
        return alike | {tag for tag in fitting if target.absent.isdisjoint(b.digest for b in known[tag].blobs)}

    def _ask(self, target: _Target, trees: Iterable[CopiedTree]) -> None:
        """Ask a target for every blob that it was not asked for yet."""
        blobs = {blob.digest: blob for tree in trees for blob in tree.blobs if blob.digest not in target.asked}
        there = self._collect(target.store, target.store.has_blob, list(blobs.values()))
        target.asked.update(blobs)
        target.absent.update(digest for digest, is_there in zip(blobs, there, strict=True) if not is_there)

    def _collect(self, store: Reader, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        return collect(self._work.scope, function, items, min(self._work.transfers, store.traits.concurrency))

    # Bringing

    def _bring(self, route: _Route, digest: Digest, tags: Mapping[str, Sequence[_Target]]) -> None:
        """Let tags of targets hold what the source has; what one of them got, the others take from there."""
        source, first = route.source, next(iter(tags))
        where = called(source, first)
        with self._keeping(f"from {where}"):
            used = str(digest) if self._admit is None else self._admit(route.at, source, first)
            copied = read_copied(source, used, route.wish, scope=self._work.scope)
            near: dict[Digest, Reader] = {}
            for target in dict.fromkeys(target for there in tags.values() for target in there):
                names = [tag for tag, there in tags.items() if target in there]
                with self._keeping(f"{where} to {target.place}", target):
                    if target.is_lost:
                        continue
                    plan = plan_copied(copied, target.store, names, route.wish)
                    if self._options.dry_run:
                        self._preview(plan, target, names)
                        continue
                    full = names_of(source, first, route.at.reference, every=True)
                    report = self._apply(replace(taken_from(plan, near), full_names=full))
                    near = {**dict.fromkeys(brought(plan), target.store), **near}
                    if _is_news(report, target):
                        self._written += _written(report, target, names, copied.document.digest)
                    else:
                        self._unchanged.append(len(names))
                    if used == digest:
                        _remember_tree(route.state, report, digest, copied.document.digest)
                        for tag in names:
                            route.state.set_put(target.place, tag, digest)

    def _preview(self, plan: "Plan", target: _Target, names: Sequence[str]) -> None:
        """Tell what would be written; what the first of the tags lacks the others have then."""
        lacked = lacking(plan, target.store, scope=self._work.scope, width=self._work.transfers)
        for step in plan.tags:
            if step.name in names:
                held = step.base.digest if step.base else None
                self._written.append(SyncedTag(target.place, step.name, held, step.document.digest, lacked=lacked))
                lacked = Lacking()

    @contextmanager
    def _keeping(self, where: str, target: _Target | None = None) -> Iterator[None]:
        """Keep an error of a part of the work; a target that does not answer, or lets nobody in, is given up."""
        try:
            with as_one():
                yield
        except Cancelled:
            raise
        except OcitoolError as error:
            error.add_note(where)
            self._errors.append(error)
            parts = getattr(error, "exceptions", (error,))
            if target is not None and any(isinstance(one, AuthError | NetworkError) for one in parts):
                target.is_lost = True


def _below_targets(entry: SyncEntry) -> tuple[str, ...]:
    """How repositories on the source's own host begin that lie below a target: they are earlier copies."""
    places = (Reference.parse(f"{target}x") for target in entry.targets if is_below(target))
    return tuple(place.repository[:-1] for place in places if place.registry == entry.source)


def _targets(entry: SyncEntry, place: str) -> Iterator[str]:
    """The targets of one source, those below a place by its own path."""
    reference = Locator.parse(place).reference
    for target in entry.targets:
        yield f"{target}{reference.repository}" if reference is not None and is_below(target) else target


def _names(source: Reader, entry: SyncEntry, *, is_every: bool) -> list[str]:
    """The tags that are meant; without `is_every` those that belong to an image come with it or stay behind."""
    names = [
        tag for tag in source.tags() if tag and (is_every or subject_of(tag) is None) and entry.wanted.holds(tag)
    ]
    if not names:
        raise NotFound(f"{source.label} has no tags that are meant", where=source.label)
    return names


def _is_news(report: "ChangeReport", target: _Target) -> bool:
    """Whether anything is there now that was not; a registry mounts also what it has."""
    blobs = (blob.digest for copy in report.copies for blob in copy.blobs or ())
    is_sent = any(copy.sent or copy.manifests_sent for copy in report.copies)
    return report.changed or is_sent or not target.absent.isdisjoint(blobs)


def _written(report: "ChangeReport", target: _Target, names: Iterable[str], digest: Digest) -> Iterator[SyncedTag]:
    """The tags of one plan; what was sent for all of them is told of the first."""
    held = {name: before for name, before, _ in report.tags}
    sent = sum(copy.sent for copy in report.copies)
    for name in names:
        yield SyncedTag(target.place, name, held.get(name), digest, sent)
        sent = 0


def _remember_tree(state: SyncState, report: "ChangeReport", source: Digest, root: Digest) -> None:
    """Note what the source's digest means, if all of it was looked at."""
    seen = [copy.blobs for copy in report.copies]
    if None not in seen:
        blobs = {blob.digest: blob for blobs in seen for blob in blobs or ()}
        state.set_tree(source, CopiedTree(root, tuple(blobs.values())))
