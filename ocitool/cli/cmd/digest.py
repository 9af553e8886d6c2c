"""`ocitool digest`: what a name means now."""

import click

from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import NotFound, UsageError
from ocitool.index.entries import IndexEntry, available
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform, choose
from ocitool.model.views import Index, view
from ocitool.store.base import Reader, called


@click.command()
@click.argument("location", metavar="LOC")
@click.option("--platform", metavar="PLATFORM", help="Of this platform's image instead.")
@common
def command(app: App, *, location: str, platform: str | None) -> Outcome:
    """Print the digest that LOC means: one HEAD request."""
    store, name = app.opener.open(location)
    if platform is None:
        found = store.head(name)
        if found is None:
            raise NotFound(f"no manifest {name} in {store.label}", name=name, where=store.label)
        digest = found.digest
    else:
        digest = _chosen(store, name, app.platform(platform))
    return Outcome(data={"name": location, "digest": digest}, text=digest)


def _chosen(store: Reader, name: str, platform: Platform) -> Digest:
    seen = view(store.get_manifest(name))
    if not isinstance(seen, Index):
        raise UsageError(f"{name} in {store.label} is no index, so it has no platforms to choose from")
    entry = choose(platform, seen.entries, lambda e: e.platform)
    if entry is None:
        hint = available(map(IndexEntry.of, seen.entries))
        raise NotFound(f"no {platform} in {called(store, name)}", name=str(platform), where=store.label, hint=hint)
    return entry.digest
