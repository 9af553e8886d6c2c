"""`ocitool sbom`: what is in an image, as a bill of materials."""

from pathlib import Path

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError, local_io
from ocitool.model.document import parse


@click.command()
@click.argument("location", metavar="LOC")
@click.option(
    "--platform", "platforms", metavar="PLATFORM", multiple=True, help="Of this platform's image; repeats."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["spdx", "cyclonedx"]),
    default="spdx",
    show_default=True,
    help="SPDX 2.3 or CycloneDX 1.6, as JSON.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for one file for each platform.",
)
@common
def command(app: App, *, location: str, platforms: tuple[str, ...], form: str, folder: Path | None) -> Outcome:
    """Tell which packages are in an image, and print that as a bill of materials.

    Found are packages of dpkg, apk and rpm, modules of Go programs, crates that cargo-auditable noted and those of
    Cargo.lock, Python's and npm's. What could not be read is told. Of several platforms each has a bill of its own:
    choose one with --platform, or write all with -o.
    """
    bills = app.client.sbom(location, platforms)
    documents = [bill.document(form) for bill in bills]
    data = {
        "format": form,
        "sboms": [
            bill.to_tree() | {"document": parse(document) if app.console.as_json else None}
            for bill, document in zip(bills, documents, strict=True)
        ],
    }
    if folder is not None:
        names = [f"{str(bill.platform or 'image').replace('/', '-')}.{_ENDS[form]}" for bill in bills]
        _write(folder, dict(zip(names, documents, strict=True)))
        return Outcome(data, "\n".join(str(folder / name) for name in names))
    if len(documents) != 1 and not app.console.as_json:
        known = ", ".join(str(bill.platform) for bill in bills)
        raise UsageError(
            f"{location} has {len(bills)} images: {known}", hint="add --platform, or -o DIR for all of them"
        )
    return Outcome(data, raw=documents[0] + b"\n")


_ENDS = {"spdx": "spdx.json", "cyclonedx": "cdx.json"}


def _write(folder: Path, documents: dict[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, document in documents.items():
            (folder / name).write_bytes(document + b"\n")
    except OSError as error:
        raise local_io(error, f"write into {folder}") from error
