"""`ocitool tag`: further names for what a name holds."""

import click

from ocitool.cli import plans, promises
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@plans.dry_run
@common
@promises.promising
def command(app: App, *, reference: str, names: tuple[str, ...], dry_run: bool) -> Outcome:
    """Let further tags of the same repository hold what REF holds; NAME is a tag or a full reference."""
    return plans.carry_out(app, app.client.index(reference).tag(*names), dry_run=dry_run)
