"""`ocitool buildx stop`: nothing runs that could be stopped."""

import click

from ocitool.cli import options
from ocitool.cli.buildx import builders
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("name", required=False)
@builders.takes("--builder")
@options.common
def command(app: App, *, name: str | None) -> Outcome:
    """Tell that there is no builder to stop."""
    builders.note(app)
    return Outcome({"stopped": name or builders.NAME})
