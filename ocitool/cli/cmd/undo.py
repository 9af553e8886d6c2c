"""`ocitool undo`: the last change of ours taken back."""

import click

from ocitool.change.undo import cannot_return, plan_undo, settle_undo
from ocitool.cli import changing
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import RegistryError


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--source", "sources", metavar="LOC", multiple=True, help="Where lost children may be; repeats.")
@changing.dry_run
@common
def command(app: App, *, reference: str, sources: tuple[str, ...], dry_run: bool) -> Outcome:
    """Let REF hold again what it held before the last change made on this machine.

    Refused, with exit code 8, if somebody else wrote REF since, and with 9 if the registry lost what the old
    index names and does not take it back.
    """
    store, name = changing.open_edited(app, reference)
    journal = changing.journal_of(app)
    opened = [app.opener.open(source)[0] for source in sources]
    plan, record = plan_undo(store.label, name, store, journal, sources=opened)
    try:
        outcome = changing.carry_out(app, plan, store, dry_run=dry_run)
    except RegistryError as error:
        better = cannot_return(record, store, journal, error)
        if better is None:
            raise
        raise better from error
    if not dry_run:
        settle_undo(record, journal)
    return outcome
