"""Commands that change tags: where to write, what was asked for, carrying a plan out."""

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ocitool.change.difference import is_apart
from ocitool.change.plan import Plan
from ocitool.cli import trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.cli.values import pair_lines
from ocitool.errors import Conflict, UsageError
from ocitool.events import Noted
from ocitool.model.digest import Digest, as_digest
from ocitool.model.printable import human
from ocitool.tasks import any_wait_s

if TYPE_CHECKING:
    from ocitool.change.apply import ChangeReport

ATTEMPTS: Final = 10
"""How often an addition is made again after another writer came between: one of ten gets through each time."""
_PAUSE_S: Final = 0.1


def dry_run(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that shows a plan instead of carrying it out."""
    return click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")(function)


def applied(text: str) -> Callable[[Callable[..., Outcome]], Callable[..., Outcome]]:
    """The options of a command that shows what it would do: `--apply` does it, `--dry-run` does not.

    The function gets `is_applied`. Stands below `common`.
    """

    def add(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
        @functools.wraps(function)
        def command(app: App, *, is_applied: bool, dry_run: bool, **words: Any) -> Outcome:  # noqa: ANN401 - click's
            if is_applied and dry_run:
                raise UsageError("--dry-run writes nothing, and --apply does", hint="leave one of them out")
            return function(app, is_applied=is_applied, **words)

        shown = click.option("--dry-run", is_flag=True, help="Only show it, as without --apply.")
        return click.option("--apply", "is_applied", is_flag=True, help=text)(shown(command))

    return add


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


def attested(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what becomes of attestations in an index whose images change."""
    for flag, value, text in (
        ("--keep-attestations", "keep", "Keep them in the index, stale."),
        ("--attestations-to-referrers", "referrers", "Let them refer to the old images instead."),
        ("--drop-attestations", "drop", "Leave behind attestations of images that change."),
    ):
        function = click.option(flag, "attestations", flag_value=value, help=text)(function)
    return function


def edits_images(function: Callable[..., Plan]) -> Callable[..., Any]:
    """The options of every edit of images; `function` gives the plan, which is carried out.

    It gets the App, its own options, and as the rest what these say, in the words of Client's methods.
    """

    @functools.wraps(function)
    def command(app: App, *, attestations: str | None, dry_run: bool, **words: Any) -> Outcome:  # noqa: ANN401 - click's
        plan = function(app, attestations=attestations or "", **words)
        return carry_out(app, plan, dry_run=dry_run)

    return selecting(attested(elsewhere(dry_run(common(trust.resigning(command))))))


def annotating(of: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that put annotations on the manifest of files, and `of` more by a file."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        file = click.option(
            "--annotation-file",
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help=f"Annotations of {of}, as JSON.",
        )
        pair = click.option(
            "-a",
            "--annotation",
            "annotations",
            metavar="KEY=VALUE",
            multiple=True,
            help="Of the manifest; repeats.",
        )
        return pair(file(function))

    return add


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """`KEY=VALUE` words as a map; one of several lines as `pair_lines`. Raises UsageError without a sign or key."""
    found: dict[str, str] = {}
    for text in pair_lines(texts, "--annotation"):
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise UsageError(f"not KEY=VALUE: {text!r}")
        found[key] = value
    return found


def replaced_line(name: str, before: Digest) -> str:
    """What a tag held before it was written, and what brings that back, also from another machine."""
    return f"{name} held {before}; ocitool undo {name} --to {before} brings it back"


def carry_out(app: App, plan: Plan, *, dry_run: bool, says_undo: bool = True) -> Outcome:
    """Do the plan, or show it; stdout gets a line `REF@DIGEST` for each tag that was asked for.

    With `says_undo` the summary tells what each tag held, and how that comes back.
    """
    return carry_out_as_it_is(app, app.signed(app.promised(plan)), dry_run=dry_run, says_undo=says_undo)


def carry_out_as_it_is(app: App, plan: Plan, *, dry_run: bool, says_undo: bool = True) -> Outcome:
    """As `carry_out`, for a plan that is signed already where that is wanted."""
    if dry_run:
        return Outcome(data=plan.to_tree() | {"dryRun": True}, text=plan.text())
    _tell(app, plan)
    return _outcome(plan, app.client.apply(plan), says_undo=says_undo)


def carry_out_copies(app: App, made: Sequence[Plan], *, dry_run: bool) -> Outcome:
    """As `carry_out`, for plans of one copy; shown, they tell how much they would move."""
    made = [app.promised(plan) for plan in made]
    if dry_run:
        done = [_weighed(app, plan) for plan in made]
    else:
        for plan in made:
            _tell(app, plan)
        reports = app.client.apply_all(made)
        done = [_outcome(plan, report, says_undo=True) for plan, report in zip(made, reports, strict=True)]
    if len(done) == 1:
        return done[0]
    text, summary = (
        "\n".join(filter(None, lines)) for lines in zip(*((d.text, d.summary) for d in done), strict=True)
    )
    return Outcome(data={"copies": [one.data for one in done]}, text=text, summary=summary)


def _weighed(app: App, plan: Plan) -> Outcome:
    moved = app.client.lacking(plan)
    line = f"to move: {human(moved.size)} in {moved.blobs} blobs and {moved.manifests} manifests"
    return Outcome(
        data=plan.to_tree() | {"dryRun": True, "toMove": moved.to_tree()}, text=f"{plan.text()}\n  {line}"
    )


def _tell(app: App, plan: Plan) -> None:
    for note in plan.notes:
        app.listener(Noted(note))
    for line in (*(reason.line() for reason in plan.reasons), *(plan.told() if plan.base else ())):
        app.listener(Noted(line, "notice"))


def _outcome(plan: Plan, report: "ChangeReport", *, says_undo: bool) -> Outcome:
    lines = "\n".join(place(report.target, tag, digest) for tag, digest in report.names)
    is_silent = report.changed or (plan.attaches and not plan.is_empty)
    summary = "" if is_silent else f"{report.target}: {_unchanged(report)}"
    replaced = [one for one in report.replaced if not plan.attaches or one[0] in plan.names]
    if says_undo and replaced:
        summary = "\n".join(replaced_line(named(report.target, tag), digest) for tag, digest in replaced)
    if spared := {blob.digest: blob.size for copy in report.copies for blob in copy.spared}:
        summary = f"left out what is there already: {len(spared)} blobs, {human(sum(spared.values()))}"
    if report.target.endswith("-archive:-"):  # stdout carries the archive
        lines, summary = "", lines
    return Outcome(data=plan.to_tree() | report.to_tree(), text=lines, summary=summary)


def carry_out_again(app: App, make: Callable[[], Plan], *, retry: bool | None, dry_run: bool) -> Outcome:
    """As `carry_out`, and made and done again on top of what another writer left, if that may be (K267).

    With `retry` None that is where their change is of other platforms than ours.
    """
    attempt = 1
    while True:
        plan = app.promised(make())
        try:
            return carry_out_as_it_is(app, app.signed(plan), dry_run=dry_run)
        except Conflict as error:
            if attempt == ATTEMPTS or not (_is_apart(app, plan, error) if retry is None else retry):
                raise
            app.listener(Noted(f"{error.what}; trying again on top of that", "notice"))
        app.scope.sleep(any_wait_s(_PAUSE_S * attempt))
        attempt += 1


def _is_apart(app: App, plan: Plan, error: Conflict) -> bool:
    """Whether what stands there now leaves alone what the plan changes."""
    tag = next((tag for tag in plan.tags if tag.name == error.tag), None)
    if tag is None or not error.found:
        return False
    return is_apart(tag.base, tag.document, app.client.manifest(f"{plan.target}@{error.found}"))


def _unchanged(report: "ChangeReport") -> str:
    """What to say where every tag holds what it held."""
    if not report.stored:
        return "nothing to change"
    return f"{report.stored} put back, and no tag changed"


def named(target: str, tag: str) -> str:
    """What people call a tag of a store, or the store alone for its only entry."""
    return f"{target}:{tag}" if tag else target


def place(target: str, tag: str, digest: Digest) -> str:
    """What names a tag and what it holds: `REF@DIGEST`."""
    return f"{target}:{tag}@{digest}" if tag and not as_digest(tag) else f"{target}@{digest}"
