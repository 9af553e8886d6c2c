"""ocitool push: publish what a build left in this machine's store."""

import click

from ocitool.cli import options, promises, trust
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.cli.plans import replaced_line
from ocitool.errors import UsageError
from ocitool.model.printable import human
from ocitool.model.reference import Reference
from ocitool.store.locate import Locator


@click.command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@trust.signing
@options.common
@promises.publishing
def command(
    app: App, *, refs: tuple[str, ...], sign_keys: tuple[str, ...], password_sources: tuple[str, ...]
) -> Outcome:
    """Publish images that `build -t` left in this machine's store, under the same names.

    What a name held before is kept on this machine and printed; ocitool undo brings it back. What `[push]` and
    `[check]` of ocitool.toml promise is kept.
    """
    if len(refs) == 2 and Locator.parse(refs[0]).reference is None:
        raise UsageError(
            f"push takes names under which builds were left on this machine, and {refs[0]} is a place",
            hint=f"ocitool copy {refs[0]} {refs[1]}",
        )
    password = trust.passwords_of(sign_keys, password_sources)
    words = app.promises.words if app.promises is not None else {}
    reports = [app.client.push(ref, sign_keys=sign_keys, password=password, **words) for ref in refs]
    references = [Reference.parse(ref) for ref in refs]
    requests = app.work.opener.traffic.requests
    data = []
    for reference, report in zip(references, reports, strict=True):
        (copied,), held = report.copies, [str(digest) for _, digest in report.replaced]
        digest = str(copied.root.digest)
        one = {"name": f"{reference}@{digest}", "digest": digest, "sent": copied.sent, "saved": copied.saved}
        data.append({**one, "replaced": held[0] if held else None})
    lines = [f"{human(sum(report.copies[0].sent for report in reports))} sent, {requests} requests"]
    lines += (
        replaced_line(f"{report.target}:{tag}", digest) for report in reports for tag, digest in report.replaced
    )
    text = "\n".join(str(one["name"]) for one in data)
    return Outcome({"pushed": data, "requests": requests}, text, summary="\n".join(lines))
