"""`ocitool manifest annotate`: docker's words for what an image of a draft is for."""

import click

from ocitool.cli import manifest
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError
from ocitool.index.draft_editor import full
from ocitool.index.edit import EntryChanges
from ocitool.model.platform_names import ARCHITECTURES, OSES, PAIRS


@click.command()
@click.argument("name", metavar="MANIFEST_LIST")
@click.argument("image", metavar="MANIFEST")
@click.option("--arch", help="Set architecture.")
@click.option("--os", help="Set operating system.")
@click.option("--os-features", "features", metavar="STRINGS", multiple=True, help="Set operating system feature.")
@click.option("--os-version", help="Set operating system version.")
@click.option("--variant", help="Set architecture variant.")
@manifest.options
def command(
    app: App,
    *,
    name: str,
    image: str,
    arch: str | None,
    os: str | None,
    features: tuple[str, ...],
    os_version: str | None,
    variant: str | None,
) -> Outcome:
    """Set what an image of a local list is for, over what its config says."""
    if (os and os not in OSES) or (arch and arch not in (PAIRS[os] if os else ARCHITECTURES)):
        raise UsageError(f"manifest entry for image has unsupported os/arch combination: {os or ''}/{arch or ''}")
    listed = tuple(word for text in features for word in text.split(",") if word)
    draft = app.client.draft(name).annotate(image, EntryChanges(os, arch, variant, os_version, listed or None))
    return Outcome(data={"name": draft.name, "image": full(image)})
