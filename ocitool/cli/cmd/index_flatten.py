"""`ocitool index flatten`: one level of an index of indexes."""

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@plans.elsewhere
@plans.dry_run
@common
@trust.resigning
def command(app: App, *, reference: str, tags: tuple[str, ...], dry_run: bool) -> Outcome:
    """Replace indexes inside the index REF by their entries: many clients look one level down only."""
    return plans.carry_out(app, app.client.index(reference).flatten(tags=tags), dry_run=dry_run)
