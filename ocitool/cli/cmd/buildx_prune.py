"""`ocitool buildx prune`: what a build remembers here, forgotten."""

import click

from ocitool.cli import options
from ocitool.cli.buildx import builders
from ocitool.cli.buildx.ignored_flags import SectionedCommand
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.executor.prune import remover
from ocitool.model.printable import human


@click.command(cls=SectionedCommand)
@builders.takes("--all -a", "--force -f", is_flag=True)
@builders.takes(
    "--filter", "--keep-storage", "--max-used-space", "--min-free-space", "--reserved-space", "--builder"
)
@options.common
def command(app: App) -> Outcome:
    """Do what `ocitool cache prune` does: images that were kept stay."""
    freed = app.work.machine.prune(remove=remover()).freed
    return Outcome({"freed": freed}, f"Total: {human(freed)}")
