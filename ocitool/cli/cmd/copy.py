"""`ocitool copy`: images from one place to another, bytes unchanged."""

from typing import Any

import click

from ocitool.cli import plans, promises, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError


@click.command()
@click.argument("places", metavar="SRC... DST", nargs=-1, required=True)
@click.option("--to", "destinations", metavar="DST", multiple=True, help="To here, and all else is SRC; repeats.")
@click.option("--platform", "platforms", metavar="PLATFORM", multiple=True, help="Only these, or linux/*; repeats.")
@click.option("--sparse", is_flag=True, help="With --platform, keep the index as it is.")
@click.option("--all-tags", is_flag=True, help="Every tag of SRC under its own name.")
@click.option("--include", metavar="PATTERN", multiple=True, help="Every tag that it fits; repeats.")
@click.option("--exclude", metavar="PATTERN", multiple=True, help="Every tag but these; repeats.")
@click.option("--semver", "versions", metavar="RANGE", default="", help="Every version in it, such as '>=1.2 <2'.")
@click.option("--referrers", is_flag=True, help="Also signatures, SBOMs and whatever refers to it.")
@click.option("--replace", is_flag=True, help="Write over a tag that holds something else.")
@click.option("--trust", is_flag=True, help="Believe that DST has what is below a manifest it has.")
@click.option("--lacking", metavar="PLACE", multiple=True, help="Archives leave out the blobs of PLACE; repeats.")
@trust.verifying("SRC")
@plans.dry_run
@common
@promises.promising
def command(
    app: App,
    *,
    places: tuple[str, ...],
    destinations: tuple[str, ...],
    dry_run: bool,
    **options: Any,  # noqa: ANN401 - those of Client.plan_copies
) -> Outcome:
    """Copy what SRC holds to DST: all platforms, and the same digest at the end.

    SRC and DST are references, `oci:DIR:TAG` or archives. Blobs are mounted where one registry has both. With --to
    there may be several SRC and several DST, and each SRC is read once. A DST that ends with / takes each SRC below
    it under its own repository; a layout or archive takes several under their full names, and gives them back to
    such a DST.

    With --verify-key what was verified is what is copied; where it is not signed so the exit code is 1, and nothing
    is written.
    """
    if not destinations:
        if len(places) != 2:
            raise UsageError(
                f"{len(places)} places are given, and not SRC and DST",
                hint="several of them: ocitool copy SRC [SRC...] --to DST [--to DST...]",
            )
        places, destinations = places[:1], places[1:]
    made = app.client.plan_copies(places, destinations, **options)
    return plans.carry_out_copies(app, made, dry_run=dry_run)
