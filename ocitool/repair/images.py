"""Repairs of a single image: its config's platform, the types of its parts, its own type."""

from ocitool.change.plan import PutBlob
from ocitool.change.reason import ChangeReason
from ocitool.check.inspection import InspectedImage, Inspection
from ocitool.graph.convert import name_type
from ocitool.image.config_edit import with_config
from ocitool.model import mediatype
from ocitool.model.document import Document, JsonTree
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Manifest, effective_type
from ocitool.repair.platforms import RIGHT, PlatformEvidence
from ocitool.repair.work import CHILD, lacks
from ocitool.store.base import BytesSource
from ocitool.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Mended:
    """An image as it ought to be, what has to be stored for it, why, and what could not be mended.

    The document is the very same where nothing is wrong with it.
    """

    document: Document
    content: tuple[PutBlob, ...] = ()
    reasons: tuple[ChangeReason, ...] = ()
    left: tuple[str, ...] = ()


def mend_image(
    inspection: Inspection,
    manifest: Manifest,
    image: InspectedImage | None,
    *,
    ruling: PlatformEvidence = RIGHT,
    entry: Descriptor | None = None,
) -> Mended:
    """The image as it ought to be; `entry` is how its index names it.

    Only a config that `ruling` gives a platform is rewritten. Layers keep their bytes.
    """
    work = _Work(inspection, manifest, entry)
    if ruling.config is not None and image is not None and image.config is not None:
        work.set_config(image.config.document, ruling.config, ruling.rule)
    elif image is not None and image.config is not None:
        work.set_config_size(image.config.document.size)
    work.set_layer_sizes()
    work.set_types()
    work.set_own_type()
    return Mended(work.document, tuple(work.content), tuple(work.reasons), tuple(work.left))


class _Work:
    """The image on its way from what it is to what it ought to be."""

    def __init__(self, inspection: Inspection, manifest: Manifest, entry: Descriptor | None) -> None:
        self._inspection, self._manifest, self._entry = inspection, manifest, entry
        self._of = f" of {entry.named}" if entry is not None else ""
        self.document = manifest.document
        self.content: list[PutBlob] = []
        self.reasons: list[ChangeReason] = []
        self.left: list[str] = []

    def set_config(self, before: Document, platform: Platform, rule: str) -> None:
        after = before.edit(lambda tree: _say_platform(tree, platform))
        config = replace(self._manifest.config, digest=after.digest, size=after.size, data=None)
        label = f"config of {self._entry.label}" if self._entry is not None else "config"
        self.content.append(PutBlob(config, BytesSource(after.raw), label))
        self._because(rule, f"the config{self._of} says {platform} now", "config")
        self.document = with_config(self._manifest, after)

    def set_config_size(self, size: int) -> None:
        if size != self._manifest.config.size:
            self._because("config/size", f"the config{self._of} has {size} bytes", "config")
            self.document = self.document.edit(lambda tree: tree["config"].update(size=size))

    def set_layer_sizes(self) -> None:
        sizes: dict[int, int] = {}
        for number, layer in enumerate(self._manifest.layers):
            seen = self._inspection.layers.get(layer.digest)
            if seen is not None and seen.size is not None and seen.size != layer.size:
                sizes[number] = seen.size
                self._because("layer/size", f"layer {number + 1}{self._of} has {seen.size} bytes", "layers")

        def change(tree: JsonTree) -> None:
            for number, size in sizes.items():
                tree["layers"][number]["size"] = size

        self.document = self.document.edit(change)

    def set_types(self) -> None:
        """Let config and layers be called what they are, in the words of the manifest's own family."""
        family = mediatype.family_of(effective_type(self._manifest.document))
        config_type = self._manifest.config.media_type
        if family is not None and mediatype.family_of(config_type) not in (None, family):
            config_type = mediatype.twin(config_type, family) or config_type
        if config_type != self._manifest.config.media_type:
            self._because("layer/mixed-families", f"the config{self._of} becomes {config_type}", "config")
        types: dict[int, str] = {}
        for number, layer in enumerate(self._manifest.layers):
            rule, right = self._layer_type(layer, family)
            if right is None:
                self.left.append(f"layer {number + 1}{self._of}: no type of its family fits its bytes")
            elif right != layer.media_type:
                types[number] = right
                self._because(rule, f"layer {number + 1}{self._of} becomes {right}", "layers")

        def change(tree: JsonTree) -> None:
            tree["config"]["mediaType"] = config_type
            for number, media_type in types.items():
                tree["layers"][number]["mediaType"] = media_type

        self.document = self.document.edit(change)

    def _layer_type(self, layer: Descriptor, family: Family | None) -> tuple[str, str | None]:
        """The rule that speaks and the type that fits; None where no type does."""
        seen = self._inspection.layers.get(layer.digest)
        said = mediatype.compression(layer.media_type)
        if seen is not None and said is not None and seen.codec and seen.codec != said:
            return "layer/compression", mediatype.layer_type(family, seen.codec) if family is not None else None
        if family is not None and mediatype.family_of(layer.media_type) not in (None, family):
            return "layer/mixed-families", mediatype.twin(layer.media_type, family)
        return "", layer.media_type

    def set_own_type(self) -> None:
        media_type = effective_type(self._manifest.document)
        after = self.document.edit(lambda tree: name_type(tree, media_type))
        for rule, key in lacks(self.document.tree()) if after.raw != self.document.raw else ():
            says = media_type if key == "mediaType" else f"{key} 2"
            self._because(rule, f"the manifest{self._of} says {says}", key)
        self.document = after

    def _because(self, rule: str, text: str, key: str) -> None:
        if self._entry is None:
            self.reasons.append(ChangeReason(text, (rule,), keys=frozenset({key})))
        else:
            self.reasons.append(ChangeReason(text, (rule,), frozenset({str(self._entry.digest)}), frozenset(CHILD)))


def _say_platform(tree: JsonTree, platform: Platform) -> None:
    tree["architecture"], tree["os"] = platform.architecture, platform.os
    if platform.variant:
        tree["variant"] = platform.variant
    else:
        tree.pop("variant", None)
