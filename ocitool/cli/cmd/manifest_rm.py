"""`ocitool manifest rm`: drafts forgotten."""

import click

from ocitool.cli import manifest
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import NotFound


@click.command()
@click.argument("names", metavar="MANIFEST_LIST...", nargs=-1, required=True)
@manifest.options
def command(app: App, *, names: tuple[str, ...]) -> Outcome:
    """Forget local lists; what is published stays."""
    absent = []
    for name in names:
        try:
            app.client.draft(name).remove()
        except NotFound as error:
            absent.append(error)
    if absent:
        raise ExceptionGroup("drafts", absent)
    return Outcome(data={"removed": list(names)})
