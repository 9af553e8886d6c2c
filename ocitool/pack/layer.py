"""Entries packed into a layer of a store: one pass, bounded memory, and no work that was done before.

What a memo saves: the *shape key* covers everything about the entries but the bytes of their files. Where it is
known, the tar is read and hashed first, and compressed only if the layer of that diff_id and codec is
not in the store. The *stamp key* adds the identity of every file (device, inode, size, times): where it is known,
nothing is read. It is only kept when every later change would show in it (`pack.stamps`).
Files that changed and all kept their sizes are so read twice: a fresh checkout, which is far more often the reason
for other stamps, would else be compressed again.
"""

import hashlib
import json
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from ocitool.codec.codecs import Codec, CodecId, LayerEnd
from ocitool.errors import Unsupported
from ocitool.events import Advanced, Done, Listener, Started, silent
from ocitool.model.digest import Digest, Tap
from ocitool.model.mediatype import OCTETS, Family, layer_type
from ocitool.model.views import Descriptor
from ocitool.pack.entries import Entry
from ocitool.pack.file_identity import has_foreign_clock, is_settled
from ocitool.pack.tar import entry_header, tar_stream
from ocitool.store.base import Memo, Store, ingested
from ocitool.tasks import Scope
from ocitool.values import dataclass, field, replace

_FORMAT: Final = b"ocitool layer 1\n"
"""Part of every key; another number if the tar of equal entries ever changes."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer in a store: digest and size of its bytes, the digest of its tar, and what made one of the other.

    `kind` is the codec's; `annotations` are those that its descriptor needs. One that `is_new` was written and
    hashed by this process.
    """

    digest: Digest
    size: int
    diff_id: Digest
    codec: CodecId
    kind: str
    annotations: tuple[tuple[str, str], ...] = ()
    is_new: bool = field(default=False, compare=False)

    def descriptor(self, family: Family) -> Descriptor:
        """The layer as a manifest of `family` lists it. Raises Unsupported for what Docker's cannot say (K055)."""
        media_type = layer_type(family, self.kind)
        if media_type is None:
            raise Unsupported(
                f"{self.kind} layers have no agreed type in Docker's manifests",
                ability=self.kind,
                hint="add --format oci, or choose --compression gzip",
            )
        return Descriptor(media_type, self.digest, self.size, annotations=dict(self.annotations))


@dataclass(frozen=True, slots=True)
class StoredTar:
    """The tar of a layer in a store, uncompressed: its digest, which is the layer's diff_id, and its bytes."""

    diff_id: Digest
    size: int

    @property
    def descriptor(self) -> Descriptor:
        """The blob that it is."""
        return Descriptor(OCTETS, self.diff_id, self.size)


def pack_tar(
    tar: StoredTar,
    store: Store,
    codec: Codec,
    *,
    scope: Scope,
    width: int = 1,
    memo: Memo | None = None,
    listener: Listener = silent,
    label: str = "layer",
) -> Layer:
    """The layer of a tar that is in the store, its bytes as they are; see `pack_layer`."""
    layer = _recalled(memo, store, tar.diff_id, codec) if memo is not None else None
    if layer is not None:
        step = f"pack:{label}:{tar.diff_id.hex[:12]}"
        listener(Started(step, label, tar.size))
        listener(Done(step, "cached", layer.size))
        return layer
    with store.open_blob(tar.descriptor) as opened:
        return pack_stream(
            opened,
            store,
            codec,
            key=tar.diff_id.hex[:12],
            total=tar.size,
            scope=scope,
            width=width,
            memo=memo,
            listener=listener,
            label=label,
        )


def pack_stream(
    tar: Iterable[bytes],
    store: Store,
    codec: Codec,
    *,
    key: str,
    total: int = 0,
    scope: Scope,
    width: int = 1,
    memo: Memo | None = None,
    listener: Listener = silent,
    label: str = "layer",
) -> Layer:
    """The layer of a tar that passes once, its bytes as they are; `key` tells it from others for the listener.

    `total` is about how many bytes it has, 0 where nobody knows. Raises what reading the tar raises; nothing of the
    layer is left in the store then.
    """
    step = f"pack:{label}:{key}:{codec.kind}"
    listener(Started(step, label, total))

    def pieces() -> Iterator[bytes]:
        for piece in scope.pieces(tar):
            listener(Advanced(step, len(piece)))
            yield piece

    layer, _ = _stored(pieces(), store, codec, scope=scope, width=width, memo=memo)
    listener(Done(step, "packed", layer.size))
    return layer


def tar_digest(entries: Collection[Entry], *, epoch: int, scope: Scope, memo: Memo) -> Digest:
    """The digest of the tar that `pack_layer` makes of the entries: the diff_id of their layer.

    Where `memo` knows that no file has changed since, nothing is read.
    """
    stamps = _Stamps.of(entries, _shape(entries, epoch)[0])
    known = memo.recall(stamps.key) if stamps.key else None
    if known is not None:
        return Digest(known["diff_id"])
    tap = Tap()
    for _ in scope.pieces(tap(tar_stream(entries, epoch))):
        pass
    stamps.keep(memo, tap.digest)
    return tap.digest


