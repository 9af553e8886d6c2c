"""`ocitool merge`: the index of what the jobs of a build matrix pushed one by one."""

import json
import os
from pathlib import Path

import click

from ocitool.change.plan import Plan
from ocitool.cli import plans, promises, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.cli.pipeline import make_way, page, tell_pipeline, write_text
from ocitool.errors import UsageError
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, Index, view
from ocitool.store.locate import Locator


@click.command()
@click.argument("reference", metavar="REF")
@click.argument("parts", metavar="PART...", nargs=-1)
@click.option("--parts", "folders", metavar="DIR", multiple=True, help="A folder of metadata files; repeats.")
@click.option("-t", "--tag", "tags", metavar="REF", multiple=True, help="A further tag; repeats.")
@click.option("--any-revision", is_flag=True, help="Take parts of different revisions.")
@click.option("--append", is_flag=True, help="Start from what REF holds; parts replace their platforms.")
@click.option(
    "--retry/--no-retry",
    default=None,
    help="With --append, again on top of another writer's  [default: if that is of other platforms]",
)
@click.option("--format", "family", type=click.Choice(["auto", "docker", "oci"]), default="auto", show_default=True)
@click.option(
    "--annotation", "annotations", metavar="[PLACE:]KEY=VALUE", multiple=True, help="Of the index; repeats."
)
@click.option("--no-attestations", is_flag=True, help="Leave attestations of the parts out.")
@click.option("--drop-annotations", is_flag=True, help="Leave behind what a Docker list cannot carry.")
@click.option("--metadata-file", metavar="FILE", type=click.Path(path_type=Path), help="Write the result as JSON.")
@plans.dry_run
@common
@promises.publishing
@trust.resigning
def command(
    app: App,
    *,
    reference: str,
    parts: tuple[str, ...],
    folders: tuple[str, ...],
    tags: tuple[str, ...],
    any_revision: bool,
    append: bool,
    retry: bool | None,
    family: str,
    annotations: tuple[str, ...],
    no_attestations: bool,
    drop_annotations: bool,
    metadata_file: Path | None,
    dry_run: bool,
) -> Outcome:
    """Make REF the index of PARTs that a build matrix pushed one by one, such as `build --push-by-digest` does.

    PART is a digest in REF's repository, a reference, a pattern of tags (REPO:v1-*), a metadata file of a build, or
    a folder of these. Parts of two revisions are refused, and two that differ for one platform; a part that is
    named twice is taken once.
    """
    if missing := next((folder for folder in folders if not Path(folder).is_dir()), None):
        raise UsageError(f"--parts {missing} is no folder", hint="name the one that holds what the jobs handed on")
    if retry and not append:
        raise UsageError("--retry goes with --append: without it nothing of another writer would be kept")
    if not dry_run:
        make_way((metadata_file,))
    made: list[Plan] = []

    def make() -> Plan:
        plan = app.client.index(reference).merge(
            *parts,
            *folders,
            tags=tags,
            any_revision=any_revision,
            append=append,
            family=family,
            annotations=plans.pairs(annotations),
            attestations=not no_attestations,
            drop_annotations=drop_annotations,
        )
        made.append(plan)
        return plan

    told = plans.carry_out_again(app, make, retry=retry if append else False, dry_run=dry_run)
    if not dry_run:
        document = made[-1].result or app.client.manifest(reference)
        names = dict.fromkeys(str(Locator.parse(name)) for name in (reference, *tags))
        _hand_over(document, ",".join(names), told, metadata_file)
    return told


def _hand_over(document: Document, names: str, told: Outcome, metadata_file: Path | None) -> None:
    """Write what the next step of a pipeline reads."""
    root, seen = Descriptor.of(document), view(document)
    entries = seen.platforms if isinstance(seen, Index) else ()
    if metadata_file is not None:
        tree = {
            "containerimage.digest": str(root.digest),
            "containerimage.descriptor": root.to_tree(),
            "image.name": names,
            "ocitool": told.data,
        }
        write_text(metadata_file, json.dumps(tree, indent=2) + "\n")
    outputs = {
        "digest": str(root.digest),
        "imageid": str(root.digest),
        "names": names,
        "platforms": ",".join(entry.label for entry in entries),
    }
    rows = (f"| {entry.label} | `{entry.digest.short}` |" for entry in entries)
    tell_pipeline(outputs, page([names], root.digest, ("| platform | digest |", "|--|--|", *rows)), os.environ)
