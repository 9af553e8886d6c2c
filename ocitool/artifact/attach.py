"""Files attached to an image: an artifact for each manifest that it is about, as a plan that keeps the tag."""

from collections.abc import Mapping

from ocitool.artifact.conventions import OF_MANIFEST, AnnotationFile
from ocitool.artifact.files import blob_of, name_files
from ocitool.artifact.push import ArtifactOptions, check_sections, compose_artifact, empty_blob, label_of
from ocitool.change.plan import Plan, PutBlob, PutManifest, Tag, in_order
from ocitool.change.reason import ChangeReason
from ocitool.errors import UsageError
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, Index, effective_type, view
from ocitool.pack.tar import parse_epoch
from ocitool.store.base import Store, called
from ocitool.tasks import collect
from ocitool.workspace import Workspace


def plan_attach(
    work: Workspace,
    store: Store,
    name: str,
    files: tuple[str, ...],
    options: ArtifactOptions,
    *,
    each_platform: bool,
    environ: Mapping[str, str],
) -> Plan:
    """The plan that attaches files to what a name holds, or to each image of the index there.

    Empty where all of it is attached already. Raises UsageError for no files, annotations of what is not attached
    and an image that is no index, and what reading files raises.
    """
    if not files:
        raise UsageError("what should be attached?", hint="name a file: PATH or PATH:TYPE")
    document = store.get_manifest(name)
    subjects = _subjects(document, called(store, name), each_platform=each_platform)
    annotations = AnnotationFile(options.annotation_file)
    named = name_files(files, annotations)
    check_sections(annotations, files)
    epoch = parse_epoch(environ.get("SOURCE_DATE_EPOCH") or "0")
    blobs = collect(work.scope, lambda file: blob_of(file, work, epoch=epoch), named, min(work.width, 4))
    said = {**annotations.of(OF_MANIFEST), **options.annotations}
    layers, empty = [blob.descriptor for blob in blobs], empty_blob()
    made = {
        subject: compose_artifact(empty.descriptor, layers, options.artifact_type, said, subject)
        for subject in subjects
    }
    listed = collect(work.scope, lambda one: store.referrers(one.digest), subjects, store.traits.concurrency)
    there = {one.digest for referrers in listed for one in referrers}
    new = {subject: artifact for subject, artifact in made.items() if artifact.digest not in there}
    if not new:
        return Plan(store.label, names=(name,), attaches=True)
    kept = Tag(name or str(document.digest), document, document)
    puts = {blob.descriptor.digest: blob for blob in (empty, *blobs)}
    steps = [PutBlob(one.descriptor, one.source, label_of(one.descriptor)) for one in puts.values()]
    manifests = [PutManifest(artifact, f"artifact of {subject.label}") for subject, artifact in new.items()]
    return Plan(
        store.label,
        tuple(in_order((kept, *steps, *manifests))),
        reasons=tuple(ChangeReason(f"attaches {options.artifact_type} to {subject.named}") for subject in new),
        names=(kept.name,),
        must_keep=False,
        attaches=True,
    )


def _subjects(document: Document, place: str, *, each_platform: bool) -> tuple[Descriptor, ...]:
    root = Descriptor(effective_type(document), document.digest, document.size)
    if not each_platform:
        return (root,)
    seen = view(document)
    if not isinstance(seen, Index) or not seen.platforms:
        raise UsageError(f"{place} is no index of images", hint="leave --each-platform out")
    return tuple({entry.digest: entry for entry in seen.platforms}.values())
