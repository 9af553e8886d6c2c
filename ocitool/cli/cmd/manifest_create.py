"""`ocitool manifest create`: docker's words for a list in the making."""

import click

from ocitool.cli import manifest
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("name", metavar="MANIFEST_LIST")
@click.argument("images", metavar="MANIFEST...", nargs=-1, required=True)
@click.option("-a", "--amend", is_flag=True, help="Amend an existing list.")
@manifest.insecure
@manifest.options
def command(app: App, *, name: str, images: tuple[str, ...], amend: bool, insecure: bool) -> Outcome:
    """Create a local list of images, to be annotated and pushed.

    An image may be an index; its images are listed. What the images hold is asked again at the push.
    """
    manifest.trust(app, (name, *images), insecure=insecure)
    draft = app.client.draft(name).create(*images, amend=amend)
    data = {"name": draft.name, "members": [{"image": m.reference, "digest": m.digest} for m in draft.members]}
    return Outcome(data=data, text=f"Created manifest list {draft.name}")
