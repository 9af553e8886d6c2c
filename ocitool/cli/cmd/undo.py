"""`ocitool undo`: the last change of ours taken back."""

import click

from ocitool.change.undo import plan_undo, settle_undo
from ocitool.cli import changing
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@changing.dry_run
@common
def command(app: App, *, reference: str, dry_run: bool) -> Outcome:
    """Let REF hold again what it held before the last change made on this machine.

    Refused, with exit code 8, if somebody else wrote REF since.
    """
    store, name = changing.open_edited(app, reference)
    journal = changing.journal_of(app)
    plan, record = plan_undo(store.label, name, store, journal)
    outcome = changing.carry_out(app, plan, store, dry_run=dry_run)
    if not dry_run:
        settle_undo(record, journal)
    return outcome
