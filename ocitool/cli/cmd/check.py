"""`ocitool check`: what is broken in what a name holds."""

from pathlib import Path

import click

from ocitool.check.engine import all_rules
from ocitool.check.formats import advice, as_github, as_sarif, as_text
from ocitool.cli import pages, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.cli.pipeline import write_text
from ocitool.version import __version__


@click.command()
@click.argument("places", metavar="LOC...", nargs=-1, required=True)
@click.option("--deep", is_flag=True, help="Read every layer: blobs, files, programs.")
@click.option("--no-blobs", is_flag=True, help="Do not ask whether layers are there; faster.")
@click.option("--all-tags", is_flag=True, help="Look at every tag of the repositories LOC.")
@click.option(
    "--expect",
    metavar="PLATFORMS",
    multiple=True,
    help="Exactly these have to be there; repeats  [default: `expect` of [check]]",
)
@click.option("--expect-at-least", metavar="PLATFORMS", multiple=True, help="These have to be there; repeats.")
@click.option("--select", metavar="RULES", multiple=True, help="Only these rules, `index/*` or ids; repeats.")
@click.option("--ignore", metavar="RULES", multiple=True, help="Not these rules; repeats.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif", "github"]), default="text", help="How to tell."
)
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file with [check]  [default: ocitool.toml, if there is one]",
)
@pages.option
@trust.policy
@common
def command(
    app: App,
    *,
    places: tuple[str, ...],
    deep: bool,
    no_blobs: bool,
    all_tags: bool,
    expect: tuple[str, ...],
    expect_at_least: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    form: str,
    html: Path | None,
    config: Path | None,
    policy: Path | None,
) -> Outcome:
    """Look at LOC and everything below it, and tell what is wrong; writes nothing.

    LOC is as for `ocitool inspect`. Exit code 1 for findings other than notes; 4 or 5 where something could not
    be looked at. A child counts as missing only if the registry says so. A LOC that is not there is 3; the
    others are looked at all the same.
    """
    app.console.as_json = app.console.as_json or form == "json"
    checked = app.client.check(
        *places,
        deep=deep,
        all_tags=all_tags,
        blobs=not no_blobs,
        expect=expect,
        expect_at_least=expect_at_least,
        select=select,
        ignore=ignore,
        config=config,
        policy=policy,
    )
    texts = {
        "sarif": lambda: as_sarif(checked, all_rules(), __version__),
        "github": lambda: as_github(checked),
    }
    text = texts.get(form, lambda: as_text(checked))()
    errors = tuple(error for _, error in checked.failed)
    summary = advice(checked, deep=deep) if form == "text" and not app.console.as_json else ""
    if html is not None:
        from ocitool.report.pages import check_page

        write_text(html, check_page(checked, all_rules()))
        summary = f"{summary}\nwrote {html}".lstrip()
    return Outcome(checked.to_tree(), text, checked.exit_code, summary, errors=errors)
