"""`ocitool manifest get`: the exact bytes of a manifest."""

from pathlib import Path

import click

from ocitool.cli import content, manifest
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.store.base import write_whole


@click.command()
@click.argument("location", metavar="LOC")
@click.option("--platform", metavar="PLATFORM", help="Of this platform's image instead.")
@content.output
@manifest.insecure
@manifest.options
def command(app: App, *, location: str, platform: str | None, output: str, insecure: bool) -> Outcome:
    """Print the manifest under LOC as it is stored, byte for byte; its digest is over these bytes.

    With --json its descriptor, and the manifest as JSON.
    """
    manifest.trust(app, (location,), insecure=insecure)
    document = app.client.manifest(location, platform)
    data = {"name": location, "digest": document.digest, "mediaType": document.media_type, "size": document.size}
    if output:
        write_whole([document.raw], Path(output))
        return Outcome(data | {"output": output}, summary=f"{document.digest} is in {output}")
    return Outcome(data | {"manifest": document.tree()}, raw=document.raw)
