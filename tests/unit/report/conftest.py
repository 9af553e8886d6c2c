"""A repository with images for the tests of surveys and drawings."""

import json

import pytest

from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, write
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor
from ocitool.report.survey import survey
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope

PREDICATE = "in-toto.io/predicate-type"


class Repository(MemoryStore):
    """A store that makes images of named layers; a layer's size is the length of its name in kB."""

    def __init__(self):
        super().__init__("reg.test/app")
        self.asked: list[str] = []

    def get_manifest(self, name, *, limit=0):
        self.asked.append(name)
        return super().get_manifest(name)

    def open_blob(self, descriptor, offset=0):
        self.asked.append("blob")
        return super().open_blob(descriptor, offset)

    def image(self, platform, *layers, tag="", annotations=None, **config):
        named = Platform(*platform.split("/"))
        says = {"created": "2024-05-06T07:08:09Z", "architecture": named.architecture, "os": named.os}
        says |= {"variant": named.variant} if named.variant else {}
        says |= {"rootfs": {"type": "layers", "diff_ids": []}} | config
        raw = json.dumps(says).encode()
        blob = Descriptor.of(Document(raw, mediatype.OCI_CONFIG))
        self.put_blob(blob, BytesSource(raw))
        stack = [
            Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(name.encode()), 1000 * len(name)) for name in layers
        ]
        document = compose.manifest(Family.OCI, blob, stack, annotations)
        self.put_manifest(document, *([tag] if tag else []))
        return Descriptor(document.media_type, document.digest, document.size, named)

    def attestation(self, of, *predicates):
        layers = [
            Descriptor(mediatype.IN_TOTO, Digest.of(p.encode()), 10, annotations={PREDICATE: p}) for p in predicates
        ]
        config = Descriptor(mediatype.OCI_CONFIG, Digest.of(b"no config"), 9)
        document = self.artifact("", config, layers)
        marks = {ATTESTATION: "attestation-manifest", ATTESTED: str(of)}
        unknown = Platform("unknown", "unknown")
        return Descriptor(document.media_type, document.digest, document.size, unknown, annotations=marks)

    def artifact(self, tag, config, layers=()):
        """A manifest of any config and layer types, which compose refuses for images."""
        tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "config": config.to_tree()}
        document = write(tree | {"layers": [layer.to_tree() for layer in layers]}, mediatype.OCI_MANIFEST)
        self.put_manifest(document, *([tag] if tag else []))
        return document

    def index(self, tag, *entries, **annotations):
        document = compose.index(Family.OCI, entries, annotations)
        self.put_manifest(document, tag)
        return document

    def survey(self, name, **options):
        return survey(self, name, scope=Scope(), label=f"reg.test/app:{name}", **options)


@pytest.fixture
def repository():
    return Repository()
