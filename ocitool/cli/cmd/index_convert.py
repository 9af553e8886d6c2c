"""`ocitool index convert`: Docker to OCI and back, children included."""

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--format", "family", type=click.Choice(["docker", "oci"]), required=True)
@click.option("--drop-annotations", is_flag=True, help="Leave behind what Docker's family cannot carry.")
@click.option("--drop-attestations", is_flag=True, help="Leave behind attestations of images that change.")
@plans.elsewhere
@plans.dry_run
@common
@trust.resigning
def command(
    app: App,
    *,
    reference: str,
    family: str,
    tags: tuple[str, ...],
    drop_annotations: bool,
    drop_attestations: bool,
    dry_run: bool,
) -> Outcome:
    """Turn the index or image REF into the other family, its children first.

    Layers and configs stay as they are; manifests get new digests, so signatures of the old ones no longer
    fit.
    """
    plan = app.client.index(reference).convert(
        family, drop_annotations=drop_annotations, drop_attestations=drop_attestations, tags=tags
    )
    return plans.carry_out(app, plan, dry_run=dry_run)
