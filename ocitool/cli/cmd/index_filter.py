"""`ocitool index filter`: an index of only some of its entries."""

import click

from ocitool.cli import plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError
from ocitool.index import edit
from ocitool.index.plans import plan_edit


@click.command()
@click.argument("reference", metavar="REF")
@plans.selecting
@click.option("--no-attestations", is_flag=True, help="Drop the attestations of the images that stay.")
@plans.elsewhere
@plans.dry_run
@common
def command(
    app: App,
    *,
    reference: str,
    platforms: tuple[str, ...],
    digests: tuple[str, ...],
    tags: tuple[str, ...],
    no_attestations: bool,
    dry_run: bool,
) -> Outcome:
    """Keep only the named entries of the index REF, and their attestations."""
    if not (platforms or digests):
        raise UsageError("what should stay?", hint="say --platform or --digest")
    store, name = plans.open_edited(app, reference)
    chosen = plans.selector(app, platforms, digests)
    written = plans.tags_of(app, store, tags)
    plan = plan_edit(
        store, name, lambda index: edit.keep(index, chosen, attestations=not no_attestations), tags=written
    )
    return plans.carry_out(app, plan, store, dry_run=dry_run, names=written or (name,))
