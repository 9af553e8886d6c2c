"""`ocitool blob put`: a file stored as a blob."""

import click

from ocitool.change.plan import PutBlob
from ocitool.cli import content, plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("repository", metavar="REPO[@DIGEST]")
@click.argument("file", metavar="FILE")
@plans.dry_run
@common
def command(app: App, *, repository: str, file: str, dry_run: bool) -> Outcome:
    """Store FILE (- is standard input) as a blob of a repository or layout, and print REPO@DIGEST.

    Content of another digest than DIGEST is refused with exit code 6. A registry may remove a blob that no manifest
    names.
    """
    plan = app.client.repository(repository).put_blob(content.stdin() if file == "-" else file)
    outcome = plans.carry_out(app, plan, dry_run=dry_run)
    [step] = (step for step in plan.steps if isinstance(step, PutBlob))
    blob = {"digest": step.descriptor.digest, "size": step.descriptor.size}
    text = outcome.text if dry_run else plans.place(plan.target, "", step.descriptor.digest)
    return Outcome({**outcome.data, **blob}, text)
