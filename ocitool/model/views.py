"""Views: the fields we know of a Document, read strictly; the document keeps the rest.

`view` decides what a document is: by its own mediaType, the type it was served with, then its shape
(a document of the OCI family may lack mediaType, K044). A document that could be read as two things is
refused (K043). Nothing is ever written from a view.
Spec: image-spec descriptor.md, image-index.md, manifest.md, config.md; Docker manifest-v2-2.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

from ocitool.errors import Ambiguous, MalformedDocument
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, JsonTree, Served
from ocitool.model.platform import Platform
from ocitool.values import dataclass, field, replace

EMPTY: Final[Mapping[str, str]] = MappingProxyType({})
ATTESTATION: Final = "vnd.docker.reference.type"
ATTESTED: Final = "vnd.docker.reference.digest"
ZSTD_IMAGE: Final = "io.github.containers.compression.zstd"
"""Of an entry of an index, with the value `true`: the zstd image of a platform that has one with gzip as well."""
ATTESTATION_ARTIFACT: Final = "application/vnd.docker.attestation.manifest.v1+json"
"""The type of BuildKit's attestations where they are artifacts of their own."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What names a piece of content: type, digest, size in bytes, and what was said about it.

    `served` is how a registry answered, where the descriptor is such an answer. `attests` and `own_platform` are
    what the manifest itself and its config decide of an entry of an index, None where nobody read them: `settle`.
    Spec: image-spec descriptor.md.
    """

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY, hash=False)
    artifact_type: str = ""
    urls: tuple[str, ...] = ()
    data: bytes | None = None
    served: Served | None = field(default=None, compare=False)
    attests: bool | None = field(default=None, compare=False)
    own_platform: Platform | None = field(default=None, compare=False)

    @classmethod
    def of(cls, document: Document, platform: Platform | None = None) -> "Descriptor":
        """The descriptor of a document's bytes."""
        return cls(document.media_type, document.digest, document.size, platform)

    @classmethod
    def from_tree(cls, tree: JsonTree, pointer: str = "") -> "Descriptor":
        """The descriptor at `pointer` of a parsed document. Raises MalformedDocument with the pointer."""
        if not isinstance(tree, Mapping):
            raise MalformedDocument(f"descriptor at {pointer or '/'} is not an object", pointer=pointer)
        media_type = _string(tree, "mediaType", pointer)
        if not media_type:
            raise MalformedDocument(f"descriptor at {pointer or '/'} has no mediaType", pointer=pointer)
        try:
            digest = Digest(_string(tree, "digest", pointer))
        except MalformedDocument as error:
            raise MalformedDocument(f"{error.what} at {pointer}/digest", pointer=f"{pointer}/digest") from None
        return cls(
            media_type=media_type,
            digest=digest,
            size=_size(tree, pointer),
            platform=Platform.from_tree(tree.get("platform"), f"{pointer}/platform"),
            annotations=_annotations(tree, pointer),
            artifact_type=_string(tree, "artifactType", pointer),
            urls=_strings(tree, "urls", pointer),
            data=_data(tree, pointer),
        )

    def to_tree(self) -> dict[str, JsonTree]:
        """The descriptor as an object for a new document, keys in the order of the specification."""
        tree: dict[str, JsonTree] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.urls:
            tree["urls"] = list(self.urls)
        if self.annotations:
            tree["annotations"] = dict(self.annotations)
        if self.data is not None:
            tree["data"] = base64.b64encode(self.data).decode()
        if self.artifact_type:
            tree["artifactType"] = self.artifact_type
        if self.platform is not None:
            tree["platform"] = self.platform.to_tree()
        return tree

    @property
    def is_attestation(self) -> bool:
        """Whether it goes with an image and never counts as a platform, as BuildKit's attestations do.

        What `settle` decided; where nobody read the manifest, unknown/unknown counts as one.
        """
        if self.attests is not None:
            return self.attests
        return self.is_marked or (self.platform is not None and self.platform.is_unknown)

    @property
    def is_marked(self) -> bool:
        """Whether its annotations call it an attestation."""
        return ATTESTATION in self.annotations

    @property
    def is_nameless(self) -> bool:
        """Whether it says unknown/unknown and nothing more, so that only its manifest tells what it is (K218)."""
        return self.platform is not None and self.platform.is_unknown and not self.is_marked

    @property
    def is_zstd_image(self) -> bool:
        """Whether its annotations call it the zstd image beside the gzip one of its platform (containers/image)."""
        return self.annotations.get(ZSTD_IMAGE) == "true"

    @property
    def runs_on(self) -> Platform | None:
        """What it is offered for; what its own config says where the entry says unknown/unknown."""
        return self.own_platform or self.platform

    @property
    def attested(self) -> str:
        """The digest of the image an attestation entry describes, or an empty string."""
        return self.annotations.get(ATTESTED, "")

    @property
    def label(self) -> str:
        """What people call an entry of an index: its platform, or what it attests, or its digest."""
        if self.attested:
            return f"attestation of {self.attested[:19]}"
        return str(self.runs_on) if self.runs_on else self.digest.short

    @property
    def named(self) -> str:
        """The label and the digest, to find an entry by."""
        return self.label if self.label == self.digest.short else f"{self.label} {self.digest.short}"


