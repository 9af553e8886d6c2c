"""Survey: everything `inspect` and `diff` tell about a name, gathered in a few rounds of requests.

One round for each level of manifests and one for the configs. What cannot be read is part of the answer,
not an error: a child that is gone is a fact about the index.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from ocitool.errors import Cancelled, MalformedDocument, NotFound, OcitoolError
from ocitool.graph.referrers import cosign_tags, examine_referrer
from ocitool.graph.walk import Edge, Role, Snapshot, walk
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform, choose
from ocitool.model.views import Descriptor, ImageConfig, Index, Manifest, Opaque, View, layers_size, settle
from ocitool.store.base import Reader
from ocitool.store.verify import read_config
from ocitool.tasks import Scope, TaskGroup, collect
from ocitool.values import dataclass, field, replace

_PREDICATE: Final = "in-toto.io/predicate-type"
MAX_ATTESTED: Final = 20_000
"""Attestations of all entries, each as often as its image is listed; a guess far above what anybody publishes."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """Statements about an image; `predicates` are the predicate types, or empty where they are not said."""

    descriptor: Descriptor
    predicates: tuple[str, ...] = ()
    problem: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """In a word each: provenance, sbom, or the predicate type itself."""
        return tuple(dict.fromkeys(_kind(predicate) for predicate in self.predicates))


@dataclass(frozen=True, slots=True)
class SurveyedImage:
    """One image of an index, or the image a tag names.

    `platform` is what the index says, else what the config says. `problem` says in a line why there is no
    manifest or no config.
    """

    descriptor: Descriptor
    platform: Platform | None = None
    manifest: Manifest | None = None
    config: ImageConfig | None = None
    attestations: tuple[Attestation, ...] = ()
    problem: str = ""
    referrers: tuple[Descriptor, ...] = ()

    @property
    def digest(self) -> Digest:
        """The manifest's digest, as the index says it."""
        return self.descriptor.digest

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """Bottom first; empty if the manifest is not there."""
        return self.manifest.layers if self.manifest else ()

    @property
    def size(self) -> int:
        """Compressed bytes of the distinct layers."""
        return layers_size(self.layers)

    @property
    def label(self) -> str:
        """The platform, and whether it is its zstd image; or the digest where none is known."""
        zstd = " (zstd)" if self.descriptor.is_zstd_image else ""
        return f"{self.platform}{zstd}" if self.platform else self.descriptor.digest.short


@dataclass(frozen=True, slots=True)
class Survey:
    """What a name holds. `kind` is index, image, artifact or unknown.

    `images` are in the order of the index, also from inner indexes; `others` are entries that are no images;
    `orphans` attestations whose image is not listed. `referrers` refer to the name's own manifest, as those
    of an image refer to that; they are looked for on request only.
    """

    name: str
    root: Descriptor
    kind: str
    images: tuple[SurveyedImage, ...] = ()
    others: tuple[Descriptor, ...] = ()
    orphans: tuple[Attestation, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    artifact_type: str = ""
    subject: Descriptor | None = None
    note: str = ""
    referrers: tuple[Descriptor, ...] = ()

    @property
    def layers(self) -> dict[Digest, tuple[Descriptor, int]]:
        """Every distinct layer with the number of images it is in, in the order first met."""
        found: dict[Digest, tuple[Descriptor, int]] = {}
        for image in self.images:
            for layer in {layer.digest: layer for layer in image.layers}.values():
                _, count = found.get(layer.digest, (layer, 0))
                found[layer.digest] = (layer, count + 1)
        return found

    @property
    def offered(self) -> int:
        """How many platforms it has images for, where a zstd image stands beside another one's."""
        return sum(not image.descriptor.is_zstd_image for image in self.images) or len(self.images)

    @property
    def total_size(self) -> int:
        """Compressed bytes of all images, shared layers counted once."""
        return sum(layer.size for layer, _ in self.layers.values())

    def to_tree(self, *, configs: bool = False) -> dict[str, Any]:
        """The survey for JSON output; `configs` adds each image's config as it stands."""
        shared = self.layers
        tree: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "digest": self.root.digest,
            "mediaType": self.root.media_type,
            "manifestSize": self.root.size,
            "totalSize": self.total_size,
            "platforms": [_image_tree(image, shared, configs=configs) for image in self.images],
        }
        tree |= {"annotations": dict(self.annotations)} if self.annotations else {}
        tree |= {"artifactType": self.artifact_type} if self.artifact_type else {}
        tree |= {"subject": self.subject.to_tree()} if self.subject else {}
        tree |= {"others": [other.to_tree() for other in self.others]} if self.others else {}
        tree |= {"orphans": [_attestation_tree(orphan) for orphan in self.orphans]} if self.orphans else {}
        tree |= {"referrers": [r.to_tree() for r in self.referrers]} if self.referrers else {}
        tree |= {"note": self.note} if self.note else {}
        return tree


