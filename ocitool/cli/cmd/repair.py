"""`ocitool repair`: what check finds, mended by a plan."""

import click

from ocitool.check.look import look, look_at
from ocitool.check.repair import Wishes, doubtful, plan_repair
from ocitool.cli import changing
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--apply", "is_applied", is_flag=True, help="Carry the plan out.")
@click.option("--deep", is_flag=True, help="Read every layer, not only of images whose platform is in doubt.")
@click.option("--source", "sources", metavar="LOC", multiple=True, help="Where lost children may be; repeats.")
@click.option("--drop-missing", is_flag=True, help="Drop entries whose manifests are gone.")
@click.option("--drop-attestations", is_flag=True, help="Drop attestations of images whose digests change.")
@click.option("--without-proof", is_flag=True, help="Believe the config where no program in the image decides.")
@common
def command(
    app: App,
    *,
    reference: str,
    is_applied: bool,
    deep: bool,
    sources: tuple[str, ...],
    drop_missing: bool,
    drop_attestations: bool,
    without_proof: bool,
) -> Outcome:
    """Show how REF can be mended; with --apply, mend it.

    Exit code 1 if something is to be mended (without --apply) or is left for a human. The old bytes are kept
    on this machine, and ocitool undo brings them back.
    """
    store, name = changing.open_edited(app, reference)
    seen = look(store, name, scope=app.scope)
    for error in seen.unanswered:  # nobody mends what could not be looked at
        raise error
    wanted = doubtful(seen)
    if deep or wanted:
        seen = look_at(store, seen.snapshot, scope=app.scope, deep=lambda m: deep or m.document.digest in wanted)
    opened = tuple((app.opener.open(source)[0], source) for source in sources)
    repair = plan_repair(seen, name, Wishes(drop_missing, drop_attestations, without_proof, opened))
    left = "".join(f"\n  left: {line}" for line in repair.left)
    if not is_applied or repair.is_blocked:
        code = int(not repair.plan.is_empty or bool(repair.left))
        data = repair.plan.to_tree() | {"left": list(repair.left), "applied": False}
        return Outcome(data=data, text=repair.plan.text() + left, exit_code=code)
    outcome = changing.carry_out(app, repair.plan, store, dry_run=False, names=(name,))
    summary = "\n".join(filter(None, (outcome.summary, left.strip("\n"))))
    data = {**outcome.data, "left": list(repair.left), "applied": True}
    return Outcome(data=data, text=outcome.text, exit_code=int(bool(repair.left)), summary=summary)