@dataclass(frozen=True, slots=True)
class Index:
    """An OCI index or Docker manifest list; entries in document order.

    `own_type` is the mediaType in the document, empty if it has none.
    """

    document: Document
    entries: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY, hash=False)
    artifact_type: str = ""
    subject: Descriptor | None = None
    own_type: str = ""

    @property
    def effective_type(self) -> str:
        """The media type to send it with: its own, else what it was served as, else what its shape says."""
        served = self.document.media_type
        return self.own_type or (served if mediatype.is_index(served) else mediatype.OCI_INDEX)

    @property
    def platforms(self) -> tuple[Descriptor, ...]:
        """The entries that are something to run: without attestations."""
        return tuple(entry for entry in self.entries if not entry.is_attestation)

    def without(self, platforms: Iterable[Platform]) -> tuple[Platform, ...]:
        """The platforms that it offers and these do not, as it writes them."""
        offered = {platform.normalised() for platform in platforms}
        own = (entry.runs_on for entry in self.platforms if entry.runs_on is not None)
        return tuple(platform for platform in own if platform.normalised() not in offered)


class LayerSize(Protocol):
    """A layer, for who wants to know how large it is."""

    @property
    def digest(self) -> Digest:
        """Its digest."""

    @property
    def size(self) -> int:
        """Its compressed bytes."""


def layers_size(layers: Iterable[LayerSize]) -> int:
    """The compressed bytes of distinct layers: what SIZE says of an image or index in every table."""
    return sum({layer.digest: layer.size for layer in layers}.values())


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest of either family, or an OCI artifact; layers bottom first.

    `own_type` is the mediaType in the document, empty if it has none.
    """

    document: Document
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY, hash=False)
    artifact_type: str = ""
    subject: Descriptor | None = None
    own_type: str = ""

    @property
    def effective_type(self) -> str:
        """The media type to send it with: its own, else what it was served as, else what its shape says."""
        served = self.document.media_type
        return self.own_type or (served if mediatype.is_manifest(served) else mediatype.OCI_MANIFEST)

    @property
    def is_statement(self) -> bool:
        """Whether it holds in-toto statements about an image, as BuildKit's attestations do."""
        if self.artifact_type == ATTESTATION_ARTIFACT:
            return True
        return all(one.media_type == mediatype.IN_TOTO for one in self.layers or (self.config,))

    @property
    def is_image(self) -> bool:
        """Whether the config is an image config, so that layers are a file system."""
        return self.config.media_type in mediatype.CONFIGS

    @property
    def effective_artifact_type(self) -> str:
        """artifactType, else the config's type (image-spec manifest.md)."""
        return self.artifact_type or self.config.media_type


@dataclass(frozen=True, slots=True)
class Opaque:
    """A document we can store and copy but not read: `why` says so in a few words."""

    document: Document
    why: str
    subject: Descriptor | None = None


View: TypeAlias = Index | Manifest | Opaque


def listed(seen: View) -> tuple[Digest, ...]:
    """The digests of the manifests that an index lists; none for anything else."""
    return tuple(entry.digest for entry in seen.entries) if isinstance(seen, Index) else ()


