"""`ocitool buildx rm`: nothing is left behind that could be removed."""

import click

from ocitool.cli import options
from ocitool.cli.buildx import builders
from ocitool.cli.buildx.ignored_flags import SectionedCommand
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command(cls=SectionedCommand)
@click.argument("names", nargs=-1, metavar="[NAME...]")
@builders.takes("--all-inactive", "--force -f", "--keep-daemon", "--keep-state", is_flag=True)
@builders.takes("--builder")
@options.common
def command(app: App, *, names: tuple[str, ...]) -> Outcome:
    """Tell that there is no builder to remove."""
    builders.note(app)
    return Outcome({"removed": list(names)})
