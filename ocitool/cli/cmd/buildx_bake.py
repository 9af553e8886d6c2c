"""`ocitool buildx bake`: the targets of a bake file, built by the words of `docker buildx bake`."""

import os
import sys
from pathlib import Path

import click

from ocitool.bake.allowed import check_allowed
from ocitool.bake.definition import tree_of
from ocitool.bake.files import overlooked
from ocitool.bake.target import go_json
from ocitool.cli import options
from ocitool.cli.buildx import builders
from ocitool.cli.buildx.bake import build_all, overrides_of
from ocitool.cli.buildx.build_options import WRITTEN
from ocitool.cli.buildx.ignored_flags import PROGRESS, SectionedCommand
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import Unsupported
from ocitool.events import Noted


@click.command(cls=SectionedCommand)
@click.argument("targets", nargs=-1, metavar="[TARGET...]")
@click.option("-f", "--file", "files", multiple=True, metavar="FILE", help="A bake file in HCL or JSON; repeats.")
@click.option("--set", "sets", multiple=True, metavar="TARGET.KEY=VALUE", help="Say otherwise; * is any target.")
@click.option("--print", "is_printed", is_flag=True, help="Print what would be built, as JSON.")
@click.option("--list", "listed", type=click.Choice(["targets"]), help="Print the names of targets and groups.")
@click.option("--push", is_flag=True, help="Publish every target under its tags.")
@click.option("--load", is_flag=True, help="Load every target into an engine.")
@click.option("--metadata-file", metavar="FILE", type=WRITTEN, help="Write what was built as JSON, by target.")
@click.option("--no-cache", is_flag=True, help="Compile and pack again what has not changed.")
@click.option("--pull", is_flag=True, help="So it is at every build.")
@click.option("--check", is_flag=True, help="Only say what is unwise in the Dockerfiles; build nothing.")
@click.option("--call", default="", metavar="METHOD", help="build, check, outline or targets.")
@click.option("--sbom", metavar="[=FORMAT]", help="Attest what is in the images.")
@click.option("--provenance", metavar="[=SPEC]", help="Attest how they were made.")
@click.option("--allow", multiple=True, metavar="WHAT", help="network.host, fs=DIR, fs.read=DIR, fs.write=DIR.")
@click.option("--progress", type=click.Choice(PROGRESS), metavar="HOW", envvar="BUILDKIT_PROGRESS")
@click.option("-D", "--debug", is_flag=True, help="As --verbose.")
@builders.takes("--builder")
@options.common
def command(
    app: App,
    *,
    targets: tuple[str, ...],
    files: tuple[str, ...],
    sets: tuple[str, ...],
    is_printed: bool,
    listed: str | None,
    metadata_file: Path | None,
    allow: tuple[str, ...],
    progress: str | None,
    debug: bool,
    **flags: object,
) -> Outcome:
    """Build the targets of bake files: those that are named, or `default`.

    Without -f they are docker-bake.json, docker-bake.hcl and docker-bake.override.json and .hcl.
    """
    for one in targets:
        if "://" in one or one.endswith(".git"):
            raise Unsupported(f"{one} would have to be cloned", ability="remote definition", hint="clone it first")
    if compose := overlooked(files, Path.cwd()):
        app.listener(Noted(f"note: {compose} is not read: its services are no targets here", "notice"))
    definition = app.client.read_bake(files, stdin=sys.stdin.buffer)
    if listed:
        names = definition.names
        return Outcome({"targets": list(names)}, "\n".join(name for name in names if not name.startswith("_")))
    chosen = definition.choose(targets or ("default",), overrides_of(sets, flags, os.environ))
    if is_printed:
        tree = tree_of(chosen, os.environ)
        return Outcome(tree, go_json(tree), is_exact=True)
    check_allowed(chosen, allow, Path.cwd())
    return build_all(app, chosen, {"progress": progress, "debug": debug}, metadata_file)
