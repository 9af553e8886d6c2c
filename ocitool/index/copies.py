"""Copies of one or several places to one or several others, as plans: each source is read once."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from ocitool.change.plan import CopyFrom, Plan
from ocitool.errors import Cancelled, OcitoolError, UsageError
from ocitool.index.copy_plans import (
    EVERY,
    Copied,
    CopiedTags,
    CopyOptions,
    plan_copied,
    plan_tags,
    read_copied,
    read_tags,
)
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import Document
from ocitool.model.reference import Reference
from ocitool.model.tag_filter import TagFilter
from ocitool.store.base import FULL_NAME, Reader, called
from ocitool.store.locate import Locator, is_below, names_of, said_name
from ocitool.store.verify import find_manifest
from ocitool.values import dataclass, replace
from ocitool.workspace import Admit, Workspace


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """A copy as it was asked for.

    A destination of a registry that ends with `/` is a place below which each source goes under its own repository.
    Of several sources a layout or archive gets all, under their full names. With `all_tags` it is every tag of a
    source that is `wanted`. What one of `spares` has is left out of archives.
    """

    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    options: CopyOptions
    all_tags: bool = False
    wanted: TagFilter = EVERY
    spares: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """What was read of one source, by the names that it has there."""

    at: Locator
    store: Reader
    tags: CopiedTags
    is_one: bool

    def homes(self) -> Iterator[tuple[Reference, Copied]]:
        """The full reference of each name. Raises UsageError for a name of a layout or archive that has none."""
        for name, copied in self.tags.tags:
            if self.at.reference is not None:
                own = self.at.reference
                yield (own if self.is_one else own.with_tag(name)), copied
                continue
            found = self.store.head(name)
            full = found.annotations.get(FULL_NAME, "") if found is not None else ""
            if not (full or "/" in name or ":" in name):
                raise UsageError(
                    f"{called(self.store, name)} does not say which repository it is of",
                    hint="copy it to a place of its own: ocitool copy SRC HOST/REPOSITORY:TAG",
                )
            yield Reference.parse(full or name), copied


def plan_copies(work: Workspace, request: CopyRequest, admit: "Admit | None" = None) -> tuple[Plan, ...]:
    """A plan for each repository, layout and archive that is to be written, in the order of the destinations.

    Raises UsageError for several sources that would be one place, and as `plan_copy` and `read_tags` do.
    """
    if not request.sources or not request.destinations:
        raise UsageError("a copy needs a source and a destination", hint="ocitool copy SRC DST")
    for text in request.destinations if len(request.sources) > 1 else ():
        _check_takes_several(text, len(request.sources))
    if request.spares:
        _check_may_lack(request.destinations)
    spares = tuple(work.opener.open(text)[0] for text in request.spares)
    goes_below = any(map(is_below, request.destinations))
    looks = _Looks()
    sources = [_read(work, text, request, admit, looks, goes_below=goes_below) for text in request.sources]
    plans: list[Plan] = []
    for text in request.destinations:
        if is_below(text):
            plans += _plan_below(work, text, sources, request.options)
        elif len(sources) == 1:
            plans.append(_plan_one(work, text, sources[0], request.options, looks))
        else:
            plans.append(_plan_bundle(work, text, sources, request.options))
    return tuple(_without(plan, spares) for plan in plans) if spares else tuple(plans)


def _without(plan: Plan, spares: tuple[Reader, ...]) -> Plan:
    steps = (replace(step, spares=spares) if isinstance(step, CopyFrom) else step for step in plan.steps)
    return replace(plan, steps=tuple(steps))


def _check_may_lack(destinations: Iterable[str]) -> None:
    for text in destinations:
        if is_below(text) or Locator.parse(text).scheme != "oci-archive":
            raise UsageError(
                f"{text} has to have all blobs of what is in it",
                hint="--lacking makes an oci-archive:FILE smaller that is taken to the place that lacks the rest",
            )


def taken_from(plan: Plan, near: Mapping[Digest, Reader]) -> Plan:
    """The plan that brings from stores that have it already what it would bring from its source."""
    steps = (
        replace(step, origin=near.get(step.descriptor.digest, step.origin)) if isinstance(step, CopyFrom) else step
        for step in plan.steps
    )
    return replace(plan, steps=tuple(steps))


def brought(plan: Plan) -> tuple[Digest, ...]:
    """What a store has, with everything below, once the plan is carried out there."""
    return tuple(step.descriptor.digest for step in plan.steps if isinstance(step, CopyFrom))


def _check_takes_several(text: str, number: int) -> None:
    at = None if is_below(text) else Locator.parse(text)
    if at is not None and at.reference is not None:
        raise UsageError(
            f"{text} is one place, and there are {number} sources",
            hint="HOST/PATH/ takes each under its own repository below it, oci-archive:FILE all of them",
        )
    if at is not None and at.name:
        raise UsageError(
            f"{text} names one image, and there are {number} sources",
            hint=f"{at.scheme}:{at.path} takes them under their full names",
        )


def _read(
    work: Workspace,
    text: str,
    request: CopyRequest,
    admit: "Admit | None",
    looks: "_Looks",
    *,
    goes_below: bool,
) -> _Source:
    at = Locator.parse(text)
    if request.all_tags and (said := said_name(text)):
        raise UsageError(
            f"all tags that are chosen are copied, and {text} names {said}",
            hint="leave it out, or leave out what chooses tags to copy it alone",
        )
    store, name = work.opener.open(at)

    def admitted(tag: str) -> str:
        return admit(at, store, tag) if admit is not None else tag

    if request.all_tags or (goes_below and at.reference is None and not name):
        tags = read_tags(
            store,
            request.options,
            scope=work.scope,
            wanted=request.wanted,
            admit=None if admit is None else admitted,
        )
        return _Source(at, store, tags, is_one=False)
    options = replace(request.options, tells=request.options.tells and len(request.sources) == 1)
    looking = [] if len(request.sources) > 1 else [partial(looks.take, work, one) for one in request.destinations]
    copied = read_copied(store, admitted(name), options, scope=work.scope, deep=True, beside=looking)
    return _Source(at, store, CopiedTags(((name, copied),)), is_one=True)


class _Looks:
    """What tags of registries were seen to hold while the source was read, by destination."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, Document | None]] = {}

    def take(self, work: Workspace, text: str) -> None:
        """Look at a destination, if it is one tag of a registry; what fails is asked again by who needs it."""
        if is_below(text) or Locator.parse(text).reference is None:
            return
        try:
            store, tag = work.opener.open(text, write=True)
            self._seen[text] = {} if as_digest(tag) else {tag: find_manifest(store, tag)}
        except Cancelled:
            raise
        except OcitoolError:
            pass

    def of(self, text: str) -> Mapping[str, Document | None]:
        """What was seen there, by tag."""
        return self._seen.get(text, {})


