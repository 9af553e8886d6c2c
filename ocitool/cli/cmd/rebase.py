"""`ocitool rebase`: a published image put onto another base, every platform at once."""

from typing import Any

import click

from ocitool.change.plan import Plan
from ocitool.cli import plans
from ocitool.cli.options import App


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--old-base", metavar="REF", default="", help="What it was built upon  [default: by annotation]")
@click.option("--new-base", metavar="REF", default="", help="What it is to stand on  [default: the old one's tag]")
@click.option("--force", is_flag=True, help="Also where a build over the new base would make something else.")
@plans.edits_images
def command(
    app: App,
    *,
    reference: str,
    old_base: str,
    new_base: str,
    force: bool,
    **chosen: Any,  # noqa: ANN401 - what every edit takes
) -> Plan:
    """Put REF onto another base, in every image of an index at once, or in those of --platform.

    The layers of the old base give way to the new one's, and settings that came from it are the new one's. The
    result is what a build over the new base makes, byte for byte; where the build read something of the old base
    that is not the same in the new one, or ran commands, that is said and nothing is done without --force.
    """
    return app.client.plan_rebase(
        reference,
        old_base=old_base,
        new_base=new_base,
        force=force,
        **chosen,
    )
