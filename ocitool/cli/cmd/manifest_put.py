"""`ocitool manifest put`: exact bytes stored as a manifest."""

import click

from ocitool.cli import content, manifest, plans
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.model.document import MANIFEST_LIMIT


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("file", metavar="FILE")
@click.option("--media-type", metavar="TYPE", default="", help="What it is, where the bytes do not say so.")
@plans.dry_run
@manifest.insecure
@manifest.options
def command(app: App, *, reference: str, file: str, media_type: str, dry_run: bool, insecure: bool) -> Outcome:
    """Store FILE (- is standard input) as a manifest, byte for byte, and let the tag of REF hold it.

    With REPO@DIGEST no tag is written; with REPO:TAG@DIGEST one is. Bytes of another digest are refused with exit
    code 6. Whatever the tag held gives way, and ocitool undo REF brings it back.
    """
    manifest.trust(app, (reference,), insecure=insecure)
    data = content.read(file, MANIFEST_LIMIT)
    plan = app.client.repository(reference).put_manifest(data, media_type=media_type)
    return plans.carry_out(app, plan, dry_run=dry_run)
