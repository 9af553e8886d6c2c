"""`ocitool undo`: the last change of ours taken back, or a tag that holds a digest again."""

from collections.abc import Iterator

import click

from ocitool.change.journal import Record
from ocitool.change.plan import Delete, Plan
from ocitool.cli import plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.values import replace


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--to", metavar="DIGEST", default="", help="Let REF hold this again; needs no record of ours.")
@click.option("--replace", "replaces", is_flag=True, help="Write over what somebody else wrote since.")
@click.option("--source", "sources", metavar="LOC", multiple=True, help="Where lost children may be; repeats.")
@click.option("--drop-referrers", is_flag=True, help="Delete what the change attached to images.")
@click.option("--prune", is_flag=True, help="Bring back all that the last prune of the repository REF deleted.")
@plans.dry_run
@common
def command(
    app: App,
    *,
    reference: str,
    to: str,
    replaces: bool,
    sources: tuple[str, ...],
    drop_referrers: bool,
    prune: bool,
    dry_run: bool,
) -> Outcome:
    """Let REF hold again what it held before the last change made on this machine.

    Once more takes back the change before that. A repair that only put back what was lost is passed over, and
    told; a REF that was lost since is restored. Refused, with exit code 8, if somebody else wrote REF since, and
    with 9 if the registry lost what the old index names and does not take it back.

    With --to, which commands print where they replace something, it works from any machine while the registry or
    the backup here has that digest.
    """
    plan = app.client.plan_undo(
        reference, to=to, replace=replaces, sources=sources, drop_referrers=drop_referrers, prune=prune
    )
    outcome = plans.carry_out(app, plan, dry_run=dry_run, says_undo=bool(to))
    if plan.undoes is None:
        return outcome
    after = () if dry_run else _after(app, plan, plan.undoes)
    data = {**outcome.data, "undoes": plan.undoes.to_tree()}
    return replace(outcome, data=data, summary="\n".join(filter(None, (outcome.summary, *after))))


def _after(app: App, plan: Plan, record: Record) -> Iterator[str]:
    """What is left of the change, and how to have it again."""
    if record.is_attachment:
        if plan.is_empty:
            yield "nothing of it is there any more"
        return
    for gone in (one for one in plan.steps if isinstance(one, Delete) and one.name == record.tag):
        name, digest = plans.named(plan.target, record.tag), gone.base.digest
        yield f"{name} is deleted, as it held nothing before; ocitool undo {name} --to {digest} brings it back"
    if record.stored and not record.is_refill and not any(isinstance(step, Delete) for step in plan.steps):
        left = ", ".join(record.stored)
        yield f"{left} still refer to images there; undo with --drop-referrers would have deleted them"
    if plan.base is not None and not record.is_refill:
        where, tag = app.work.machine.backup, plans.place(plan.target, "", plan.base)
        yield f"it held {plan.base}, which is kept in {where}; ocitool tag {tag} {record.tag} brings that back"
