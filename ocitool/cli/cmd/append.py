"""`ocitool append`: files and tars as new layers of a published image, every platform at once."""

from typing import Any

import click

from ocitool.change.plan import Plan
from ocitool.cli import plans
from ocitool.cli.options import App


@click.command()
@click.argument("reference", metavar="REF")
@click.option(
    "--copy",
    "copies",
    multiple=True,
    metavar="SRC:DEST[:MODE]",
    help="A file or folder; {os} {arch} {variant} in SRC; repeats.",
)
@click.option("--tar", "tars", multiple=True, metavar="FILE", help="A tar as a layer of its own; repeats.")
@click.option(
    "--compression", default="", metavar="NAME", help="gzip[:LEVEL][,single|,toc], isal, auto, zstd, estargz, none."
)
@click.option("--allow-foreign-arch", is_flag=True, help="Warn instead of refusing programs of other platforms.")
@click.option("--allow-sparse", is_flag=True, help="Pack files that are mostly holes, in full.")
@plans.edits_images
def command(
    app: App,
    *,
    reference: str,
    copies: tuple[str, ...],
    tars: tuple[str, ...],
    compression: str,
    allow_foreign_arch: bool,
    allow_sparse: bool,
    **chosen: Any,  # noqa: ANN401 - what every edit takes
) -> Plan:
    """Put files on top of REF, in every image of an index at once, or in those of --platform.

    Files of --copy are one layer, placed through the links of each image; each --tar is one more. The layers that
    are there keep their bytes.
    """
    return app.client.plan_append(
        reference,
        copy=copies,
        tars=tars,
        compression=compression,
        allow_foreign=allow_foreign_arch,
        allow_sparse=allow_sparse,
        **chosen,
    )
