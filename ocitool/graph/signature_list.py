"""cosign's lists of signatures: a tag beside a manifest holds an image manifest, a layer for each signature.

Several signers share a list, so it is read, changed and written again; layers are never merged or put in order.
The config is an image config with a diff_id for each layer, made anew each time. Pure.
Spec: cosign SIGNATURE_SPEC, "Storage".
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from ocitool.errors import MalformedDocument, Unsupported
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import COMPACT, Document, write
from ocitool.model.mediatype import Family
from ocitool.model.reference import is_tag
from ocitool.model.views import Descriptor, Manifest, view

LIST_LIMIT: Final = 1000
"""Most signatures in a list that cosign reads."""
_ZERO: Final = "0001-01-01T00:00:00Z"


def signature_tag(digest: Digest) -> str:
    """The tag of the list of a manifest's signatures, `sha256-0123….sig`. Raises Unsupported for other digests."""
    tag = f"{digest.algorithm}-{digest.hex}.sig"
    if digest.algorithm != "sha256" or not is_tag(tag):
        raise Unsupported(f"signatures are of sha256 digests, not of {digest}", ability="sign")
    return tag


def entries(document: Document | None, tag: str) -> tuple[Descriptor, ...]:
    """The layers of a list, none if there is none. Raises MalformedDocument for what is no image manifest."""
    if document is None:
        return ()
    seen = view(document)
    if not isinstance(seen, Manifest):
        raise MalformedDocument(f"{tag} holds no list of signatures but {document.media_type}", where=tag)
    return seen.layers


def appended(before: Document | None, added: Sequence[Descriptor], tag: str) -> tuple[Document, Document]:
    """The list with more layers at its end, and its config. Raises as `entries`, and Unsupported for a full one."""
    layers = (*entries(before, tag), *added)
    if len(layers) > LIST_LIMIT:
        raise Unsupported(f"{tag} holds {len(layers) - len(added)} signatures; verifiers read {LIST_LIMIT}")
    config = _config(layers)
    if before is not None:
        return before.edit(lambda tree: _put(tree, config, [*tree["layers"], *_trees(added)])), config
    tree: dict[str, Any] = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST}
    _put(tree, config, _trees(added))
    return write(tree, mediatype.OCI_MANIFEST, COMPACT), config


def without(held: Document, removed: Collection[Descriptor], tag: str) -> tuple[Document, Document] | None:
    """The list without some layers, and its config; None where nothing would be left. Raises as `entries`."""
    layers = entries(held, tag)
    kept = [number for number, layer in enumerate(layers) if not _is_in(layer, removed)]
    if not kept:
        return None
    config = _config([layers[number] for number in kept])
    return held.edit(lambda tree: _put(tree, config, [tree["layers"][number] for number in kept])), config


def gained(before: Document | None, after: Document, tag: str) -> tuple[Descriptor, ...]:
    """The layers that one list has and the other has not. Raises as `entries`."""
    had = entries(before, tag)
    return tuple(layer for layer in entries(after, tag) if not _is_in(layer, had))


def _is_in(layer: Descriptor, others: Collection[Descriptor]) -> bool:
    return any(layer == one and dict(layer.annotations) == dict(one.annotations) for one in others)


def _put(tree: dict[str, Any], config: Document, layers: list[Any]) -> None:
    tree["config"] = {"mediaType": config.media_type, "size": config.size, "digest": str(config.digest)}
    tree["layers"] = layers


def _trees(layers: Sequence[Descriptor]) -> list[Any]:
    return [layer.to_tree() for layer in layers]


def _config(layers: Sequence[Descriptor]) -> Document:
    """The config that cosign writes: no platform, and layers that are what they are, uncompressed."""
    tree = {
        "architecture": "",
        "created": _ZERO,
        "history": [{"created": _ZERO} for _ in layers],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": [str(layer.digest) for layer in layers]},
        "config": {},
    }
    return write(tree, Family.OCI.config, COMPACT)
