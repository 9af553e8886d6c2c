"""`ocitool schema`: the JSON Schema of ocitool.toml."""

import json
from pathlib import Path

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import local_io
from ocitool.project.schema import SCHEMA


@click.command()
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it there, over what is there.",
)
@common
def command(app: App, *, output: Path | None) -> Outcome:  # noqa: ARG001 - nothing is asked
    """Print the JSON Schema that ocitool.toml is held to: what this version reads.

    Editors take it by a first line such as `#:schema ./ocitool-toml.schema.json`, as `ocitool init` writes one.
    """
    text = json.dumps(SCHEMA, indent=2) + "\n"
    if output is None or str(output) == "-":
        return Outcome({"schema": SCHEMA}, raw=text.encode())
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise local_io(error, f"write {output}") from error
    return Outcome({"file": str(output)}, summary=f"wrote {output}")