def pack_layer(
    entries: Collection[Entry],
    store: Store,
    codec: Codec,
    *,
    epoch: int,
    scope: Scope,
    width: int = 1,
    memo: Memo | None = None,
    listener: Listener = silent,
    label: str = "layer",
) -> Layer:
    """The layer of `entries` (in the order and form that `place` returns), stored.

    At most about `width + 2` MiB of content are in memory. The bytes depend on the entries, the epoch and
    the codec's id alone. Raises LocalIOError, Cancelled; nothing of the layer is left in the store then.
    """
    shape, size = _shape(entries, epoch)
    stamps = _Stamps.of(entries, shape)
    step = f"pack:{label}:{shape[-12:]}:{codec.kind}"
    listener(Started(step, label, size))

    def tar() -> Iterator[bytes]:
        for piece in scope.pieces(tar_stream(entries, epoch)):
            listener(Advanced(step, len(piece)))
            yield piece

    if memo is not None:
        layer = _unchanged(memo, store, stamps, codec)
        if layer is None and memo.recall(shape) is not None:
            diff = Tap()
            for _ in diff(tar()):
                pass
            layer = _recalled(memo, store, diff.digest, codec)
            if layer is None:
                listener(Advanced(step, -diff.size))
            else:
                stamps.keep(memo, diff.digest)
        if layer is not None:
            listener(Done(step, "cached", layer.size))
            return layer
    layer, tar_id = _stored(tar(), store, codec, scope=scope, width=width, memo=memo)
    if memo is not None:
        memo.remember(shape, {"diff_id": str(tar_id)})
        stamps.keep(memo, tar_id)
    listener(Done(step, "packed", layer.size))
    return layer


def _stored(
    tar: Iterable[bytes], store: Store, codec: Codec, *, scope: Scope, width: int, memo: Memo | None
) -> tuple[Layer, Digest]:
    """The layer of a tar that passes, and the digest of that tar, by which it is found again."""
    diff = Tap()
    unpacked: LayerEnd | None = None

    def pieces() -> Iterator[bytes]:
        nonlocal unpacked
        unpacked = yield from codec.compress(diff(tar), scope, width)

    digest, size = ingested(store.ingest(), pieces())
    layer = Layer(digest, size, diff.digest, codec.id, codec.kind, is_new=True)
    if unpacked is not None:
        layer = replace(layer, diff_id=unpacked.diff_id, annotations=unpacked.annotations)
    if memo is not None:
        known = {"digest": str(digest), "size": size}
        more = {"diff_id": str(layer.diff_id), "annotations": layer.annotations} if unpacked is not None else {}
        memo.remember(_layer_key(diff.digest, codec.id), {**known, **more})
    return layer, diff.digest


@dataclass(frozen=True, slots=True)
class _Stamps:
    """The identity of all contents before any was read; `key` is empty where one has none."""

    key: str
    newest_ns: int = 0
    taken_ns: int = 0
    devices: frozenset[int] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[Entry], shape: str) -> "_Stamps":
        """Of the entries; bytes that are no file of the user's may have an identity of their own."""
        taken_ns, newest_ns = time.time_ns(), 0
        devices = set()
        tap = hashlib.sha256(shape.encode())
        for entry in entries:
            content = entry.content
            if content is None:
                continue
            stamp = content.stamp
            if stamp is not None:
                tap.update(repr(stamp).encode())
                newest_ns = max(newest_ns, *stamp[3:])
                devices.add(stamp[0])
            elif content.identity:
                tap.update(content.identity.encode())
            else:
                return cls("")
        return cls(f"stamps:{tap.hexdigest()}", newest_ns, taken_ns, frozenset(devices))

    def keep(self, memo: Memo, diff_id: Digest) -> None:
        """Remember what the contents with these stamps became, if nothing can have changed unseen."""
        if self.key and is_settled(self.newest_ns, self.taken_ns) and not has_foreign_clock(self.devices):
            memo.remember(self.key, {"diff_id": str(diff_id)})


def _unchanged(memo: Memo, store: Store, stamps: _Stamps, codec: Codec) -> Layer | None:
    """The layer of files that are the very ones it was made of."""
    known = memo.recall(stamps.key) if stamps.key else None
    return _recalled(memo, store, Digest(known["diff_id"]), codec) if known is not None else None


def _recalled(memo: Memo, store: Store, diff_id: Digest, codec: Codec) -> Layer | None:
    """The layer of that tar and codec if it was made before and is still in the store."""
    known = memo.recall(_layer_key(diff_id, codec.id))
    if known is None:
        return None
    notes = tuple((key, value) for key, value in known.get("annotations", ()))
    own = Digest(known.get("diff_id", diff_id))
    layer = Layer(Digest(known["digest"]), known["size"], own, codec.id, codec.kind, notes)
    return layer if store.has_blob(Descriptor(OCTETS, layer.digest, layer.size)) else None


def _layer_key(diff_id: Digest, codec: CodecId) -> str:
    return f"layer:{diff_id}:{json.dumps(codec.to_tree(), sort_keys=True, separators=(',', ':'))}"


def _shape(entries: Iterable[Entry], epoch: int) -> tuple[str, int]:
    """A key of the tar's headers: names, kinds, modes, owners, times, sizes, but not of content; and its bytes."""
    tap, size = hashlib.sha256(_FORMAT), 0
    for entry in entries:
        tap.update(entry_header(entry, epoch))
        size += entry.content.size if entry.content is not None else 0
    return f"shape:{tap.hexdigest()}", size
