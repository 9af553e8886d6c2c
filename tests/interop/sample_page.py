"""Pages made for looking at, and their screenshots: `python -m tests.interop.sample_page docs/guides`."""

import json
import sys
import tempfile
from pathlib import Path

from ocitool.check.engine import DOCUMENTED
from ocitool.check.runner import CheckOptions, check_names
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, write
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import ATTESTATION, ATTESTED, Descriptor
from ocitool.report.compare import ComparedFiles, FileChange, compare
from ocitool.report.pages import check_page, comparison_page, survey_page
from ocitool.report.survey import survey
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from ocitool.values import replace
from tests import peers
from tests.interop.browser import chromium

BASE = [("base-files", 3_400_000), ("ca-certificates", 250_000)]
PREDICATE = "in-toto.io/predicate-type"


NAME = "registry.example/team/app"


def image(store, platform, program_size, *, user="65532"):
    """An image of two layers that every platform shares and a program of its own."""
    layers = [*BASE, (f"app-{platform}", program_size)]
    named = Platform.parse(platform)
    steps = [{"created_by": f"COPY {name} /"} for name, _ in layers]
    config = {
        "created": "2024-05-06T07:08:09Z",
        "architecture": named.architecture,
        "os": named.os,
        "config": {"Entrypoint": ["/bin/app"], "Env": ["PATH=/bin"], "User": user, "Labels": {"team": "<b>&"}},
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


def sample(store=None):
    """A survey of an index of four platforms that share two layers, one of them with an attestation."""
    store = store or MemoryStore(NAME)
    sizes = {
        "linux/amd64": 6_100_000,
        "linux/arm64": 5_700_000,
        "linux/arm/v7": 5_200_000,
        "linux/s390x": 6_800_000,
    }
    entries = [image(store, platform, size) for platform, size in sizes.items()]
    entries.append(Descriptor.from_tree(attestation(store, entries[0])))
    store.put_manifest(compose.index(Family.OCI, entries, {"org.opencontainers.image.version": "1.4.0"}), "1.4.0")
    return survey(store, "1.4.0", scope=Scope(), label=f"{NAME}:1.4.0")


def sample_check():
    """What is wrong with an index of which one entry lies, one has no variant and one leads nowhere, beside others."""
    store = MemoryStore(NAME)
    sample(store)
    amd, arm, other = (
        image(store, platform, 1_000_000) for platform in ("linux/amd64", "linux/arm/v7", "linux/386")
    )
    gone = Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"gone"), 500, Platform.parse("linux/riscv64"))
    entries = [
        amd,
        replace(arm, platform=Platform("linux", "arm")),
        replace(other, platform=Platform.parse("linux/arm64")),
        gone,
    ]
    store.put_manifest(compose.index(Family.OCI, [amd, arm]), "1.5.0")
    store.put_manifest(compose.index(Family.OCI, entries), "1.6.0")
    places = [(store, tag, f"{NAME}:{tag}") for tag in ("1.4.0", "1.5.0", "1.6.0")]
    return check_names(places, CheckOptions(blobs=False), scope=Scope())


def sample_comparison():
    """Two indexes: one platform left, one came, the others have another program, another user and other files."""
    store = MemoryStore(NAME)
    before = sample(store)
    sizes = {
        "linux/amd64": 6_300_000,
        "linux/arm64": 5_900_000,
        "linux/arm/v7": 5_200_000,
        "linux/riscv64": 6_000_000,
    }
    same = {"linux/arm/v7": "65532"}
    entries = [image(store, platform, size, user=same.get(platform, "app")) for platform, size in sizes.items()]
    store.put_manifest(compose.index(Family.OCI, entries, {"org.opencontainers.image.version": "1.5.0"}), "1.5.0")
    after = survey(store, "1.5.0", scope=Scope(), label=f"{NAME}:1.5.0")
    changes = (
        FileChange("changed", "bin/app", ("size 6100000 → 6300000",)),
        FileChange("added", "etc/app.toml"),
        FileChange("removed", "etc/app.ini"),
    )
    return compare(before, after, {"linux/amd64": ComparedFiles(changes, times=12)})


def sample_pages():
    """The pages by the command that makes such ones."""
    return {
        "inspect": survey_page(sample()),
        "check": check_page(sample_check(), DOCUMENTED),
        "diff": comparison_page(sample_comparison()),
    }


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


def main(folder: Path) -> None:
    """Write the screenshots."""
    with tempfile.TemporaryDirectory() as temporary:
        with chromium(peers.find("chromedriver"), Path(temporary) / "profile", size="1100,1000") as browser:
            for name, page in sample_pages().items():
                (Path(temporary) / "page.html").write_text(page)
                browser.visit(f"file://{temporary}/page.html")
                browser.screenshot(folder / f"{name}-page.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
