"""`ocitool buildx version`: who answers here."""

import click

from ocitool.cli import options
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.version import __version__


@click.command()
@options.common
def command(app: App) -> Outcome:  # noqa: ARG001 - nothing is asked
    """Print the version, and that this is not buildx."""
    return Outcome({"version": __version__}, f"ocitool v{__version__}, in place of docker buildx")
