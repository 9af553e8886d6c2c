"""`ocitool rebase`: a published image put onto another base, every platform at once."""

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--old-base", metavar="REF", default="", help="What it was built upon  [default: by annotation]")
@click.option("--new-base", metavar="REF", default="", help="What it is to stand on  [default: the old one's tag]")
@click.option("--force", is_flag=True, help="Also where a build over the new base would make something else.")
@plans.selecting
@plans.attested
@plans.elsewhere
@plans.dry_run
@common
@trust.resigning
def command(
    app: App,
    *,
    reference: str,
    old_base: str,
    new_base: str,
    force: bool,
    platforms: tuple[str, ...],
    digests: tuple[str, ...],
    attestations: str | None,
    tags: tuple[str, ...],
    dry_run: bool,
) -> Outcome:
    """Put REF onto another base, in every image of an index at once, or in those of --platform.

    The layers of the old base give way to the new one's, and settings that came from it are the new one's. The
    result is what a build over the new base makes, byte for byte; where the build read something of the old base
    that is not the same in the new one, or ran commands, that is said and nothing is done without --force.
    """
    plan = app.client.plan_rebase(
        reference,
        old_base=old_base,
        new_base=new_base,
        force=force,
        platforms=platforms,
        digests=digests,
        attestations=attestations or "",
        tags=tags,
    )
    return plans.carry_out(app, plan, dry_run=dry_run)
