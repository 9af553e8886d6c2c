"""`ocitool manifest create`: docker's words for a list in the making."""

import click

from ocitool.cli import manifest
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError
from ocitool.index.drafts import Draft, DraftMember
from ocitool.index.sources import resolve_each


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
    drafts, reference = manifest.drafts_of(app), manifest.full(name)
    draft = drafts.load(reference)
    if draft is not None and not amend:
        raise UsageError(
            "refusing to amend an existing manifest list with no --amend flag",
            hint=f"add --amend, or forget the list with ocitool manifest rm {name}",
        )
    named = [manifest.full(image) for image in images]
    found = resolve_each(manifest.sources(app, named), scope=app.scope)
    members = [
        DraftMember(full, root)
        for full, group in zip(named, found, strict=True)
        if group and (root := group[0].root) is not None
    ]
    draft = (draft or Draft(reference)).with_members(members)
    drafts.save(draft)
    data = {"name": reference, "members": [{"image": m.reference, "digest": m.digest} for m in draft.members]}
    return Outcome(data=data, text=f"Created manifest list {reference}")
