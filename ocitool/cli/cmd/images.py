"""ocitool images: what is in this machine's store."""

import click

from ocitool.cli import options
from ocitool.cli.console import table
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.model.printable import human


@click.command()
@options.common
def command(app: App) -> Outcome:
    """List the images in this machine's store."""
    found = app.client.images()
    rows = [(image.name, image.digest.short, ", ".join(image.platforms), human(image.size)) for image in found]
    data = [
        {"name": i.name, "digest": str(i.digest), "platforms": list(i.platforms), "size": i.size} for i in found
    ]
    return Outcome({"images": data}, table(("NAME", "DIGEST", "PLATFORMS", "SIZE"), rows) if rows else "")
