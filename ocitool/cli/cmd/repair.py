"""`ocitool repair`: what check finds, mended by a plan."""

from pathlib import Path
from shlex import quote

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import Unsupported
from ocitool.model.printable import shown
from ocitool.repair.plan import Repair
from ocitool.store.locate import Locator


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--deep", is_flag=True, help="Read every layer, not only of images whose platform is in doubt.")
@click.option(
    "--source",
    "sources",
    metavar="LOC",
    multiple=True,
    help="Where lost children may be: a mirror, an older tag; repeats.",
)
@click.option(
    "--substitute", is_flag=True, help="Let a source's image of the same platform stand in for a lost one."
)
@click.option("--drop-missing", is_flag=True, help="Drop entries whose manifests are gone.")
@click.option(
    "--keep", "keeps", metavar="DIGEST", multiple=True, help="Of several images of a platform, keep this; repeats."
)
@click.option("--drop-misfits", is_flag=True, help="Drop images whose programs are for another entry's platform.")
@click.option("--drop-attestations", is_flag=True, help="Drop attestations of images whose digests change.")
@click.option(
    "--attestations-to-referrers",
    is_flag=True,
    help="Make attestations referrers of their images, outside the index.",
)
@click.option("--without-proof", is_flag=True, help="Believe the config where no program in the image decides.")
@trust.verifying("A --source")
@common
@plans.applied("Carry the plan out.")
@trust.resigning
def command(
    app: App,
    *,
    reference: str,
    is_applied: bool,
    deep: bool,
    sources: tuple[str, ...],
    substitute: bool,
    drop_missing: bool,
    keeps: tuple[str, ...],
    drop_misfits: bool,
    drop_attestations: bool,
    attestations_to_referrers: bool,
    without_proof: bool,
    verify_keys: tuple[str, ...],
    verify_identity: tuple[str, ...],
    policy: Path | None,
) -> Outcome:
    """Show how REF can be mended; with --apply, mend it.

    Exit code 1 if something is to be mended (without --apply) or is left for a human. The old bytes are kept
    on this machine, and ocitool undo brings them back.
    """
    ways_out = _ways_out(app, reference) if Locator.parse(reference).is_archive else ""
    if ways_out and is_applied:
        raise Unsupported(
            f"{reference} is an archive, which is written in one piece and not edited",
            ability="edit",
            hint=ways_out,
        )
    repair = app.client.repair(
        reference,
        deep=deep,
        sources=sources,
        substitute=substitute,
        drop_missing=drop_missing,
        keep=keeps,
        drop_misfits=drop_misfits,
        drop_attestations=drop_attestations,
        attestations_to_referrers=attestations_to_referrers,
        without_proof=without_proof,
        verify_keys=verify_keys,
        verify_identity=verify_identity,
        policy=policy,
    )
    repair = app.signed(repair)
    if not is_applied or repair.is_blocked:
        code = int(not repair.plan.is_empty or bool(repair.left))
        data = repair.plan.to_tree() | {"left": list(repair.left), "applied": False}
        return Outcome(data=data, text=repair.text(), exit_code=code, summary=_unwritten(repair, ways_out))
    outcome = plans.carry_out_as_it_is(app, repair.agreed(), dry_run=False, says_undo=False)
    backup = app.work.machine.backup if outcome.data.get("changed") else None
    # A registry refuses the old index while it lacks one of its children.
    gave_up = (drop_missing or substitute) and any("index/dangling" in one.why for one in repair.plan.reasons)
    how = f"{reference} --source PLACE" if gave_up else reference
    kept = f"the old bytes are in {backup}; ocitool undo {how} brings them back" if backup else ""
    left = (f"left: {shown(line)}" for line in repair.left)
    summary = "\n".join(filter(None, (outcome.summary, *left, kept)))
    data = {**outcome.data, "left": list(repair.left), "applied": True, "backup": str(backup) if backup else None}
    return Outcome(data=data, text=outcome.text, exit_code=int(bool(repair.left)), summary=summary)


def _ways_out(app: App, reference: str) -> str:
    """How an archive, which is written in one piece, is mended: what of it is there, in a layout (K222)."""
    images = app.client.inspect(reference).images
    there = [str(image.platform) for image in images if image.manifest is not None and image.platform is not None]
    flag = f" --platform {','.join(there)}" if 0 < len(there) < len(images) else ""
    copied = f"ocitool copy {quote(reference)} oci:DIR:TAG{flag}"
    return f"{copied} takes what is there; ocitool repair oci:DIR:TAG mends that"


def _unwritten(repair: Repair, ways_out: str) -> str:
    """What there is to say of a plan that was only shown."""
    if ways_out and (repair.left or not repair.plan.is_empty):
        return f"an archive is not edited: {ways_out}"
    if repair.is_blocked:
        return "nothing was written: somebody has to say what becomes of what is left"
    return "" if repair.plan.is_empty else "nothing was written; --apply carries this out"
