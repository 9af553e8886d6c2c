"""ocitool logout."""

import click

from ocitool.cli import options
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.model.reference import parse_registry


@click.command()
@click.argument("host")
@options.common
def command(app: App, host: str) -> Outcome:
    """Forget the user name and password kept for HOST."""
    registry = parse_registry(host)
    place = app.client.log_out(host)
    return Outcome({"registry": registry, "place": place}, summary=f"logged out of {registry}, from {place}")
