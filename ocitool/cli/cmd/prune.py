"""`ocitool prune`: tags that no rule keeps, deleted with what only they reach."""

from pathlib import Path
from typing import Any

import click

from ocitool.cli import plans
from ocitool.cli.options import App, WholeNumber, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError
from ocitool.model.printable import human
from ocitool.repository.policy import UNKNOWN_AGE
from ocitool.repository.prune import Prune

_RULES = ("keep", "keep_versions", "keep_semver", "keep_last", "keep_within", "only")


@click.command()
@click.argument("repository", metavar="REPO")
@click.option("--keep", metavar="PATTERN", multiple=True, help="Keep tags that it fits; repeats.")
@click.option("--keep-last", metavar="N", type=WholeNumber(min=1), help="Keep the tags of the N newest.")
@click.option("--keep-within", metavar="SPAN", default="", help="Keep what is not older than 12h, 30d, 6w or 1y.")
@click.option("--keep-versions", metavar="N", type=WholeNumber(min=1), help="Keep the N highest versions.")
@click.option("--keep-semver", metavar="RANGE", default="", help="Keep versions in it, such as '>=1.2 <2'.")
@click.option("--only", metavar="PATTERN", multiple=True, help="Judge only tags that it fits; repeats.")
@click.option(
    "--unknown-age",
    type=click.Choice(["keep", "delete"]),
    default="keep",
    show_default=True,
    help="What the rules about age do with what says no date that can be believed.",
)
@click.option(
    "--plan",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With rules, write here what would go; without, take it from here.",
)
@common
@plans.applied("Delete it.")
def command(app: App, *, repository: str, file: Path | None, is_applied: bool, **rules: Any) -> Outcome:  # noqa: ANN401
    """Show which tags of REPO would go, and why; with --apply, delete them and what only they reach.

    A tag that no rule keeps goes. Whatever stays keeps its images, its signatures and other referrers, and the
    tags that belong to these; such tags are not judged. Age is that of the newest image; 1970, the future and no
    date are an unknown age.

    --plan FILE writes the decisions for review, where entries may be moved from one list to the other; with --apply
    and no rules they are carried out, and refused with exit code 8 if any tag was written, made or deleted since.

    `ocitool undo REPO:TAG` brings back a tag, `ocitool undo REPO --prune` all of it, until the registry has
    collected its garbage.
    """
    editor = app.client.repository(repository)
    rules |= {name: rules[name] or 0 for name in ("keep_last", "keep_versions")}
    has_rules = any(rules[name] for name in _RULES)
    if file is not None and has_rules and is_applied:
        raise UsageError(
            "--plan with rules writes a file to be looked at", hint="--apply it afterwards, without the rules"
        )
    is_read = file is not None and not has_rules
    prune = editor.read_prune(file) if file is not None and is_read else editor.prune(**rules)
    if file is not None and not is_read:
        editor.save_prune(prune, file)
    shown = prune.text(every=app.console.verbose)
    if not is_applied:
        data = prune.to_tree() | {"applied": False, "plan": str(file) if file else None}
        return Outcome(data=data, text=shown, summary=_unwritten(prune, repository, file))
    if prune.plan.is_empty:
        return Outcome(data=prune.to_tree() | {"applied": True}, text=shown, summary=_nothing(prune))
    app.console.talk(shown)
    done = plans.carry_out(app, prune.plan, dry_run=False, says_undo=False)
    return Outcome({**done.data, **prune.to_tree(), "applied": True}, summary=f"deleted {_amount(prune)}")


def _amount(prune: Prune) -> str:
    count = len(prune.going)
    what = f"{count} tag{'' if count == 1 else 's'}, {prune.manifests} manifests"
    return f"{what}; the registry can free {human(prune.size)}" if prune.size else what


def _nothing(prune: Prune) -> str:
    """That nothing goes, and what lets tags go whose age nobody knows, where that keeps some."""
    if not any(one.why.startswith(UNKNOWN_AGE) for one in prune.staying):
        return "nothing to delete"
    return (
        "nothing to delete: the rules about age keep what says no date\n"
        "hint: --keep-versions N, --keep-semver RANGE and --keep PATTERN need no date; --unknown-age delete lets "
        "them go"
    )


def _unwritten(prune: Prune, repository: str, file: Path | None) -> str:
    """What there is to say of a prune that was only shown."""
    if prune.plan.is_empty:
        return _nothing(prune)
    how = f"ocitool prune {repository} --plan {file} --apply" if file is not None else "--apply"
    return f"nothing was deleted; {how} deletes {_amount(prune)}; {prune.plan.reasons[0].text}"
