"""Whether what has to be attached to an image is there: something of an artifact type, or a signed statement.

It stands beside the image itself, or beside each image of an index.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from ocitool.errors import DigestMismatch, MalformedDocument, NotFound
from ocitool.graph.referrers import examine_referrer
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, Index, view
from ocitool.sign import bundle as bundles
from ocitool.sign.verification import LOOKED_AT, Demand, bundle_of, maker, may_be_bundle
from ocitool.store.base import Reader
from ocitool.tasks import Scope, collect

_UNREAD: Final = (DigestMismatch, MalformedDocument, NotFound)


def lacking(store: Reader, document: Document, demand: Demand, *, scope: Scope, width: int) -> tuple[str, ...]:
    """What is demanded and is neither attached to the image nor to each image below it; asks only for that."""
    if not (demand.attached or demand.attested):
        return ()
    left = _lacking(store, document.digest, (*demand.attached, *demand.attested), demand)
    seen = view(document)
    children = [entry.digest for entry in seen.platforms] if isinstance(seen, Index) else []
    if not left or not children:
        return left
    below = collect(scope, lambda child: _lacking(store, child, left, demand), children, width)
    return tuple(kind for kind in left if any(kind in one for one in below))


def _lacking(store: Reader, subject: Digest, kinds: Iterable[str], demand: Demand) -> tuple[str, ...]:
    try:
        listed = store.referrers(subject)
    except MalformedDocument:
        listed = []
    return tuple(
        kind
        for kind in kinds
        if (kind in demand.attached and not _is_attached(store, subject, kind, listed))
        or (kind in demand.attested and not _is_attested(store, subject, kind, listed, demand))
    )


def _is_attached(store: Reader, subject: Digest, kind: str, listed: Iterable[Descriptor]) -> bool:
    """Whether a manifest that says so itself refers to the subject; a list alone proves nothing."""
    candidates = (one for one in listed if one.artifact_type in {kind, ""})
    for entry in islice(candidates, LOOKED_AT):
        try:
            own = examine_referrer(store, subject, entry).own
        except _UNREAD:
            continue
        if own is not None and own.artifact_type == kind:
            return True
    return False


def _is_attested(store: Reader, subject: Digest, kind: str, listed: Iterable[Descriptor], demand: Demand) -> bool:
    """Whether one of the keys signed a statement of that kind about the subject."""
    candidates = (one for one in listed if may_be_bundle(one, kind))
    for entry in islice(candidates, LOOKED_AT):
        try:
            data = bundle_of(store, entry, subject, kind)
            if data is None:
                continue
            read = bundles.read_bundle(data)
            if maker(read.signature, bundles.pae(read.statement), demand) is not None:
                bundles.read_statement(read.statement, subject, kind)
                return True
        except _UNREAD:
            continue
    return False
