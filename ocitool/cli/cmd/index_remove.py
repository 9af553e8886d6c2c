"""`ocitool index remove`: entries out of a published index."""

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
@click.option("--attestations", is_flag=True, help="Every attestation.")
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
    attestations: bool,
    dry_run: bool,
) -> Outcome:
    """Take entries out of the index REF, by platform or digest; an image's attestations leave with it.

    A platform without an OS version means every version of it.
    """
    if not (platforms or digests or attestations):
        raise UsageError("what should be removed?", hint="say --platform, --digest or --attestations")
    store, name = plans.open_edited(app, reference)
    chosen = plans.selector(app, platforms, digests)
    written = plans.tags_of(app, store, tags)
    plan = plan_edit(store, name, lambda index: edit.remove(index, chosen, attestations=attestations), tags=written)
    return plans.carry_out(app, plan, store, dry_run=dry_run, names=written or (name,))
