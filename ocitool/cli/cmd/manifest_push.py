"""`ocitool manifest push`: a draft published."""

import click

from ocitool.cli import docker, manifest, plans
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome


@click.command()
@click.argument("name", metavar="MANIFEST_LIST")
@click.option("-p", "--purge", is_flag=True, help="Remove the local list after push.")
@manifest.insecure
@manifest.options
def command(app: App, *, name: str, purge: bool, insecure: bool) -> Outcome:
    """Publish a local list; its images are asked of the registry again, and one that changed is named.

    Prints the digest, as docker does.
    """
    members = (one.reference for one in app.client.draft(name).loaded().members)
    manifest.trust(app, (name, *members), insecure=insecure)
    draft = app.client.draft(name)
    drawn = draft.drawn()
    manifest.tell(app, docker.create_index(name, drawn.words))
    outcome = plans.carry_out(app, draft.plan_push(drawn), dry_run=False)
    if purge:
        draft.remove()
    return Outcome(data=outcome.data, text=drawn.document.digest, summary=outcome.summary)
