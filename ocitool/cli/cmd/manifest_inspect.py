"""`ocitool manifest inspect`: a draft, a list or an image, as docker prints it."""

import json
from typing import Any

import click

from ocitool.cli import docker, manifest
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import NotFound
from ocitool.index.draft_editor import full
from ocitool.index.drafts import Drawn
from ocitool.index.sources import platform_of
from ocitool.model.document import Document
from ocitool.model.views import Index, Manifest, view
from ocitool.store.base import Reader
from ocitool.tasks import TaskGroup


@click.command()
@click.argument("names", metavar="[MANIFEST_LIST] MANIFEST", nargs=-1, required=True)
@manifest.insecure
@manifest.options
def command(app: App, *, names: tuple[str, ...], insecure: bool) -> Outcome:
    """Print an image manifest or a list: the local draft if there is one, else what the registry holds.

    With --verbose also each image's manifest and platform.
    """
    wordy = app.console.verbose
    if len(names) > 2:
        raise click.UsageError("at most a list and an image")
    manifest.trust(app, names, insecure=insecure)
    editor = app.client.draft(names[0])
    draft = editor.load()
    if len(names) == 2 and (draft is None or full(names[1]) not in {m.reference for m in draft.members}):
        raise NotFound(f"No such manifest: {names[1]}", name=names[1], where=names[0])
    if draft is not None and len(names) == 1:
        text = _drawn(editor.drawn(), wordy=wordy)
    else:
        store, name = app.client.open(names[-1])
        document = store.get_manifest(name)
        reference = full(names[-1])
        text = (
            docker.verbose_text(_wordy(app, store, reference, document))
            if wordy
            else docker.manifest_text(document)
        )
    manifest.tell(app, docker.inspect(names[-1], verbose=wordy))
    return Outcome(data={"answer": json.loads(text)}, text=text, is_exact=True)


def _drawn(drawn: Drawn, *, wordy: bool) -> str:
    if not wordy:
        return docker.manifest_text(drawn.document)
    entries = [
        docker.verbose_entry(m.label, m.document or m.store.get_manifest(str(m.entry.digest)), m.entry.platform)
        for m in drawn.members
    ]
    return docker.verbose_text(entries)


def _wordy(app: App, store: Reader, reference: str, document: Document) -> Any:  # noqa: ANN401 - JSON
    match view(document):
        case Index(entries=entries):
            with TaskGroup(app.scope, store.traits.concurrency) as group:
                tasks = [group.spawn(store.get_manifest, str(entry.digest)) for entry in entries]
            pairs = zip(entries, tasks, strict=True)
            return [docker.verbose_entry(f"{reference}@{e.digest}", t.result, e.platform) for e, t in pairs]
        case Manifest() as image:
            platform = platform_of(store, image, reference) if image.is_image else None
            return docker.verbose_entry(reference, document, platform)
        case _:
            return docker.verbose_entry(reference, document, None)
