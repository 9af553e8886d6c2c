"""Layers compressed otherwise, every platform of an index at once, as a plan: the same tars in other bytes.

diff_ids are those of the tars, so configs keep their bytes; only eStargz adds files. Manifests get new ones.
"""

import threading
from dataclasses import dataclass, field
from typing import Any, Final

from ocitool.builder.layer_edits import LayeredImage, LayerEditor, LayerPacker, ListedLayer, unspeakable
from ocitool.change.plan import Plan
from ocitool.codec import estargz, listed
from ocitool.codec.codecs import Codec
from ocitool.index.entries import Selector
from ocitool.index.image_plans import AttestationChoice, EditedImage
from ocitool.index.name_editor import Texts
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Manifest
from ocitool.pack.layer import Layer
from ocitool.tasks import Scope

_NEEDED: Final = {"estargz": estargz.ANNOTATION, "gzip-toc": listed.ANNOTATION}
"""The annotation by which gzip layers of some kinds are told from others."""


@dataclass(frozen=True, slots=True)
class ImageRecompressor(LayerEditor):
    """The images below a name, whose layers get another compression."""

    def plan(
        self, codec: Codec, chosen: Selector, attestations: AttestationChoice, tags: Texts, *, force: bool = False
    ) -> Plan:
        """The plan; layers are packed into this machine's store by making it.

        Layers that have the codec's compression already are left alone unless `force`. Raises Unsupported for zstd
        in Docker's manifests, DigestMismatch for a layer that is not the tar that its config says.
        """
        return self._plan(
            lambda store: _Recompress(LayerPacker(self.work, store), codec, force), chosen, attestations, tags
        )


@dataclass(frozen=True, slots=True)
class _Recompress:
    """What is done to one image; a layer that several have is packed once."""

    packer: LayerPacker
    codec: Codec
    force: bool
    lock: Any = field(default_factory=threading.Lock, compare=False)
    made: dict[tuple[Digest, Digest], Layer] = field(default_factory=dict, compare=False)

    def __call__(self, manifest: Manifest, platform: Platform | None, scope: Scope) -> EditedImage:
        image = LayeredImage.read(self.packer.store, manifest, platform)
        notes, told, layers = [], [], []
        with self.lock:
            for layer in image.layers:
                after = layer
                if not layer.is_readable:
                    notes.append(f"{layer.descriptor.digest.short} stays: it is {layer.descriptor.media_type}")
                elif self.force or not self._has_it(layer.descriptor):
                    after = layer.become(self._packed(image, layer, scope), image.family)
                layers.append(after)
                if after is not layer:
                    told.append(f"~ layer {layer.sized} → {after.sized}  {self.codec.kind}")
        return image.with_layers(layers, self.packer.work.machine.content, told=told, notes=notes)

    def _has_it(self, layer: Descriptor) -> bool:
        """Whether a layer is in the wanted form; eStargz is gzip, and gzip is no eStargz."""
        needed = _NEEDED.get(self.codec.kind)
        kind = self.codec.kind if needed is None else "gzip"
        return mediatype.compression(layer.media_type) == kind and (needed is None or needed in layer.annotations)

    def _packed(self, image: LayeredImage, layer: ListedLayer, scope: Scope) -> Layer:
        if mediatype.layer_type(image.family, self.codec.kind) is None:
            raise unspeakable(self.codec.kind)
        key = layer.descriptor.digest, layer.diff_id
        if key not in self.made:
            tar = self.packer.read(layer, scope)
            self.made[key] = self.packer.pack(tar, self.codec, image.platform, scope, key=key[0].hex[:12])
        return self.made[key]
