"""`ocitool buildx create`: the name of a builder that nobody has to make."""

import click

from ocitool.cli import options
from ocitool.cli.buildx import builders
from ocitool.cli.buildx.ignored_flags import SectionedCommand
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command(cls=SectionedCommand)
@click.argument("endpoint", required=False, metavar="[CONTEXT|ENDPOINT]")
@click.option("--name", default=builders.NAME, metavar="NAME", help="What is printed.")
@builders.takes("--use", "--bootstrap", "--append", "--leave", is_flag=True)
@builders.takes("--driver", "--driver-opt", "--buildkitd-flags", "--buildkitd-config", "--config", "--node")
@builders.takes("--platform")
@options.common
def command(app: App, *, name: str, endpoint: str | None) -> Outcome:  # noqa: ARG001 - nothing is reached
    """Print the name, and tell that there is no builder; a build needs none."""
    builders.note(app)
    return Outcome(builders.Builder(name).data, name)
