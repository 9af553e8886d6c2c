"""`ocitool buildx ls`: the one builder that is no builder."""

import json

import click

from ocitool.cli import options
from ocitool.cli.buildx import builders
from ocitool.cli.buildx.ignored_flags import SectionedCommand
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command(cls=SectionedCommand)
@click.option("--format", "form", default="table", metavar="FORM", help="table, json, or fields: {{.Name}}.")
@builders.takes("--no-trunc", is_flag=True)
@builders.takes("--builder")
@options.common
def command(app: App, *, form: str) -> Outcome:  # noqa: ARG001 - nothing is asked
    """Print a table in the form of `docker buildx ls`."""
    found = builders.Builder(builders.NAME)
    match form:
        case "table":
            text = found.listed()
        case "json":
            text = json.dumps(found.to_tree())
        case _:
            text = found.filled(form)
    return Outcome({"builders": [found.data]}, text, is_exact=True)
