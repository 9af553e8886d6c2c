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
    drafts = manifest.drafts_of(app)
    absent = [name for name in names if not drafts.remove(manifest.full(name))]
    if absent:
        raise ExceptionGroup("drafts", [NotFound(f"No such manifest: {name}", name=name) for name in absent])
    return Outcome(data={"removed": list(names)})
