"""`ocitool buildx inspect`: which platforms a Dockerfile can be built for here."""

import click

from ocitool.cli import options
from ocitool.cli.buildx import builders
from ocitool.cli.buildx.ignored_flags import SectionedCommand
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command(cls=SectionedCommand)
@click.argument("name", required=False)
@click.option("--builder", "chosen", default=builders.NAME, metavar="NAME", help="As NAME.")
@builders.takes("--bootstrap", is_flag=True)
@options.common
def command(app: App, *, name: str | None, chosen: str) -> Outcome:  # noqa: ARG001 - nothing is asked
    """Print what can be built, in the form of `docker buildx inspect`.

    A Dockerfile is built for every platform but Windows; what can be compiled tells `ocitool doctor`.
    """
    found = builders.Builder(name or chosen)
    return Outcome(found.data, found.inspected(), is_exact=True)
