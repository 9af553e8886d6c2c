"""`ocitool recompress`: the layers of a published image in another compression, every platform at once."""

from typing import Any

import click

from ocitool.change.plan import Plan
from ocitool.cli import plans
from ocitool.cli.options import App


@click.command()
@click.argument("reference", metavar="REF")
@click.option(
    "--compression",
    metavar="NAME",
    required=True,
    help="gzip[:LEVEL][,single|,toc], isal, auto, zstd, estargz, none; gzip+zstd adds zstd images.",
)
@click.option("--force", is_flag=True, help="Layers in that form too, as for another level.")
@plans.edits_images
def command(
    app: App,
    *,
    reference: str,
    compression: str,
    force: bool,
    **chosen: Any,  # noqa: ANN401 - what every edit takes
) -> Plan:
    """Compress the layers of REF otherwise, in every image of an index at once, or in those of --platform.

    Files and configs stay what they are. Layers in that form are left alone, and so are those that no registry
    holds.
    """
    return app.client.plan_recompress(
        reference,
        compression,
        force=force,
        **chosen,
    )
