"""Names looked at, one or all tags of a repository: each manifest and config fetched once, whatever shares it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ocitool.check.caching_reader import CachingReader
from ocitool.check.engine import ALL, RULES, Selection, exit_code, findings
from ocitool.check.finding import Finding, Location
from ocitool.check.inspection import Inspection, look
from ocitool.check.layers import ReadLayers
from ocitool.check.rules import expected
from ocitool.check.rules.policy import REFUSED
from ocitool.check.rules.rule import Rule
from ocitool.check.rules.tag import STALE, TYPE, WRONG, Holds, Tagged
from ocitool.check.rules.tag import findings as tag_findings
from ocitool.errors import (
    Cancelled,
    NetworkError,
    NotFound,
    NotVerified,
    OcitoolError,
    SeveralErrors,
    Unsupported,
    UsageError,
)
from ocitool.events import Advanced, Done, Listener, Started, silent
from ocitool.graph.referrers import ListedReferrer, examine_referrer, read_fallback
from ocitool.model.digest import Digest
from ocitool.model.expectation import Expectation
from ocitool.model.reference import referrers_tag, subject_of
from ocitool.model.views import Descriptor, Index, Manifest, View
from ocitool.store.base import Reader, called
from ocitool.store.locate import Locator, Opener, said_name
from ocitool.tasks import Scope, collect, ordered_map
from ocitool.values import dataclass, replace

if TYPE_CHECKING:
    from ocitool.workspace import Admit

_AT_ONCE: Final = 16
"""Names looked at side by side: as many as a host gets requests, so that each asks for one thing at a time."""
_WAITING: Final = 8
"""Tags more than that, of a repository: some wait for what others ask for, such as a layer that all have."""
_FIRST: Final = 4
"""Things that each tag asks for side by side until one was looked at: others wait for what they share with it."""
_MOST_LISTED: Final = 1000
"""Entries of one list of referrers that are looked at; a guess far above what anybody publishes."""
_GIVE_UP: Final = 24
"""Tags in a row that the network did not let us look at; a guess. After so many the host is not there."""


CheckedName: TypeAlias = tuple[Reader | OcitoolError, str, str]
"""A store, the name in it, what people call it; instead of a store why it could not be opened."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of looking at one or many names. `tags` counts those of whole repositories.

    `failed` are the names that gave nothing to look at, with why; `unanswered` is what could not be seen below the
    others.
    """

    findings: tuple[Finding, ...] = ()
    unanswered: tuple[OcitoolError, ...] = ()
    names: tuple[str, ...] = ()
    tags: int | None = None
    failed: tuple[tuple[str, OcitoolError], ...] = ()

    def __iter__(self) -> Iterator[Finding]:
        """The findings; what could not be looked at is raised after the last one."""
        yield from self.findings
        errors = [*(error for _, error in self.failed), *self.unanswered]
        if errors:
            raise errors[0] if len(errors) == 1 else SeveralErrors(errors)

    @property
    def exit_code(self) -> int:
        """The gravest of what came of it: not let in, no answer, a name that gave nothing to look at, findings."""
        return exit_code(self.findings, self.unanswered, (error for _, error in self.failed))

    def to_tree(self) -> dict[str, Any]:
        """What was found for JSON output."""
        return {
            "looked": list(self.names),
            **({"tags": self.tags} if self.tags is not None else {}),
            "findings": [one.to_tree() for one in self.findings],
            "unanswered": [{"code": error.code, "message": str(error)} for error in self.unanswered],
            "failed": [{"name": name, "code": error.code, "message": str(error)} for name, error in self.failed],
        }


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """How to look.

    `deep` reads every layer, `blobs` asks for each blob that is not read. `at_once` is how many things are asked
    for at once, 0 for as many as a store likes. `admit` raises NotVerified for what a policy refuses, `expects` is
    what platforms each name has to be for.
    """

    selection: Selection = ALL
    rules: Sequence[Rule] = RULES
    deep: bool = False
    blobs: bool = True
    at_once: int = 0
    listener: Listener = silent
    admit: "Admit | None" = None
    expects: Expectation | None = None


PLAIN: Final = CheckOptions()


def check(
    places: Iterable[CheckedName], options: CheckOptions = PLAIN, *, scope: Scope, all_tags: bool = False
) -> Checked:
    """Look at each place, or at every tag there with `all_tags`: see `check_names` and `check_tags`."""
    return (check_tags if all_tags else check_names)(places, options, scope=scope)


def open_places(opener: Opener, texts: Iterable[str], *, all_tags: bool = False) -> tuple[CheckedName, ...]:
    """Each place that the texts name, or why it could not be opened.

    Raises UsageError for what is no place at all, and with `all_tags` for one that names a tag or digest.
    """
    located = [(Locator.parse(text), text) for text in texts]
    for _, text in located if all_tags else ():
        if name := said_name(text):
            raise UsageError(
                f"--all-tags looks at every tag, and {text} names {name}",
                hint="leave it out, or leave --all-tags out to look at it alone",
            )
    return tuple(_open(opener, at, text) for at, text in located)


def _open(opener: Opener, at: Locator, text: str) -> CheckedName:
    try:
        store, name = opener.open(at)
    except Cancelled:
        raise
    except OcitoolError as error:
        return error, "", text
    return store, name, text


def check_names(places: Iterable[CheckedName], options: CheckOptions = PLAIN, *, scope: Scope) -> Checked:
    """Look at each place, several side by side; findings in the order given.

    A name that cannot be read itself is among `failed`, and the others are looked at all the same. Memory is that
    of sixteen names, with `deep` of one. Raises UsageError for a rule of a package that fails.
    """
    wanted, deep = tuple(places), options.deep
    width = 1 if deep else max(1, min(_AT_ONCE, options.at_once or _AT_ONCE, len(wanted)))

    def see(place: CheckedName) -> Checked:
        store, name, label = place
        if isinstance(store, OcitoolError):
            return Checked(failed=((label, store),))
        below = max(1, (options.at_once or store.traits.concurrency) // width)
        try:
            one = look(
                store,
                name,
                scope=scope,
                deep=lambda _: deep,
                blobs=options.blobs,
                width=below,
                listener=options.listener,
            )
        except Cancelled:
            raise
        except OcitoolError as error:
            return Checked(failed=((label, error),))
        found = tuple(replace(f, where=label) for f in findings(one, options.selection, options.rules))
        asked, unseen = _asked(options, label, store, one)
        return Checked((*found, *(replace(f, where=label) for f in asked)), (*one.unanswered, *unseen), (label,))

    return _together(ordered_map(scope, see, wanted, width))


def check_tags(places: Iterable[CheckedName], options: CheckOptions = PLAIN, *, scope: Scope) -> Checked:
    """Look at every tag of each place, several side by side; findings in the order of the tags.

    Tags with one digest are looked at once. A tag that is deleted meanwhile is left out; one that could not be
    read is among `unanswered`, and the others are looked at all the same.
    Memory is that of two dozen tags (with `deep` of one) and of a bounded memory of manifests, configs and looks at
    layers. A place without tags, or whose tags cannot be listed, is among `failed`.
    """

    def see(place: CheckedName) -> Checked:
        store, _, label = place
        if isinstance(store, OcitoolError):
            return Checked(failed=((label, store),))
        with CachingReader(store, scope) as once:
            return _Tags(once, scope, options).check(label)

    checked = _together(map(see, places))
    return replace(checked, tags=checked.tags or 0)


def _asked(
    options: CheckOptions, place: str, store: Reader, one: Inspection
) -> tuple[tuple[Finding, ...], tuple[OcitoolError, ...]]:
    """Findings about what the caller asks for, and what kept us from knowing."""
    choice = options.selection
    hits = expected.find(options.expects, one) if options.expects is not None else ()
    found = tuple(
        choice.apply(Finding(rule.id, rule.severity, said, at)) for rule, at, said in hits if choice.takes(rule.id)
    )
    refused, unseen = _refused(options, place, store, one.snapshot.root.digest)
    return (*found, *refused), unseen


def _refused(
    options: CheckOptions, place: str, store: Reader, digest: Digest
) -> tuple[tuple[Finding, ...], tuple[OcitoolError, ...]]:
    """A finding where the policy refuses what was looked at, and what kept us from knowing."""
    if options.admit is None or not options.selection.takes(REFUSED.id):
        return (), ()
    try:
        options.admit(Locator.parse(place), store, str(digest))
    except Cancelled:
        raise
    except (NotVerified, Unsupported) as error:
        notes = "; ".join(getattr(error, "__notes__", ()))
        said = f"{error.what}: {notes}" if notes else error.what
        return (options.selection.apply(Finding(REFUSED.id, REFUSED.severity, said, Location(digest))),), ()
    except OcitoolError as error:
        return (), (error,)
    return (), ()


def _together(parts: Iterable[Checked]) -> Checked:
    """All of them as one; what could not be read and several of them share is told once."""
    checked = tuple(parts)
    unanswered = {f"{type(error).__name__} {error}": error for one in checked for error in one.unanswered}
    tags = [one.tags for one in checked if one.tags is not None]
    return Checked(
        tuple(finding for one in checked for finding in one.findings),
        tuple(unanswered.values()),
        tuple(name for one in checked for name in one.names),
        sum(tags) if tags else None,
        tuple(failure for one in checked for failure in one.failed),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What became of one tag: `head` is None for one that is gone, `holds` only set where it was looked at."""

    name: str
    head: Descriptor | None = None
    holds: Holds | None = None
    found: tuple[Finding, ...] = ()
    failed: tuple[OcitoolError, ...] = ()
    is_unread: bool = False


