"""`ocitool artifact list`: what an artifact holds."""

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.model.printable import human, shown


@click.command()
@click.argument("location", metavar="LOC")
@common
def command(app: App, *, location: str) -> Outcome:
    """List the files of an artifact: size, media type and title, a line each; directories end with a slash.

    LOC is a reference, `oci:DIR[:TAG]` or an archive. What is in an image is told by `ocitool files`.
    """
    found = app.client.artifact(location).listing()
    rows = [(human(file.blob.size), shown(file.blob.media_type), shown(file.label)) for file in found.files]
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(2)]
    lines = [f"{size:>{widths[0]}}  {kind:<{widths[1]}}  {title}" for size, kind, title in rows]
    return Outcome(found.to_tree(), "\n".join(lines), summary=f"{shown(found.artifact_type)} {found.digest}")
