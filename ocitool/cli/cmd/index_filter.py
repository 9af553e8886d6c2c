"""`ocitool index filter`: an index of only some of its entries."""

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@plans.selecting
@click.option("--no-attestations", is_flag=True, help="Drop the attestations of the images that stay.")
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
    tags: tuple[str, ...],
    no_attestations: bool,
    dry_run: bool,
) -> Outcome:
    """Keep only the named entries of the index REF, and their attestations."""
    plan = app.client.index(reference).filter(
        platforms, digests=digests, attestations=not no_attestations, tags=tags
    )
    return plans.carry_out(app, plan, dry_run=dry_run)
