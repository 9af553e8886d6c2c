"""ocitool build: the main job."""

import click

from ocitool.cli import buildflags, building, buildx, options
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command(cls=buildx.SectionedCommand)
@click.argument("path", default=".")
@buildflags.spec
@buildflags.result
@buildflags.contents
@buildflags.settings
@buildflags.documents
@options.common
@buildx.flags
def command(app: App, path: str, **flags: object) -> Outcome:
    """Compile, pack and publish a multi-arch image from the sources in PATH.

    A PATH of - is a tar on standard input, or a Dockerfile that copies nothing from a folder; so is an http(s) URL.
    """
    return building.carry_out(app, path, flags, building.OURS)
