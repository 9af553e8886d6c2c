"""`ocitool export`: the merged root filesystem of an image, as a directory or a tar."""

from pathlib import Path

import click

from ocitool.cli.files import warn_of
from ocitool.cli.options import App, WholeNumber, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError
from ocitool.model.numbers import GIB
from ocitool.model.printable import human, shown
from ocitool.rootfs.export import export, tar_of
from ocitool.rootfs.extract import contents


@click.command()
@click.argument("location", metavar="LOC")
@click.option("-o", "--output", required=True, metavar="DIR|FILE.tar", help="Where to; `-` is a tar on stdout.")
@click.option("--platform", metavar="PLATFORM", help="Of this platform's image.")
@click.option(
    "--limit",
    "limit_gib",
    metavar="GIB",
    type=WholeNumber(min=1),
    default=64,
    show_default=True,
    help="Most GiB of files; more is taken for a bomb.",
)
@common
def command(app: App, *, location: str, output: str, platform: str | None, limit_gib: int) -> Outcome:
    """Write the files of an image as a container would see them.

    LOC is as for `ocitool inspect`. A directory has to be new or empty. Owners, setuid bits and capabilities are
    kept in a tar, and in a directory if you are root. Device nodes are left out.
    """
    if output == "-" and app.console.as_json:
        raise UsageError("--json and a tar on stdout do not go together", hint="name a file with -o")
    found = app.client.files(location, platform, whole=True)
    what = contents(found.tree, limit_gib * GIB)
    warn_of(app, "devices and links to nothing are left out", what.left_out)
    if output == "-":
        app.console.stream(tar_of(found, what))
    else:
        done = export(found, Path(output), what)
        warn_of(app, "extended attributes could not be kept", done.without_xattrs)
    data = {
        "digest": found.digest,
        "output": output,
        "files": what.count,
        "bytes": what.size,
        "left_out": [shown(path) for path in what.left_out],
    }
    return Outcome(data=data, summary=f"exported {what.count} files, {human(what.size)}, to {output}")
