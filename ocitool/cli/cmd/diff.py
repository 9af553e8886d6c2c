"""`ocitool diff`: two multi-arch images compared, platform by platform."""

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.model.platform import Platform
from ocitool.report.compare import compare
from ocitool.report.filediff import compare_all
from ocitool.report.survey import Survey, pick, survey
from ocitool.store.base import Reader


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--files", is_flag=True, help="Also the files of the merged file systems.")
@click.option("--platform", "platforms", metavar="PLATFORM", multiple=True, help="Only these; repeats.")
@common
def command(app: App, *, before: str, after: str, platforms: tuple[str, ...], files: bool) -> Outcome:
    """Compare two images or indexes: platforms, configs, layers, annotations, attestations.

    Exit code 1 if they differ in anything, 0 if they are equal.
    """
    wanted = app.platforms(platforms)
    a, b = _side(app, before, wanted), _side(app, after, wanted)
    changes = compare_all(a, b, app.machine.memo, scope=app.scope) if files else {}
    comparison = compare(a[1], b[1], changes)
    return Outcome(data=comparison.to_tree(), text=comparison.text(), exit_code=0 if comparison.is_equal else 1)


def _side(app: App, location: str, wanted: tuple[Platform, ...]) -> tuple[Reader, Survey]:
    store, name = app.opener.open(location)
    found, _ = pick(survey(store, name, scope=app.scope, label=location), wanted)
    return store, found