def view(document: Document) -> View:
    """What the document is. Raises Ambiguous, or MalformedDocument if it breaks the form it claims."""
    tree = document.tree()
    if not isinstance(tree, Mapping):
        raise MalformedDocument("a manifest is a JSON object", where=document.media_type)
    own = tree.get("mediaType")
    if own is not None and not isinstance(own, str):
        raise MalformedDocument("mediaType is not a string", pointer="/mediaType")
    served = document.media_type
    if own and served in mediatype.INDEXES | mediatype.MANIFESTS and own != served:
        raise Ambiguous(
            f"served as {served} but says it is {own}",
            pointer="/mediaType",
            hint="one digest must mean one thing; ocitool manifest get LOC still shows the bytes",
        )
    if _is_schema_1(document, tree):
        return Opaque(document, "schema 1 manifest, obsolete since 2017")
    has_entries, has_layers = "manifests" in tree, "layers" in tree or "config" in tree
    if has_entries and has_layers:
        raise Ambiguous(
            "both an index and an image: it holds manifests and layers or config",
            hint="such a document means different things to different readers (CVE-2021-41190)",
        )
    claimed = own or served
    if mediatype.is_index(claimed) or (has_entries and not mediatype.is_manifest(claimed)):
        return _index(document, tree)
    if mediatype.is_manifest(claimed) or has_layers:
        return _manifest(document, tree)
    return Opaque(document, f"unknown type {claimed or 'without a media type'}", _subject(tree))


def is_schema_1(document: Document) -> bool:
    """Whether it is a manifest of the form before 2017. Raises MalformedDocument where the bytes do not parse."""
    return _is_schema_1(document, document.tree())


def _is_schema_1(document: Document, tree: JsonTree) -> bool:
    return document.media_type in mediatype.SCHEMA1_TYPES or (
        isinstance(tree, Mapping) and tree.get("schemaVersion") == 1
    )


def effective_type(document: Document) -> str:
    """The media type to send a document with: its own, else what it was served as, else what its shape says."""
    seen = view(document)
    if not isinstance(seen, Opaque):
        return seen.effective_type
    own: str | None = document.tree().get("mediaType")
    return own or document.media_type


def _index(document: Document, tree: Mapping[str, JsonTree]) -> Index:
    _version(tree)
    entries = tree.get("manifests")
    if not isinstance(entries, list):
        raise MalformedDocument("an index needs a list of manifests", pointer="/manifests")
    return Index(
        document=document,
        entries=tuple(Descriptor.from_tree(entry, f"/manifests/{n}") for n, entry in enumerate(entries)),
        annotations=_annotations(tree, ""),
        artifact_type=_string(tree, "artifactType", ""),
        subject=_subject(tree),
        own_type=tree.get("mediaType") or "",
    )


def _manifest(document: Document, tree: Mapping[str, JsonTree]) -> Manifest:
    _version(tree)
    layers = tree.get("layers")
    if layers is None and "layers" in tree:
        layers = []  # BuildKit writes null for an image without a layer
    if not isinstance(layers, list):
        raise MalformedDocument("a manifest needs a list of layers", pointer="/layers")
    if "config" not in tree:
        raise MalformedDocument("a manifest needs a config", pointer="/config")
    return Manifest(
        document=document,
        config=Descriptor.from_tree(tree["config"], "/config"),
        layers=tuple(Descriptor.from_tree(layer, f"/layers/{n}") for n, layer in enumerate(layers)),
        annotations=_annotations(tree, ""),
        artifact_type=_string(tree, "artifactType", ""),
        subject=_subject(tree),
        own_type=tree.get("mediaType") or "",
    )


