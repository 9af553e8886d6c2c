"""Entries packed into a layer of a store: one pass, bounded memory, and no work that was done before.

What a memo saves: the *shape key* covers everything about the entries but the bytes of their files. Where it is
known, the tar is read and hashed first, and compressed only if the layer of that diff_id and codec is
not in the store. No key decides what a layer is: they lead to digests that were computed from the bytes.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ocitool.codec.table import Codec, CodecId
from ocitool.errors import Unsupported
from ocitool.events import Advanced, Done, Listener, Started, silent
from ocitool.model.digest import Digest, Tap
from ocitool.model.mediatype import OCTETS, Family, layer_type
from ocitool.model.views import Descriptor
from ocitool.pack.entries import Entry
from ocitool.pack.tar import entry_header, tar_stream
from ocitool.store.base import Memo, Store
from ocitool.tasks import Scope

_FORMAT: Final = b"ocitool layer 1\n"
"""Part of every key; another number if the tar of equal entries ever changes."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer in a store: digest and size of its bytes, the digest of its tar, and what made one of the other.

    `kind` is gzip, zstd or none.
    """

    digest: Digest
    size: int
    diff_id: Digest
    codec: CodecId
    kind: str

    def descriptor(self, family: Family) -> Descriptor:
        """The layer as a manifest of `family` lists it. Raises Unsupported for zstd in Docker's (K055)."""
        media_type = layer_type(family, self.kind)
        if media_type is None:
            raise Unsupported(
                f"{self.kind} layers have no agreed type in Docker's manifests",
                ability=self.kind,
                hint="add --format oci, or choose --compression gzip",
            )
        return Descriptor(media_type, self.digest, self.size)


def pack_layer(
    entries: Sequence[Entry],
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
    shape = _shape_key(entries, epoch)
    step = f"pack:{label}:{shape[-12:]}"
    listener(Started(step, label, sum(entry.content.size for entry in entries if entry.content)))

    def tar(diff: Tap) -> Iterator[bytes]:
        for piece in scope.pieces(diff(tar_stream(entries, epoch))):
            listener(Advanced(step, len(piece)))
            yield piece

    if memo is not None and memo.recall(shape) is not None:
        diff = Tap()
        for _ in tar(diff):
            pass
        layer = _recalled(memo, store, diff.digest, codec)
        if layer is not None:
            listener(Done(step, "cached", layer.size))
            return layer
        listener(Advanced(step, -diff.size))
    diff = Tap()
    ingest = store.ingest()
    try:
        for piece in codec.compress(tar(diff), scope, width):
            ingest.write(piece)
        digest, size = ingest.commit()
    except BaseException:
        ingest.abort()
        raise
    layer = Layer(digest, size, diff.digest, codec.id, codec.kind)
    if memo is not None:
        memo.remember(_layer_key(layer.diff_id, codec.id), {"digest": str(digest), "size": size})
        memo.remember(shape, {"diff_id": str(layer.diff_id)})
    listener(Done(step, "packed", size))
    return layer


def _recalled(memo: Memo, store: Store, diff_id: Digest, codec: Codec) -> Layer | None:
    """The layer of that tar and codec if it was made before and is still in the store."""
    known = memo.recall(_layer_key(diff_id, codec.id))
    if known is None:
        return None
    layer = Layer(Digest(known["digest"]), known["size"], diff_id, codec.id, codec.kind)
    return layer if store.has_blob(Descriptor(OCTETS, layer.digest, layer.size)) else None


def _layer_key(diff_id: Digest, codec: CodecId) -> str:
    return f"layer:{diff_id}:{json.dumps(codec.to_tree(), sort_keys=True, separators=(',', ':'))}"


def _shape_key(entries: Sequence[Entry], epoch: int) -> str:
    """A key of the tar's headers: names, kinds, modes, owners, times, sizes, but not of content."""
    tap = hashlib.sha256(_FORMAT)
    for entry in entries:
        tap.update(entry_header(entry, epoch))
    return f"shape:{tap.hexdigest()}"
