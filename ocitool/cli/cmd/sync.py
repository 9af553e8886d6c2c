"""`ocitool sync`: repositories kept alike, as a file says."""

from pathlib import Path
from typing import Any

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.model.printable import human
from ocitool.sync.report import SyncedTag, SyncReport


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--trust", is_flag=True, help="Believe earlier runs; ask for the tags of sources alone.")
@click.option("--anew", is_flag=True, help="Forget earlier runs, and ask for every manifest too.")
@trust.verifying("Every source")
@plans.dry_run
@common
def command(app: App, *, file: Path, dry_run: bool, **options: Any) -> Outcome:  # noqa: ANN401 - those of Client.sync
    """Let the targets of FILE, in TOML, hold the tags of its sources; print those that were written.

    A tag that holds something else is written over: the old bytes are backed up, and undo brings them back. What
    earlier runs found out is kept on this machine: a run that has nothing to do looks at each tag here and there,
    and asks each target for every distinct blob once. Tags that a source has lost stay at the targets.
    """
    report = app.client.sync(file, dry_run=dry_run, **options)
    data = report.to_tree() | ({"dryRun": True} if dry_run else {})
    text = "\n".join(map(_line, report.written))
    code = report.errors[0].exit_code if report.errors else 0
    return Outcome(data, text, code, _summary(report), errors=report.errors)


def _line(one: SyncedTag) -> str:
    place = plans.place(one.target, one.tag, one.digest)
    return place if one.lacked is None else f"{place} lacks {human(one.lacked.size)}"


def _summary(report: SyncReport) -> str:
    moved = sum(one.sent if one.lacked is None else one.lacked.size for one in report.written)
    done = f"{len(report.written)} written ({human(moved)})"
    if report.written and report.written[0].lacked is not None:
        done = f"{len(report.written)} to be written ({human(moved)})"
    failed = f", {len(report.errors)} failed" if report.errors else ""
    return f"{report.tags} tags: {report.unchanged} as they were at targets, {done}{failed}"
