"""`ocitool diff`: two multi-arch images compared, platform by platform."""

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--files", is_flag=True, help="Also the files of the merged file systems.")
@click.option("--platform", "platforms", metavar="PLATFORM", multiple=True, help="Only these; repeats.")
@common
def command(app: App, *, before: str, after: str, platforms: tuple[str, ...], files: bool) -> Outcome:
    """Compare two images or indexes: platforms, configs, layers, annotations, attestations.

    Exit code 1 if they differ in anything, 0 if they are equal.
    """
    found = app.client.diff(before, after, platforms, files=files)
    return Outcome(data=found.to_tree(), text=found.text(), exit_code=0 if found.is_equal else 1)
