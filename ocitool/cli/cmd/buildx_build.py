"""`ocitool buildx build`: a Dockerfile, by the words and defaults of `docker buildx build`."""

import click

from ocitool.cli import buildflags, building, buildx, options
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command(cls=buildx.SectionedCommand)
@click.argument("path", metavar="PATH|URL|-")
@buildflags.spec
@buildflags.result
@buildflags.documents
@options.common
@buildx.flags
def command(app: App, path: str, **flags: object) -> Outcome:
    """Build the Dockerfile in PATH, on standard input, or in the archive that is there or at a URL.

    What differs from `ocitool build`: there has to be a Dockerfile, -o DIR is a folder of files, --annotation
    means the manifests and makes them OCI, and --quiet prints the image id.
    """
    return building.carry_out(app, path, flags, building.BUILDX)
