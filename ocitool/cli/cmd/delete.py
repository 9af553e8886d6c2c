"""`ocitool delete`: tags, or manifests by their digests."""

import sys
from typing import Any

import click

from ocitool.cli import plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError
from ocitool.model.printable import shown
from ocitool.repository.delete import Deletion


@click.command()
@click.argument("references", metavar="REF...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Delete a manifest without asking, whatever goes with it.")
@plans.dry_run
@common
def command(app: App, *, references: tuple[str, ...], yes: bool, dry_run: bool) -> Outcome:
    """Delete tags, or manifests where REF is REPO@DIGEST.

    A tag goes alone: others that hold the same keep it. Where a registry deletes manifests only, a placeholder
    takes the tag over and is deleted with it; where it deletes nothing the exit code is 9.

    A manifest takes all its tags along, and an index that lists it is broken: this is said, and asked about.
    A no is exit code 1; without a terminal --yes is needed, else it is 2. `ocitool undo REF` brings back what was
    deleted, until the registry has collected its garbage.
    """
    found = [app.client.repository(reference).delete() for reference in references]
    asked = (one for one in found if one.is_of_manifest and not dry_run)
    if not all(_is_wanted(app, one, yes=yes) for one in asked):
        return Outcome({"deletions": []}, exit_code=1, summary="nothing was deleted")
    outcomes = [plans.carry_out(app, one.plan, dry_run=dry_run) for one in found]
    pairs = list(zip(found, outcomes, strict=True))
    told = [line for one, outcome in pairs for line in (outcome.text, *(_told(one) if dry_run else ()))]
    summary = "\n".join(filter(None, (outcome.summary for outcome in outcomes)))
    trees = [_tree(one, outcome) for one, outcome in pairs]
    return Outcome({"deletions": trees}, "\n".join(filter(None, told)), summary=summary)


def _tree(deletion: Deletion, outcome: Outcome) -> dict[str, Any]:
    more = {"tagsAlong": list(deletion.tags), "broken": list(deletion.broken), "orphans": list(deletion.orphans)}
    return {**outcome.data, "name": deletion.name, **more}


def _told(deletion: Deletion) -> list[str]:
    return [f"  {shown(line)}" for line in deletion.told]


def _is_wanted(app: App, deletion: Deletion, *, yes: bool) -> bool:
    """Say what else goes, and ask whether that is wanted. Raises UsageError where nobody can be asked."""
    place = f"{deletion.plan.target}@{deletion.name}"
    told = [shown(line) for line in deletion.told]
    if yes:
        for line in told:
            app.console.talk(f"{place}: {line}")
        return True
    if app.console.as_json or not sys.stdin.isatty():
        error = UsageError(f"{place} is a manifest, and nobody is asked here", hint="--yes deletes it all the same")
        for line in told:
            error.add_note(line)
        raise error
    for line in told:
        app.console.error(line)
    return click.confirm(f"delete {place}?", err=True)