def survey(store: Reader, name: str, *, scope: Scope, label: str = "", configs: bool = True) -> Survey:
    """What `name` holds, with the manifests of all its images and, with `configs`, their configs.

    Requests: one for the root, one for each distinct child, one for each distinct config. Raises NotFound,
    MalformedDocument and what the store raises for the root only.
    """
    snapshot = walk(store, name, scope=scope, width=store.traits.concurrency, tolerant=True)
    read = _configs(store, snapshot, scope) if configs else {}
    root = snapshot.views[snapshot.root.digest]
    gathered = _Gathered(snapshot, read)
    match root:
        case Index():
            gathered.take_index(root)
            kind, annotations, artifact_type = "index", root.annotations, root.artifact_type
        case Manifest():
            kind = "image" if root.is_image else "artifact"
            annotations = root.annotations
            artifact_type = "" if root.is_image else root.effective_artifact_type
            if root.is_image:
                gathered.images.append(gathered.image(snapshot.root))
        case Opaque():
            return Survey(label or name, snapshot.root, "unknown", note=root.why)
    return Survey(
        name=label or name,
        root=snapshot.root,
        kind=kind,
        images=gathered.paired(),
        others=tuple(gathered.others),
        orphans=gathered.orphans(),
        annotations=annotations,
        artifact_type=artifact_type,
        subject=root.subject,
    )


def with_referrers(survey: Survey, store: Reader, *, scope: Scope) -> Survey:
    """The survey with what refers to its root and to each image: signatures, SBOMs and the like, cosign's tags too.

    What a list names is looked at: the manifest decides whether it refers to the image, and as what (K223). One
    request for each image, two where the registry has no API for it, one for each referrer, three for cosign's.
    """

    def of(digest: Digest) -> list[Descriptor]:
        listed = (examine_referrer(store, digest, one) for one in store.referrers(digest))
        found = [one.own for one in listed if one.own is not None]
        tags = ((tag, store.head(tag)) for tag in cosign_tags(digest))
        kinds = [replace(held, artifact_type=f"cosign {tag}") for tag, held in tags if held is not None]
        return [*found, *kinds]

    with TaskGroup(scope, store.traits.concurrency) as group:
        own = group.spawn(of, survey.root.digest)
        tasks = [group.spawn(of, image.descriptor.digest) for image in survey.images]
    images = zip(survey.images, tasks, strict=True)
    return replace(
        survey,
        referrers=tuple(own.result),
        images=tuple(
            # A plain image is its own root, and what refers to it is told once.
            replace(i, referrers=tuple(t.result) if i.descriptor.digest != survey.root.digest else ())
            for i, t in images
        ),
    )


def pick(survey: Survey, platforms: Sequence[Platform]) -> tuple[Survey, tuple[str, ...]]:
    """The survey with only the images that hosts of these platforms would run, and notes on near misses.

    As written first, then after normalising (K002), then what the platform can run, which is noted (K005).
    No platforms leave it as it is. Raises NotFound, listing what there is (K013).
    """
    chosen: list[SurveyedImage] = []
    notes: list[str] = []
    for platform in platforms:
        image = choose(platform, survey.images, lambda i: i.platform)
        if image is None:
            names = ", ".join(str(i.platform) for i in survey.images if i.platform)
            hint = f"there is {names}" if names else "nothing in it says what it runs on"
            raise NotFound(f"no {platform} in {survey.name}", name=str(platform), where=survey.name, hint=hint)
        if image.platform is not None and not image.platform.same(platform):
            notes.append(f"{survey.name} has no {platform}; {image.platform} is what such a host runs")
        if image not in chosen:
            chosen.append(image)
    return (replace(survey, images=tuple(chosen)) if platforms else survey), tuple(notes)


