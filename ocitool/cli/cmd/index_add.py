"""`ocitool index add`: images into a published index, replacing the platforms they are for."""

from functools import partial

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("sources", metavar="SRC...", nargs=-1, required=True)
@click.option("--allow-duplicates", is_flag=True, help="Keep the old image of the platform too.")
@click.option("--convert", is_flag=True, help="Convert images of the other family; their digests change.")
@click.option("--no-attestations", is_flag=True, help="Leave attestations of the sources out.")
@click.option("--drop-annotations", is_flag=True, help="Leave behind what a Docker list cannot carry.")
@click.option("--skip-missing", is_flag=True, help="Leave out sources that do not exist.")
@click.option(
    "--retry/--no-retry",
    default=None,
    help="Try again on top of what another writer left  [default: if that is of other platforms]",
)
@plans.elsewhere
@plans.dry_run
@common
@trust.resigning
def command(
    app: App,
    *,
    reference: str,
    sources: tuple[str, ...],
    tags: tuple[str, ...],
    allow_duplicates: bool,
    convert: bool,
    no_attestations: bool,
    drop_annotations: bool,
    skip_missing: bool,
    retry: bool | None,
    dry_run: bool,
) -> Outcome:
    """Put images into the index REF; a platform that is there already is replaced.

    Where another writer changes other platforms of REF meanwhile, both changes stand.

    SRC is as for `index create`. Attestations of a replaced image leave with it.
    """
    make = partial(
        app.client.index(reference).add,
        *sources,
        tags=tags,
        allow_duplicates=allow_duplicates,
        convert=convert,
        attestations=not no_attestations,
        drop_annotations=drop_annotations,
        skip_missing=skip_missing,
    )
    return plans.carry_out_again(app, make, retry=retry, dry_run=dry_run)
