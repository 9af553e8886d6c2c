"""Edits of a repository as a whole: words in, plans out. Reads, and writes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ocitool.arguments import text_of
from ocitool.change.plan import Plan
from ocitool.errors import UsageError, as_one
from ocitool.model import mediatype
from ocitool.model.digest import Digest, as_digest
from ocitool.model.views import Descriptor
from ocitool.repository.content import file_blob, plan_put_blob, plan_put_manifest
from ocitool.repository.delete import Deletion, plan_delete
from ocitool.store.base import BytesSource, Source, StoreSource
from ocitool.store.locate import Locator
from ocitool.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RepositoryEditor:
    """A repository or layout, by the name of something in it: each method gives a plan that `Client.apply` does.

    Raises UsageError for what cannot be meant, Unsupported for an archive, and what the registry answers.
    """

    work: Workspace
    place: str

    @as_one()
    def put_manifest(self, data: bytes, *, media_type: str = "") -> Plan:
        """The bytes stored as a manifest, under the tag of the place, whatever it holds, or by its digest alone.

        Where the place names a digest the bytes have to have it, else DigestMismatch is raised. `media_type` is
        needed where the bytes do not say what they are.
        """
        if not isinstance(data, bytes):
            raise UsageError("a manifest is given as bytes")
        at = Locator.parse(self.place)
        store, name = self.work.opener.open_edited(self.place)
        tag = at.reference.tag if at.reference is not None else name if as_digest(name) is None else ""
        wanted = as_digest(name)
        return plan_put_manifest(
            store, [tag] if tag else [], data, media_type=text_of(media_type, "media_type"), digest=wanted
        )

    @as_one()
    def put_blob(self, content: bytes | str | Path | Iterable[bytes]) -> Plan:
        """A blob stored: bytes, a file, or pieces, which are kept in this machine's store on their way.

        Where the place names a digest the content has to have it, else DigestMismatch is raised.
        """
        store, name = self.work.opener.open_edited(self.place)
        return plan_put_blob(store, *self._blob(content), digest=as_digest(name))

    @as_one()
    def delete(self) -> Deletion:
        """What the place names deleted: its `plan`, and what else goes with a manifest that is named by digest.

        A tag goes alone, and what else it held keeps its tags.
        """
        store, name = self.work.opener.open_edited(self.place)
        return plan_delete(store, name, scope=self.work.scope, listener=self.work.listener)

    def _blob(self, content: bytes | str | Path | Iterable[bytes]) -> tuple[Descriptor, Source]:
        if isinstance(content, bytes):
            return Descriptor(mediatype.OCTETS, Digest.of(content), len(content)), BytesSource(content)
        if isinstance(content, (str, Path)):
            return file_blob(Path(content), self.work.scope)
        kept = self.work.machine.content
        ingest = kept.ingest()
        try:
            for piece in self.work.scope.pieces(content):
                ingest.write(piece)
            digest, size = ingest.commit()
        finally:
            ingest.abort()
        descriptor = Descriptor(mediatype.OCTETS, digest, size)
        return descriptor, StoreSource(descriptor, kept)
