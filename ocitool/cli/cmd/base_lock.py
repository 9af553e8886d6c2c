"""`ocitool base lock`: the bases of a build, pinned by a file."""

from pathlib import Path

import click

from ocitool.cli import content, options
from ocitool.cli.buildx import build_options
from ocitool.cli.buildx.command import OURS, request
from ocitool.cli.buildx.destinations import Destinations
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.cli.values import Words
from ocitool.store.base import write_whole


@click.command()
@click.argument("path", default=".")
@build_options.spec
@options.dockerfile
@click.option("--base", default="", metavar="LOC", envvar="OCITOOL_BASE", help="As for build.")
@click.option(
    "--platform", "platforms", multiple=True, metavar="PLATFORM", envvar="OCITOOL_PLATFORM", help="As for build."
)
@content.output
@options.common
def command(app: App, path: str, *, output: str, **flags: object) -> Outcome:
    """Print a source policy, as BuildKit reads it, that pins every image that a build of PATH would open.

    Each is taken by the digest that its tag holds now; --source-policy FILE of the builds obeys it. What names a
    digest already is left out, and so is what is on this machine.
    """
    found = app.client.lock_bases(request(app, path, Words(flags), Destinations(), OURS))
    if not output:
        return Outcome(found.to_tree(), raw=found.raw)
    write_whole([found.raw], Path(output))
    return Outcome(found.to_tree() | {"output": output}, summary=f"{len(found.rules)} image(s) pinned in {output}")
