"""ocitool build: the main job."""

import os
import time
from pathlib import Path

import click

from ocitool.build.pipeline import build, plan
from ocitool.build.request import Surroundings
from ocitool.cli import building, options
from ocitool.cli.destinations import ahead_of, deliver_all, destinations, open_targets
from ocitool.cli.handover import hand_over
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError


@click.command()
@click.argument("path", default=".", type=click.Path(path_type=Path))
@click.option(
    "--spec", "spec_file", type=click.Path(path_type=Path, dir_okay=False), help="The ocitool.toml to use."
)
@options.dockerfile
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="OS/ARCH[/VARIANT]",
    envvar="OCITOOL_PLATFORM",
    help="Repeat, or use commas.",
)
@click.option(
    "-t",
    "--tag",
    "tags",
    multiple=True,
    metavar="REF",
    envvar="OCITOOL_TAG",
    help="Name of the result; repeat for several.",
)
@click.option("--push", is_flag=True, help="Publish under every -t.")
@click.option(
    "-o", "--output", "outputs", multiple=True, metavar="LOC", help="Also write oci:DIR[:TAG] and the like."
)
@click.option(
    "--base", default="", metavar="LOC", envvar="OCITOOL_BASE", help="Image to build upon  [default: scratch]."
)
@click.option(
    "--toolchain",
    default="",
    metavar="NAME",
    envvar="OCITOOL_TOOLCHAIN",
    help="go, command or prebuilt  [default: by build files].",
)
@click.option("--copy", "copies", multiple=True, metavar="SRC:DEST[:MODE]", help="{os} {arch} {variant} in SRC.")
@click.option(
    "--with",
    "extras",
    multiple=True,
    metavar="WORDS",
    envvar="OCITOOL_WITH",
    help="ca-certificates, zoneinfo, passwd, tmp.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["auto", "docker", "oci"]),
    envvar="OCITOOL_FORMAT",
    help="Family of the manifests.",
)
@click.option(
    "--compression",
    default="",
    metavar="NAME",
    envvar="OCITOOL_COMPRESSION",
    help="gzip[:LEVEL][,single], isal, zstd, none.",
)
@click.option("--entrypoint", metavar="JSON|WORDS", help="Program that the image starts.")
@click.option("--cmd", metavar="JSON|WORDS", help="Its default arguments.")
@click.option("--env", "-e", multiple=True, metavar="K=V", help="Environment variable.")
@click.option("--user", metavar="USER[:GROUP]", help="User to run as.")
@click.option("--workdir", metavar="DIR", help="Working directory.")
@click.option("--label", multiple=True, metavar="K=V", help="Label in the config.")
@click.option("--annotation", multiple=True, metavar="K=V", help="Annotation on the root (OCI only).")
@click.option("--expose", multiple=True, metavar="PORT[/PROTO]", help="Port the program listens on.")
@click.option("--volume", multiple=True, metavar="PATH", help="Path to keep outside the container.")
@click.option("--stop-signal", metavar="SIGNAL", help="Signal that stops the program.")
@click.option("--index/--no-index", "index", default=None, help="Make an index even of one platform.")
@click.option("--metadata-file", metavar="FILE", type=click.Path(path_type=Path), help="Write the result as JSON.")
@click.option("--iidfile", metavar="FILE", type=click.Path(path_type=Path), help="Write the image id.")
@click.option("--no-git-labels", is_flag=True, help="No labels for source and revision.")
@click.option("--allow-foreign-arch", is_flag=True, help="Warn instead of refusing programs of other platforms.")
@click.option("--no-cache", is_flag=True, help="Compile and pack again what has not changed.")
@click.option("--dry-run", is_flag=True, help="Print what would be compiled, packed and sent; do nothing.")
@options.common
def command(app: App, path: Path, **flags: object) -> Outcome:
    """Compile, pack and publish a multi-arch image from the sources in PATH."""
    began = time.monotonic()
    words = building.Words(flags)
    request = building.request(app, path, words)
    around = Surroundings(app.machine, app.opener, app.scope, app.host, app.width, app.transfers, app.listener)
    wanted = destinations(words.many("outputs"))
    push = bool(flags["push"]) or any(destination.push for destination in wanted)
    planned = plan(request, around)
    if flags["dry_run"]:
        return building.dry_run(planned, [d.locator for d in wanted if d.locator], push=push)
    if push and not planned.tags:
        raise UsageError("--push needs a name to push to", hint="add -t registry.example/app:v1")
    targets = open_targets(app, wanted, planned.tags, push=push)
    built = build(planned, around, ahead_of(targets))
    deliveries = deliver_all(built, targets, around)
    streamed = any(destination.is_stdout for destination in wanted)
    seconds = time.monotonic() - began
    outcome = building.outcome(app, built, deliveries, pushed=push, streamed=streamed, seconds=seconds)
    hand_over(
        built,
        [str(tag) for tag in planned.tags],
        outcome.data,
        metadata_file=words.path("metadata_file"),
        iidfile=words.path("iidfile"),
        environ=os.environ,
    )
    return outcome
