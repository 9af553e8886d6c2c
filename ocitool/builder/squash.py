"""All layers of an image as one, or those above a base, every platform of an index at once, as a plan.

The files are the same, with owners, modes, attributes and names; times are whole seconds. What a layer took away is
in none of the bytes, and nothing of this machine or of the moment is, so two machines give the same digest.
"""

import threading
from typing import Any

from ocitool.builder.layer_edits import LayeredImage, LayerEditor, LayerPacker, ListedLayer, codecs_of
from ocitool.change.plan import Plan
from ocitool.codec.codecs import Codec
from ocitool.errors import Unsupported, UsageError
from ocitool.image.base import FoundBase, open_base
from ocitool.index.entries import Selector
from ocitool.index.image_plans import AttestationChoice, EditedImage
from ocitool.index.name_editor import Texts
from ocitool.model import compose
from ocitool.model.document import JsonTree
from ocitool.model.platform import Platform
from ocitool.model.printable import shown
from ocitool.model.views import History, ImageConfig, Manifest
from ocitool.rootfs.extract import export_tar, layer_contents
from ocitool.rootfs.tree import Tree, list_layer
from ocitool.tasks import Scope, collect
from ocitool.values import dataclass, field


@dataclass(frozen=True, slots=True)
class ImageSquasher(LayerEditor):
    """The images below a name, whose layers become one."""

    def plan(
        self,
        words: str,
        chosen: Selector,
        attestations: AttestationChoice,
        tags: Texts,
        *,
        first: int = 1,
        base: str = "",
    ) -> Plan:
        """The plan; the layers are packed into this machine's store by making it.

        `words` are those of `--compression`. `first` is the number of the lowest layer that is squashed, 1 at the
        bottom; with `base` it is the one above that image's. Raises UsageError for a base that is not underneath
        and for a layer that is not there, and what reading layers raises.
        """
        if base and first != 1:
            raise UsageError("--from names a layer and --base an image: say one of them")
        found = open_base(*self.work.open_image(base)) if base else None
        codec, zstd = codecs_of(words)
        return self._plan(
            lambda store: _Squash(LayerPacker(self.work, store), codec, first, found),
            chosen,
            attestations,
            tags,
            lambda store: _Squash(LayerPacker(self.work, store), zstd, first, found),
        )


@dataclass(frozen=True, slots=True)
class _Squash:
    """What is done to one image."""

    packer: LayerPacker
    codec: Codec
    first: int
    base: FoundBase | None
    lock: Any = field(default_factory=threading.Lock, compare=False)

    def __call__(self, manifest: Manifest, platform: Platform | None, scope: Scope) -> EditedImage:
        work = self.packer.work
        image = LayeredImage.read(self.packer.store, manifest, platform)
        below = self._below(image)
        kept, squashed = image.layers[:below], image.layers[below:]
        if len(squashed) < 2:
            return EditedImage(manifest.document)
        if image.platform.os == "windows":
            raise Unsupported("layers for Windows cannot be packed", ability="windows layers")
        for layer in image.layers:
            layer.check_readable()
        with self.lock:
            listings = collect(
                scope,
                lambda layer: list_layer(self.packer.store, layer.descriptor, work.machine.memo, scope=scope),
                image.layers,
                work.width,
            )
            tree = Tree(listings)
            what = layer_contents(tree, Tree(listings[:below]))
            del listings
            tar = export_tar(self.packer.store, manifest, tree, what, scope=scope)
            key = manifest.document.digest.hex[:12]
            made = self.packer.pack(tar, self.codec, image.platform, scope, key=key, total=what.size)
        one = ListedLayer.of(made, image.family)
        size = sum(layer.descriptor.size for layer in squashed)
        return image.with_layers(
            (*kept, one),
            work.machine.content,
            told=[f"~ {len(squashed)} layers of {size} bytes → layer {made.digest.short} ({made.size} bytes)"],
            notes=[f"/{shown(path)} is left behind: no layer can hold it" for path in what.left_out],
            history=squashed_history(image.config, below),
        )

    def _below(self, image: LayeredImage) -> int:
        """How many layers stay as they are."""
        if self.base is None:
            if not 1 <= self.first <= max(len(image.layers), 1):
                raise UsageError(f"there is no layer {self.first}: the image has {len(image.layers)}")
            return self.first - 1
        base = self.base.image(image.platform, self.packer.work.listener).config.diff_ids
        if image.config.diff_ids[: len(base)] != base:
            raise UsageError(
                f"{self.base.label} is not underneath: its layers are not the lowest ones of the image",
                hint="--from NUMBER says which layer is the first to be squashed",
            )
        return len(base)


def squashed_history(config: ImageConfig, below: int) -> list[JsonTree]:
    """The history of the layers that stay, as it stands, and one line for those that became one.

    Where it does not fit the layers, each that stays gets a line that says so (K050).
    """
    history = list(config.document.tree().get("history") or ()) if below else []
    filled = [number for number, step in enumerate(config.history) if not step.empty_layer]
    if below and len(filled) != len(config.diff_ids):
        history = [{"created_by": "unknown: the image has no history of this layer"}] * below
    elif below:
        history = history[: filled[below]]
    count = len(config.diff_ids) - below
    line = History(created=config.created, created_by="ocitool squash", comment=f"{count} layers")
    return [*history, compose.history_tree(line)]
