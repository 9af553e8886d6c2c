"""`ocitool files`: what is in an image."""

import click

from ocitool.cli.files import file_tree, long_line
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.model.printable import shown


@click.command()
@click.argument("location", metavar="LOC")
@click.option("--platform", metavar="PLATFORM", help="Of this platform's image.")
@click.option("-l", "--long", "is_long", is_flag=True, help="Also mode, owner, size, time and link target.")
@common
def command(app: App, *, location: str, platform: str | None, is_long: bool) -> Outcome:
    """List the files of an image as a container would see them, one path a line.

    Layers are merged: what an upper layer deletes is not listed. The layers are read once and their listing is
    kept on this machine.
    """
    found = app.client.files(location, platform)
    files = list(found.walk())
    lines = (long_line(path, node) if is_long else shown(path) for path, node in files)
    data = {
        "digest": found.digest,
        "files": [file_tree(path, node, found.manifest) for path, node in files] if app.console.as_json else (),
    }
    return Outcome(data=data, text="".join(f"{line}\n" for line in lines), is_exact=True)
