"""ocitool push: publish what a build left in this machine's store."""

import click

from ocitool.cli import options
from ocitool.cli.console import human
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.graph.copy import CopyReport, copy, tell_gone
from ocitool.image.base import open_base
from ocitool.model.reference import Reference


@click.command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@options.common
def command(app: App, refs: tuple[str, ...]) -> Outcome:
    """Publish images that `build -t` left in this machine's store, under the same names."""
    references = [Reference.parse(ref) for ref in refs]
    reports = [_push(app, reference) for reference in references]
    traffic = app.opener.traffic
    sent = sum(report.sent for report in reports)
    names = [f"{reference}@{report.root.digest}" for reference, report in zip(references, reports, strict=True)]
    data = [
        {"name": name, "digest": str(report.root.digest), "sent": report.sent, "saved": report.saved}
        for name, report in zip(names, reports, strict=True)
    ]
    return Outcome(
        {"pushed": data, "requests": traffic.requests},
        "\n".join(names),
        summary=f"{human(sent)} sent, {traffic.requests} requests",
    )


def _push(app: App, reference: Reference) -> CopyReport:
    app.machine.image(str(reference))
    store, name = app.opener.open(str(reference), write=True)
    platforms = open_base(app.machine.content, str(reference)).platforms()
    return copy(
        app.machine.content,
        str(reference),
        store,
        name,
        scope=app.scope,
        width=app.transfers,
        listener=app.listener,
        replaces=lambda tag, before: tell_gone(store, tag, before, platforms, app.listener),
    )
