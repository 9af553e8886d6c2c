"""copy(): a manifest and everything below it from one store to another, by digest.

Children go before their parents, so a copy that dies leaves nothing that lacks something. That a manifest is there
does not prove that its children are: every distinct blob and manifest is asked for. Tags are not written here:
`change.apply` does that.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from ocitool.errors import NotFound, OcitoolError, RegistryError
from ocitool.events import Advanced, Done, Listener, Started, silent
from ocitool.graph.referrers import is_found, put_referrer
from ocitool.graph.walk import Snapshot, walk_below
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, Index, view
from ocitool.store.base import Put, Reader, Source, Store, StoreSource
from ocitool.tasks import Scope, TaskGroup, collect


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did. `puts` counts blobs by outcome; sizes are bytes of blobs.

    `blobs` are all below the root, None where it was believed that they are there. `skipped` are foreign layers
    that stay where their urls point (K058), `spared` the blobs that were left out since another place has them.
    `lacks_root` says that the root is not there by its digest yet, since a
    tag is about to hold it.
    """

    root: Descriptor
    puts: dict[Put, int] = field(default_factory=dict, hash=False)
    sent: int = 0
    saved: int = 0
    manifests_sent: int = 0
    manifests: int = 0
    blobs: tuple[Descriptor, ...] | None = None
    skipped: tuple[Descriptor, ...] = ()
    spared: tuple[Descriptor, ...] = ()
    lacks_root: bool = False


def copy(
    source: Reader,
    name: str,
    target: Store,
    *,
    scope: Scope,
    width: int = 16,
    trust: bool = False,
    anew: bool = False,
    tagged: bool = False,
    listener: Listener = silent,
    root: Document | None = None,
    spares: Sequence[Reader] = (),
) -> CopyReport:
    """Copy `name` from `source` to `target`, where it is found by its digest; `root` is what it holds, if known.

    Blobs that one of `spares` has are left out.

    With `trust` a target that has the root is believed to have everything below it; `anew` and `tagged` are as for
    `put_snapshot`. Errors carry a note that says which side failed.
    """
    with at_side("source"):
        root = root or source.get_manifest(name)
        if trust and target.head(str(root.digest)) is not None:
            return CopyReport(Descriptor.of(root), manifests=1)
        snapshot = read_all(source, root, scope=scope, width=width)
    return put_snapshot(
        snapshot,
        target,
        source_of=lambda descriptor: StoreSource(descriptor, source),
        scope=scope,
        width=width,
        anew=anew,
        tagged=tagged,
        listener=listener,
        spared=found_in(spares, snapshot.blobs, scope=scope, width=width),
    )


def found_in(
    places: Sequence[Reader], blobs: Sequence[Descriptor], *, scope: Scope, width: int
) -> tuple[Descriptor, ...]:
    """The blobs that one of the places has."""
    if not places:
        return ()
    there = collect(scope, lambda blob: any(place.has_blob(blob) for place in places), blobs, width)
    return tuple(blob for blob, is_there in zip(blobs, there, strict=True) if is_there)


def read_all(source: Reader, root: Document, *, scope: Scope, width: int = 16) -> Snapshot:
    """Every manifest below `root`. Raises NotFound for one that is gone, and tells an attestation (K221)."""
    try:
        return walk_below(source, root, scope=scope, width=width)
    except NotFound as error:
        seen = view(root)
        entries = seen.entries if isinstance(seen, Index) else ()
        gone = next((one for one in entries if str(one.digest) == error.name and one.is_attestation), None)
        if gone is not None:
            error.add_note(f"it is the {gone.label}" if gone.attested else "it is an attestation")
            error.hint = "ocitool copy --platform takes images, and leaves out attestations that are gone"
        raise


