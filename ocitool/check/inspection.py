"""Inspection: everything that rules are shown, read beforehand, so that rules are pure functions.

A thing is absent only if the store said that it is not there; whoever could not be asked is in `unanswered`
and no rule draws conclusions from it (K034).
"""

from collections.abc import Callable, Container, Mapping
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Final, TypeVar

from ocitool.check.layers import LayerLook, ReadLayers, read_layer
from ocitool.check.tables import TableKey, table_fault, table_key
from ocitool.errors import (
    Ambiguous,
    Cancelled,
    DigestMismatch,
    HeaderMismatch,
    MalformedDocument,
    NotFound,
    OcitoolError,
)
from ocitool.events import Advanced, Done, Listener, Started, silent
from ocitool.graph.walk import MAX_SIZE, Edge, Role, Snapshot, walk_below
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, ImageConfig, Index, Manifest, View, settle
from ocitool.rootfs.tree import Tree
from ocitool.store.base import Reader
from ocitool.store.verify import CONFIG_LIMIT, own_size, read_config
from ocitool.tasks import Scope, collect
from ocitool.values import dataclass, field, replace

T = TypeVar("T")

READ_LIMIT: Final = 4 * MANIFEST_LIMIT
"""Largest manifest that is looked at, in bytes: above what registries take, to be able to say so."""
_MOST_FILES: Final = 200_000
"""Files of merged trees that are kept for other rules."""
_MOST_BLOBS: Final = 20_000
"""Blobs that are asked for below one name; a guess far above what anybody publishes."""
_ANSWERS: Final = (MalformedDocument, DigestMismatch)
"""What is wrong with what a store gave, and no reason why it gave nothing."""


@dataclass(frozen=True, slots=True)
class InspectedImage:
    """One image of a look: the index entry it stands in (None for the root), its manifest, its config if read."""

    edge: Edge | None
    manifest: Manifest
    config: ImageConfig | None

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""
        return self.manifest.document.digest

    @property
    def said(self) -> Platform | None:
        """The platform the index entry names."""
        return self.edge.descriptor.platform if self.edge is not None else None

    @property
    def platform(self) -> Platform | None:
        """What the image is offered for: the entry's word, else the config's; half of one if there is no more."""
        own = self.config.platform if self.config is not None else None
        words = [word for word in (self.said, own) if word is not None]
        return next((word for word in words if word.is_whole and not word.is_unknown), self.said)

    @property
    def is_windows(self) -> bool:
        """Whether it is for Windows, whose layers and users are of another kind."""
        return self.platform is not None and self.platform.os == "windows"

    @property
    def label(self) -> str:
        """What people call it."""
        return str(self.platform) if self.platform else (self.digest.short if self.edge else "")


