"""`ocitool cat`: one file of an image."""

import base64

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.model.files import from_system
from ocitool.model.numbers import MIB
from ocitool.model.printable import shown

_JSON_LIMIT = 4 * MIB
"""Most bytes of a file in a JSON envelope."""


@click.command()
@click.argument("location", metavar="LOC")
@click.argument("path", metavar="PATH")
@click.option("--platform", metavar="PLATFORM", help="Of this platform's image.")
@common
def command(app: App, *, location: str, path: str, platform: str | None) -> Outcome:
    """Print a file of an image; links are followed as in a container.

    With --json the content is in base64, at most 4 MiB.
    """
    found, path = app.client.files(location, platform), from_system(path)
    if not app.console.as_json:
        app.console.stream(found.open(path))
        return Outcome()
    content = base64.b64encode(b"".join(found.open(path, limit=_JSON_LIMIT))).decode()
    return Outcome(data={"path": shown(found.tree.resolve(path)), "base64": content})
