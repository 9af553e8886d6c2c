"""`ocitool blob get`: the bytes of a blob."""

import base64
from pathlib import Path

import click

from ocitool.cli import content
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError
from ocitool.model.numbers import MIB
from ocitool.store.base import write_whole

_JSON_LIMIT = 4 * MIB
"""Most bytes of a blob in a JSON envelope."""


@click.command()
@click.argument("location", metavar="LOC@DIGEST")
@content.output
@common
def command(app: App, *, location: str, output: str) -> Outcome:
    """Print a blob, compared with its digest.

    Where it is damaged the end is exit code 6, after its bytes were printed; with -o no file is left then. With
    --json and no file the content is in base64, at most 4 MiB.
    """
    size = app.client.blob_size(location)
    data = {"name": location, "size": size}
    if not output and app.console.as_json and size > _JSON_LIMIT:
        raise UsageError(f"the blob has {size} bytes, and JSON takes {_JSON_LIMIT}", hint="add -o FILE")
    with app.client.blob(location) as pieces:
        if output:
            write_whole(app.scope.pieces(pieces), Path(output))
            return Outcome(data | {"output": output}, summary=f"{size} bytes are in {output}")
        if app.console.as_json:
            return Outcome(data | {"base64": base64.b64encode(b"".join(pieces)).decode()})
        app.console.stream(pieces)
        return Outcome()
