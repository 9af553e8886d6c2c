"""`ocitool squash`: one layer of a published image's, every platform at once."""

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, WholeNumber, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@plans.selecting
@click.option(
    "--from",
    "first",
    type=WholeNumber(1),
    default=1,
    metavar="N",
    help="Lowest layer that is squashed, 1 at the bottom  [default: 1]",
)
@click.option("--base", default="", metavar="REF", help="Keep the layers of this image, and squash those above.")
@click.option(
    "--compression", default="", metavar="NAME", help="gzip[:LEVEL][,single|,toc], isal, zstd, estargz, none."
)
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
    first: int,
    base: str,
    compression: str,
    attestations: str | None,
    tags: tuple[str, ...],
    dry_run: bool,
) -> Outcome:
    """Make one layer of all those of REF, in every image of an index at once, or in those of --platform.

    The files stay what they are, and so does what the configs say; their history gets one line. What upper layers
    took away is gone. With --from or --base the layers below keep their bytes.
    """
    plan = app.client.plan_squash(
        reference,
        first=first,
        base=base,
        compression=compression,
        platforms=platforms,
        digests=digests,
        attestations=attestations or "",
        tags=tags,
    )
    return plans.carry_out(app, plan, dry_run=dry_run)
