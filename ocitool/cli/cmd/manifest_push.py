"""`ocitool manifest push`: a draft published."""

import click

from ocitool.cli import docker, manifest, plans
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.index.drafts import draw, plan_push


@click.command()
@click.argument("name", metavar="MANIFEST_LIST")
@click.option("-p", "--purge", is_flag=True, help="Remove the local list after push.")
@manifest.insecure
@manifest.options
def command(app: App, *, name: str, purge: bool, insecure: bool) -> Outcome:
    """Publish a local list; its images are asked of the registry again, and one that changed is named.

    Prints the digest, as docker does.
    """
    draft = manifest.load(app, name)
    references = [m.reference for m in draft.members]
    manifest.trust(app, (name, *references), insecure=insecure)
    store, tag = app.work.opener.open(name, write=True)
    drawn = draw(draft, manifest.sources(app, references), scope=app.scope)
    manifest.tell(app, docker.create_index(name, drawn.words))
    outcome = plans.carry_out(app, plan_push(drawn, store, tag), dry_run=False)
    if purge:
        manifest.drafts_of(app).remove(draft.name)
    return Outcome(data=outcome.data, text=drawn.document.digest, summary=outcome.summary)
