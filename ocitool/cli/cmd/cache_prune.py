"""ocitool cache prune: make room."""

import click

from ocitool.cli import options
from ocitool.cli.console import human
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also the images that `build -t` left here.")
@options.common
def command(app: App, *, everything: bool) -> Outcome:
    """Remove layers that no kept image needs, memos, compiled programs and the upload journal.

    The backup of changed manifests is kept, because undo needs it.
    """
    freed = app.machine.prune(everything=everything)
    return Outcome({"freed": freed}, summary=f"{human(freed)} freed in {app.machine.root}")
