"""`ocitool digest`: what a name means now."""

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("location", metavar="LOC")
@click.option("--platform", metavar="PLATFORM", help="Of this platform's image instead.")
@common
def command(app: App, *, location: str, platform: str | None) -> Outcome:
    """Print the digest that LOC means: one HEAD request."""
    digest = app.client.digest(location, platform)
    return Outcome(data={"name": location, "digest": digest}, text=digest)
