"""Promises about tags: which platforms one is for, that it loses none, that it is not written over.

They are looked at before anything is sent. What was looked at is what the tag has to hold when it is written, so a
promise holds beside other writers, too.
"""

from collections.abc import Iterable
from typing import Any, Final

from ocitool.change.plan import CopyFrom, Plan, Tag
from ocitool.errors import Conflict, NotExpected, UsageError
from ocitool.graph.walk import settle_entries
from ocitool.model.document import Document
from ocitool.model.expectation import Expectation
from ocitool.model.platform import Platform, parse_platforms
from ocitool.model.views import Index, Manifest, view
from ocitool.store.base import Reader
from ocitool.store.verify import find_manifest, read_config
from ocitool.values import dataclass, replace

NO_PLATFORM: Final = "what is expected names no platform"
ONE_OF: Final = "either exactly these platforms are expected, or at least these"
"""What is said to who gives both lists."""


@dataclass(frozen=True, slots=True)
class Promises:
    """What tags keep to when they are written; None is what nobody said.

    With `no_clobber` a tag that exists holds what it holds, with `keep_platforms` it goes on offering the platforms
    that it offers. `expects` are the platforms that it has to be for.
    """

    no_clobber: bool | None = None
    keep_platforms: bool | None = None
    expects: Expectation | None = None

    @classmethod
    def parse(
        cls,
        expect: Iterable[str | Platform] = (),
        expect_at_least: Iterable[str | Platform] = (),
        *,
        no_clobber: bool | None = None,
        keep_platforms: bool | None = None,
    ) -> "Promises":
        """Promises in words. Raises UsageError where both lists of platforms are given, or one that names none."""
        exact, least = tuple(expect), tuple(expect_at_least)
        if exact and least:
            raise UsageError(ONE_OF, hint="--expect is the whole list")
        listed = parse_platforms(exact or least)
        if (exact or least) and not listed:
            raise UsageError(NO_PLATFORM, hint="is a variable empty? without the option nothing is promised")
        return cls(no_clobber, keep_platforms, Expectation(listed, is_exact=bool(exact)) if listed else None)

    @property
    def words(self) -> dict[str, Any]:
        """What `parse` and methods of Client take."""
        exact = self.expects is None or self.expects.is_exact
        listed = self.expects.platforms if self.expects is not None else ()
        said = {"no_clobber": self.no_clobber, "keep_platforms": self.keep_platforms}
        return {"expect" if exact else "expect_at_least": listed, **said}

    def over(self, other: "Promises") -> "Promises":
        """These, and what `other` says where they do not."""
        return Promises(
            other.no_clobber if self.no_clobber is None else self.no_clobber,
            other.keep_platforms if self.keep_platforms is None else self.keep_platforms,
            self.expects or other.expects,
        )

    @property
    def looks(self) -> bool:
        """Whether it matters what a tag holds."""
        return bool(self.no_clobber or self.keep_platforms)

    def check_expected(self, place: str, platforms: Iterable[Platform]) -> None:
        """Raise NotExpected where a name would not be for what is expected."""
        if self.expects is None:
            return
        there = tuple(platforms)
        if missing := self.expects.missing(there):
            raise NotExpected(
                f"{place} would have no {_listed(missing)}, which {_is(missing)} expected",
                hint="nothing was written; what it is for is said by --expect or --expect-at-least of build, "
                "push and merge, else by [check] of ocitool.toml",
            )
        if others := self.expects.others(there):
            raise NotExpected(
                f"{place} would have {_listed(others)}, which {_is(others)} not expected",
                hint="nothing was written; --expect-at-least lets others stand beside what is expected",
            )

    def check_kept(self, place: str, before: Iterable[Platform], after: Iterable[Platform]) -> None:
        """Raise Conflict where a name would lose platforms that it has to keep."""
        kept = {one.normalised() for one in after}
        gone = [one for one in before if one.normalised() not in kept]
        if self.keep_platforms and gone:
            raise Conflict(
                f"{place} holds {_listed(gone)}, which it would lose, and --keep-platforms keeps",
                tag=place,
                hint="nothing was written; ocitool index add puts an image beside others, "
                "--no-keep-platforms lets them go",
            )


NO_PROMISES: Final = Promises()


def promised(plan: Plan, store: Reader, promises: Promises, platforms: Iterable[Platform] | None = None) -> Plan:
    """The plan that keeps promises for the tags that were asked for, which are looked at if that matters.

    `platforms` are those of the result, where they are known; else its own entries or config tell. Raises
    NotExpected, and Conflict for what a tag holds.
    """
    if promises == NO_PROMISES:
        return plan
    steps, known = list(plan.steps), tuple(platforms) if platforms is not None else None
    for number, step in enumerate(steps):
        if not isinstance(step, Tag) or not step.name or (plan.names and step.name not in plan.names):
            continue
        place = f"{store.label}:{step.name}"
        after = known if known is not None else _offered(_origin(plan, step.document, store), step.document)
        promises.check_expected(place, after)
        if not promises.looks:
            continue
        before = find_manifest(store, step.name) if step.replaces else step.base
        if before is not None and before.digest != step.document.digest:
            if promises.no_clobber:
                raise Conflict(
                    f"{place} exists and holds {before.digest}, which --no-clobber keeps",
                    tag=step.name,
                    expected=str(step.document.digest),
                    found=str(before.digest),
                    hint="nothing was written; choose another tag, or write over it with --clobber",
                )
            promises.check_kept(place, _offered(store, before), after)
        steps[number] = replace(step, base=before, replaces=False, is_derived=True)
    if promises.expects is not None:
        written = {tag.name for tag in plan.tags}
        for name in plan.names:
            if name not in written and (held := find_manifest(store, name)):  # it holds that already
                promises.check_expected(f"{store.label}:{name}", _offered(store, held))
    return replace(plan, steps=tuple(steps))


def check_before(store: Reader, tag: str, promises: Promises, platforms: Iterable[Platform]) -> None:
    """Raise what `promised` would for a result of these platforms whose digest is not known yet."""
    place, after = f"{store.label}:{tag}", tuple(platforms)
    promises.check_expected(place, after)
    before = find_manifest(store, tag) if promises.keep_platforms else None
    if before is not None:
        promises.check_kept(place, _offered(store, before), after)


def _origin(plan: Plan, document: Document, store: Reader) -> Reader:
    """Where what is below a document can be read before the plan is carried out."""
    brought = (step for step in plan.steps if isinstance(step, CopyFrom))
    return next((step.origin for step in brought if step.descriptor.digest == document.digest), store)


def _offered(store: Reader, document: Document) -> tuple[Platform, ...]:
    """The platforms that a manifest is for: of an index its entries', of an image its config's."""
    match view(document):
        case Index() as index:
            entries = settle_entries(store, index).platforms
            return tuple(entry.runs_on for entry in entries if entry.runs_on is not None)
        case Manifest(is_image=True) as manifest:
            return (read_config(store, manifest.config).platform,)
        case _:
            return ()


def _listed(platforms: Iterable[Platform]) -> str:
    return ", ".join(map(str, platforms))


def _is(platforms: tuple[Platform, ...]) -> str:
    return "is" if len(platforms) == 1 else "are"
