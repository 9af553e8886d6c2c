"""copy(): a manifest and everything below it from one store to another, the tag last.

Children go before their parents and tags after everything, so a copy that dies leaves what was there. That
a manifest is there does not prove that its children are: every distinct blob and manifest is asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from ocitool.errors import AuthError, MalformedDocument, NetworkError, NotFound, OcitoolError, RegistryError
from ocitool.events import Advanced, Done, Listener, Noted, Started, silent
from ocitool.graph.referrers import is_found, put_referrer
from ocitool.graph.walk import Snapshot, walk
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Index, view
from ocitool.store.base import Put, Reader, Source, Store, StoreSource
from ocitool.tasks import Scope, TaskGroup


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did. `puts` counts blobs by outcome; sizes are bytes of blobs.

    `skipped` are foreign layers that stay where their urls point (K058).
    """

    root: Descriptor
    puts: dict[Put, int] = field(default_factory=dict, hash=False)
    sent: int = 0
    saved: int = 0
    manifests_sent: int = 0
    manifests: int = 0
    skipped: tuple[Descriptor, ...] = ()


def _nothing(tag: str, before: Descriptor) -> None:
    """What is called where nobody asked to be told."""


def copy(
    source: Reader,
    name: str,
    target: Store,
    *tags: str,
    scope: Scope,
    width: int = 8,
    trust: bool = False,
    anew: bool = False,
    listener: Listener = silent,
    replaces: Callable[[str, Descriptor], None] = _nothing,
) -> CopyReport:
    """Copy `name` from `source` to `target` and point every tag at it.

    With `trust` a target that has the root is believed to have everything below it; with `anew` every manifest is
    put whatever the target says that it has; `replaces` is as for `publish`. Errors carry a note that says which
    side failed. After an error or a cancellation the tags are what they were.
    """
    if trust:
        root = source.get_manifest(name)
        if target.head(str(root.digest)) is not None:
            return CopyReport(_tag(target, root, tags, scope, listener), manifests=1)
    with _side("source"):
        snapshot = walk(source, name, scope=scope, width=width)
    return publish(
        snapshot,
        target,
        *tags,
        source_of=lambda descriptor: StoreSource(descriptor, source),
        scope=scope,
        width=width,
        anew=anew,
        listener=listener,
        replaces=replaces,
    )


def publish(
    snapshot: Snapshot,
    target: Store,
    *tags: str,
    source_of: Callable[[Descriptor], Source],
    scope: Scope,
    width: int = 8,
    anew: bool = False,
    listener: Listener = silent,
    done: Mapping[Digest, Put] = MappingProxyType({}),
    replaces: Callable[[str, Descriptor], None] = _nothing,
) -> CopyReport:
    """Store a snapshot's blobs, then its manifests from the leaves up, then the tags.

    `source_of` says where each blob's bytes come from; it is opened only for blobs the target lacks. `done` are
    blobs that were put there already, and how. With `anew` no manifest counts as there. `replaces` is called with
    each tag that holds something else, and with that, before it is written. One round of questions
    (every blob, every manifest, every tag at once) comes first, so that publishing what is there already costs one
    round trip.
    """
    skipped = tuple(d for d in snapshot.blobs if mediatype.is_foreign(d.media_type) and d.urls)
    blobs = [d for d in snapshot.blobs if d not in skipped]
    *waves, _ = snapshot.children_first
    documents = [document for wave in snapshot.children_first for document in wave]
    with _side("destination"), TaskGroup(scope, width) as group:
        puts = {
            d.digest: group.spawn(put_watched, target, d, source_of(d), group.scope, listener)
            for d in blobs
            if d.digest not in done
        }
        heads = {} if anew else {d.digest: group.spawn(target.head, str(d.digest)) for d in documents}
        tagged = {tag: group.spawn(target.head, tag) for tag in tags if tag}
    absent = {d.digest for d in documents if anew or heads[d.digest].result is None}
    root = snapshot.documents[snapshot.root.digest]
    due = tuple(tag for tag in tags if not tag or not _is(tagged[tag].result, root))
    with _side("destination"), _kept_elsewhere(skipped):
        for wave in waves:
            with TaskGroup(scope, width) as group:
                for document in wave:
                    if document.digest in absent:
                        group.spawn(_put_manifest, target, document, group.scope, listener)
                    else:
                        group.spawn(_list, target, document, group.scope)
        if due or root.digest in absent or not is_found(target, root):
            scope.check()
            for tag, before in ((tag, tagged[tag].result) for tag in due if tag):
                if before is not None:
                    replaces(tag, before)
            _tag(target, root, due, scope, listener)
    outcomes = [done[d.digest] if d.digest in done else puts[d.digest].result for d in blobs]
    return CopyReport(
        root=snapshot.root,
        puts={put: outcomes.count(put) for put in Put},
        sent=sum(d.size for d, put in zip(blobs, outcomes, strict=True) if put is Put.STORED),
        saved=sum(d.size for d, put in zip(blobs, outcomes, strict=True) if put is not Put.STORED),
        manifests_sent=len(absent),
        manifests=len(documents),
        skipped=skipped,
    )


def _is(descriptor: Descriptor | None, document: Document) -> bool:
    return descriptor is not None and descriptor.digest == document.digest


def tell_gone(
    target: Reader, tag: str, before: Descriptor, platforms: Iterable[Platform], listener: Listener
) -> None:
    """Warn of the platforms that a tag offers and that are none of these (K038).

    Only an index is asked for; no answer is no reason to stop.
    """
    if not mediatype.is_index(before.media_type):
        return
    try:
        offered = view(target.get_manifest(str(before.digest)))
    except (NotFound, AuthError, NetworkError, RegistryError, MalformedDocument):
        return
    gone = offered.without(platforms) if isinstance(offered, Index) else ()
    if gone:
        what = f"{target.label}:{tag} holds {', '.join(map(str, gone))} now and will not any more"
        listener(Noted(f"{what}; ocitool index add puts an image beside others"))


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


def _tag(target: Store, root: Document, tags: tuple[str, ...], scope: Scope, listener: Listener) -> Descriptor:
    descriptor = put_referrer(target, root, *tags, scope=scope)
    listener(Done(str(root.digest), "tagged" if any(tags) else "manifest", root.size))
    return descriptor


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
def _kept_elsewhere(skipped: Sequence[Descriptor]) -> Iterator[None]:
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
def _side(side: str) -> Iterator[None]:
    """Say in a note which side of a copy failed."""
    try:
        yield
    except OcitoolError as error:
        note = f"at the {side}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise
