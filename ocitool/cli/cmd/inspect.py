"""`ocitool inspect`: what a name holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from ocitool.attest.statement import Place
from ocitool.cli import pages
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.cli.pipeline import write_text
from ocitool.errors import UsageError
from ocitool.model.printable import shown
from ocitool.report import text
from ocitool.report.template import render


@click.command()
@click.argument("location", metavar="LOC")
@click.option("--platform", "platforms", metavar="PLATFORM", multiple=True, help="Only this one; repeats.")
@click.option("--layers", is_flag=True, help="Each image's layers, bottom first.")
@click.option("--config", "configs", is_flag=True, help="Each image's config.")
@click.option("--tree", "as_tree", is_flag=True, help="What hangs below what.")
@click.option("--referrers", is_flag=True, help="Also what refers to it: signatures, SBOMs.")
@click.option("--sbom", is_flag=True, help="What stands beside the image as its SBOM.")
@click.option("--provenance", is_flag=True, help="What stands beside the image about how it was made.")
@click.option("--raw", is_flag=True, help="The exact bytes of the manifest.")
@click.option("--template", metavar="TEXT", help="Fields of the JSON data: '{platforms[].digest}'.")
@pages.option
@common
def command(
    app: App,
    *,
    location: str,
    platforms: tuple[str, ...],
    template: str | None,
    html: Path | None,
    layers: bool,
    configs: bool,
    as_tree: bool,
    referrers: bool,
    sbom: bool,
    provenance: bool,
    raw: bool,
) -> Outcome:
    """Show an image or index: platforms, digests, compressed sizes, creation times, layers.

    LOC is a reference, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:TAG]`.
    """
    if sum((raw, configs, as_tree, template is not None, sbom, provenance)) > 1:
        raise UsageError(
            "--raw, --config, --tree, --template, --sbom and --provenance are six ways to print; choose one"
        )
    if sbom or provenance:
        return _statement(app, location, "sbom" if sbom else "provenance", platforms)
    if raw:
        return _raw(app, location, platforms)
    found = app.client.inspect(location, platforms, referrers=referrers)
    if html is not None:
        from ocitool.report.pages import survey_page

        write_text(html, survey_page(found))
    data = found.to_tree(configs=configs or template is not None)
    if template is not None:
        return Outcome(data=data, text=render(template, data), is_exact=True)
    if html is not None:
        return Outcome(data=data, summary=f"wrote {html}")
    if configs:
        return Outcome(data=data, text=text.configs(found), is_exact=True)
    draw = text.tree if as_tree else text.table
    return Outcome(data=data, text=draw(found, layers=layers))


def _statement(app: App, location: str, kind: str, platforms: tuple[str, ...]) -> Outcome:
    """The predicate of the first statement of a kind; with --json of all of them."""
    wanted = app.work.platforms(platforms)
    if len(wanted) > 1:
        raise UsageError(f"--{kind} prints what is said of one image; name one platform")
    found = app.client.statements(location, kind, *wanted)
    data = {
        "statements": [
            {
                "predicateType": one.predicate_type,
                "signed": one.is_signed,
                "place": one.place,
                "predicate": one.predicate,
            }
            for one in found
        ]
    }
    first, *others = found
    said = f"{shown(first.predicate_type)}; {_SIGNED[first.place]}"
    more = f"; {len(others)} more with --json" if others else ""
    return Outcome(data, text=first.text(), summary=said + more)


_SIGNED: Final[Mapping[Place, str]] = {
    "index": "a signature of the index covers it, and none was verified",
    "bundle": "it is signed, and the signature was not verified",
    "referrer": "it is not signed",
}


def _raw(app: App, location: str, platforms: tuple[str, ...]) -> Outcome:
    """The bytes as they are, also of documents that nothing else can read (K043)."""
    wanted = app.work.platforms(platforms)
    if len(wanted) > 1:
        raise UsageError("--raw prints one manifest; name one platform")
    document = app.client.manifest(location, *wanted)
    data = {
        "digest": document.digest,
        "mediaType": document.media_type,
        "raw": document.raw.decode("utf-8", "replace"),
    }
    return Outcome(data=data, raw=document.raw)
