"""`ocitool index order`: the entries of an index sorted."""

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--platform", "platforms", metavar="PLATFORM", multiple=True, help="These first; repeats.")
@plans.elsewhere
@plans.dry_run
@common
@trust.resigning
def command(
    app: App, *, reference: str, platforms: tuple[str, ...], tags: tuple[str, ...], dry_run: bool
) -> Outcome:
    """Sort the entries of the index REF: linux and amd64 first, or the named platforms first.

    Where several entries fit, engines take the first. zstd images stand behind the others; attestations come
    last, in the order of their images.
    """
    return plans.carry_out(app, app.client.index(reference).order(platforms, tags=tags), dry_run=dry_run)
