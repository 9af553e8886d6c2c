"""`ocitool blob head`: whether a blob is there."""

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("location", metavar="LOC@DIGEST")
@common
def command(app: App, *, location: str) -> Outcome:
    """Print the size of a blob in bytes; exit code 3 where it is not there. One HEAD request."""
    size = app.client.blob_size(location)
    return Outcome(data={"name": location, "size": size}, text=str(size))
