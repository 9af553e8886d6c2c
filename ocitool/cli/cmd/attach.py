"""`ocitool attach`: files that refer to an image."""

from pathlib import Path

import click

from ocitool.cli import plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("files", nargs=-1, required=True, metavar="FILE[:TYPE]...")
@click.option("--artifact-type", metavar="TYPE", required=True, help="What the files are, such as text/x-report.")
@click.option("--each-platform", is_flag=True, help="To each image of the index REF, instead of to the index.")
@plans.annotating("each file and of $manifest")
@plans.dry_run
@common
def command(
    app: App,
    *,
    reference: str,
    files: tuple[str, ...],
    artifact_type: str,
    each_platform: bool,
    annotations: tuple[str, ...],
    annotation_file: Path | None,
    dry_run: bool,
) -> Outcome:
    """Put files beside what REF holds, as one artifact that refers to it; the tag keeps what it holds.

    They are found by `ocitool referrers`, by ORAS and by whatever asks a registry for referrers. Attaching the same
    again changes nothing. `ocitool undo REF` takes back what the last run attached.
    """
    plan = app.client.artifact(reference).attach(
        *files,
        artifact_type=artifact_type,
        each_platform=each_platform,
        annotations=plans.pairs(annotations),
        annotation_file=annotation_file,
    )
    return plans.carry_out(app, plan, dry_run=dry_run)
