"""ocitool build: the main job."""

import click

from ocitool.cli import options, promises
from ocitool.cli.buildx import attestations, build_options, ignored_flags, run_options
from ocitool.cli.buildx.command import OURS, carry_out
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command(cls=ignored_flags.SectionedCommand)
@click.argument("path", default=".")
@build_options.spec
@build_options.result
@build_options.by_digest
@build_options.contents
@build_options.settings
@build_options.documents
@build_options.trusted
@attestations.flags
@run_options.flags
@promises.flags
@options.common
@ignored_flags.flags
def command(app: App, path: str, **flags: object) -> Outcome:
    """Compile, pack and publish a multi-arch image from the sources in PATH.

    A PATH of - is a tar on standard input, or a Dockerfile that copies nothing from a folder; so is an http(s) URL.
    """
    return carry_out(app, path, flags, OURS)
