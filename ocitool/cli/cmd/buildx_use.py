"""`ocitool buildx use`: any name will do."""

import click

from ocitool.cli import builder, options
from ocitool.cli.buildx import SectionedCommand
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command(cls=SectionedCommand)
@click.argument("name")
@builder.takes("--default", "--global", is_flag=True)
@builder.takes("--builder")
@options.common
def command(app: App, *, name: str) -> Outcome:
    """Tell that there is no builder to choose; a build needs none."""
    builder.note(app)
    return Outcome(builder.Builder(name).data)
