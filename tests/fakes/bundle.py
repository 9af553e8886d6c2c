"""A store as one JSON text, so that golden images are readable and stand in one file each."""

import base64
import json
from dataclasses import asdict

from ocitool.model.digest import Digest
from ocitool.model.document import Document, Served
from tests.fakes.sick import Loose

_RUN = "x" * 10_000


def dump(store: Loose) -> str:
    """Everything in a store: what its tags hold, and what it says beside that.

    A manifest is text; where that has a very long run of x, it is a list: before, x, how often, after. `under` is
    a digest that the manifest has not.
    """
    tree = {
        "tags": {tag: str(digest) for tag, digest in store._tags.items()},
        "heads": {tag: asdict(served) for tag, served in store.heads.items()},
        "manifests": [_manifest(digest, document) for digest, document in store._manifests.items()],
        "blobs": {str(digest): base64.b64encode(data).decode() for digest, data in store._blobs.items()},
    }
    return json.dumps({key: value for key, value in tree.items() if value}, indent=1) + "\n"


def _manifest(digest: Digest, document: Document) -> dict[str, object]:
    tree: dict[str, object] = {"mediaType": document.media_type}
    if digest != document.digest:
        tree["under"] = str(digest)
    if document.served is not None:
        tree["served"] = asdict(document.served)
    text = document.raw.decode()
    before, run, rest = text.partition(_RUN)
    after = rest.lstrip("x")
    return tree | {"raw": [before, "x", len(run) + len(rest) - len(after), after] if run else text}


def load(text: str) -> Loose:
    """The store again."""
    tree = json.loads(text)
    store = Loose()
    for one in tree["manifests"]:
        raw = one["raw"]
        text = raw if isinstance(raw, str) else raw[0] + raw[1] * raw[2] + raw[3]
        document = Document(text.encode(), one["mediaType"], Served(**one["served"]) if "served" in one else None)
        store._manifests[Digest(one.get("under", str(document.digest)))] = document
    for digest, data in tree.get("blobs", {}).items():
        store._blobs[Digest(digest)] = base64.b64decode(data)
    store._tags = {tag: Digest(digest) for tag, digest in tree["tags"].items()}
    store.heads = {tag: Served(**served) for tag, served in tree.get("heads", {}).items()}
    return store
