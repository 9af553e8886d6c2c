"""`ocitool artifact push`: files under a name in a registry."""

from pathlib import Path

import click

from ocitool.cli import plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="LOC")
@click.argument("files", nargs=-1, metavar="FILE[:TYPE]...")
@click.option("--type", "artifact_type", metavar="TYPE", default="", help="What kind of artifact it is.")
@click.option("--config", metavar="FILE[:TYPE]", default="", help="A file in the place of an image's config.")
@plans.annotating("each file, of $manifest and of $config")
@plans.dry_run
@common
def command(
    app: App,
    *,
    reference: str,
    files: tuple[str, ...],
    artifact_type: str,
    config: str,
    annotations: tuple[str, ...],
    annotation_file: Path | None,
    dry_run: bool,
) -> Outcome:
    """Let LOC hold files, as ORAS does it: each with its path in the current folder as title and a media type.

    A directory is packed, and unpacked again where it is pulled. What LOC held before is kept on this machine and
    printed; `ocitool undo LOC` brings it back. LOC is a reference, `oci:DIR[:TAG]` or an archive.
    """
    plan = app.client.artifact(reference).push(
        *files,
        artifact_type=artifact_type,
        config=config,
        annotations=plans.pairs(annotations),
        annotation_file=annotation_file,
    )
    return plans.carry_out(app, plan, dry_run=dry_run)
