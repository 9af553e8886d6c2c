"""ocitool cache prune: make room."""

from dataclasses import asdict

import click

from ocitool.cli import options
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.executor.prune import remover
from ocitool.model.printable import human


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also the images that `build -t` left here.")
@options.common
def command(app: App, *, everything: bool) -> Outcome:
    """Remove layers that no kept image needs, memos, compiled programs and the upload journal.

    The backup of changed manifests is kept, because undo needs it. What other runs use stays.
    """
    pruned = app.work.machine.prune(everything=everything, remove=remover())
    summary = f"{human(pruned.freed)} freed in {app.work.machine.root}"
    if pruned.is_in_use:
        summary = f"nothing removed: other runs use {app.work.machine.root}; call it again when they have ended"
    return Outcome(asdict(pruned), summary=summary)
