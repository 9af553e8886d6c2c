"""`ocitool detach`: what refers to an image deleted."""

import click

from ocitool.cli import plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("digests", metavar="DIGEST...", nargs=-1, required=True)
@plans.dry_run
@common
def command(app: App, *, reference: str, digests: tuple[str, ...], dry_run: bool) -> Outcome:
    """Delete manifests that refer to what REF holds or to an image below it, as `ocitool referrers` lists them.

    The registry has to allow deleting. `ocitool undo REF` puts them back while the registry has their blobs.
    """
    return plans.carry_out(app, app.client.plan_detach(reference, *digests), dry_run=dry_run)
