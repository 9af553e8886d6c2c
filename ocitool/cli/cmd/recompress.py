"""`ocitool recompress`: the layers of a published image in another compression, every platform at once."""

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@plans.selecting
@click.option(
    "--compression",
    metavar="NAME",
    required=True,
    help="gzip[:LEVEL][,single|,toc], isal, zstd, estargz, none; gzip+zstd adds zstd images.",
)
@click.option("--force", is_flag=True, help="Layers in that form too, as for another level.")
@plans.attested
@plans.elsewhere
@plans.dry_run
@common
@trust.resigning
def command(
    app: App,
    *,
    reference: str,
    platforms: tuple[str, ...],
    digests: tuple[str, ...],
    compression: str,
    force: bool,
    attestations: str | None,
    tags: tuple[str, ...],
    dry_run: bool,
) -> Outcome:
    """Compress the layers of REF otherwise, in every image of an index at once, or in those of --platform.

    Files and configs stay what they are. Layers in that form are left alone, and so are those that no registry
    holds.
    """
    plan = app.client.plan_recompress(
        reference,
        compression,
        force=force,
        platforms=platforms,
        digests=digests,
        attestations=attestations or "",
        tags=tags,
    )
    return plans.carry_out(app, plan, dry_run=dry_run)
