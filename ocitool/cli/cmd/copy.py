"""`ocitool copy`: images from one place to another, bytes unchanged."""

from pathlib import Path

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@click.option("--platform", "platforms", metavar="PLATFORM", multiple=True, help="Only these; repeats.")
@click.option("--sparse", is_flag=True, help="With --platform, keep the index as it is.")
@click.option("--all-tags", is_flag=True, help="Every tag of SRC under its own name.")
@click.option("--referrers", is_flag=True, help="Also signatures, SBOMs and whatever refers to it.")
@click.option("--replace", is_flag=True, help="Write over a tag that holds something else.")
@click.option("--trust", "is_trusted", is_flag=True, help="Believe that DST has what is below a manifest it has.")
@trust.verifying("SRC")
@plans.dry_run
@common
def command(
    app: App,
    *,
    source: str,
    destination: str,
    platforms: tuple[str, ...],
    sparse: bool,
    all_tags: bool,
    referrers: bool,
    replace: bool,
    is_trusted: bool,
    verify_keys: tuple[str, ...],
    verify_identity: tuple[str, ...],
    policy: Path | None,
    dry_run: bool,
) -> Outcome:
    """Copy what SRC holds to DST: all platforms, and the same digest at the end.

    SRC and DST are references, `oci:DIR:TAG` or archives. Blobs are mounted where one registry has both. With
    --verify-key what was verified is what is copied; where it is not signed so the exit code is 1, and nothing is
    written.
    """
    plan = app.client.plan_copy(
        source,
        destination,
        platforms,
        sparse=sparse,
        all_tags=all_tags,
        referrers=referrers,
        replace=replace,
        trust=is_trusted,
        verify_keys=verify_keys,
        verify_identity=verify_identity,
        policy=policy,
    )
    return plans.carry_out(app, plan, dry_run=dry_run)