@dataclass(frozen=True, slots=True)
class History:
    """One step in how an image came to be; `empty_layer` says that it made no layer, whatever its size (K049)."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """An image config: platform, diff_ids bottom first, history oldest first, and the runtime's defaults.

    `settings` is the `config` object as it stands, keys capitalised (Env, Entrypoint, Cmd, …).
    """

    document: Document
    platform: Platform
    diff_ids: tuple[Digest, ...]
    history: tuple[History, ...] = ()
    created: str = ""
    author: str = ""
    settings: Mapping[str, JsonTree] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @classmethod
    def of(cls, document: Document) -> "ImageConfig":
        """Read an image config. Raises MalformedDocument. Spec: image-spec config.md."""
        tree = document.tree()
        if not isinstance(tree, Mapping):
            raise MalformedDocument("an image config is a JSON object")
        settings = tree.get("config")
        if settings is not None and not isinstance(settings, Mapping):
            raise MalformedDocument("config is not an object", pointer="/config")
        platform = Platform.from_tree({k: tree.get(k) for k in _PLATFORM_KEYS}) or Platform("", "")
        return cls(
            document=document,
            platform=platform,
            diff_ids=_diff_ids(tree),
            history=tuple(_histories(tree)),
            created=_string(tree, "created", ""),
            author=_string(tree, "author", ""),
            settings=MappingProxyType(dict(settings or {})),
        )

    def setting(self, key: str) -> JsonTree:
        """One value of `settings`, None if absent."""
        return self.settings.get(key)


def settle(entry: Descriptor, child: View | None, config: ImageConfig | None = None) -> Descriptor:
    """The entry of an index with what its manifest decides: the one rule for what an attestation is (K218).

    An annotation says so, or the manifest holds statements. unknown/unknown alone says nothing: such an entry is an
    image if its manifest is one, and runs on what its config says; a config that names no platform either leaves
    it an attestation. `child` is None where the manifest was not read, `config` where that was not.
    """
    if entry.is_marked or not isinstance(child, Manifest):
        return entry
    if child.is_statement:
        return replace(entry, attests=True)
    own = config.platform if config is not None else None
    if not entry.is_nameless or not child.is_image or (own is not None and (not own.is_whole or own.is_unknown)):
        return entry
    return replace(entry, attests=False, own_platform=own)


def settled(index: Index, children: Mapping[Digest, View], configs: Mapping[Digest, ImageConfig]) -> Index:
    """The index, its entries settled by what was read: manifests by their digest, configs by theirs."""

    def one(entry: Descriptor) -> Descriptor:
        child = children.get(entry.digest)
        config = configs.get(child.config.digest) if isinstance(child, Manifest) else None
        return settle(entry, child, config)

    return replace(index, entries=tuple(map(one, index.entries)))


_PLATFORM_KEYS: Final = ("os", "architecture", "variant", "os.version", "os.features")


def _diff_ids(tree: Mapping[str, JsonTree]) -> tuple[Digest, ...]:
    rootfs = tree.get("rootfs")
    if not isinstance(rootfs, Mapping) or rootfs.get("type") != "layers":
        raise MalformedDocument("rootfs is not of type layers", pointer="/rootfs/type")
    ids = rootfs.get("diff_ids")
    if ids is None:
        return ()
    if not isinstance(ids, list):
        raise MalformedDocument("diff_ids is not a list", pointer="/rootfs/diff_ids")
    found = []
    for number, text in enumerate(ids):
        if not isinstance(text, str):
            raise MalformedDocument("a diff_id is not a string", pointer=f"/rootfs/diff_ids/{number}")
        found.append(Digest(text))
    return tuple(found)


def _histories(tree: Mapping[str, JsonTree]) -> Iterator[History]:
    entries = tree.get("history")
    if entries is None:
        return
    if not isinstance(entries, list):
        raise MalformedDocument("history is not a list", pointer="/history")
    for number, entry in enumerate(entries):
        pointer = f"/history/{number}"
        if not isinstance(entry, Mapping):
            raise MalformedDocument("a history entry is not an object", pointer=pointer)
        yield History(
            created=_string(entry, "created", pointer),
            created_by=_string(entry, "created_by", pointer),
            comment=_string(entry, "comment", pointer),
            author=_string(entry, "author", pointer),
            empty_layer=entry.get("empty_layer") is True,
        )


def _version(tree: Mapping[str, JsonTree]) -> None:
    if tree.get("schemaVersion", 2) != 2:
        raise MalformedDocument(f"schemaVersion is {tree.get('schemaVersion')!r}, not 2", pointer="/schemaVersion")


def _subject(tree: Mapping[str, JsonTree]) -> Descriptor | None:
    subject = tree.get("subject")
    return None if subject is None else Descriptor.from_tree(subject, "/subject")


def _string(tree: Mapping[str, JsonTree], key: str, pointer: str) -> str:
    value = tree.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedDocument(f"{key} is not a string", pointer=f"{pointer}/{key}")
    return value


def _strings(tree: Mapping[str, JsonTree], key: str, pointer: str) -> tuple[str, ...]:
    value = tree.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise MalformedDocument(f"{key} is not a list of strings", pointer=f"{pointer}/{key}")
    return tuple(value)


def _size(tree: Mapping[str, JsonTree], pointer: str) -> int:
    size = tree.get("size")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63:
        raise MalformedDocument(f"size at {pointer}/size is not a byte count", pointer=f"{pointer}/size")
    return size


def _annotations(tree: Mapping[str, JsonTree], pointer: str) -> Mapping[str, str]:
    value = tree.get("annotations")
    if value is None:
        return EMPTY
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise MalformedDocument("annotations are not a map of strings", pointer=f"{pointer}/annotations")
    return MappingProxyType(dict(value))


def _data(tree: Mapping[str, JsonTree], pointer: str) -> bytes | None:
    text = _string(tree, "data", pointer)
    if not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedDocument("data is not base64", pointer=f"{pointer}/data") from None
