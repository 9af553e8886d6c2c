"""`ocitool diff`: two multi-arch images compared, platform by platform."""

from pathlib import Path

import click

from ocitool.cli import pages
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.cli.pipeline import write_text


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--files", is_flag=True, help="Also the files of the merged file systems.")
@click.option("--platform", "platforms", metavar="PLATFORM", multiple=True, help="Only these; repeats.")
@pages.option
@common
def command(
    app: App, *, before: str, after: str, platforms: tuple[str, ...], files: bool, html: Path | None
) -> Outcome:
    """Compare two images or indexes: platforms, configs, layers, annotations, attestations.

    Exit code 1 if they differ in anything, 0 if they are equal.
    """
    found = app.client.diff(before, after, platforms, files=files)
    if html is not None:
        from ocitool.report.pages import comparison_page

        write_text(html, comparison_page(found))
    summary = f"wrote {html}" if html is not None else ""
    return Outcome(found.to_tree(), found.text(), 0 if found.is_equal else 1, summary)
