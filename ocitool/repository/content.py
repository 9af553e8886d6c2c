"""Single manifests and blobs put into a repository, as plans: exact bytes, held to the digest that is named."""

from collections.abc import Iterable
from pathlib import Path

from ocitool.change.plan import Plan, PutBlob, PutManifest, Tag
from ocitool.errors import DigestMismatch, UsageError
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, effective_type
from ocitool.store.base import DiskSource, Source, Store
from ocitool.store.verify import hash_file
from ocitool.tasks import Scope
from ocitool.values import replace


def plan_put_manifest(
    store: Store, tags: Iterable[str], data: bytes, *, media_type: str = "", digest: Digest | None = None
) -> Plan:
    """The plan that stores the bytes as a manifest, and lets each tag hold it, whatever that holds; none is fine.

    The media type is the one that the bytes say, else `media_type`, else what their shape says. Raises
    DigestMismatch where the bytes have another digest than `digest`, MalformedDocument for what is no manifest,
    UsageError where nothing says the media type.
    """
    algorithm = digest.algorithm if digest is not None else "sha256"
    document = Document(data, mediatype.bare(media_type), algorithm=algorithm)
    _check(document.digest, digest, "the manifest")
    document = replace(document, media_type=effective_type(document))
    if not document.media_type:
        raise UsageError("nothing says what kind of manifest this is", hint="say it with --media-type TYPE")
    names = tuple(tags) or (str(document.digest),)
    steps: tuple[Tag | PutManifest, ...] = tuple(Tag(name, document, replaces=True) for name in tags)
    return Plan(store.label, steps or (PutManifest(document),), names=names, must_keep=False)


def plan_put_blob(store: Store, descriptor: Descriptor, source: Source, digest: Digest | None = None) -> Plan:
    """The plan that stores a blob. Raises DigestMismatch where it has another digest than `digest`."""
    _check(descriptor.digest, digest, "the blob")
    return Plan(store.label, (PutBlob(descriptor, source, f"blob {descriptor.digest.short}"),), must_keep=False)


def file_blob(path: Path, scope: Scope) -> tuple[Descriptor, Source]:
    """A file of this machine as a blob, read once to be hashed. Raises LocalIOError."""
    digest, size = hash_file(path, scope)
    return Descriptor(mediatype.OCTETS, digest, size), DiskSource(path)


def _check(found: Digest, wanted: Digest | None, what: str) -> None:
    if wanted is not None and found != wanted:
        raise DigestMismatch(
            f"{what} hashes to {found}, and {wanted} was asked for; nothing was written",
            expected=str(wanted),
            got=str(found),
        )
