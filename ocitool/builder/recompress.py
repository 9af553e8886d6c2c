"""Layers compressed otherwise, every platform of an index at once, as a plan: the same tars in other bytes.

diff_ids are those of the tars, so configs keep their bytes; only eStargz adds files. Manifests get new ones.
"""

import threading
from typing import Any, Final

from ocitool.builder.layer_edits import LayeredImage, LayerEditor, LayerPacker, ListedLayer, unspeakable
from ocitool.change.plan import Plan
from ocitool.codec import estargz, listed
from ocitool.codec.codecs import Codec, parse_codecs
from ocitool.index.entries import Selector
from ocitool.index.image_plans import AttestationChoice, EditedImage, ImageEdit
from ocitool.index.name_editor import Texts
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Manifest
from ocitool.pack.layer import Layer
from ocitool.store.base import Store
from ocitool.tasks import Scope
from ocitool.values import dataclass, field, replace

_NEEDED: Final = {"estargz": estargz.ANNOTATION, "gzip-toc": listed.ANNOTATION}
"""The annotation by which gzip layers of some kinds are told from others."""


@dataclass(frozen=True, slots=True)
class ImageRecompressor(LayerEditor):
    """The images below a name, whose layers get another compression."""

    def plan(
        self, words: str, chosen: Selector, attestations: AttestationChoice, tags: Texts, *, force: bool = False
    ) -> Plan:
        """The plan; layers are packed into this machine's store by making it.

        Layers that have the wanted compression already are left alone unless `force`. With two of them each image
        gets a zstd image beside it. Raises UsageError for words that are none, Unsupported for zstd in Docker's
        manifests, DigestMismatch for a layer that is not the tar that its config says.
        """
        codec, *more = parse_codecs(words)
        zstd = codec if codec.kind == "zstd" else next(iter(more), None)

        def change(store: Store) -> ImageEdit:
            return _Recompress(LayerPacker(self.work, store), codec, force, tuple(more))

        def on_zstd(store: Store) -> ImageEdit:
            return _stays if zstd is None else _Recompress(LayerPacker(self.work, store), zstd, force)

        return self._plan(change, chosen, attestations, tags, on_zstd)


def _stays(manifest: Manifest, _platform: Platform | None, _scope: Scope) -> EditedImage:
    note = f"{manifest.document.digest.short} stays: it is the zstd image beside another"
    return EditedImage(manifest.document, notes=(note,))


@dataclass(frozen=True, slots=True)
class _Recompress:
    """What is done to one image; a layer that several have is packed once. `beside` is for a second image of it."""

    packer: LayerPacker
    codec: Codec
    force: bool
    beside: tuple[Codec, ...] = ()
    lock: Any = field(default_factory=threading.Lock, compare=False)
    made: dict[tuple[str, Digest, Digest], Layer] = field(default_factory=dict, compare=False)

    def __call__(self, manifest: Manifest, platform: Platform | None, scope: Scope) -> EditedImage:
        image = LayeredImage.read(self.packer.store, manifest, platform)
        with self.lock:
            done = self._compressed(image, self.codec, scope)
            for codec in self.beside:
                other = self._compressed(image, codec, scope)
                if other.manifest.digest != done.manifest.digest:
                    done = replace(done, zstd=other)
        return done

    def _compressed(self, image: LayeredImage, codec: Codec, scope: Scope) -> EditedImage:
        notes, told, layers = [], [], []
        for layer in image.layers:
            after = layer
            if not layer.is_readable:
                notes.append(f"{layer.descriptor.digest.short} stays: it is {layer.descriptor.media_type}")
            elif self.force or not _has_form(layer.descriptor, codec):
                after = layer.become(self._packed(image, layer, codec, scope), image.family)
            layers.append(after)
            if after is not layer:
                told.append(f"~ layer {layer.sized} → {after.sized}  {codec.kind}")
        return image.with_layers(layers, self.packer.work.machine.content, told=told, notes=notes)

    def _packed(self, image: LayeredImage, layer: ListedLayer, codec: Codec, scope: Scope) -> Layer:
        if mediatype.layer_type(image.family, codec.kind) is None:
            raise unspeakable(codec.kind)
        key = codec.kind, layer.descriptor.digest, layer.diff_id
        if key not in self.made:
            tar = self.packer.read(layer, scope)
            self.made[key] = self.packer.pack(tar, codec, image.platform, scope, key=key[1].hex[:12])
        return self.made[key]


def _has_form(layer: Descriptor, codec: Codec) -> bool:
    """Whether a layer is in the form that a codec writes; eStargz is gzip, and gzip is no eStargz."""
    needed = _NEEDED.get(codec.kind)
    kind = codec.kind if needed is None else "gzip"
    return mediatype.compression(layer.media_type) == kind and (needed is None or needed in layer.annotations)
