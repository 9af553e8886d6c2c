"""`ocitool tag`: further names for what a name holds."""

import click

from ocitool.cli import plans, promises
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--kept", is_flag=True, help="Name a build of this machine's store, as docker tag does.")
@plans.dry_run
@common
@promises.promising
def command(app: App, *, reference: str, names: tuple[str, ...], kept: bool, dry_run: bool) -> Outcome:
    """Let further tags of the same repository hold what REF holds; NAME is a tag or a full reference.

    With --kept REF and NAME are images that `build -t` left here, for `push`; nothing is published.
    """
    if kept:
        if dry_run:
            raise UsageError("--kept publishes nothing, and has no --dry-run")
        named = app.client.tag_kept(reference, *names)
        return Outcome({"kept": list(named)}, summary="\n".join(f"kept as {name}" for name in named))
    return plans.carry_out(app, app.client.index(reference).tag(*names), dry_run=dry_run)
