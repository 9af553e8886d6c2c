"""`ocitool explain`: what a rule or an exit code means."""

import click

from ocitool.cli.explanations import explain, explained
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("name", metavar="[RULE|EXIT]", required=False)
@common
def command(app: App, *, name: str | None) -> Outcome:  # noqa: ARG001 - nothing is asked
    """Tell what a rule of `check`, a check of a Dockerfile or an exit code means, why it is told, and what to do.

    Without a name, list all of them.
    """
    if name is None:
        found = explained()
        text = "\n".join(f"{one.name}: {one.title}" for one in found)
        return Outcome({"explanations": [one.to_tree() for one in found]}, text)
    one = explain(name)
    return Outcome(one.to_tree(), one.text())
