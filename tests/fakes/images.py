"""Images put into a store with few words: a config that says the platform, and layers of named content."""

import json
from collections.abc import Sequence

from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource, Store


def put_image(
    store: Store,
    tag: str,
    platform: str,
    *,
    family: Family = Family.OCI,
    layers: Sequence[bytes] = (),
    note: str = "",
) -> Digest:
    """Store an image for `platform` (as its config is to say it) under a tag; returns its digest.

    `layers` are uncompressed tars; `note` makes it differ from another of the same platform.
    """
    named = Platform(*platform.split("/"))
    config = {"created": "2024-05-06T07:08:09Z", "architecture": named.architecture, "os": named.os}
    config |= {"variant": named.variant} if named.variant else {}
    config |= {"author": note} if note else {}
    stack = []
    for data in layers:
        layer_type = mediatype.DOCKER_LAYER if family is Family.DOCKER else mediatype.OCI_LAYER
        layer = Descriptor(layer_type, Digest.of(data), len(data))
        store.put_blob(layer, BytesSource(data))
        stack.append(layer)
    config |= {"rootfs": {"type": "layers", "diff_ids": [str(layer.digest) for layer in stack]}}
    raw = json.dumps(config).encode()
    blob = Descriptor.of(Document(raw, family.config))
    store.put_blob(blob, BytesSource(raw))
    document = compose.manifest(family, blob, stack)
    store.put_manifest(document, *([tag] if tag else []))
    return document.digest