class _Tags:
    """The growing state of one repository's look. Only `_see` and `_is_there` run on other threads."""

    def __init__(self, store: CachingReader, scope: Scope, options: CheckOptions) -> None:
        self._store, self._scope, self._options = store, scope, options
        self._now = datetime.now(UTC)
        self._place = ""
        self._width = self._first = 1
        self._layers = ReadLayers()
        self._tags: dict[str, Descriptor] = {}
        self._holds: dict[Digest, Holds] = {}
        self._found: list[Finding] = []
        self._habits: set[tuple[str, str]] = set()
        self._failed: list[OcitoolError] = []
        self._gone: list[str] = []

    def check(self, place: str) -> Checked:
        options, label = self._options, self._store.label
        self._place = place
        try:
            names = list(dict.fromkeys(self._store.tags()))
        except Cancelled:
            raise
        except OcitoolError as error:
            return Checked(failed=((place, error),))
        if not names:
            return Checked(failed=((place, _no_tags(label)),))
        at_once = options.at_once or self._store.traits.concurrency
        width = 1 if options.deep else max(1, min(_AT_ONCE, at_once, len(names)))
        self._width = max(1, at_once // width)
        self._first = self._width if options.at_once else max(self._width, min(_FIRST, at_once))
        width += _WAITING if width > 1 and not options.at_once else 0
        self._options.listener(Started(label, label, len(names), "tags"))
        unread = 0
        for seen in ordered_map(self._scope, self._see, names, width):
            self._take(seen)
            self._options.listener(Advanced(label, 1))
            unread = unread + 1 if seen.is_unread else 0
            if unread == _GIVE_UP:
                rest = (
                    f"the network let none of {unread} tags be read, the tags after {seen.name} were not looked at"
                )
                self._failed.append(NetworkError(f"{label}: {rest}"))
                break
        else:
            self._found += self._of_tags(width)
        self._found += self._taken(tag_findings(label, {}, self._still_listed()))
        self._options.listener(Done(label, "looked at"))
        return Checked(tuple(self._found), tuple(self._failed), (label,), len(names))

    def _see(self, name: str) -> _Seen:
        try:
            return self._look(name)
        except Cancelled:
            raise
        except OcitoolError as error:
            return _Seen(name, failed=(error,), is_unread=isinstance(error, NetworkError))

    def _look(self, name: str) -> _Seen:
        # Asked for the digest first: tags share digests, and some registries count reads of manifests only.
        head = self._store.head(name)
        if head is None or subject_of(name) or head.digest in self._holds:
            return _Seen(name, head)
        try:
            return self._look_at(name, head)
        except NotFound:
            again = self._store.head(name)
            if again is None or again.digest == head.digest:  # deleted, or only its manifest is lost
                return _Seen(name)
            return self._look_at(name, again)

    def _look_at(self, name: str, head: Descriptor) -> _Seen:
        one = look(
            self._store,
            str(head.digest),
            scope=self._scope,
            deep=lambda _: self._options.deep,
            blobs=self._options.blobs,
            now=self._now,
            width=self._width if self._holds else self._first,
            head=head,
            read_layers=self._layers,
            listener=self._options.listener,
        )
        where = called(self._store, name)
        found = tuple(replace(f, where=where) for f in findings(one, self._options.selection, self._options.rules))
        asked, unseen = _asked(self._options, self._place, self._store, one)
        found += tuple(replace(f, where=where) for f in asked)
        holds = _holds(one.views.get(one.snapshot.root.digest))
        return _Seen(name, head, holds, found, (*one.unanswered, *unseen))

    def _take(self, seen: _Seen) -> None:
        self._failed += seen.failed
        if seen.head is None:
            self._gone += [] if seen.failed else [seen.name]
            return
        self._tags[seen.name] = seen.head
        # Two tags with one digest may have been looked at side by side: the first of them tells.
        if seen.holds is not None and seen.head.digest not in self._holds:
            self._holds[seen.head.digest] = seen.holds
            self._found += self._news(seen.found)

    def _still_listed(self) -> tuple[str, ...]:
        """The tags that lead nowhere and are listed still: nobody deleted them meanwhile."""
        if not self._gone:
            return ()
        try:
            listed = set(self._store.tags())
        except Cancelled:
            raise
        except OcitoolError as error:
            self._failed.append(error)
            return ()
        return tuple(name for name in self._gone if name in listed)

    def _news(self, found: Iterable[Finding]) -> Iterator[Finding]:
        """Without what the registry does to every tag, or to a child of several: that is told of the first."""
        for one in found:
            habit = (one.rule, str(one.at.digest) if one.at.label else one.message)
            if one.rule.partition("/")[0] != "registry" or habit not in self._habits:
                self._habits.add(habit)
                yield one

    def _of_tags(self, width: int) -> Iterator[Finding]:
        """What the rules over tags find, their subjects looked for only if somebody wants to know."""
        wants_subjects = any(self._options.selection.takes(rule.id) for rule in (STALE, WRONG, TYPE))
        subjects = {name: subject for name in self._tags if wants_subjects and (subject := subject_of(name))}
        there = dict(zip(subjects, collect(self._scope, self._is_there, subjects.values(), width), strict=True))
        wants_lists = self._options.selection.takes(WRONG.id) or self._options.selection.takes(TYPE.id)
        lists = {
            name: subject
            for name, subject in subjects.items()
            if wants_lists and there.get(name) and name == referrers_tag(subject)
        }
        listed = dict(zip(lists, collect(self._scope, self._listed, lists.values(), width), strict=True))
        tags = {
            name: Tagged(
                name,
                head.digest,
                self._holds.get(head.digest, Holds.OTHER),
                subject_is_gone=there.get(name) is False,
                referrers=listed.get(name, ()),
            )
            for name, head in self._tags.items()
        }
        yield from self._taken(tag_findings(self._store.label, tags))

    def _taken(self, found: Iterable[Finding]) -> Iterator[Finding]:
        """Those that were asked for, as they count."""
        selection = self._options.selection
        return (selection.apply(one) for one in found if selection.takes(one.rule))

    def _listed(self, subject: Digest) -> tuple[ListedReferrer, ...]:
        """What the fallback list of a subject names, each looked at; what could not be read is in `unanswered`."""
        try:
            entries = read_fallback(self._store, subject)[:_MOST_LISTED]
            return tuple(examine_referrer(self._store, subject, one) for one in entries)
        except Cancelled:
            raise
        except OcitoolError as error:
            self._failed.append(error)
            return ()

    def _is_there(self, subject: Digest) -> bool | None:
        """Whether a subject is there; None if the registry does not say, and then `unanswered` says why."""
        try:
            return self._store.head(subject) is not None
        except Cancelled:
            raise
        except OcitoolError as error:
            self._failed.append(error)
            return None


def _no_tags(label: str) -> NotFound:
    hint = "a registry may say so of a repository that it does not know: look at how it is written"
    return NotFound(f"{label} has no tags", name=label, where=label, hint=hint)


def _holds(seen: View | None) -> Holds:
    if isinstance(seen, Index):
        return Holds.INDEX
    return Holds.IMAGE if isinstance(seen, Manifest) and seen.is_image else Holds.OTHER
