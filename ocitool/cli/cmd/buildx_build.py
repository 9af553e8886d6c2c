"""`ocitool buildx build`: a Dockerfile, by the words and defaults of `docker buildx build`."""

import click

from ocitool.cli import options
from ocitool.cli.buildx import attestations, build_options, ignored_flags, run_options
from ocitool.cli.buildx.command import BUILDX, carry_out
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command(cls=ignored_flags.SectionedCommand)
@click.argument("path", metavar="PATH|URL|-")
@build_options.spec
@build_options.result
@build_options.documents
@build_options.trusted
@attestations.flags
@run_options.flags
@options.common
@ignored_flags.flags
def command(app: App, path: str, **flags: object) -> Outcome:
    """Build the Dockerfile in PATH, on standard input, or in the archive that is there or at a URL.

    What differs from `ocitool build`: there has to be a Dockerfile, -o DIR is a folder of files, --annotation
    means the manifests and makes them OCI, and --quiet prints the image id.
    """
    return carry_out(app, path, flags, BUILDX)