def put_snapshot(
    snapshot: Snapshot,
    target: Store,
    *,
    source_of: Callable[[Descriptor], Source],
    scope: Scope,
    width: int = 16,
    anew: bool = False,
    tagged: bool = False,
    listener: Listener = silent,
    done: Mapping[Digest, Put] = MappingProxyType({}),
    spared: Sequence[Descriptor] = (),
) -> CopyReport:
    """Store a snapshot's blobs, then its manifests from the leaves up.

    `source_of` says where each blob's bytes come from; it is opened only for blobs the target lacks. `done` are
    blobs that were put there already, and how. With `anew` no manifest counts as there. A root that is `tagged` is
    left to who writes its tag, so that it is sent once. Blobs that are `spared` are left out. One round of
    questions (every blob and every manifest at once) comes first, so that storing what is there already costs one
    round trip.
    """
    width = min(width, target.traits.concurrency)
    skipped = tuple(d for d in snapshot.blobs if mediatype.is_foreign(d.media_type) and d.urls)
    blobs = [d for d in snapshot.blobs if d not in skipped and d not in spared]
    waves = snapshot.children_first
    documents = [document for wave in waves for document in wave]
    with at_side("destination"), TaskGroup(scope, width) as group:
        puts = {
            d.digest: group.spawn(put_watched, target, d, source_of(d), group.scope, listener)
            for d in blobs
            if d.digest not in done
        }
        heads = {} if anew else {d.digest: group.spawn(target.head, str(d.digest)) for d in documents}
    absent = {d.digest for d in documents if anew or heads[d.digest].result is None}
    lacks_root = tagged and not anew and snapshot.root.digest in absent
    with at_side("destination"), kept_elsewhere(skipped):
        for wave in waves:
            with TaskGroup(scope, width) as group:
                for document in wave:
                    if document.digest not in absent:
                        group.spawn(_list, target, document, group.scope)
                    elif document.digest != snapshot.root.digest or not lacks_root:
                        group.spawn(_put_manifest, target, document, group.scope, listener)
    outcomes = [done[d.digest] if d.digest in done else puts[d.digest].result for d in blobs]
    return CopyReport(
        root=snapshot.root,
        puts={put: outcomes.count(put) for put in Put},
        sent=sum(d.size for d, put in zip(blobs, outcomes, strict=True) if put is Put.STORED),
        saved=sum(d.size for d, put in zip(blobs, outcomes, strict=True) if put is not Put.STORED),
        manifests_sent=len(absent),
        manifests=len(documents),
        blobs=tuple(blobs),
        skipped=skipped,
        spared=tuple(spared),
        lacks_root=lacks_root,
    )


def put_watched(target: Store, descriptor: Descriptor, source: Source, scope: Scope, listener: Listener) -> Put:
    """Put one blob, telling the listener, stopping when the scope is cancelled."""
    scope.check()
    key = str(descriptor.digest)
    listener(Started(key, f"blob {descriptor.digest.short}", descriptor.size))
    put = target.put_blob(descriptor, _Watched(source, key, scope, listener))
    listener(Done(key, put.value, descriptor.size))
    return put


def _put_manifest(target: Store, document: Document, scope: Scope, listener: Listener) -> None:
    put_referrer(target, document, scope=scope)
    listener(Done(str(document.digest), "manifest", document.size))


def _list(target: Store, document: Document, scope: Scope) -> None:
    """Let what is there be found from its subject too: a run that was killed may have stored and not listed it."""
    if not is_found(target, document):
        put_referrer(target, document, scope=scope)


@dataclass(frozen=True, slots=True)
class _Watched:
    """A source whose pieces are counted for the listener and stop when the scope is cancelled."""

    inner: Source
    key: str
    scope: Scope
    listener: Listener

    @property
    def origin(self) -> Reader | None:
        return self.inner.origin

    @contextmanager
    def open(self, offset: int = 0) -> Iterator[Iterator[bytes]]:
        with self.inner.open(offset) as pieces:
            yield self._watch(pieces)

    def _watch(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in self.scope.pieces(pieces):
            yield piece
            self.listener(Advanced(self.key, len(piece)))


@contextmanager
def kept_elsewhere(skipped: Sequence[Descriptor]) -> Iterator[None]:
    """Name the foreign layers where a registry refuses a manifest for want of them (K058)."""
    try:
        yield
    except RegistryError as error:
        if skipped and error.has("MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"):
            for layer in skipped:
                error.add_note(f"layer {layer.digest} is foreign: it is kept at {layer.urls[0]} and was not copied")
            error.hint = "this registry wants foreign layers too: push what is there as blobs, then copy"
        raise


@contextmanager
def at_side(side: str) -> Iterator[None]:
    """Say in a note which side of a copy failed."""
    try:
        yield
    except OcitoolError as error:
        note = f"at the {side}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise
