"""`ocitool tags`: the tags of a repository."""

from typing import Any

import click

from ocitool.cli.console import table
from ocitool.cli.options import App, WholeNumber, common
from ocitool.cli.outcome import Outcome
from ocitool.model.moments import day
from ocitool.model.printable import human, shown
from ocitool.repository.tags import TagInfo, TagOrder


@click.command()
@click.argument("repository", metavar="REPO")
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.option("--exclude", "excludes", metavar="PATTERN", multiple=True, help="Leave these out; repeats.")
@click.option("--semver", "versions", metavar="RANGE", default="", help="Only versions in it, such as '>=1.2 <2'.")
@click.option(
    "--sort",
    "order",
    type=click.Choice([one.value for one in TagOrder]),
    default=TagOrder.LISTED.value,
    show_default=True,
    help="By date takes more requests: the images are read.",
)
@click.option("-r", "--reverse", is_flag=True, help="The last first.")
@click.option("--limit", metavar="N", type=WholeNumber(min=1), default=None, help="Print at most so many.")
@click.option("-l", "--long", is_flag=True, help="With digest, size and platforms: one request for each tag.")
@common
def command(
    app: App,
    *,
    repository: str,
    patterns: tuple[str, ...],
    excludes: tuple[str, ...],
    versions: str,
    order: str,
    reverse: bool,
    limit: int | None,
    long: bool,
) -> Outcome:
    """Print the tags of a repository or layout, one a line; with PATTERN only those that one of them fits.

    `*` stands for anything, `?` for one character. A range takes the forms of semver tools: >=1.2 <2, ^1.4, ~1.4.2,
    1.x || >=3; a suffix such as -alpine does not count unless the range has one.
    """
    store, _ = app.client.open(repository)
    choice: dict[str, Any] = {
        "exclude": excludes,
        "versions": versions,
        "order": order,
        "reverse": reverse,
        "limit": limit or 0,
    }
    if not long:
        tags = app.client.tags(repository, patterns, **choice)
        return Outcome(data={"repository": store.label, "tags": tags}, text="\n".join(map(shown, tags)))
    found = app.client.tag_details(repository, patterns, **choice)
    data = {"repository": store.label, "tags": [one.tag for one in found]}
    return Outcome(data=data | {"details": [one.to_tree() for one in found]}, text=_table(found) if found else "")


def _table(found: tuple[TagInfo, ...]) -> str:
    rows = [
        (
            shown(one.tag),
            one.digest.short,
            human(one.size) if one.size is not None else "-",
            day(one.created) if one.created is not None else "-",
            shown(one.problem or ", ".join(one.platforms)),
        )
        for one in found
    ]
    if any(one.created is not None for one in found):
        return table(("TAG", "DIGEST", "SIZE", "CREATED", "PLATFORMS"), rows)
    return table(("TAG", "DIGEST", "SIZE", "PLATFORMS"), [row[:3] + row[4:] for row in rows])
