"""`ocitool index remove`: entries out of a published index."""

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@plans.selecting
@click.option("--attestations", is_flag=True, help="Every attestation.")
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
    attestations: bool,
    dry_run: bool,
) -> Outcome:
    """Take entries out of the index REF, by platform or digest; an image's attestations leave with it.

    A platform without an OS version means every version of it.
    """
    plan = app.client.index(reference).remove(platforms, digests=digests, attestations=attestations, tags=tags)
    return plans.carry_out(app, plan, dry_run=dry_run)
