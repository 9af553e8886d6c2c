"""How an image was made, as SLSA provenance: parameters, materials with digests, who built. Pure, and no secrets.

Values that may hold a secret (build arguments, variables) are named and not told. No time and no id of the run
stand in it, so the same build says the same. The parameters are told in docs/reference/provenance.md.
Spec: SLSA provenance/v1.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ocitool.attest.package import FoundPackage
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.values import dataclass, field
from ocitool.version import __version__

PREDICATE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:ocitool:build:v1"
"""What the parameters mean: docs/reference/provenance.md."""


@dataclass(frozen=True, slots=True)
class Material:
    """Something that went into a build: where it is from, empty for a file, and its digests by algorithm."""

    uri: str
    digest: Mapping[str, str] = field(hash=False)
    name: str = ""

    def to_tree(self) -> dict[str, Any]:
        """The material as a ResourceDescriptor."""
        said = {"name": self.name, "uri": self.uri}
        return {key: value for key, value in said.items() if value} | {"digest": dict(self.digest)}


def image_material(label: str, digest: Digest, platform: Platform, name: str = "base") -> Material:
    """An image that was built upon; `label` is what people call it, `name` what it was for."""
    return Material(image_purl(label, platform), {digest.algorithm: digest.hex}, name)


def file_material(name: str, digest: Digest, uri: str = "") -> Material:
    """A file by its digest, and the URL that it is from."""
    return Material(uri, {digest.algorithm: digest.hex}, name)


def git_material(source: str, revision: str, name: str = "sources") -> Material:
    """The commit of a checkout, where its origin is known; changes on top of it are told in its name."""
    commit, _, dirty = revision.partition("-")
    return Material(
        f"git+{source}" if source else "git:", {"gitCommit": commit}, f"{name}, changed" if dirty else name
    )


def image_purl(label: str, platform: Platform | None) -> str:
    """The package URL of an image as BuildKit writes it: `pkg:docker/NAME@TAG?platform=linux%2Famd64`."""
    name, _, tag = label.partition("@")[0].rpartition(":") if ":" in label.rpartition("/")[2] else (label, "", "")
    namespace, _, short = name.rpartition("/")
    said = (("platform", str(platform) if platform else ""),)
    return FoundPackage("docker", short, tag, namespace, said).purl.replace("platform=linux/", "platform=linux%2F")


def names_of(tags: Sequence[Reference], platform: Platform) -> tuple[str, ...]:
    """What a statement calls the image: a package URL for each of its tags."""
    return tuple(image_purl(tag.familiar, platform) for tag in tags)


def compose_provenance(
    parameters: Mapping[str, Any], materials: Sequence[Material], *, host: Platform, builder: str
) -> dict[str, Any]:
    """The predicate. Empty parameters are left out, which means the same."""
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                key: value for key, value in parameters.items() if value not in ("", [], {}, None)
            },
            "internalParameters": {"builderPlatform": str(host)},
            "resolvedDependencies": [material.to_tree() for material in materials],
        },
        "runDetails": {"builder": {"id": builder, "version": {"ocitool": __version__}}},
    }