def _plan_one(work: Workspace, text: str, source: _Source, options: CopyOptions, looks: _Looks) -> Plan:
    store, tag = work.opener.open(text, write=True)
    if source.is_one:
        ((name, copied),) = source.tags.tags
        plan = plan_copied(copied, store, [tag], options, looks.of(text))
    else:
        name, plan = "", plan_tags(source.tags, store, options, scope=work.scope)
    return replace(plan, full_names=names_of(source.store, name, source.at.reference, every=not source.is_one))


def _plan_below(work: Workspace, text: str, sources: Iterable[_Source], options: CopyOptions) -> list[Plan]:
    """A plan for each repository below a place, with the path that it has at its source."""
    beside = frozenset[str]().union(*(source.tags.beside for source in sources))
    tags: dict[str, dict[str, Copied]] = {}
    for source in sources:
        for home, copied in source.homes():
            _add(tags.setdefault(f"{text}{home.repository}", {}), home.name, copied, text)
    plans = []
    for place, named in tags.items():
        store, _ = work.opener.open(place, write=True)
        plans.append(plan_tags(CopiedTags(tuple(named.items()), beside), store, options, scope=work.scope))
    return plans


def _plan_bundle(work: Workspace, text: str, sources: Iterable[_Source], options: CopyOptions) -> Plan:
    """The plan of a layout or archive that holds all sources under their full names."""
    store, _ = work.opener.open(text, write=True)
    tags: dict[str, Copied] = {}
    for source in sources:
        for home, copied in source.homes():
            beside = tuple((f"{home.repository_name}:{tag}", held) for tag, held in copied.beside)
            _add(tags, str(home), replace(copied, beside=beside), text)
    plan = plan_tags(CopiedTags(tuple(tags.items())), store, options, scope=work.scope)
    return replace(plan, full_names=lambda name: (name,) if name else ())


def _add(tags: dict[str, Copied], name: str, copied: Copied, place: str) -> None:
    held = tags.setdefault(name, copied)
    if held.document.digest != copied.document.digest:
        raise UsageError(
            f"two sources would both be {name} in {place}: {held.document.digest} and {copied.document.digest}",
            hint="copy one of them to another place",
        )
