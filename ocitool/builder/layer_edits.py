"""The layers of a published image while they are edited: other ones packed for it, and the image with them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from ocitool.change.plan import Plan, PutBlob
from ocitool.codec.codecs import OF_BYTES, Codec, decompress, parse_codec, parse_codecs
from ocitool.codec.tar_reader import USUAL, bounded
from ocitool.errors import MalformedDocument, Unsupported
from ocitool.image.base_note import WITHOUT_BASE
from ocitool.image.config_edit import with_config
from ocitool.index.edit import set_annotations
from ocitool.index.entries import Selector
from ocitool.index.image_plans import AttestationChoice, EditedImage, ImageEdit, plan_images
from ocitool.index.name_editor import NameEditor, Texts
from ocitool.model.digest import Digest, Tap
from ocitool.model.document import JsonTree
from ocitool.model.mediatype import Family, family_of, is_foreign, layer_type
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, ImageConfig, Manifest
from ocitool.pack.layer import Layer, pack_stream
from ocitool.store.base import BytesSource, Reader, Store, StoreSource
from ocitool.store.verify import read_config
from ocitool.tasks import Scope
from ocitool.values import dataclass
from ocitool.workspace import Workspace

_READ: Final = frozenset(layer_type(family, kind) for family in Family for kind in ("gzip", "zstd", "none"))
_ALSO_READ: Final = frozenset({"application/vnd.docker.image.rootfs.diff.tar.zstd"})


@dataclass(frozen=True, slots=True)
class ListedLayer:
    """A layer as its image lists it: `tree` is the manifest's entry, `diff_id` the config's.

    `made` is the layer in this machine's store where an edit made it.
    """

    tree: JsonTree
    descriptor: Descriptor
    diff_id: Digest
    made: Layer | None = None

    @classmethod
    def of(cls, made: Layer, family: Family) -> "ListedLayer":
        """A layer that was packed for an image of `family`. Raises Unsupported for zstd in Docker's (K055)."""
        held = described(made, family)
        return cls(held.to_tree(), held, made.diff_id, made)

    @property
    def is_readable(self) -> bool:
        """Whether it is a tar in a registry, in a compression that is known, as far as its type says."""
        kind = self.descriptor.media_type
        return kind in _READ | _ALSO_READ and not is_foreign(kind)

    @property
    def sized(self) -> str:
        """Its digest and its bytes, for people."""
        return f"{self.descriptor.digest.short} ({self.descriptor.size} bytes)"

    def check_readable(self) -> None:
        """Raise Unsupported for a layer that cannot be read."""
        if not self.is_readable:
            held = self.descriptor
            raise Unsupported(f"layer {held.digest} is {held.media_type}, and cannot be read", ability="layers")

    def become(self, made: Layer, family: Family) -> "ListedLayer":
        """Another layer in its place, under the annotations that still hold; itself where it is the same bytes."""
        if made.digest == self.descriptor.digest:
            return self
        held = described(made, family)
        tree = {key: value for key, value in self.tree.items() if key not in {"data", "urls"}}
        tree |= {"mediaType": held.media_type, "digest": str(held.digest), "size": held.size}
        annotations = tree.pop("annotations", None)
        said = annotations if isinstance(annotations, dict) else {}
        kept = {key: value for key, value in said.items() if not key.startswith(OF_BYTES)} | dict(made.annotations)
        tree |= {"annotations": kept} if kept else {}
        # A tar that is the same keeps the digest that the config has for it, whatever its algorithm.
        is_same = made.diff_id == self.diff_id or self.diff_id.algorithm != made.diff_id.algorithm
        return ListedLayer(tree, held, self.diff_id if is_same else made.diff_id, made)


def described(layer: Layer, family: Family) -> Descriptor:
    """A layer as an image lists it that is published. Raises Unsupported for zstd in Docker's family (K055)."""
    if layer_type(family, layer.kind) is None:
        raise unspeakable(layer.kind)
    return layer.descriptor(family)


def unspeakable(kind: str) -> Unsupported:
    """The error of a compression that Docker's manifests have no name for."""
    return Unsupported(
        f"{kind} layers have no agreed type in Docker's manifests",
        ability=kind,
        hint="ocitool index convert REF --format oci comes first, or choose --compression gzip",
    )


