"""The manifest that stands under a tag for a moment where a registry deletes manifests only, and no tag alone.

It takes the tag over from what the tag held, and then goes with it; what was held keeps its other tags. Who dies in
between leaves it, and it says for whom it stands.
"""

import json
import os
from typing import Final

from ocitool.errors import MalformedDocument
from ocitool.model import mediatype
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, Manifest, view

CONFIG: Final = b"{}"
SIZE_LIMIT: Final = 2048
"""More bytes than a placeholder has."""
_TYPE: Final = "application/vnd.ocitool.deleted-tag.v1+json"
_HELD: Final = "org.ocitool.deleted.digest"


def placeholder(tag: str, held: Digest) -> tuple[Document, Descriptor]:
    """A manifest for a tag that held something, unlike every other one, and the descriptor of its config `{}`."""
    config = Descriptor(mediatype.OCI_EMPTY, Digest.of(CONFIG), len(CONFIG))
    tree = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "artifactType": _TYPE,
        "config": config.to_tree(),
        "layers": [],
        "annotations": {
            "org.opencontainers.image.description": "This tag is being deleted; ocitool undo brings it back.",
            "org.ocitool.deleted.tag": tag,
            _HELD: str(held),
            "org.ocitool.deleted.nonce": os.urandom(8).hex(),
        },
    }
    return Document(json.dumps(tree, indent=2).encode(), mediatype.OCI_MANIFEST), config


def stands_for(document: Document) -> Digest | None:
    """What a tag held in whose place the document stands; None for any other document."""
    if document.size > SIZE_LIMIT:
        return None
    try:
        seen = view(document)
    except MalformedDocument:
        return None
    if not isinstance(seen, Manifest) or seen.artifact_type != _TYPE:
        return None
    return as_digest(seen.annotations.get(_HELD, ""))
