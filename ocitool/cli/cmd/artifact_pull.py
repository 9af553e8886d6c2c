"""`ocitool artifact pull`: the files of an artifact in a folder."""

from pathlib import Path

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.model.printable import shown


@click.command()
@click.argument("location", metavar="LOC")
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    default=Path(),
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that they go into  [default: the current one]",
)
@click.option("--only", metavar="TITLE", multiple=True, help="Only the file with this title; repeats.")
@click.option("--keep-old-files", "keep_old", is_flag=True, help="Leave alone what is there already.")
@common
def command(app: App, *, location: str, folder: Path, only: tuple[str, ...], keep_old: bool) -> Outcome:
    """Write the files of an artifact into a folder, and print their paths; directories are unpacked.

    Each file is verified before it has its name. No title and no link leads out of the folder, whatever the
    artifact says and whatever links are in the folder already. LOC is a reference, `oci:DIR[:TAG]` or an archive.
    """
    done = app.client.artifact(location).pull(folder, keep_old=keep_old, only=only)
    lines = "\n".join(shown(str(done.folder / path)) for path in done.written)
    summary = f"{len(done.kept)} left as they are" if done.kept else ""
    return Outcome(done.to_tree(), lines, summary=summary)
