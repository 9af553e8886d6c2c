"""`ocitool index annotate`: annotations of an index, and what its entries say."""

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@plans.selecting
@click.option("--annotation", "annotations", metavar="[PLACE:]KEY=VALUE", multiple=True, help="Set it; repeats.")
@click.option("--remove-annotation", "removed", metavar="KEY", multiple=True, help="Remove it; repeats.")
@click.option("--os", help="Operating system of the entries.")
@click.option("--arch", help="Architecture of the entries.")
@click.option("--variant", help="Variant of the entries; an empty one removes it.")
@click.option("--os-version", help="OS version of the entries.")
@click.option("--os-features", "features", metavar="FEATURE", multiple=True, help="OS features; repeats.")
@click.option("--allow-duplicates", is_flag=True, help="Let two entries be for one platform.")
@plans.elsewhere
@plans.dry_run
@common
@trust.resigning
def command(
    app: App,
    *,
    reference: str,
    platforms: tuple[str, ...],
    digests: tuple[str, ...],
    annotations: tuple[str, ...],
    removed: tuple[str, ...],
    os: str | None,
    arch: str | None,
    variant: str | None,
    os_version: str | None,
    features: tuple[str, ...],
    tags: tuple[str, ...],
    allow_duplicates: bool,
    dry_run: bool,
) -> Outcome:
    """Set what entries of the index REF say; without --platform and --digest, annotations of the index itself.

    The images are not touched: an entry that says something else than the image's config is found by
    `ocitool check`.
    """
    plan = app.client.index(reference).annotate(
        {**plans.pairs(annotations), **dict.fromkeys(removed)},
        platforms=platforms,
        digests=digests,
        os=os,
        arch=arch,
        variant=variant,
        os_version=os_version,
        os_features=[word for text in features for word in text.split(",") if word] if features else None,
        allow_duplicates=allow_duplicates,
        tags=tags,
    )
    return plans.carry_out(app, plan, dry_run=dry_run)
