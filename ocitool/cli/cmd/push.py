"""ocitool push: publish what a build left in this machine's store."""

import click

from ocitool.builder.publish import tell_gone
from ocitool.change.apply import ChangeReport, apply
from ocitool.change.copy import WarnOnce, plan_push
from ocitool.change.journal import Journal
from ocitool.cli import options
from ocitool.cli.console import human
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.cli.plans import replaced_line
from ocitool.image.base import open_base
from ocitool.model.reference import Reference


@click.command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@options.common
def command(app: App, refs: tuple[str, ...]) -> Outcome:
    """Publish images that `build -t` left in this machine's store, under the same names.

    What a name held before is kept on this machine and printed; ocitool undo brings it back.
    """
    references = [Reference.parse(ref) for ref in refs]
    reports = [_push(app, reference) for reference in references]
    traffic = app.opener.traffic
    data = []
    for reference, report in zip(references, reports, strict=True):
        (copied,), held = report.copies, [str(digest) for _, digest in report.replaced]
        digest = str(copied.root.digest)
        one = {"name": f"{reference}@{digest}", "digest": digest, "sent": copied.sent, "saved": copied.saved}
        data.append({**one, "replaced": held[0] if held else None})
    sent = sum(report.copies[0].sent for report in reports)
    lines = [f"{human(sent)} sent, {traffic.requests} requests"]
    lines += (
        replaced_line(f"{report.target}:{tag}", digest) for report in reports for tag, digest in report.replaced
    )
    return Outcome(
        {"pushed": data, "requests": traffic.requests},
        "\n".join(str(one["name"]) for one in data),
        summary="\n".join(lines),
    )


def _push(app: App, reference: Reference) -> ChangeReport:
    content = app.machine.content
    app.machine.image(str(reference))
    store, name = app.opener.open(str(reference), write=True)
    platforms = open_base(content, str(reference)).platforms()
    root = content.get_manifest(str(reference))
    return apply(
        plan_push(content, root, store, [name], scope=app.scope, width=app.transfers),
        store,
        Journal.of(app.machine),
        app.scope,
        app.listener,
        width=app.transfers,
        unkept=WarnOnce(store, app.listener),
        replacing=lambda tag, before: tell_gone(f"{store.label}:{tag}", before, platforms, app.listener),
    )
