"""Entries and indexes for the tests of index edits."""

import pytest

from ocitool.index.entries import Entry
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor, view


class Maker:
    """Short ways to say what a test is about."""

    @staticmethod
    def entry(text, platform="", family=Family.OCI, **annotations):
        """An entry of a made-up manifest; `platform` as in the index, not completed."""
        named = None
        if platform:
            named = Platform(*platform.split("/")) if "(" not in platform else Platform.parse(platform)
        digest = Digest.of(text.encode())
        return Entry.of(Descriptor(family.manifest, digest, 7, named, annotations=annotations))

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
