"""`ocitool verify-build`: a published image built once more, and compared."""

import click

from ocitool.cli import options
from ocitool.cli.buildx import build_options, run_options
from ocitool.cli.buildx.command import OURS, request
from ocitool.cli.buildx.destinations import Destinations
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.cli.values import Words


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("path", default=".")
@build_options.spec
@build_options.platforms
@options.dockerfile
@build_options.contents
@build_options.settings
@build_options.described
@build_options.based
@run_options.flags
@options.common
def command(app: App, *, reference: str, path: str, **flags: object) -> Outcome:
    """Build PATH again as REF was built, and tell whether the same digest comes out, or what differs.

    The platforms, the family, the time and the digests of bases are those of REF where no option says others;
    attestations are set aside. Nothing is published. Exit code 1 if the bytes differ, 0 if they are equal.
    """
    words = Words(flags)
    asked = request(app, path, words, Destinations(), OURS)
    found = app.client.verify_build(reference, asked)
    only = f"for {', '.join(map(str, found.platforms))} " if found.left_out else ""
    equal = f"{only}{reference} is what {path} gives: {found.published}"
    text = equal if found.is_equal else found.comparison.text()
    return Outcome(found.to_tree(), text, exit_code=0 if found.is_equal else 1, summary="\n".join(found.notes()))
