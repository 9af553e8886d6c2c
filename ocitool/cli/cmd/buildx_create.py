"""`ocitool buildx create`: the name of a builder that nobody has to make."""

import click

from ocitool.cli import builder, options
from ocitool.cli.buildx import SectionedCommand
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command(cls=SectionedCommand)
@click.argument("endpoint", required=False, metavar="[CONTEXT|ENDPOINT]")
@click.option("--name", default=builder.NAME, metavar="NAME", help="What is printed.")
@builder.takes("--use", "--bootstrap", "--append", "--leave", is_flag=True)
@builder.takes("--driver", "--driver-opt", "--buildkitd-flags", "--buildkitd-config", "--config", "--node")
@builder.takes("--platform")
@options.common
def command(app: App, *, name: str, endpoint: str | None) -> Outcome:  # noqa: ARG001 - nothing is reached
    """Print the name, and tell that there is no builder; a build needs none."""
    builder.note(app)
    return Outcome(builder.Builder(name).data, name)
