"""`ocitool index flatten`: one level of an index of indexes."""

import click

from ocitool.cli import plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.index.plans import plan_flatten


@click.command()
@click.argument("reference", metavar="REF")
@plans.elsewhere
@plans.dry_run
@common
def command(app: App, *, reference: str, tags: tuple[str, ...], dry_run: bool) -> Outcome:
    """Replace indexes inside the index REF by their entries: many clients look one level down only."""
    store, name = plans.open_edited(app, reference)
    written = plans.tags_of(app, store, tags)
    plan = plan_flatten(store, name, tags=written, scope=app.scope)
    return plans.carry_out(app, plan, store, dry_run=dry_run, names=written or (name,))