@dataclass(frozen=True, slots=True)
class LayeredImage:
    """A published image and its layers, bottom first."""

    manifest: Manifest
    config: ImageConfig
    platform: Platform
    layers: tuple[ListedLayer, ...]

    @classmethod
    def read(cls, store: Reader, manifest: Manifest, platform: Platform | None) -> "LayeredImage":
        """The image of a manifest. Raises MalformedDocument where layers and diff_ids do not go together."""
        config = read_config(store, manifest.config)
        if len(config.diff_ids) != len(manifest.layers):
            raise MalformedDocument(
                f"the image lists {len(manifest.layers)} layers and {len(config.diff_ids)} diff_ids",
                hint="ocitool check tells more",
            )
        trees = manifest.document.tree()["layers"] or ()
        layers = map(ListedLayer, trees, manifest.layers, config.diff_ids)
        return cls(manifest, config, platform or config.platform, tuple(layers))

    @property
    def family(self) -> Family:
        """The family of its manifest."""
        return family_of(self.manifest.effective_type) or Family.OCI

    def with_layers(
        self,
        layers: Sequence[ListedLayer],
        content: Reader,
        *,
        told: Iterable[str] = (),
        notes: Iterable[str] = (),
        history: Sequence[JsonTree] | None = None,
    ) -> EditedImage:
        """The image of these layers, those that were made out of `content`; all else it says stays.

        The config keeps its bytes where the tars are the same and no other `history` is given.
        """
        if tuple(layers) == self.layers:
            return EditedImage(self.manifest.document, notes=tuple(notes))

        def change(tree: JsonTree) -> None:
            tree["rootfs"] = {**tree["rootfs"], "diff_ids": [str(layer.diff_id) for layer in layers]}
            if history is not None:
                tree["history"] = list(history)

        def edit_manifest(tree: JsonTree) -> None:
            tree["layers"] = [layer.tree for layer in layers]
            if [layer.diff_id for layer in layers[:1]] != list(self.config.diff_ids[:1]):
                set_annotations(tree, WITHOUT_BASE)  # it stands on nothing any more

        is_same = history is None and [layer.diff_id for layer in layers] == list(self.config.diff_ids)
        config = self.config.document if is_same else self.config.document.edit(change)
        document = with_config(self.manifest, config).edit(edit_manifest)
        made = {layer.descriptor.digest: layer.descriptor for layer in layers if layer.made is not None}
        blobs = [PutBlob(one, StoreSource(one, content), f"layer of {self.platform}") for one in made.values()]
        if not is_same:
            held = Descriptor(self.manifest.config.media_type, config.digest, config.size)
            blobs.append(PutBlob(held, BytesSource(config.raw), f"config of {self.platform}"))
        return EditedImage(document, tuple(blobs), tuple(told), notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class LayerPacker:
    """Layers read from where images are and packed into this machine's store, one at a time."""

    work: Workspace
    store: Reader

    def read(self, layer: ListedLayer, scope: Scope) -> Iterator[bytes]:
        """The tar of a layer in pieces of at most 256 KiB, compared with its diff_id when it ends.

        Raises Unsupported for what is no tar in a registry, DigestMismatch, and MalformedDocument for more bytes
        than any layer unpacks to.
        """
        held = layer.descriptor
        layer.check_readable()
        with self.store.open_blob(held) as opened:
            tar = bounded(decompress(scope.pieces(opened)), USUAL.of_packed(held.size))
            yield from Tap(layer.diff_id.algorithm).expecting(
                layer.diff_id, tar, f"the tar of layer {held.digest}", "ocitool check --deep tells more"
            )

    def pack(
        self, tar: Iterable[bytes], codec: Codec, platform: Platform, scope: Scope, *, key: str, total: int = 0
    ) -> Layer:
        """The layer of a tar, stored on this machine; see `pack_stream`."""
        return pack_stream(
            tar,
            self.work.machine.content,
            codec,
            key=key,
            total=total,
            scope=scope,
            width=self.work.width,
            memo=self.work.machine.memo,
            listener=self.work.listener,
            label=f"layer for {platform}",
        )


def codecs_of(words: str) -> tuple[Codec, Codec]:
    """The codec of new layers, gzip without words, and that for zstd images which stand beside others.

    That is the second of `gzip+zstd`, else what zstd usually is. Raises as `parse_codecs`.
    """
    codec, *more = parse_codecs(words or "gzip")
    return codec, more[0] if more else codec if codec.kind == "zstd" else parse_codec("zstd")


@dataclass(frozen=True, slots=True)
class LayerEditor(NameEditor):
    """The images below a name, whose layers are edited."""

    def _plan(
        self,
        change: Callable[[Store], ImageEdit],
        chosen: Selector,
        attestations: AttestationChoice,
        tags: Texts,
        on_zstd: Callable[[Store], ImageEdit] | None = None,
    ) -> Plan:
        """The plan of what `change` does to each image of the store, and `on_zstd` to zstd images beside others.

        Raises as `plan_images` does.
        """
        store, name, written = self._open(tags)
        plan = plan_images(
            store,
            name,
            change(store),
            on_zstd=on_zstd(store) if on_zstd is not None else None,
            chosen=chosen,
            attestations=attestations,
            tags=written,
            scope=self.work.scope,
        )
        return self._told(store, plan, name, written)