class _Gathered:
    """The images and attestations found while going through an index and its inner ones."""

    def __init__(self, snapshot: Snapshot, configs: Mapping[Digest, ImageConfig | OcitoolError]) -> None:
        self._snapshot = snapshot
        self._configs = configs
        self._problems = dict(_problems(snapshot))
        self._seen: set[Digest] = set()
        self.images: list[SurveyedImage] = []
        self.others: list[Descriptor] = []
        self.attestations: list[Attestation] = []

    def take_index(self, index: Index) -> None:
        if index.document.digest in self._seen:
            return
        self._seen.add(index.document.digest)
        for entry in index.entries:
            child = self._view(entry.digest)
            if isinstance(child, Index):
                self.take_index(child)
            elif self._settled(entry, child).is_attestation:
                self.attestations.append(self._attestation(entry, child))
            elif (isinstance(child, Manifest) and not child.is_image and entry.platform is None) or isinstance(
                child, Opaque
            ):
                self.others.append(entry)
            else:
                self.images.append(self.image(entry))

    def image(self, entry: Descriptor) -> SurveyedImage:
        problem = self._problems.get(entry.digest, "")
        manifest = self._view(entry.digest)
        if not isinstance(manifest, Manifest):
            return SurveyedImage(entry, entry.platform, problem=problem)
        config = self._configs.get(manifest.config.digest)
        if isinstance(config, OcitoolError):
            return SurveyedImage(entry, entry.platform, manifest, problem=f"config: {config}")
        says = config.platform if config and (config.platform.os or config.platform.architecture) else None
        settled = settle(entry, manifest, config)
        if settled.own_platform is not None:
            problem = problem or f"the index says {entry.platform}"
        return SurveyedImage(entry, settled.runs_on or says, manifest, config, problem=problem)

    def _settled(self, entry: Descriptor, child: View | None) -> Descriptor:
        config = self._configs.get(child.config.digest) if isinstance(child, Manifest) else None
        return settle(entry, child, config if isinstance(config, ImageConfig) else None)

    def paired(self) -> tuple[SurveyedImage, ...]:
        """The images, each with the attestations that name it."""
        about: dict[str, list[Attestation]] = {}
        for attestation in self.attestations:
            about.setdefault(attestation.descriptor.attested, []).append(attestation)
        beside = [about.get(image.descriptor.digest, []) for image in self.images]
        if sum(map(len, beside)) > MAX_ATTESTED:
            raise MalformedDocument(f"more than {MAX_ATTESTED} attestations, counted for each image")
        both = zip(self.images, beside, strict=True)
        return tuple(replace(image, attestations=tuple(attestations)) for image, attestations in both)

    def orphans(self) -> tuple[Attestation, ...]:
        known = {image.descriptor.digest for image in self.images}
        return tuple(a for a in self.attestations if a.descriptor.attested not in known)

    def _view(self, digest: Digest) -> View | None:
        return None if digest in self._problems else self._snapshot.views.get(digest)

    def _attestation(self, entry: Descriptor, child: View | None) -> Attestation:
        layers = child.layers if isinstance(child, Manifest) else ()
        predicates = tuple(layer.annotations[_PREDICATE] for layer in layers if _PREDICATE in layer.annotations)
        return Attestation(entry, predicates, self._problems.get(entry.digest, ""))


def _configs(store: Reader, snapshot: Snapshot, scope: Scope) -> dict[Digest, ImageConfig | OcitoolError]:
    """The image configs of every image in the snapshot, or why one cannot be read; attestations left out."""
    skipped = {
        edge.descriptor.digest
        for edge in snapshot.edges
        if edge.role is Role.MANIFEST
        and settle(edge.descriptor, snapshot.views.get(edge.descriptor.digest)).is_attestation
    }
    wanted = {
        edge.descriptor.digest: edge.descriptor
        for edge in snapshot.edges
        if edge.pointer == "/config"
        and edge.parent not in skipped
        and edge.descriptor.media_type in mediatype.CONFIGS
    }
    read = collect(scope, partial(_config, store), wanted.values(), store.traits.concurrency)
    return dict(zip(wanted, read, strict=True))


def _config(store: Reader, descriptor: Descriptor) -> ImageConfig | OcitoolError:
    try:
        return read_config(store, descriptor)
    except Cancelled:
        raise
    except OcitoolError as error:
        return error


def _problems(snapshot: Snapshot) -> Iterator[tuple[Digest, str]]:
    for edge in snapshot.missing:
        yield edge.descriptor.digest, "missing"
    failed: tuple[tuple[Edge, OcitoolError], ...] = (*snapshot.unanswered, *snapshot.refused)
    for edge, error in failed:
        yield edge.descriptor.digest, "missing" if isinstance(error, NotFound) else str(error)


def _kind(predicate: str) -> str:
    if "slsa.dev/provenance" in predicate:
        return "provenance"
    if "spdx.dev" in predicate or "cyclonedx.org" in predicate:
        return "sbom"
    return predicate


def _image_tree(
    image: SurveyedImage, shared: Mapping[Digest, tuple[Descriptor, int]], *, configs: bool
) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "platform": str(image.platform) if image.platform else "",
        "digest": image.descriptor.digest,
        "mediaType": image.descriptor.media_type,
        "size": image.size,
        "created": image.config.created if image.config else "",
        "layers": [
            {
                "digest": layer.digest,
                "size": layer.size,
                "mediaType": layer.media_type,
                "images": shared[layer.digest][1],
            }
            for layer in image.layers
        ],
    }
    says = image.config.platform if image.config else None
    if says is not None and image.platform is not None and not says.same(image.platform):
        tree["configPlatform"] = str(says)
    annotations = dict(image.manifest.annotations) if image.manifest else {}
    tree |= {"manifestAnnotations": annotations} if annotations else {}
    tree |= {"annotations": dict(image.descriptor.annotations)} if image.descriptor.annotations else {}
    tree |= {"attestations": [_attestation_tree(a) for a in image.attestations]} if image.attestations else {}
    tree |= {"referrers": [r.to_tree() for r in image.referrers]} if image.referrers else {}
    tree |= {"problem": image.problem} if image.problem else {}
    if configs and image.config:
        tree["config"] = image.config.document.tree()
    return tree


def _attestation_tree(attestation: Attestation) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "digest": attestation.descriptor.digest,
        "kinds": list(attestation.kinds),
        "predicates": list(attestation.predicates),
    }
    return tree | ({"problem": attestation.problem} if attestation.problem else {})
