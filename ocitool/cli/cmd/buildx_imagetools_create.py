"""`ocitool buildx imagetools create`: an index of images that exist, by docker's words."""

from collections.abc import Iterable
from functools import partial
from itertools import groupby
from pathlib import Path

import click

from ocitool.change.plan import Plan
from ocitool.cli import options, plans
from ocitool.cli.buildx import builders, imagetools
from ocitool.cli.buildx.build_options import WRITTEN
from ocitool.cli.buildx.ignored_flags import PROGRESS, SectionedCommand
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.cli.pipeline import write_text
from ocitool.errors import UsageError
from ocitool.events import Noted
from ocitool.image.annotations import AnnotationLevel, parse_annotation
from ocitool.model.document import Document
from ocitool.model.mediatype import DOCKER_LIST
from ocitool.model.reference import Reference
from ocitool.model.views import Index, view

_LEVELS = {AnnotationLevel.INDEX, AnnotationLevel.ENTRY}


@click.command(cls=SectionedCommand)
@click.argument("sources", nargs=-1, metavar="[SOURCE...]")
@click.option("-t", "--tag", "tags", multiple=True, metavar="REF", help="Name of the result; repeats.")
@click.option("-f", "--file", "files", multiple=True, metavar="FILE", help="A source that a file holds; repeats.")
@click.option("--append", is_flag=True, help="Add to what the first tag holds.")
@click.option(
    "--annotation", "annotations", multiple=True, metavar="PLACE:K=V", help="PLACE is index or manifest-descriptor."
)
@click.option(
    "--prefer-index/--no-prefer-index", default=True, help="Make an index even of one image  [default: so]"
)
@click.option("--metadata-file", metavar="FILE", type=WRITTEN, help="Write the result as JSON.")
@click.option(
    "--progress", type=click.Choice(PROGRESS), metavar="HOW", help="Taken; a line is printed for each tag."
)
@plans.dry_run
@builders.takes("--builder")
@options.common
def command(
    app: App,
    *,
    sources: tuple[str, ...],
    tags: tuple[str, ...],
    files: tuple[str, ...],
    annotations: tuple[str, ...],
    append: bool,
    prefer_index: bool,
    metadata_file: Path | None,
    progress: str | None,  # noqa: ARG001 - nothing is drawn
    dry_run: bool,
) -> Outcome:
    """Make an index of images and indexes and publish it under every tag, or print it with --dry-run.

    One index alone is published as it is. A digest is one of the repository that is named.
    """
    if not sources and not files:
        raise UsageError("no source is named", hint="ocitool buildx imagetools create -t REF SOURCE…")
    if not tags and not dry_run:
        raise UsageError("no tag is named", hint="add -t REF, or --dry-run")
    names = tuple(map(Reference.parse, tags))
    given = imagetools.sources_of(sources, files, names)
    _check(annotations)
    placed = plans.pairs(annotations)
    is_copy = len(given) == 1 and not (placed or append or "=" in given[0])
    first = app.client.manifest(given[0]) if is_copy else None
    if first is not None and prefer_index and not isinstance(view(first), Index):
        first = None
    if not names:  # shown only
        names = (Reference.parse(given[0].partition("=")[0]),)
    outcomes, documents = [], []
    for _, group in groupby(sorted(names, key=lambda one: one.repository_name), lambda one: one.repository_name):
        same = [str(one) for one in group]
        if first is not None:
            made = [] if dry_run else app.client.plan_copies(given[0], same, replace=True)
            outcomes += [plans.carry_out(app, plan, dry_run=False) for plan in made]
            documents.append(first)
            continue
        create = partial(
            app.client.index(same[0]).create, *given, tags=same[1:], append=append, allow_duplicates=True
        )
        plan = create()
        if placed and _made(app, plan, same[0]).media_type == DOCKER_LIST:
            app.listener(Noted("note: a Docker list has no annotations, and they are left out", "notice"))
        elif placed:
            plan = create(annotations=placed)
        documents.append(_made(app, plan, same[0]))
        outcomes.append(plans.carry_out(app, plan, dry_run=dry_run))
    if metadata_file is not None and not dry_run:
        write_text(metadata_file, imagetools.metadata(tags, documents[0]))
    if dry_run:
        return Outcome({"manifest": documents[0].tree()}, raw=documents[0].raw + b"\n")
    return Outcome(
        {"digest": documents[0].digest, "names": list(tags), "changes": [dict(one.data) for one in outcomes]},
        "\n".join(one.text for one in outcomes if one.text),
        summary="\n".join(one.summary for one in outcomes if one.summary),
    )


def _check(annotations: Iterable[str]) -> None:
    """Raise UsageError for an annotation of images, which stay as they are."""
    for text in annotations:
        for one in parse_annotation(text, AnnotationLevel.MANIFEST).all:
            if one.level not in _LEVELS:
                raise UsageError(f"--annotation {text!r} is of images", hint="write index:KEY=VALUE")


def _made(app: App, plan: Plan, name: str) -> Document:
    """The document that a plan writes; what the name holds already where it writes nothing."""
    document = plan.tags[0].document if plan.tags else None
    return document if document is not None else app.client.manifest(name)
