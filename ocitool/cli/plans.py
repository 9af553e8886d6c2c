"""Commands that change tags: where to write, what was asked for, carrying a plan out."""

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from ocitool.change.apply import ChangeReport, apply, refuse
from ocitool.change.copy import WarnOnce
from ocitool.change.difference import is_apart
from ocitool.change.journal import Journal
from ocitool.change.plan import Plan
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import Conflict, MalformedDocument, Unsupported, UsageError
from ocitool.events import Noted
from ocitool.index.entries import Selector
from ocitool.index.sources import MemberSource, SourceName
from ocitool.model.digest import Digest, as_digest
from ocitool.model.platform import Platform
from ocitool.store.base import FullNames, Store, called, no_names

_ARCHIVES: Final = ("oci-archive:", "docker-archive:")
ATTEMPTS: Final = 10
"""How often an addition is made again after another writer came between: one of ten gets through each time."""
_PAUSE_S: Final = 0.1


def dry_run(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that shows a plan instead of carrying it out."""
    return click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")(function)


def elsewhere(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that writes the result under other tags and leaves REF as it is."""
    option = click.option(
        "-t", "--tag", "tags", metavar="REF", multiple=True, help="Write the result here instead; repeats."
    )
    return option(function)


def selecting(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which entries are meant."""
    platform = click.option(
        "--platform", "platforms", metavar="PLATFORM", multiple=True, help="Entries of this platform; repeats."
    )
    digest = click.option("--digest", "digests", metavar="DIGEST", multiple=True, help="This entry; repeats.")
    return platform(digest(function))


def selector(app: App, platforms: Sequence[str], digests: Sequence[str] = ()) -> Selector:
    """The entries that the options name. Raises UsageError."""
    try:
        named = tuple(Digest(text) for text in digests)
    except MalformedDocument as error:
        raise UsageError(error.what, hint=error.hint) from None
    return Selector(app.platforms(platforms), named)


def open_target(app: App, reference: str, full_names: FullNames = no_names) -> tuple[Store, str]:
    """The store to write to and the name in it; a layout or archive notes what its tags stand for."""
    store, name = app.opener.open(reference, write=True, full_names=full_names)
    return store, name


def open_edited(app: App, reference: str) -> tuple[Store, str]:
    """The store that holds what is to be edited, and the name in it. Raises Unsupported for archives."""
    if reference.startswith(_ARCHIVES):
        raise Unsupported(
            f"{reference} is an archive, which is written in one piece and not edited",
            ability="edit",
            hint="ocitool copy it to oci:DIR, edit it there, and copy it back",
        )
    return open_target(app, reference)


def tags_of(app: App, store: Store, references: Iterable[str]) -> tuple[str, ...]:
    """The tags that full references name in `store`. Raises UsageError for another place, or a digest."""
    tags: list[str] = []
    for reference in references:
        other, name = app.opener.open(reference, write=True)
        if other.label != store.label:
            raise UsageError(
                f"{reference} is not in {store.label}", hint="ocitool copy takes images to another repository"
            )
        if as_digest(name):
            raise UsageError(f"{reference} is a digest, not a tag to write to")
        tags.append(name)
    return tuple(tags)


def sources_of(app: App, texts: Iterable[str]) -> tuple[MemberSource, ...]:
    """The opened sources that `SRC` and `SRC=PLATFORM` words name."""
    names = map(SourceName.parse, texts)
    return tuple(open_source(app, name.locator, name.platform) for name in names)


def open_source(app: App, locator: str, platform: Platform | None = None) -> MemberSource:
    """An opened source that errors call as the user did."""
    store, name = app.opener.open(locator)
    return MemberSource(store, name, platform, locator)


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """`KEY=VALUE` words as a map. Raises UsageError for one without a sign or key."""
    found: dict[str, str] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise UsageError(f"not KEY=VALUE: {text!r}")
        found[key] = value
    return found


def replaced_line(name: str, before: Digest) -> str:
    """What a tag held before it was written, and what brings that back, also from another machine."""
    return f"{name} held {before}; ocitool undo {name} --to {before} brings it back"


def journal_of(app: App) -> Journal:
    """This machine's backups and records of changes."""
    return Journal(Path(app.machine.backup))


def carry_out(
    app: App,
    plan: Plan,
    store: Store,
    *,
    dry_run: bool,
    names: Sequence[str] = (),
    must_keep: bool = True,
    says_undo: bool = True,
) -> Outcome:
    """Do the plan, or show it; stdout gets a line `REF@DIGEST` for each tag.

    `names` are the tags that were asked for, so that they are also told where nothing had to change. A change that
    `must_keep` the old bytes raises LocalIOError where this machine cannot; another warns and goes on. With
    `says_undo` the summary tells what each tag held, and how that comes back.
    """
    if dry_run:
        return Outcome(data=plan.to_tree() | {"dryRun": True}, text=plan.text())
    for note in plan.notes:
        app.listener(Noted(note))
    for line in (*(reason.line() for reason in plan.reasons), *(plan.told() if plan.base else ())):
        app.listener(Noted(line, "notice"))
    if plan.steps and must_keep:  # what is changed is backed up: told before anything is sent
        app.machine.check_writable()
    with store:  # an archive gets its name when the block ends
        report = apply(
            plan,
            store,
            journal_of(app),
            app.scope,
            app.listener,
            width=app.transfers,
            unkept=refuse if must_keep else WarnOnce(store, app.listener),
        )
    told = {tag: after for tag, _, after in report.tags}
    for name in names:
        if name not in told and (found := store.head(name)) is not None:
            told[name] = found.digest
    lines = "\n".join(place(store, tag, digest) for tag, digest in told.items() if digest is not None)
    summary = "" if report.changed else f"{store.label}: {_unchanged(report)}"
    if says_undo and report.replaced:
        summary = "\n".join(replaced_line(f"{store.label}:{tag}", digest) for tag, digest in report.replaced)
    if store.label.endswith("-archive:-"):  # stdout carries the archive
        lines, summary = "", lines
    return Outcome(data=plan.to_tree() | report.to_tree(), text=lines, summary=summary)


def carry_out_again(
    app: App,
    make: Callable[[], Plan],
    store: Store,
    *,
    retry: bool | None,
    dry_run: bool,
    names: Sequence[str] = (),
) -> Outcome:
    """As `carry_out`, and made and done again on top of what another writer left, if that may be (K267).

    With `retry` None that is where their change is of other platforms than ours.
    """
    attempt = 1
    while True:
        plan = make()
        try:
            return carry_out(app, plan, store, dry_run=dry_run, names=names)
        except Conflict as error:
            if attempt == ATTEMPTS or not (_is_apart(plan, error, store) if retry is None else retry):
                raise
            app.listener(Noted(f"{error.what}; trying again on top of that", "notice"))
        app.scope.sleep(random.uniform(0, _PAUSE_S * attempt))  # noqa: S311 - so that two who lost part
        attempt += 1


def _is_apart(plan: Plan, error: Conflict, store: Store) -> bool:
    """Whether what stands there now leaves alone what the plan changes."""
    tag = next((tag for tag in plan.tags if tag.name == error.tag), None)
    if tag is None or not error.found:
        return False
    return is_apart(tag.base, tag.document, store.get_manifest(error.found))


def _unchanged(report: ChangeReport) -> str:
    """What to say where every tag holds what it held."""
    if not report.stored:
        return "nothing to change"
    return f"{report.stored} put back, and no tag changed"


def place(store: Store, tag: str, digest: Digest) -> str:
    """What names a tag and what it holds: `REF@DIGEST`."""
    return called(store, str(digest)) if not tag or as_digest(tag) else f"{called(store, tag)}@{digest}"
