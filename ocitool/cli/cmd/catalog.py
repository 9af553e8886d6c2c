"""`ocitool catalog`: the repositories of a registry."""

import click

from ocitool.cli.options import App, WholeNumber, common
from ocitool.cli.outcome import Outcome
from ocitool.model.printable import shown


@click.command()
@click.argument("registry", metavar="HOST")
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.option("--limit", metavar="N", type=WholeNumber(min=1), default=None, help="Print at most so many.")
@common
def command(app: App, *, registry: str, patterns: tuple[str, ...], limit: int | None) -> Outcome:
    """Print the repositories of a registry, one a line; with PATTERN only those that one of them fits.

    Most public registries do not list theirs: exit code 9, or 4 where the list is not shown to everybody.
    """
    names = app.client.catalog(registry, patterns, limit=limit or 0)
    return Outcome(data={"registry": registry, "repositories": names}, text="\n".join(map(shown, names)))
