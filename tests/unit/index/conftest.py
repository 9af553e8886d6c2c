"""Entries and indexes for the tests of index edits."""

import json

import pytest

from ocitool.index.entries import IndexEntry
from ocitool.index.sources import MemberSource
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor, view
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore


class Maker:
    """Short ways to say what a test is about."""

    @staticmethod
    def entry(text, platform="", family=Family.OCI, **annotations):
        """An entry of a made-up manifest; `platform` as in the index, not completed."""
        named = None
        if platform:
            named = Platform(*platform.split("/")) if "(" not in platform else Platform.parse(platform)
        digest = Digest.of(text.encode())
        return IndexEntry.of(Descriptor(family.manifest, digest, 7, named, annotations=annotations))

    @classmethod
    def attestation(cls, text, of):
        """BuildKit's attestation entry for an image."""
        notes = {ATTESTATION: "attestation-manifest", ATTESTED: str(of.digest)}
        return cls.entry(text, "unknown/unknown", **notes)

    @staticmethod
    def index(*entries, family=Family.OCI, **annotations):
        """An Index of entries, in order."""
        document = compose.index(Family.OCI, [e.descriptor for e in entries], annotations)
        if family is Family.DOCKER:
            text = document.raw.replace(mediatype.OCI_INDEX.encode(), mediatype.DOCKER_LIST.encode())
            document = Document(text, mediatype.DOCKER_LIST)
        return view(document)

    @staticmethod
    def listed(document):
        """(platform, digest) of each entry of a document."""
        return [(str(e.platform) if e.platform else "", e.digest) for e in view(document).entries]


@pytest.fixture
def make():
    return Maker


class Repository(MemoryStore):
    """A memory store that can make images and counts what it is asked."""

    def __init__(self, label="reg.test/app"):
        super().__init__(label)
        self.asked: list[str] = []

    def get_manifest(self, name, *, limit=0):
        self.asked.append(name)
        return super().get_manifest(name)

    def open_blob(self, descriptor, offset=0):
        self.asked.append("blob")
        return super().open_blob(descriptor, offset)

    def image(self, tag, config, family=Family.OCI):
        raw = json.dumps(config | {"rootfs": {"type": "layers", "diff_ids": []}}).encode()
        blob = Document(raw, family.config)
        self.put_blob(Descriptor.of(blob), BytesSource(raw))
        document = compose.manifest(family, Descriptor.of(blob), [])
        self.put_manifest(document, *([tag] if tag else []))
        return document

    def source(self, name, platform=""):
        return MemberSource(self, name, Platform.parse(platform) if platform else None, f"app:{name}")

    def platform_image(self, tag, platform, family=Family.OCI):
        """An image of a platform, whose config says just that."""
        parts = platform.split("/")
        config = {"os": parts[0], "architecture": parts[1]} | ({"variant": parts[2]} if parts[2:] else {})
        return self.image(tag, config, family)


@pytest.fixture
def repository():
    return Repository()


@pytest.fixture
def other_repository():
    return Repository("reg.test/other")
