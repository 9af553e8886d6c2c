"""`ocitool strip`: files taken out of all layers of a published image, every platform at once."""

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
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
    paths: tuple[str, ...],
    platforms: tuple[str, ...],
    digests: tuple[str, ...],
    attestations: str | None,
    tags: tuple[str, ...],
    dry_run: bool,
) -> Outcome:
    """Take files out of REF, in every image of an index at once, or in those of --platform.

    Their bytes are gone from every layer, also from those that an upper one hides; a directory goes with all below
    it. PATH may be a pattern, as in .dockerignore. Layers without any keep their bytes.
    """
    plan = app.client.plan_strip(
        reference,
        *paths,
        platforms=platforms,
        digests=digests,
        attestations=attestations or "",
        tags=tags,
    )
    return plans.carry_out(app, plan, dry_run=dry_run)
