"""ocitool logout."""

import os

import click

from ocitool.cli import options
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.model.reference import parse_registry
from ocitool.registry.login import forget, place_for


@click.command()
@click.argument("host")
@options.common
def command(app: App, host: str) -> Outcome:  # noqa: ARG001 - the shared shape of a command
    """Forget the user name and password kept for HOST."""
    registry = parse_registry(host)
    place = place_for(registry, os.environ)
    forget(place, os.environ)
    return Outcome({"registry": registry, "place": str(place)}, summary=f"logged out of {registry}, from {place}")
