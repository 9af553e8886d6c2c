"""`ocitool referrers`: what is attached to an image, as a tree."""

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="LOC")
@common
def command(app: App, *, reference: str) -> Outcome:
    """Show what refers to what LOC holds and to each image of an index: signatures, SBOMs, files of `attach`.

    Lists of cosign's tags are among it, and what refers to a referrer stands below it. A line says what is wrong
    with an entry, such as one that is listed and gone.
    """
    found = app.client.referrers(reference)
    return Outcome(found.to_tree(), found.text())
