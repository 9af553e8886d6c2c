"""A registry's repository as a store."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from ocitool.errors import AuthError, Conflict, NotFound, OcitoolError, RegistryError, Unsupported
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.reference import referrers_tag
from ocitool.model.views import Descriptor, Index, Manifest, effective_type, view
from ocitool.registry.repository import Repository
from ocitool.store.base import BytesSource, Expect, Ingest, Put, Reader, Source, Stored, Traits
from ocitool.store.placeholder import CONFIG, placeholder
from ocitool.store.verify import opened, verified
from ocitool.tasks import Retry

if TYPE_CHECKING:
    from ocitool.registry.uploads import OpenAt

_PUT = {"existed": Put.EXISTED, "mounted": Put.MOUNTED, "sent": Put.STORED}
_DIGEST = r"sha256:[0-9a-f]{64}"
_SETTLING = Retry(attempts=4, base_s=0.4, cap_s=2.0, total_s=10.0)


class RemoteStore:
    """One repository. Tags and digests are the registry's own; safe from several threads."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.traits = Traits(referrers="api", concurrency=repository.session.access.connections)
        self.label = repository.label
        self._skipped: dict[Digest, tuple[Descriptor, OpenAt]] = {}

    # Reading

    def head(self, name: str) -> Descriptor | None:
        """The descriptor under a tag or digest, None if there is none."""
        return self.repository.head_manifest(name)

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:
        """The manifest's exact bytes."""
        return self.repository.get_manifest(name, limit)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the blob is there."""
        return self.repository.has_blob(descriptor.digest)

    def blob_size(self, digest: Digest) -> int | None:
        """The blob's size in bytes, None if it is not there."""
        return self.repository.blob_size(digest)

    @contextmanager
    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> Iterator[Iterator[bytes]]:
        """The blob's bytes, verified when read from the start."""
        with self.repository.open_blob(descriptor.digest, offset) as pieces:
            yield pieces if offset else verified(pieces, descriptor, self.label)

    @contextmanager
    def open_range(self, descriptor: Descriptor, offset: int, size: int) -> Iterator[Iterator[bytes]]:
        """`size` bytes of the blob from `offset` on, and no more are sent; not compared with anything."""
        with self.repository.open_range(descriptor.digest, offset, size) as pieces:
            yield pieces

    def tags(self) -> Iterator[str]:
        """Every tag, page by page."""
        return self.repository.tags()

    def referrers(self, digest: Digest) -> list[Descriptor]:
        """The manifests whose subject is `digest`, by the API or else by the fallback tag.

        Spec: distribution-spec, "Referrers Tag Schema".
        """
        found = self.repository.referrers(digest)
        if found is not None:
            return found
        with suppress(NotFound):
            held = self.get_manifest(referrers_tag(digest))
            seen = view(held)
            # GitLab takes the tag for the digest and answers with the subject itself (K132).
            if isinstance(seen, Index) and held.digest != digest:
                return list(seen.entries)
        return []

    # Writing

    def put_blob(self, descriptor: Descriptor, source: Source) -> Put:
        """Store the blob: mounted where the source is a repository of the same registry, else sent."""
        open_at = partial(opened, source, descriptor)
        put = self._upload(descriptor, open_at, self._mountable(source.origin))
        if put is not Put.STORED:
            self._skipped[descriptor.digest] = (descriptor, open_at)
        return put

    def _upload(
        self, descriptor: Descriptor, open_at: "OpenAt", mount_from: str = "", *, anew: bool = False
    ) -> Put:
        from ocitool.registry.uploads import upload

        return _PUT[upload(self.repository, descriptor, open_at, mount_from, anew=anew).value]

    def _mountable(self, origin: Reader | None) -> str:
        if not isinstance(origin, RemoteStore) or origin.repository.host != self.repository.host:
            return ""
        return origin.repository.name if origin.repository.name != self.repository.name else ""

    def put_manifest(self, document: Document, *tags: str, expect: Expect | None = None) -> Stored:
        """Store the exact bytes under each tag in order, or without tags by digest."""
        media_type = effective_type(document)
        digest = document.digest
        if document.size > MANIFEST_LIMIT:
            raise Unsupported(
                f"a manifest of {document.size} bytes is more than registries take ({MANIFEST_LIMIT})",
                ability="large manifests",
            )
        indexed = False
        for name in [tag for tag in tags if tag] or [str(digest)]:
            condition = str(expect.digest) if expect is not None and expect.digest and ":" not in name else ""
            answer = self._put(name, document, media_type, condition)
            indexed = indexed or "oci-subject" in answer
        self.repository.session.remembered.set_present(self.repository.place, digest)
        return Stored(Descriptor(media_type, digest, document.size), subject_indexed=indexed)

    def _put(self, name: str, document: Document, media_type: str, condition: str) -> "dict[str, str]":
        attempt = 0
        while True:
            attempt += 1
            try:
                return dict(self.repository.put_manifest(name, document, media_type, condition).headers)
            except OcitoolError as error:
                if isinstance(error, RegistryError) and error.status == 412 and condition:
                    raise Conflict(
                        f"{self.label}:{name} is no longer {condition}", tag=name, expected=condition
                    ) from error
                if isinstance(error, AuthError) and "MANIFEST_INVALID" in error.said and ":" not in name:
                    error.hint = (
                        f"the credentials may not overwrite the tag {name}"  # Artifactory says it so (K128)
                    )
                if self._is_there(name, document, error):
                    return {}
                if attempt == 1 and self._send_denied(error, document):
                    continue
                delay = _SETTLING.delay(attempt, elapsed_s=0.0) if self._may_settle(error) else None
                if delay is None:
                    raise
                self.repository.session.scope.sleep(delay)

    def _is_there(self, name: str, document: Document, error: OcitoolError) -> bool:
        """Whether a refused write had nothing to do: an immutable tag that holds these very bytes (K127)."""
        if ":" in name or not isinstance(error, RegistryError) or error.status not in {400, 405, 409}:
            return False
        if error.has("MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID"):
            return False
        found = self.head(name)
        if found is not None and found.digest != document.digest and error.has("TAG_INVALID", "DENIED"):
            error.hint = f"the tag {name} is immutable there and holds {found.digest}"
        return found is not None and found.digest == document.digest

    def _send_denied(self, error: OcitoolError, document: Document) -> bool:
        """Send what the registry said it has and now calls unknown; Artifactory does that (K114).

        Of a manifest's blobs that were only believed to be there all are sent, once: a refusal names one of several
        (K231). One that names none but others is about something else.
        """
        if not isinstance(error, RegistryError) or not error.has("MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"):
            return False
        own = [blob.digest for blob in _blobs(document)]
        believed = [digest for digest in own if digest in self._skipped]
        named = re.findall(_DIGEST, " ".join(f"{message} {detail}" for _, message, detail in error.diagnostics))
        if named and not set(named) & {str(digest) for digest in believed}:
            return False
        for digest in dict.fromkeys(believed):
            descriptor, open_at = self._skipped.pop(digest)
            self._upload(descriptor, open_at, anew=True)
        return bool(believed)

    def _may_settle(self, error: OcitoolError) -> bool:
        """A registry may not see yet what this run has just pushed (K115); others it will never see."""
        if not isinstance(error, RegistryError) or not error.has("MANIFEST_BLOB_UNKNOWN"):
            return False
        named = re.findall(_DIGEST, " ".join(f"{message} {detail}" for _, message, detail in error.diagnostics))
        known, place = self.repository.session.remembered, self.repository.place
        return all(known.is_present(place, Digest(digest)) for digest in named)

    def ingest(self) -> Ingest:
        """Raise Unsupported: layers are packed into this machine's store first, where they have a digest."""
        raise Unsupported(f"{self.label} takes no blob of unknown digest", ability="ingest")

    def delete(self, name: str) -> None:
        """Remove a tag and nothing else, or a manifest with all its tags. Raises Unsupported where that cannot be.

        Where a registry deletes manifests only, a placeholder takes the tag over and is deleted with it.
        """
        try:
            self.repository.delete_manifest(name)
        except RegistryError as error:
            if error.status not in {400, 405}:
                raise
            if ":" in name or not self.repository.deletes_manifests():
                raise Unsupported(
                    f"{self.label} does not delete {'tags' if ':' not in name else 'manifests'}: {error.what}",
                    ability="delete",
                    hint="deleting may be switched off there, or be left to another interface of the registry",
                ) from error
            self._delete_by_placeholder(name)

    def _delete_by_placeholder(self, tag: str) -> None:
        held = self.get_manifest(tag)
        document, config = placeholder(tag, held.digest)
        self.put_blob(config, BytesSource(CONFIG))
        self.put_manifest(document, tag, expect=Expect(held.digest))
        try:
            self.repository.delete_manifest(str(document.digest))
        except OcitoolError:
            self.put_manifest(held, tag, expect=Expect(document.digest))
            raise

    def __enter__(self) -> "RemoteStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to release: the session is closed by who opened it."""


def _blobs(document: Document) -> tuple[Descriptor, ...]:
    seen = view(document)
    return (seen.config, *seen.layers) if isinstance(seen, Manifest) else ()
