"""`ocitool undo`: the last change of ours taken back, or a tag that holds a digest again."""

from collections.abc import Iterator
from dataclasses import replace

import click

from ocitool.change.journal import Record
from ocitool.change.plan import Delete, Plan
from ocitool.change.undo import cannot_return, plan_return, plan_undo, settle_undo
from ocitool.cli import plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import MalformedDocument, RegistryError, UsageError
from ocitool.model.digest import Digest
from ocitool.store.base import Store


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--to", metavar="DIGEST", default="", help="Let REF hold this again; needs no record of ours.")
@click.option("--replace", "replaces", is_flag=True, help="Write over what somebody else wrote since.")
@click.option("--source", "sources", metavar="LOC", multiple=True, help="Where lost children may be; repeats.")
@click.option("--drop-referrers", is_flag=True, help="Delete what the change attached to images.")
@plans.dry_run
@common
def command(
    app: App,
    *,
    reference: str,
    to: str,
    replaces: bool,
    sources: tuple[str, ...],
    drop_referrers: bool,
    dry_run: bool,
) -> Outcome:
    """Let REF hold again what it held before the last change made on this machine.

    Once more takes back the change before that. A repair that only put back what was lost is passed over, and
    told; a REF that was lost since is restored. Refused, with exit code 8, if somebody else wrote REF since, and
    with 9 if the registry lost what the old index names and does not take it back.

    With --to, which commands print where they replace something, it works from any machine while the registry or
    the backup here has that digest.
    """
    store, name = plans.open_edited(app, reference)
    journal = plans.journal_of(app)
    opened = [app.opener.open(source)[0] for source in sources]
    record: Record | None = None
    if to:
        if drop_referrers:
            raise UsageError("--to names what REF is to hold, --drop-referrers what a change of ours attached")
        wanted = _digest(to)
        plan = plan_return(store.label, name, wanted, store, journal, sources=opened)
    else:
        plan, record = plan_undo(
            store.label,
            name,
            store,
            journal,
            sources=opened,
            drop_referrers=drop_referrers,
            replaces=replaces,
        )
    try:
        outcome = plans.carry_out(app, plan, store, dry_run=dry_run, must_keep=not to, says_undo=bool(to))
    except RegistryError as error:
        better = cannot_return(record.before if record else wanted, store, journal, error)
        if better is None:
            raise
        raise better from error
    if record is None:
        return outcome
    outcome = replace(outcome, data={**outcome.data, "undoes": record.to_tree()})
    if dry_run:
        return outcome
    settle_undo(record, journal)
    return replace(outcome, summary="\n".join(filter(None, (outcome.summary, *_after(app, record, store, plan)))))


def _digest(text: str) -> Digest:
    try:
        return Digest(text)
    except MalformedDocument as error:
        raise UsageError(f"--to: {error.what}", hint="a digest in full, as it was printed") from None


def _after(app: App, record: Record, store: Store, plan: Plan) -> Iterator[str]:
    """What is left of the change, and how to have it again."""
    if record.stored and not record.is_refill and not any(isinstance(step, Delete) for step in plan.steps):
        left = ", ".join(record.stored)
        yield f"{left} still refer to images there; undo with --drop-referrers would have deleted them"
    if plan.base is not None and not record.is_refill:
        where, tag = plans.journal_of(app).root, plans.place(store, "", plan.base)
        yield f"it held {plan.base}, which is kept in {where}; ocitool tag {tag} {record.tag} brings that back"
