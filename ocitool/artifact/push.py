"""The push of an artifact as a plan: blobs, a manifest that lists them by title, and the tag that is to hold it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ocitool.artifact.conventions import (
    ARTIFACT_TYPE,
    CONFIG_TYPE,
    OF_CONFIG,
    OF_MANIFEST,
    AnnotationFile,
    split_type,
)
from ocitool.artifact.files import ArtifactBlob, blob_of, name_files
from ocitool.change.plan import Plan, PutBlob, Tag
from ocitool.errors import UsageError
from ocitool.model import mediatype
from ocitool.model.digest import Digest, is_digest
from ocitool.model.document import Document, write
from ocitool.model.views import Descriptor
from ocitool.pack.tar import parse_epoch
from ocitool.store.base import BytesSource, DiskSource, Store
from ocitool.store.verify import hash_file
from ocitool.tasks import collect
from ocitool.values import dataclass, field
from ocitool.workspace import Workspace

EMPTY: Final = b"{}"
"""The content of the empty descriptor. Spec: image-spec manifest.md, "Guidance for an Empty Descriptor"."""


@dataclass(frozen=True, slots=True)
class ArtifactOptions:
    """What is said about an artifact beside its files.

    `artifact_type` is empty for the usual one, or for none where a config has a type that says what it is. `config`
    is `PATH[:TYPE]`. `annotations` are the manifest's and go before those of the file.
    """

    artifact_type: str = ""
    config: str = ""
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    annotation_file: Path | None = None

    def __post_init__(self) -> None:
        if self.artifact_type and (self.artifact_type.count("/") != 1 or " " in self.artifact_type):
            raise UsageError(
                f"not an artifact type: {self.artifact_type[:100]!r}",
                hint="it is written as a media type, such as application/vnd.example.report.v1",
            )


def plan_artifact(
    work: Workspace,
    store: Store,
    name: str,
    files: tuple[str, ...],
    options: ArtifactOptions,
    *,
    environ: Mapping[str, str],
) -> Plan:
    """The plan that lets a tag hold the files, whatever it held. Directories are packed, and nothing is sent.

    Raises UsageError for a digest as name and for annotations of what is not pushed, and what reading files raises.
    """
    if is_digest(name):
        raise UsageError("an artifact is pushed under a tag", hint="its digest is printed when it is there")
    annotations = AnnotationFile(options.annotation_file)
    named = name_files(files, annotations)
    check_sections(annotations, files)
    epoch = parse_epoch(environ.get("SOURCE_DATE_EPOCH") or "0")
    blobs = collect(work.scope, lambda file: blob_of(file, work, epoch=epoch), named, min(work.width, 4))
    config = _config(options.config, annotations, work)
    if not blobs:
        blobs = [empty_blob()]
    said = {**annotations.of(OF_MANIFEST), **options.annotations}
    document = compose_artifact(config.descriptor, [blob.descriptor for blob in blobs], options.artifact_type, said)
    puts = {blob.descriptor.digest: blob for blob in (config, *blobs)}
    steps = [PutBlob(one.descriptor, one.source, label_of(one.descriptor)) for one in puts.values()]
    return Plan(store.label, (*steps, Tag(name, document, replaces=True)), must_keep=False)


def compose_artifact(
    config: Descriptor,
    layers: list[Descriptor],
    artifact_type: str,
    annotations: Mapping[str, str],
    subject: Descriptor | None = None,
) -> Document:
    """The manifest, which refers to `subject` if there is one. One whose config is empty has a type of its own."""
    kind = artifact_type or (ARTIFACT_TYPE if config.media_type == mediatype.OCI_EMPTY else "")
    tree: dict[str, Any] = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST}
    if kind:
        tree["artifactType"] = kind
    tree |= {"config": config.to_tree(), "layers": [layer.to_tree() for layer in layers]}
    if subject is not None:
        tree["subject"] = Descriptor(subject.media_type, subject.digest, subject.size).to_tree()
    if annotations:
        tree["annotations"] = dict(sorted(annotations.items()))
    return write(tree, mediatype.OCI_MANIFEST)


def _config(word: str, annotations: AnnotationFile, work: Workspace) -> ArtifactBlob:
    said = annotations.of(OF_CONFIG)
    if not word:
        empty = empty_blob()
        listed = Descriptor(mediatype.OCI_EMPTY, empty.descriptor.digest, len(EMPTY), annotations=said)
        return ArtifactBlob(listed, empty.source)
    text, media_type = split_type(word)
    digest, size = hash_file(Path(text), work.scope)
    listed = Descriptor(media_type or CONFIG_TYPE, digest, size, annotations=said)
    return ArtifactBlob(listed, DiskSource(Path(text)))


def empty_blob() -> ArtifactBlob:
    """The blob of the empty descriptor."""
    return ArtifactBlob(Descriptor(mediatype.OCI_EMPTY, Digest.of(EMPTY), len(EMPTY)), BytesSource(EMPTY))


def check_sections(annotations: AnnotationFile, files: tuple[str, ...]) -> None:
    """Refuse annotations that no file would get: a name was misspelt."""
    used = {OF_MANIFEST, OF_CONFIG}
    for word in files:
        text, _ = split_type(word)
        used |= {text, str(Path(text).absolute())}
    unused = [name for name in annotations.sections if name not in used]
    if unused:
        raise UsageError(
            f"annotations for {unused[0]!r}, which is not pushed",
            hint="write the paths of the annotation file as on the command line",
        )


def label_of(descriptor: Descriptor) -> str:
    """What people call a blob: its title, if it has one."""
    return descriptor.annotations.get("org.opencontainers.image.title", "")
