"""`ocitool tags`: the tags of a repository."""

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.model.printable import shown


@click.command()
@click.argument("repository", metavar="REPO")
@common
def command(app: App, *, repository: str) -> Outcome:
    """Print every tag of a repository or layout, one a line."""
    store, _ = app.client.open(repository)
    tags = app.client.tags(repository)
    return Outcome(data={"repository": store.label, "tags": tags}, text="\n".join(map(shown, tags)))
