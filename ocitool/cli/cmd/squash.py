"""`ocitool squash`: one layer of a published image's, every platform at once."""

from typing import Any

import click

from ocitool.change.plan import Plan
from ocitool.cli import plans
from ocitool.cli.options import App, WholeNumber


@click.command()
@click.argument("reference", metavar="REF")
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
    "--compression", default="", metavar="NAME", help="gzip[:LEVEL][,single|,toc], isal, auto, zstd, estargz, none."
)
@plans.edits_images
def command(
    app: App,
    *,
    reference: str,
    first: int,
    base: str,
    compression: str,
    **chosen: Any,  # noqa: ANN401 - what every edit takes
) -> Plan:
    """Make one layer of all those of REF, in every image of an index at once, or in those of --platform.

    The files stay what they are, and so does what the configs say; their history gets one line. What upper layers
    took away is gone. With --from or --base the layers below keep their bytes.
    """
    return app.client.plan_squash(
        reference,
        first=first,
        base=base,
        compression=compression,
        **chosen,
    )
