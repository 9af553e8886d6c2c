"""`ocitool tag`: further names for what a name holds."""

import click

from ocitool.cli import plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError
from ocitool.index.plans import plan_tag
from ocitool.model.reference import is_tag
from ocitool.store.base import Store


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@plans.dry_run
@common
def command(app: App, *, reference: str, names: tuple[str, ...], dry_run: bool) -> Outcome:
    """Let further tags of the same repository hold what REF holds; NAME is a tag or a full reference."""
    store, name = plans.open_edited(app, reference)
    tags = tuple(_tag(app, store, word) for word in names)
    plan = plan_tag(store, name, tags)
    return plans.carry_out(app, plan, store, dry_run=dry_run, names=tags)


def _tag(app: App, store: Store, word: str) -> str:
    if is_tag(word):
        return word
    if "/" not in word and ":" not in word:
        raise UsageError(f"not a tag: {word!r}", hint="letters, digits, _ . and -")
    return plans.tags_of(app, store, [word])[0]