@dataclass(frozen=True)  # no slots: what is derived is kept, since every rule asks for it
class Inspection:
    """What was seen of one name. `configs` and `layers` are by the blob's digest.

    `views` are the snapshot's readable manifests in its order, parsed once since every rule asks.

    `absent` are blobs that are not there, `broken` configs that are no configs. `layers` holds only those of
    images that were looked at deeply, `tables` how tables of contents of these differ from them, by `table_key`.
    `refused` is why the root itself cannot be read in one way; then nothing
    below it was looked at. `head` is the answer to a HEAD of the name, if one was sent. `now` is when, in UTC.
    """

    where: str
    snapshot: Snapshot
    views: Mapping[Digest, View] = field(hash=False)
    configs: Mapping[Digest, ImageConfig] = field(hash=False)
    now: datetime
    absent: frozenset[Digest] = frozenset()
    broken: Mapping[Digest, OcitoolError] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    layers: Mapping[Digest, LayerLook] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    tables: Mapping[TableKey, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    unanswered: tuple[OcitoolError, ...] = ()
    refused: Ambiguous | HeaderMismatch | None = None
    head: Descriptor | None = None

    @cached_property
    def indexes(self) -> tuple[Index, ...]:
        """Every index, the root first."""
        found = (seen for seen in self.views.values() if isinstance(seen, Index))
        return tuple(replace(index, entries=tuple(map(self.settle, index.entries))) for index in found)

    @cached_property
    def labelled(self) -> tuple[tuple[Manifest, str], ...]:
        """Every manifest that is no index, with what people call it."""
        images = {image.digest: image.label for image in self.images}
        digests = (manifest.document.digest for manifest in self.manifests)
        labels = [images[digest] if digest in images else self.label(digest) for digest in digests]
        return tuple(zip(self.manifests, labels, strict=True))

    def settle(self, entry: Descriptor) -> Descriptor:
        """An entry with what its manifest and config decide of it."""
        child = self.views.get(entry.digest)
        config = self.configs.get(child.config.digest) if isinstance(child, Manifest) else None
        return settle(entry, child, config)

    @cached_property
    def manifests(self) -> tuple[Manifest, ...]:
        """Every manifest that is no index: images and artifacts."""
        return tuple(seen for seen in self.views.values() if isinstance(seen, Manifest))

    @cached_property
    def images(self) -> tuple[InspectedImage, ...]:
        """Every image with each entry it stands in; attestations are none."""
        found: list[InspectedImage] = []
        edges: dict[Digest, list[Edge]] = {}
        for edge in self.snapshot.edges:
            if edge.role is Role.MANIFEST:
                edges.setdefault(edge.descriptor.digest, []).append(edge)
        for manifest in self.manifests:
            config = self.configs.get(manifest.config.digest)
            if not manifest.is_image:
                continue
            standing: list[Edge | None] = [*edges.get(manifest.document.digest, ())] or [None]
            found += [
                InspectedImage(edge, manifest, config)
                for edge in standing
                if edge is None or not self.settle(edge.descriptor).is_attestation
            ]
        return tuple(found)

    def tree(self, manifest: Manifest) -> Tree | None:
        """The merged files of an image; None if one of its layers was not read, or they are `costly`."""
        digest = manifest.document.digest
        if digest not in self._read:
            seen = [self.layers.get(layer.digest) for layer in manifest.layers]
            is_read = all(one is not None and not one.damage for one in seen)
            self._read[digest] = tuple(layer.digest for layer in manifest.layers) if is_read else ()
        key = self._read[digest]
        if not key or digest in self.costly:
            return None
        if key not in self._trees:
            if sum(tree.size for tree in self._trees.values()) > _MOST_FILES:
                self._trees.clear()
            try:
                self._trees[key] = Tree(self.layers[layer].listed for layer in key)
            except MalformedDocument as error:
                self.costly[digest] = error
                return None
        return self._trees[key]

    @cached_property
    def costly(self) -> dict[Digest, MalformedDocument]:
        """The images whose files are not merged, for that would cost too much; known once `tree` was asked."""
        return {}

    @cached_property
    def _read(self) -> dict[Digest, tuple[Digest, ...]]:
        """The layers of manifests that were asked for, none where one was not read: entries may name one often."""
        return {}

    @cached_property
    def _trees(self) -> dict[tuple[Digest, ...], Tree]:
        """The trees that were asked for, as long as they are not too many: every rule asks for the same."""
        return {}

    def label(self, digest: Digest) -> str:
        """What people call a manifest: as the first entry that names it; empty for the root."""
        listed = (entry for index in self.indexes for entry in index.entries)
        return next((entry.label for entry in listed if entry.digest == digest), "")


def look(
    store: Reader,
    name: str,
    *,
    scope: Scope,
    deep: Callable[[Manifest], bool] = lambda _: False,
    blobs: bool = True,
    now: datetime | None = None,
    width: int = 0,
    head: Descriptor | None = None,
    read_layers: ReadLayers | None = None,
    listener: Listener = silent,
) -> Inspection:
    """Look at what `name` holds: manifests, configs, and every layer of the images that `deep` picks.

    Each other blob is asked for, once and without reading it, unless `blobs` is off (K227).
    `width` is how many things are asked for at once, 0 for as many as the store likes. `head` is what a HEAD of
    the name was answered, `read_layers` what is known of layers already; `listener` hears of those that are read.
    Raises what reading the root raises, unless it is only ambiguous; what is wrong below it is part of the look.
    """
    width = width or store.traits.concurrency
    try:
        root = store.get_manifest(name, limit=READ_LIMIT)
    except HeaderMismatch as error:
        return _refused(store, error, Descriptor("", Digest(error.got), 0), {}, now)
    try:
        snapshot = walk_below(store, root, scope=scope, width=width, tolerant=True, limit=READ_LIMIT)
    except Ambiguous as error:
        return _refused(store, error, Descriptor.of(root), {root.digest: root}, now)
    seen = look_at(
        store,
        snapshot,
        scope=scope,
        deep=deep,
        blobs=blobs,
        now=now,
        width=width,
        read_layers=read_layers,
        listener=listener,
    )
    return replace(seen, head=head)


def _refused(
    store: Reader,
    error: Ambiguous | HeaderMismatch,
    root: Descriptor,
    documents: Mapping[Digest, Document],
    now: datetime | None,
) -> Inspection:
    snapshot = Snapshot(root, MappingProxyType(dict(documents)), ())
    return Inspection(store.label, snapshot, {}, {}, now or datetime.now(UTC), refused=error)


def look_at(
    store: Reader,
    snapshot: Snapshot,
    *,
    scope: Scope,
    deep: Callable[[Manifest], bool] = lambda _: False,
    blobs: bool = True,
    now: datetime | None = None,
    width: int = 0,
    read_layers: ReadLayers | None = None,
    listener: Listener = silent,
) -> Inspection:
    """Look at a snapshot that was taken already.

    Raises MalformedDocument for configs too large to be held, and for more blobs than can be asked for.
    """
    width = width or store.traits.concurrency
    bare = Inspection(store.label, snapshot, snapshot.views, {}, now or datetime.now(UTC))
    images = tuple({image.digest: image.manifest for image in bare.images}.values())
    wanted = {m.config.digest: m.config for m in images}
    if sum(min(one.size, CONFIG_LIMIT) for one in wanted.values()) > MAX_SIZE:
        raise MalformedDocument(f"more than {MAX_SIZE} bytes of configs below one name")
    layers = {
        layer.digest: layer
        for m in images
        if deep(m)
        for layer in m.layers
        if mediatype.is_layer(layer.media_type) and not (mediatype.is_foreign(layer.media_type) and layer.urls)
    }
    known = read_layers or ReadLayers(0)

    def read_config(descriptor: Descriptor) -> ImageConfig | OcitoolError:
        return _careful(lambda: _config(store, descriptor))

    def read_files(descriptor: Descriptor) -> LayerLook | OcitoolError:
        return _careful(lambda: read_layer(store, descriptor, scope, known, heard))

    def heard(size: int) -> None:
        listener(Advanced(step, size))

    configs = collect(scope, read_config, wanted.values(), width)
    step = f"layers of {snapshot.root.digest}"
    if layers:
        listener(Started(step, f"{store.label}: layers", sum(one.size for one in layers.values())))
    files = collect(scope, read_files, layers.values(), min(4, width))
    whole = {d for d, one in zip(layers, files, strict=True) if isinstance(one, LayerLook) and not one.damage}
    listed = {table_key(layer): layer for m in images if deep(m) for layer in m.layers if layer.digest in whole}
    listed.pop(None, None)
    faults = collect(
        scope, lambda one: _careful(lambda: table_fault(store, one, scope)), listed.values(), min(4, width)
    )
    if layers:
        listener(Done(step, "read"))
    asked = _asked(snapshot, {*wanted, *layers}) if blobs else {}
    there = collect(scope, lambda blob: _careful(lambda: _is_there(store, blob)), asked.values(), width)
    answers = {
        **dict(zip(wanted, configs, strict=True)),
        **dict(zip(layers, files, strict=True)),
        **dict(zip(asked, there, strict=True)),
    }
    errors = {d: answer for d, answer in answers.items() if isinstance(answer, OcitoolError)}
    broken = {d: e for d, e in errors.items() if isinstance(e, _ANSWERS)}
    return replace(
        bare,
        configs={d: answer for d, answer in answers.items() if isinstance(answer, ImageConfig)},
        absent=frozenset(d for d, answer in answers.items() if answer is False or isinstance(answer, NotFound)),
        broken=broken,
        layers={d: answer for d, answer in answers.items() if isinstance(answer, LayerLook)},
        tables={key: fault for key, fault in zip(listed, faults, strict=True) if key and isinstance(fault, str)},
        unanswered=(
            *(error for _, error in snapshot.unanswered if not isinstance(error, _ANSWERS)),
            *(e for d, e in errors.items() if d not in broken and not isinstance(e, NotFound)),
            *(fault for fault in faults if isinstance(fault, OcitoolError)),
        ),
    )


def _careful(read: Callable[[], T]) -> T | OcitoolError:
    try:
        return read()
    except Cancelled:
        raise
    except OcitoolError as error:
        return error


def _asked(snapshot: Snapshot, known: Container[Digest]) -> dict[Digest, Descriptor]:
    """The blobs below a name that are in the store and were not read, each once."""
    blobs = {
        blob.digest: blob
        for blob in snapshot.blobs
        if blob.digest not in known
        and blob.data is None
        and not (mediatype.is_foreign(blob.media_type) and blob.urls)
    }
    if len(blobs) > _MOST_BLOBS:
        raise MalformedDocument(f"more than {_MOST_BLOBS} blobs below one name", hint="--no-blobs asks for none")
    return blobs


def _is_there(store: Reader, blob: Descriptor) -> bool:
    """Whether the blob is there: some stores call one absent that has another size, or all that HEAD asks for."""
    if store.has_blob(blob):
        return True
    try:
        with store.open_blob(blob):
            return True
    except NotFound:
        return False


def _config(store: Reader, descriptor: Descriptor) -> ImageConfig:
    """The config, also where its descriptor says a wrong size."""
    try:
        return read_config(store, descriptor)
    except _ANSWERS as error:
        if isinstance(error, MalformedDocument) and descriptor.size <= CONFIG_LIMIT:
            raise
        size = own_size(store, descriptor, CONFIG_LIMIT) if descriptor.data is None else None
        if size is None:
            raise
        return read_config(store, replace(descriptor, size=size))
