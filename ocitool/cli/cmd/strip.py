"""`ocitool strip`: files taken out of all layers of a published image, every platform at once."""

from typing import Any

import click

from ocitool.change.plan import Plan
from ocitool.cli import plans
from ocitool.cli.options import App


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@plans.edits_images
def command(
    app: App,
    *,
    reference: str,
    paths: tuple[str, ...],
    **chosen: Any,  # noqa: ANN401 - what every edit takes
) -> Plan:
    """Take files out of REF, in every image of an index at once, or in those of --platform.

    Their bytes are gone from every layer, also from those that an upper one hides; a directory goes with all below
    it. PATH may be a pattern, as in .dockerignore. Layers without any keep their bytes.
    """
    return app.client.plan_strip(
        reference,
        *paths,
        **chosen,
    )
