"""This machine's store as `ocitool images` lists it."""

from ocitool.graph.walk import walk
from ocitool.model.digest import Digest
from ocitool.model.views import Index, Manifest, layers_size
from ocitool.store.layout import REF_NAME, LayoutStore
from ocitool.store.verify import read_config
from ocitool.tasks import Scope
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """An image in this machine's store; `size` is the compressed bytes of its distinct layers, as in `inspect`."""

    name: str
    digest: Digest
    platforms: tuple[str, ...]
    size: int


def kept_images(content: LayoutStore, scope: Scope) -> tuple[Kept, ...]:
    """The images of a layout by name, with the platforms that an index lists or an image's config says."""
    kept = []
    for entry in content.entries():
        snapshot = walk(content, str(entry.digest), scope=scope, tolerant=True, width=1)
        root = snapshot.views[snapshot.root.digest]
        platforms = [str(e.platform) for e in root.platforms] if isinstance(root, Index) else []
        if isinstance(root, Manifest) and content.has_blob(root.config):
            platforms = [str(read_config(content, root.config).platform)]
        size = layers_size(edge.descriptor for edge in snapshot.edges if "/layers/" in edge.pointer)
        kept.append(Kept(entry.annotations.get(REF_NAME, ""), entry.digest, tuple(platforms), size))
    return tuple(sorted(kept, key=lambda image: image.name))
