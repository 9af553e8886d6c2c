"""A store as one JSON text, so that golden images are readable and stand in one file each."""

import base64
import json

from ocitool.model.digest import Digest
from ocitool.model.document import Document
from tests.fakes.sick import Loose


def dump(store: Loose, tag: str = "1") -> str:
    """Everything in a store, and what its tag holds."""
    tree = {
        "root": str(store.get_manifest(tag).digest),
        "manifests": [
            {"mediaType": document.media_type, "raw": document.raw.decode()}
            for document in store._manifests.values()
        ],
        "blobs": {str(digest): base64.b64encode(data).decode() for digest, data in store._blobs.items()},
    }
    return json.dumps(tree, indent=1) + "\n"


def load(text: str) -> Loose:
    """The store again, the root under 1."""
    tree = json.loads(text)
    store = Loose()
    for one in tree["manifests"]:
        store.plant(Document(one["raw"].encode(), one["mediaType"]))
    for digest, data in tree["blobs"].items():
        store._blobs[Digest(digest)] = base64.b64decode(data)
    store._tags["1"] = Digest(tree["root"])
    return store
