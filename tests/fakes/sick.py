"""Images and indexes that may be broken: every document is written from a plain tree, nothing is checked."""

import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ocitool.errors import DigestMismatch, HeaderMismatch, MalformedDocument
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document, Served
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource, Store
from ocitool.store.memory import MemoryStore
from tests.fakes.programs import Elf

SLSA = "https://slsa.dev/provenance/v0.2"
MACHINES = {"amd64": 62, "arm64": 183}
GZIP_HEADER = bytes.fromhex("1f8b0800000000000403")
STORED = 0xFFFF
"""The most bytes of a stored block."""
Tree = dict[str, Any]


def member(name: str, data: bytes = b"x", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A tar member; fields are TarInfo's."""
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    info.size = len(data) if info.isreg() else 0
    return info, data


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An uncompressed layer without padding; the same path may come twice."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
        end = archive.offset + 1024
    return buffer.getvalue()[:end]


def packed(data: bytes) -> bytes:
    """gzip without compression (RFC 1951 section 3.2.4), by hand: the same bytes whatever zlib and whatever Python."""
    pieces = [data[at : at + STORED] for at in range(0, len(data), STORED)] or [b""]
    blocks = (struct.pack("<BHH", piece is pieces[-1], len(piece), len(piece) ^ 0xFFFF) + piece for piece in pieces)
    return GZIP_HEADER + b"".join(blocks) + struct.pack("<II", zlib.crc32(data), len(data))


def program(architecture: str, **fields: Any) -> bytes:
    """A layer with the program /app for an architecture."""
    return tar(member("app", Elf(machine=MACHINES[architecture], **fields).build(), mode=0o755))


FILES = tar(member("Files/a"))
"""A layer without a program, for Linux and for Windows."""


class Loose(MemoryStore):
    """A store that also holds what no store takes, and says of it what registries say.

    `heads` are answers to HEAD, for tags whose answer is not that of a GET.
    """

    def __init__(self, label: str = "memory") -> None:
        super().__init__(label)
        self.heads: dict[str, Served] = {}

    def plant(self, document: Document, tag: str = "") -> Tree:
        self._manifests[document.digest] = document
        if tag:
            self._tags[tag] = document.digest
        return Descriptor.of(document).to_tree()

    def spoil(self, digest: str, document: Document) -> None:
        """Hold other bytes under a digest."""
        self._manifests[Digest(digest)] = document

    def head(self, name: str) -> Descriptor | None:
        found = super().head(name)
        return replace(found, served=self.heads.get(name)) if found is not None else None

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:
        """The manifest, compared as the registry's adapter does."""
        wanted = self._tags.get(name) or Digest(name) if name in self._tags or ":" in name else None
        document = self._manifests[wanted] if wanted in self._manifests else super().get_manifest(name, limit=limit)
        if document.digest != wanted:
            raise DigestMismatch("other bytes", expected=str(wanted), got=str(document.digest), where=self.label)
        if document.size > limit:
            raise MalformedDocument(f"more than {limit} bytes")
        if document.served is not None and document.served.digest not in {"", document.digest}:
            raise HeaderMismatch(
                "another digest", expected=document.served.digest, got=str(document.digest), where=self.label
            )
        return document


class Ward:
    """A store that is filled with whatever a test wants."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def blob(self, data: bytes, media_type: str) -> Tree:
        held = Descriptor(media_type, Digest.of(data), len(data))
        self.store.put_blob(held, BytesSource(data))
        return held.to_tree()

    @staticmethod
    def document(tree: Tree, media_type: str) -> Document:
        return Document(json.dumps(tree).encode(), media_type)

    def manifest(self, tree: Tree, media_type: str = mediatype.OCI_MANIFEST, tag: str = "") -> Tree:
        document = self.document(tree, media_type)
        self.store.put_manifest(document, *([tag] if tag else []))
        return Descriptor.of(document).to_tree()

    def image(
        self,
        platform: str = "linux/amd64",
        *,
        layers: Sequence[bytes] | None = None,
        config: Callable[[Tree], object] = lambda _: None,
        manifest: Callable[[Tree], object] = lambda _: None,
        media_type: str = mediatype.OCI_MANIFEST,
        tag: str = "",
    ) -> Tree:
        """An entry for an image that is right until `config` and `manifest` change their trees."""
        tree = self.image_tree(platform, layers=layers, config=config, media_type=media_type)
        manifest(tree)
        os, architecture, *variant = platform.split("/")
        says = {"architecture": architecture, "os": os} | ({"variant": variant[0]} if variant else {})
        return self.manifest(tree, media_type, tag) | {"platform": says}

    def image_tree(
        self,
        platform: str,
        *,
        layers: Sequence[bytes] | None = None,
        config: Callable[[Tree], object] = lambda _: None,
        media_type: str = mediatype.OCI_MANIFEST,
    ) -> Tree:
        """A manifest whose config and layers are stored."""
        os, architecture, *variant = platform.split("/")
        stack = list(layers) if layers is not None else [program(architecture)]
        docker = media_type == mediatype.DOCKER_MANIFEST
        says: Tree = {"architecture": architecture, "os": os} | ({"variant": variant[0]} if variant else {})
        settings: Tree = {"created": "2024-05-06T07:08:09Z", **says, "config": {}}
        settings["rootfs"] = {"type": "layers", "diff_ids": [str(Digest.of(data)) for data in stack]}
        config(settings)
        layer_type = mediatype.DOCKER_LAYER_GZIP if docker else mediatype.OCI_LAYER_GZIP
        config_type = mediatype.DOCKER_CONFIG if docker else mediatype.OCI_CONFIG
        return {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": self.blob(json.dumps(settings).encode(), config_type),
            "layers": [self.blob(packed(data), layer_type) for data in stack],
        }

    def attestation(self, of: str) -> Tree:
        """BuildKit's entry that vouches for the image `of`."""
        entry = self.image("unknown/unknown", layers=[])
        return entry | {
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": of,
            }
        }

    def provenance(self, of: str, **fields: Any) -> Tree:
        """An attestation as BuildKit writes it: a statement that names the image it was made of."""
        subject = [{"name": "_", "digest": {"sha256": of.removeprefix("sha256:")}}]
        statement = {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": SLSA, "subject": subject}
        says: Tree = {"architecture": "unknown", "os": "unknown"}
        data = json.dumps(statement | {"predicate": {}}).encode()
        rootfs = {"type": "layers", "diff_ids": [str(Digest.of(data))]}
        layer = self.blob(data, mediatype.IN_TOTO) | {"annotations": {"in-toto.io/predicate-type": SLSA}}
        config = self.blob(json.dumps(says | {"config": {}, "rootfs": rootfs}).encode(), mediatype.OCI_CONFIG)
        tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "config": config, "layers": [layer]}
        marks = {"vnd.docker.reference.digest": of, "vnd.docker.reference.type": "attestation-manifest"}
        return self.manifest(tree | fields) | {"platform": says, "annotations": marks}

    def index(self, *entries: Tree, tag: str = "1", media_type: str = mediatype.OCI_INDEX, **more: Any) -> Tree:
        """An index of exactly these entries; a value of None leaves a key out."""
        tree = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries)} | more
        return self.manifest({k: v for k, v in tree.items() if v is not None}, media_type, tag)
