"""`ocitool buildx use`: any name will do."""

import click

from ocitool.cli import options
from ocitool.cli.buildx import builders
from ocitool.cli.buildx.ignored_flags import SectionedCommand
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command(cls=SectionedCommand)
@click.argument("name")
@builders.takes("--default", "--global", is_flag=True)
@builders.takes("--builder")
@options.common
def command(app: App, *, name: str) -> Outcome:
    """Tell that there is no builder to choose; a build needs none."""
    builders.note(app)
    return Outcome(builders.Builder(name).data)
