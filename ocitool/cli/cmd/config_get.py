"""`ocitool config get`: the exact bytes of an image's config."""

from pathlib import Path

import click

from ocitool.cli import content
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.store.base import write_whole


@click.command()
@click.argument("location", metavar="LOC")
@click.option("--platform", metavar="PLATFORM", help="Of this platform's image.")
@content.output
@common
def command(app: App, *, location: str, platform: str | None, output: str) -> Outcome:
    """Print the config of the image under LOC as it is stored, byte for byte; its digest is over these bytes.

    With --json its descriptor, and the config as JSON.
    """
    config = app.client.config(location, platform)
    data = {"name": location, "digest": config.digest, "mediaType": config.media_type, "size": config.size}
    if output:
        write_whole([config.raw], Path(output))
        return Outcome(data | {"output": output}, summary=f"{config.digest} is in {output}")
    if app.console.as_json:
        return Outcome(data | {"config": config.tree()})
    return Outcome(data, raw=config.raw)
