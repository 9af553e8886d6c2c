"""A survey made for looking at, and the screenshot of its page: `python -m tests.interop.sample_page FILE.png`."""

import json
import sys
import tempfile
from pathlib import Path

from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, write
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor
from ocitool.report.html import page
from ocitool.report.survey import survey
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests import peers
from tests.interop.browser import chromium

BASE = [("base-files", 3_400_000), ("ca-certificates", 250_000)]
PREDICATE = "in-toto.io/predicate-type"


def image(store, platform, program_size):
    """An image of two layers that every platform shares and a program of its own."""
    layers = [*BASE, (f"app-{platform}", program_size)]
    named = Platform.parse(platform)
    steps = [{"created_by": f"COPY {name} /"} for name, _ in layers]
    config = {
        "created": "2024-05-06T07:08:09Z",
        "architecture": named.architecture,
        "os": named.os,
        "config": {"Entrypoint": ["/bin/app"], "Env": ["PATH=/bin"], "User": "65532", "Labels": {"team": "<b>&"}},
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(name.encode())) for name, _ in layers]},
        "history": [*steps, {"created_by": "ENTRYPOINT [/bin/app]", "empty_layer": True}],
    } | ({"variant": named.variant} if named.variant else {})
    raw = json.dumps(config).encode()
    blob = Descriptor.of(Document(raw, mediatype.OCI_CONFIG))
    store.put_blob(blob, BytesSource(raw))
    stack = [Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(name.encode()), size) for name, size in layers]
    document = compose.manifest(Family.OCI, blob, stack)
    store.put_manifest(document)
    return Descriptor(document.media_type, document.digest, document.size, named)


def sample():
    """A survey of an index of four platforms that share two layers, one of them with an attestation."""
    store = MemoryStore("registry.example/team/app")
    sizes = {
        "linux/amd64": 6_100_000,
        "linux/arm64": 5_700_000,
        "linux/arm/v7": 5_200_000,
        "linux/s390x": 6_800_000,
    }
    entries = [image(store, platform, size) for platform, size in sizes.items()]
    entries.append(Descriptor.from_tree(attestation(store, entries[0])))
    store.put_manifest(compose.index(Family.OCI, entries, {"org.opencontainers.image.version": "1.4.0"}), "1.4.0")
    return survey(store, "1.4.0", scope=Scope(), label="registry.example/team/app:1.4.0")


def attestation(store, image):
    """The entry of a manifest with provenance and an SBOM of an image."""
    layers = [
        Descriptor(mediatype.IN_TOTO, Digest.of(p.encode()), 10, annotations={PREDICATE: p})
        for p in ("https://slsa.dev/provenance/v1", "https://spdx.dev/Document")
    ]
    config = Descriptor(mediatype.OCI_CONFIG, Digest.of(b"none"), 4)
    tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "config": config.to_tree()}
    document = write(tree | {"layers": [layer.to_tree() for layer in layers]}, mediatype.OCI_MANIFEST)
    store.put_manifest(document)
    marks = {ATTESTATION: "attestation-manifest", ATTESTED: str(image.digest)}
    return Descriptor.of(document, Platform("unknown", "unknown")).to_tree() | {"annotations": marks}


def main(target: Path) -> None:
    """Write the screenshot."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "page.html").write_text(page(sample()))
        with chromium(peers.find("chromedriver"), Path(folder) / "profile", size="1100,1000") as browser:
            browser.visit(f"file://{folder}/page.html")
            browser.screenshot(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
