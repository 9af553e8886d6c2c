"""`ocitool undo`: the last change of ours taken back."""

from collections.abc import Iterator
from dataclasses import replace

import click

from ocitool.change.journal import Record
from ocitool.change.plan import Delete, Plan
from ocitool.change.undo import cannot_return, plan_undo, settle_undo
from ocitool.cli import plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import RegistryError
from ocitool.store.base import Store


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--source", "sources", metavar="LOC", multiple=True, help="Where lost children may be; repeats.")
@click.option("--drop-referrers", is_flag=True, help="Delete what the change attached to images.")
@plans.dry_run
@common
def command(app: App, *, reference: str, sources: tuple[str, ...], drop_referrers: bool, dry_run: bool) -> Outcome:
    """Let REF hold again what it held before the last change made on this machine.

    Once more takes back the change before that. A repair that only put back what was lost is passed over, and
    told. Refused, with exit code 8, if somebody else wrote REF since, and with 9 if the registry lost what the old
    index names and does not take it back.
    """
    store, name = plans.open_edited(app, reference)
    journal = plans.journal_of(app)
    opened = [app.opener.open(source)[0] for source in sources]
    plan, record = plan_undo(store.label, name, store, journal, sources=opened, drop_referrers=drop_referrers)
    try:
        outcome = plans.carry_out(app, plan, store, dry_run=dry_run)
    except RegistryError as error:
        better = cannot_return(record, store, journal, error)
        if better is None:
            raise
        raise better from error
    outcome = replace(outcome, data={**outcome.data, "undoes": record.to_tree()})
    if dry_run:
        return outcome
    settle_undo(record, journal)
    return replace(outcome, summary="\n".join(filter(None, (outcome.summary, *_after(app, record, store, plan)))))


def _after(app: App, record: Record, store: Store, plan: Plan) -> Iterator[str]:
    """What is left of the change, and how to have it again."""
    if record.stored and not record.is_refill and not any(isinstance(step, Delete) for step in plan.steps):
        left = ", ".join(record.stored)
        yield f"{left} still refer to images there; undo with --drop-referrers would have deleted them"
    if record.after is not None and not record.is_refill:
        where, tag = plans.journal_of(app).root, plans.place(store, "", record.after)
        yield f"it held {record.after}, which is kept in {where}; ocitool tag {tag} {record.tag} brings that back"
