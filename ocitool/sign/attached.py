"""Whether what is demanded beside an image is there: of an artifact type, or a statement of a key's owner.

It stands beside the image itself, or beside each image of an index. What stands in an index is vouched for by
whoever signed that.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from ocitool.attest.find import STATEMENT_LIMIT, Statements
from ocitool.attest.statement import is_of, read_statement
from ocitool.errors import DigestMismatch, MalformedDocument, NotFound
from ocitool.graph.referrers import examine_referrer
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, Index, view
from ocitool.sign import bundle as bundles
from ocitool.sign.keys import PublicKey
from ocitool.sign.verification import LOOKED_AT, Demand, FoundAttestation, bundle_of, maker, may_be_bundle
from ocitool.store.base import Reader
from ocitool.tasks import Scope, collect
from ocitool.values import dataclass

_UNREAD: Final = (DigestMismatch, MalformedDocument, NotFound)
_BUNDLE_LIMIT: Final = STATEMENT_LIMIT * 3 // 2
"""Most bytes of a bundle around a statement, which is base64 in it."""
BUNDLES_LIMIT: Final = 4 * _BUNDLE_LIMIT
"""Most bytes of all bundles beside one image that may be of what is wanted."""


@dataclass(frozen=True, slots=True)
class FoundBeside:
    """What is demanded and is neither beside the image nor beside each one below it, and the statements found."""

    lacking: tuple[str, ...] = ()
    attestations: tuple[FoundAttestation, ...] = ()


def look_beside(
    store: Reader,
    document: Document,
    demand: Demand,
    voucher: PublicKey | None,
    *,
    scope: Scope,
    width: int,
    limit: int = BUNDLES_LIMIT,
) -> FoundBeside:
    """What is found of what is demanded; asks only for that. `voucher` is a key that signed `document`, if one did.

    `limit` are the bytes of bundles that are read beside one image.
    """
    if not (demand.attached or demand.attested):
        return FoundBeside()
    seen = view(document)
    look = _Look(store, demand, seen if isinstance(seen, Index) else None, voucher, limit)
    own = look.beside(Descriptor.of(document), (*demand.attached, *demand.attested))
    if not own.lacking or not isinstance(seen, Index) or not seen.platforms:
        return own
    images = {one.digest: one for one in seen.platforms}.values()
    below = collect(scope, lambda image: look.beside(image, own.lacking), images, width)
    left = tuple(kind for kind in own.lacking if any(kind in one.lacking for one in below))
    more = (found for one in below for found in one.attestations if found.wanted not in left)
    return FoundBeside(left, (*own.attestations, *more))


@dataclass(frozen=True, slots=True)
class _Look:
    """A look beside one image after another; `index` holds them, if one does."""

    store: Reader
    demand: Demand
    index: Index | None
    voucher: PublicKey | None
    limit: int

    def beside(self, subject: Descriptor, kinds: Iterable[str]) -> FoundBeside:
        """What is found of some kinds beside one image."""
        try:
            listed = self.store.referrers(subject.digest)
        except MalformedDocument:
            listed = []
        lacking, found = list[str](), list[FoundAttestation]()
        for kind in kinds:
            is_there = kind not in self.demand.attached or self._is_attached(subject, kind, listed)
            if kind in self.demand.attested:
                attested = self._bundled(subject, kind, listed) or self._in_index(subject, kind)
                found += [attested] if attested is not None else []
                is_there = is_there and attested is not None
            lacking += [] if is_there else [kind]
        return FoundBeside(tuple(lacking), tuple(found))

    def _is_attached(self, subject: Descriptor, kind: str, listed: Iterable[Descriptor]) -> bool:
        """Whether a manifest that says so itself refers to the subject; a list alone proves nothing."""
        candidates = (one for one in listed if one.artifact_type in {kind, ""})
        for entry in islice(candidates, LOOKED_AT):
            try:
                own = examine_referrer(self.store, subject.digest, entry).own
            except _UNREAD:
                continue
            if own is not None and own.artifact_type == kind:
                return True
        return False

    def _bundled(self, subject: Descriptor, kind: str, listed: Iterable[Descriptor]) -> FoundAttestation | None:
        """The first statement of that kind about the subject that one of the keys signed."""
        left = self.limit
        for entry in islice((one for one in listed if may_be_bundle(one, kind)), LOOKED_AT):
            try:
                data = bundle_of(self.store, entry, subject.digest, kind, min(left, _BUNDLE_LIMIT))
                if data is None:
                    continue
                left -= len(data)
                read = bundles.read_bundle(data)
                key = maker(read.signature, bundles.pae(read.statement), self.demand)
                if key is None:
                    continue
                said = read_statement(read.statement, subject.digest).predicate_type
            except _UNREAD:
                continue
            if is_of(said, kind):
                return FoundAttestation(kind, said, subject.digest, subject.label, "bundle", entry.digest, key)
        return None

    def _in_index(self, subject: Descriptor, kind: str) -> FoundAttestation | None:
        """The first statement of that kind about the subject in an index that was signed."""
        if self.index is None or self.voucher is None:
            return None
        try:
            said = next(Statements(self.store).in_index(self.index, subject.digest, kind), None)
        except _UNREAD:
            return None
        if said is None:
            return None
        where = self.index.document.digest
        return FoundAttestation(
            kind, said.predicate_type, subject.digest, subject.label, "index", where, self.voucher
        )
