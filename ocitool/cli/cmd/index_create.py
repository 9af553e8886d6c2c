"""`ocitool index create`: a new index of images that exist."""

from pathlib import Path

import click

from ocitool.cli import plans, promises, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.events import Noted
from ocitool.model.views import Index, view


@click.command()
@click.argument("reference", metavar="[REF]", required=False)
@click.argument("sources", metavar="SRC...", nargs=-1)
@click.option("-t", "--tag", "tags", metavar="REF", multiple=True, help="A further tag; repeats.")
@click.option(
    "--from-spec",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read manifest-tool's YAML, or TOML.",
)
@click.option("--append", is_flag=True, help="Start from what the tag holds.")
@click.option("--allow-duplicates", is_flag=True, help="Keep two images of one platform.")
@click.option("--format", "family", type=click.Choice(["auto", "docker", "oci"]), default="auto", show_default=True)
@click.option(
    "--annotation", "annotations", metavar="[PLACE:]KEY=VALUE", multiple=True, help="Of the index; repeats."
)
@click.option("--no-attestations", is_flag=True, help="Leave attestations of the sources out.")
@click.option("--drop-annotations", is_flag=True, help="Leave behind what a Docker list cannot carry.")
@click.option("--skip-missing", is_flag=True, help="Leave out sources that do not exist.")
@plans.dry_run
@common
@promises.promising
@trust.resigning
def command(
    app: App,
    *,
    reference: str | None,
    sources: tuple[str, ...],
    tags: tuple[str, ...],
    from_spec: Path | None,
    family: str,
    annotations: tuple[str, ...],
    append: bool,
    allow_duplicates: bool,
    no_attestations: bool,
    drop_annotations: bool,
    skip_missing: bool,
    dry_run: bool,
) -> Outcome:
    """Make an index of images, indexes and layouts, and publish it as REF.

    SRC is a reference, a digest, `oci:DIR:TAG`, or `SRC=PLATFORM`; a platform that is not given is what the
    image's own config says. Children that live elsewhere are mounted or copied first.
    """
    plan = app.client.index(reference or "").create(
        *sources,
        tags=tags,
        family=family,
        annotations=plans.pairs(annotations),
        append=append,
        allow_duplicates=allow_duplicates,
        attestations=not no_attestations,
        drop_annotations=drop_annotations,
        skip_missing=skip_missing,
        spec=from_spec,
    )
    made = view(plan.tags[0].document) if plan.tags else None
    if isinstance(made, Index) and len(made.platforms) == 1:
        what = f"note: an index of one image, {made.platforms[0].label}"
        app.listener(Noted(f"{what}; ocitool tag and copy name an image itself", "notice"))
    return plans.carry_out(app, plan, dry_run=dry_run)
