"""copy(): a manifest and everything below it from one store to another, by digest.

Children go before their parents, so a copy that dies leaves nothing that lacks something. That a manifest is there
does not prove that its children are: every distinct blob and manifest is asked for. Tags are not written here:
`change.apply` does that.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from types import MappingProxyType

from ocitool.errors import NotFound, OcitoolError, RegistryError
from ocitool.events import Advanced, Done, Listener, Started, silent
from ocitool.graph.referrers import is_found, put_referrer
from ocitool.graph.walk import Role, Snapshot, walk_below
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, Index, view
from ocitool.store.base import Put, Reader, Source, Store, StoreSource
from ocitool.tasks import Scope, TaskGroup, collect
from ocitool.values import dataclass, field


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did. `puts` counts blobs by outcome; sizes are bytes of blobs.

    `blobs` are all below the root, None where it was believed that they are there, `outcomes` what became of each
    of them. `skipped` are foreign layers
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
    outcomes: tuple[Put, ...] = ()
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
    snapshot: Snapshot | None = None,
    spares: Sequence[Reader] = (),
    beside: Iterable[Callable[[], object]] = (),
) -> CopyReport:
    """Copy `name` from `source` to `target`, where it is found by its digest.

    `root` is what it holds, and `snapshot` that with all below it, if known. Blobs that one of `spares` has are
    left out. With `trust` a target that has the root is believed to have everything below it; `anew`, `tagged` and
    `beside` are as for `put_snapshot`. Errors carry a note that says which side failed.
    """
    with at_side("source"):
        root = root or source.get_manifest(name)
        if trust and target.head(str(root.digest)) is not None:
            return CopyReport(Descriptor.of(root), manifests=1)
        snapshot = snapshot or read_all(source, root, scope=scope, width=width)
    return put_snapshot(
        snapshot,
        target,
        source_of=lambda descriptor: StoreSource(descriptor, source),
        scope=scope,
        width=width,
        anew=anew,
        tagged=tagged,
        listener=listener,
        beside=beside,
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
    beside: Iterable[Callable[[], object]] = (),
) -> CopyReport:
    """Store a snapshot: every blob, and each manifest as soon as all that it names is there, so the root last.

    `source_of` says where each blob's bytes come from; it is opened only for blobs the target lacks. `done` are
    blobs that were put there already, and how. With `anew` no manifest counts as there. A root that is `tagged` is
    left to who writes its tag, so that it is sent once. Blobs that are `spared` are left out. What is `beside` is
    done next to the last manifests, once every blob is there.
    """
    width = min(width, target.traits.concurrency)
    skipped = tuple(d for d in snapshot.blobs if mediatype.is_foreign(d.media_type) and d.urls)
    blobs = [d for d in snapshot.blobs if d not in skipped and d not in spared]
    with at_side("destination"), kept_elsewhere(skipped), TaskGroup(scope, width) as group:
        storing = _Storing(snapshot, target, group, listener, beside, left=tagged and not anew)
        storing.begin([(d, source_of(d)) for d in blobs if d.digest not in done], anew=anew)
    outcomes = [done[d.digest] if d.digest in done else storing.puts[d.digest] for d in blobs]
    return CopyReport(
        root=snapshot.root,
        puts={put: outcomes.count(put) for put in Put},
        sent=sum(d.size for d, put in zip(blobs, outcomes, strict=True) if put is Put.STORED),
        saved=sum(d.size for d, put in zip(blobs, outcomes, strict=True) if put is not Put.STORED),
        manifests_sent=len(storing.absent),
        manifests=len(snapshot.documents),
        blobs=tuple(blobs),
        outcomes=tuple(outcomes),
        skipped=skipped,
        spared=tuple(spared),
        lacks_root=tagged and not anew and snapshot.root.digest in storing.absent,
    )


class _Storing:
    """A snapshot on its way into a store, in steps that follow from each other and do not wait for a round.

    `puts` says how each blob came there, `absent` are the manifests that were not. With `left` an absent root is
    not put.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        target: Store,
        group: TaskGroup,
        listener: Listener,
        beside: Iterable[Callable[[], object]],
        *,
        left: bool,
    ) -> None:
        self.puts: dict[Digest, Put] = {}
        self.absent: set[Digest] = set()
        self._snapshot, self._target, self._group, self._listener = snapshot, target, group, listener
        self._beside = tuple(beside)
        self._left = left
        self._lock = Lock()
        self._blobs = 0
        # By what is awaited, the manifests that wait for it; and how much each waits for.
        self._waiting: dict[tuple[Role, Digest], set[Digest]] = {}
        self._awaited: Counter[Digest] = Counter()

    def begin(self, blobs: Sequence[tuple[Descriptor, Source]], *, anew: bool) -> None:
        """Spawn what waits for nothing: all blobs, and then the question for each manifest, or `anew` none."""
        documents = self._snapshot.documents
        self._blobs = len(blobs)
        awaited = {(Role.BLOB, blob.digest) for blob, _ in blobs} | {
            (Role.MANIFEST, digest) for digest in documents
        }
        for edge in self._snapshot.edges:
            if (edge.role, edge.descriptor.digest) in awaited:
                self._waiting.setdefault((edge.role, edge.descriptor.digest), set()).add(edge.parent)
        self._awaited.update(parent for parents in self._waiting.values() for parent in parents)
        self._awaited.update(documents.keys())  # each the question whether it is there
        if not blobs:
            self._spawn_beside()
        for blob, source in blobs:
            self._group.spawn(self._put_blob, blob, source)
        self.absent.update(documents if anew else ())
        for document in documents.values():
            self._group.spawn(self._begin_manifest, document)

    def _put_blob(self, blob: Descriptor, source: Source) -> None:
        self.puts[blob.digest] = put_watched(self._target, blob, source, self._group.scope, self._listener)
        with self._lock:
            self._blobs -= 1
            is_last = not self._blobs
        if is_last:
            self._spawn_beside()
        self._arrived(self._waiting.get((Role.BLOB, blob.digest), ()))

    def _spawn_beside(self) -> None:
        for function in self._beside:
            self._group.spawn(function)

    def _begin_manifest(self, document: Document) -> None:
        if document.digest not in self.absent and self._target.head(str(document.digest)) is None:
            self.absent.add(document.digest)
        self._arrived((document.digest,))

    def _arrived(self, manifests: Iterable[Digest]) -> None:
        """One thing that these manifests awaited is there; those that await nothing more are put."""
        with self._lock:
            self._awaited.subtract(manifests)
            ready = [digest for digest in manifests if not self._awaited[digest]]
        for digest in ready:
            self._group.spawn(self._put_manifest, self._snapshot.documents[digest])

    def _put_manifest(self, document: Document) -> None:
        scope, digest = self._group.scope, document.digest
        if digest not in self.absent:
            if not is_found(self._target, document):  # a run that was killed may have stored and not listed it
                put_referrer(self._target, document, scope=scope)
        elif digest != self._snapshot.root.digest or not self._left:
            put_referrer(self._target, document, scope=scope)
            self._listener(Done(str(digest), "manifest", document.size))
        self._arrived(self._waiting.get((Role.MANIFEST, digest), ()))


def put_watched(target: Store, descriptor: Descriptor, source: Source, scope: Scope, listener: Listener) -> Put:
    """Put one blob, telling the listener, stopping when the scope is cancelled."""
    scope.check()
    key = str(descriptor.digest)
    listener(Started(key, f"blob {descriptor.digest.short}", descriptor.size))
    put = target.put_blob(descriptor, _Watched(source, key, scope, listener))
    listener(Done(key, put.value, descriptor.size))
    return put


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

    @property
    def is_verified(self) -> bool:
        return self.inner.is_verified

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
