"""`ocitool base status`: whether the bases of published images moved."""

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("references", metavar="REF...", nargs=-1, required=True)
@click.option("--base", metavar="REF", default="", help="Compare with this image, whatever annotations say.")
@click.option("--platform", "platforms", metavar="PLATFORM", multiple=True, help="Only these; repeats.")
@common
def command(app: App, *, references: tuple[str, ...], base: str, platforms: tuple[str, ...]) -> Outcome:
    """Tell for each image of REF what it was built upon, and what the name of that holds now.

    Exit code 1 if a base moved, or is not underneath the image at all; 0 if not, and for images that name none.
    """
    found = app.client.base_status(*references, base=base, platforms=platforms)
    return Outcome(data=found.to_tree(), text=found.text(), exit_code=0 if found.is_current else 1)
