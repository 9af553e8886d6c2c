"""Every command: its words, its one-line summary, the module that holds it, the heading it stands under.

The single source for help, completion and the reference pages. A command's module is imported when the
command is called, so this table must not import any.
"""

from typing import Final, NamedTuple


class Command(NamedTuple):
    """One command. `path` are its words, `module` is below ocitool.cli.cmd."""

    path: str
    summary: str
    module: str
    section: str


COMMANDS: Final = (
    Command("build", "Compile, pack and publish a multi-arch image from a folder", "build", "Build"),
    Command("push", "Publish what `build -t` left in this machine's store", "push", "Build"),
    Command("images", "List the images in this machine's store", "images", "Build"),
    Command("inspect", "Show an image or index as a table of platforms", "inspect", "Look"),
)

GROUPS: Final = {
    "index": "Create and edit multi-arch indexes",
    "manifest": "What `docker manifest` does, word for word; also get and put raw manifests",
    "buildx": "What `docker buildx` does, as far as it makes sense without a daemon",
    "cache": "This machine's store",
    "key": "Keys for signing",
    "blob": "Raw blobs of a repository",
    "config": "An image's config",
    "artifact": "Files as OCI artifacts",
}
"""Summaries of the words that hold several commands."""
