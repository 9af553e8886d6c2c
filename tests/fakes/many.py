"""A repository of many tags made at once, in a fake registry or on the disk of a real one: pushing takes too long."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ocitool.model import mediatype
from tests.fakes.registry import FakeRegistry

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64", "linux/s390x")
LAYER = b"a layer that nobody reads"


@dataclass
class Many:
    """Documents by digest, with the type of those that are manifests, and tags."""

    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def into(self, registry: FakeRegistry, name: str) -> None:
        """Put everything into a repository of a fake."""
        with registry.lock:
            registry.manifests |= {(name, digest): held for digest, held in self.manifests.items()}
            registry.blobs |= {(name, digest): data for digest, data in self.blobs.items()}
            registry.tags |= {(name, tag): digest for tag, digest in self.tags.items()}

    def onto(self, root: Path, name: str) -> None:
        """Put everything into a repository of docker-registry, whose storage is at `root`."""
        top = root / "docker/registry/v2"
        place = top / "repositories" / name
        raw = self.blobs | {digest: data for digest, (_, data) in self.manifests.items()}
        files = [(top / "blobs/sha256" / d[7:9] / d[7:] / "data", data) for d, data in raw.items()]
        files += [(place / "_layers/sha256" / d[7:] / "link", d.encode()) for d in self.blobs]
        files += [(place / "_manifests/revisions/sha256" / d[7:] / "link", d.encode()) for d in self.manifests]
        files += [(place / "_manifests/tags" / tag / "current/link", d.encode()) for tag, d in self.tags.items()]
        for path, data in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def many(tags: int, *, shared: bool, history: int = 10) -> Many:
    """`tags` indexes of five images; the images are `shared` by all of them, or each has its own.

    `history` is how many steps a config tells of, about 100 bytes each.
    """
    made = Many()
    made.blobs[_digest(LAYER)] = LAYER
    common = list(_entries(made, 0, history)) if shared else []
    for number in range(tags):
        tree = {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_INDEX,
            "manifests": common or list(_entries(made, number, history)),
            "annotations": {"org.opencontainers.image.version": f"1.{number}"},
        }
        made.tags[f"1.{number}"] = _manifest(made, tree)["digest"]
    return made


def _entries(made: Many, number: int, history: int) -> Iterator[dict[str, object]]:
    for platform in PLATFORMS:
        os, architecture, *variant = platform.split("/")
        says = {"architecture": architecture, "os": os} | ({"variant": variant[0]} if variant else {})
        steps = [
            {"created_by": f"RUN step {n} of {number} {'.' * 60}", "empty_layer": True} for n in range(history)
        ]
        config = json.dumps(
            {
                "created": "2024-05-06T07:08:09Z",
                **says,
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [_digest(LAYER)]},
                "history": [{"created_by": f"COPY app-{number} /"}, *steps],
            }
        ).encode()
        made.blobs[_digest(config)] = config
        layer = {"mediaType": mediatype.OCI_LAYER, "digest": _digest(LAYER), "size": len(LAYER)}
        tree = {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_MANIFEST,
            "config": {"mediaType": mediatype.OCI_CONFIG, "digest": _digest(config), "size": len(config)},
            "layers": [layer],
        }
        yield _manifest(made, tree) | {"platform": says}


def _manifest(made: Many, tree: dict[str, object]) -> dict[str, object]:
    data = json.dumps(tree).encode()
    made.manifests[_digest(data)] = (str(tree["mediaType"]), data)
    return {"mediaType": tree["mediaType"], "digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
