"""From a Look to a Plan that mends what can be mended without guessing, and a list of what is left.

Children that are right keep their bytes and digests. What changes a child's digest takes the attestations of
the old one along only with consent: they are never pointed at the new digest (K022).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ocitool.change import plan as plans
from ocitool.change.plan import Bring, Plan, PutBlob, PutManifest
from ocitool.check.engine import findings
from ocitool.check.evidence import Verdict, verdict
from ocitool.check.finding import Severity
from ocitool.check.look import Image, Look
from ocitool.errors import UsageError
from ocitool.graph.convert import convert_manifest
from ocitool.index import edit
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, Tree
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Index, Manifest, effective_type, view
from ocitool.store.base import BytesSource, Reader

_UNKNOWN = {"architecture": "unknown", "os": "unknown"}
_PLATFORM_KEYS = ("architecture", "os", "os.version", "os.features", "variant")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a human decided. `sources` are where children that are gone may still be found."""

    drop_missing: bool = False
    drop_attestations: bool = False
    without_proof: bool = False
    sources: tuple[tuple[Reader, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Repair:
    """The plan, and one line for each thing that it does not mend. A blocked plan would not be accepted."""

    plan: Plan
    left: tuple[str, ...] = ()
    is_blocked: bool = False


def plan_repair(look: Look, name: str, wishes: Wishes) -> Repair:
    """The plan that mends what `name` holds, as `look` saw it.

    `look` has to be deep for images whose platform is in doubt, or the programs cannot confirm anything.
    Raises Ambiguous or HeaderMismatch for what can be read in more than one way.
    """
    if look.refused is not None:
        raise look.refused
    before = look.snapshot.documents[look.snapshot.root.digest]
    mender = _Mender(look, wishes)
    seen = view(before)
    if isinstance(seen, Index):
        after = mender.index(seen)
    elif isinstance(seen, Manifest):
        after = mender.alone(seen)
    else:
        after = before
    plan = plans.replace(
        look.where,
        [name],
        before,
        after,
        content=mender.content,
        replaced=mender.replaced,
        notes=mender.notes,
    )
    if plan.is_empty and mender.content:  # children put back under their old names: no tag changes
        plan = Plan(look.where, tuple(mender.content), notes=tuple(mender.notes))
    mender.left += [one.text() for one in findings(look) if one.severity is Severity.ERROR and not one.fixable]
    return Repair(plan, tuple(dict.fromkeys(mender.left)), mender.is_blocked)


class _Mender:
    """One repair in the making: the steps, the notes and what is left so far."""

    def __init__(self, look: Look, wishes: Wishes) -> None:
        self._look, self._wishes = look, wishes
        self._gone = {edge.descriptor.digest for edge in look.snapshot.missing}
        self._refused = {edge.descriptor.digest for edge, _ in look.snapshot.refused}
        self._unread = {edge.descriptor.digest for edge, _ in look.snapshot.unanswered}
        self.content: list[PutBlob | Bring | PutManifest] = []
        self.replaced: list[Document] = []
        self.notes: list[str] = []
        self.left: list[str] = []
        self.is_blocked = False

    # An index

    def index(self, index: Index) -> Document:
        document = self._flat(index)
        seen = view(document)
        if not isinstance(seen, Index):
            return document
        attested = {entry.attested for entry in seen.entries}
        images = {(i.digest, i.edge.descriptor.platform): i for i in self._look.images if i.edge is not None}
        trees: list[Tree] = []
        for tree, entry in zip(document.tree()["manifests"], seen.entries, strict=True):
            if entry.digest in self._gone:
                trees += [tree] if self._refill(entry) else []
            elif entry.digest in self._refused or entry.digest in self._unread:
                self.left.append(f"{_label(entry)}: its manifest could not be read")
                trees.append(tree)
            elif entry.is_attestation:
                trees.append(self._attestation(tree, entry))
            else:
                image = images.get((entry.digest, entry.platform))
                trees.append(self._entry(tree, entry, image, seen, is_attested=str(entry.digest) in attested))
        trees = self._distinct(self._without_stale(seen, trees))
        kinds = [_is_attestation(tree) for tree in trees]
        if kinds != sorted(kinds):
            trees.sort(key=_is_attestation)
            self.notes.append("attestations go behind the images")
        if not trees and seen.entries:
            self.left.append("no entry would be left in the index; ocitool delete removes the tag itself")
            self.is_blocked = True
            return index.document

        def change(tree: Tree) -> None:
            tree["manifests"] = trees
            _name(tree, effective_type(document))

        return document.edit(change)

    def _flat(self, index: Index) -> Document:
        nested = {inner.document.digest: inner for inner in self._look.indexes if inner is not index}
        inner = [e for e in index.entries if e.digest in nested or mediatype.is_index(e.media_type)]
        if not inner:
            return index.document
        if any(e.digest not in nested for e in inner if e.digest not in self._gone):
            self.left.append("an inner index could not be read, so nothing is flattened")
            return index.document
        if any(e.digest in self._gone for e in inner):
            self.left.append("an inner index is gone; mend that first")
            return index.document
        self.notes.append(f"{len(inner)} inner indexes are replaced by their entries")
        return edit.flatten(index, nested)

    def _refill(self, entry: Descriptor) -> bool:
        """Whether the entry stays: its manifest is found elsewhere, or nobody decided yet."""
        for source, label in self._wishes.sources:
            if source.head(str(entry.digest)) is not None:
                self.content.append(Bring(source, entry, _label(entry)))
                self.notes.append(f"{_label(entry)} is brought back from {label}")
                return True
        if self._wishes.drop_missing:
            self.notes.append(f"{_label(entry)} is dropped: {entry.digest.short} is not there")
            return False
        self.is_blocked = True
        self.left.append(
            f"{_label(entry)}: {entry.digest} is not there; --source PLACE brings it back, --drop-missing drops it"
        )
        return True

    def _attestation(self, tree: Tree, entry: Descriptor) -> Tree:
        child = self._look.snapshot.documents.get(entry.digest)
        tree = self._described(tree, child) if child is not None else tree
        if entry.platform is not None and not entry.platform.is_unknown:
            self.notes.append(f"the attestation of {entry.attested[:19]} no longer counts as {entry.platform}")
            tree = {**tree, "platform": dict(_UNKNOWN)}
        return tree

    def _entry(
        self, tree: Tree, entry: Descriptor, image: Image | None, index: Index, *, is_attested: bool
    ) -> Tree:
        child = self._look.snapshot.documents[entry.digest]
        ruling = Verdict()
        if image is not None:
            ruling = verdict(self._look, image, without_proof=self._wishes.without_proof)
            if ruling.open:
                self.left.append(f"{_label(entry)}: {ruling.open}")
            if ruling.entry and ruling.config and self._is_taken(ruling.entry, entry, index):
                self.left.append(
                    f"{_label(entry)}: its programs are for {ruling.entry}, which the index offers already; "
                    "build it again, or take it out with ocitool index remove"
                )
                ruling = Verdict()
        seen = view(child)
        if isinstance(seen, Manifest):
            child = self._child(seen, image, ruling.config, index, is_attested=is_attested)
        tree = self._described(tree, child)
        if ruling.entry is not None:
            self.notes.append(f"{_label(entry)} {entry.digest.short} becomes {ruling.entry}")
            old = tree.get("platform")
            known = {k: v for k, v in (old if isinstance(old, Mapping) else {}).items() if k not in _PLATFORM_KEYS}
            tree = {**tree, "platform": {**known, **ruling.entry.to_tree()}}
        return tree

    def _is_taken(self, platform: Platform, entry: Descriptor, index: Index) -> bool:
        return any(e is not entry and e.platform is not None and e.platform.same(platform) for e in index.platforms)

    @staticmethod
    def _described(tree: Tree, child: Document) -> Tree:
        """The entry with the child's own type, digest and size; the same object if it said so already."""
        is_type = effective_type(child) or tree["mediaType"]
        is_so = {"mediaType": is_type, "digest": str(child.digest), "size": child.size}
        return (
            tree if is_so.items() <= tree.items() else {**{k: v for k, v in tree.items() if k != "data"}, **is_so}
        )

    def _without_stale(self, index: Index, trees: list[Tree]) -> list[Tree]:
        """Without attestations of what is not in the index, or not any more."""
        held = {tree["digest"] for tree in trees}
        kept: list[Tree] = []
        for tree in trees:
            of = Descriptor.from_tree(tree).attested
            if of and of not in held:
                was = any(str(entry.digest) == of for entry in index.entries)
                self.notes.append(
                    f"the attestation of {of[:19]} goes, which is not in the index{' now' if was else ''}"
                )
            else:
                kept.append(tree)
        return kept

    def _distinct(self, trees: list[Tree]) -> list[Tree]:
        """Without an entry that says the same again; two different images of one platform need a human."""
        kept: list[Tree] = []
        seen: dict[Platform, Descriptor] = {}
        for tree in trees:
            entry = Descriptor.from_tree(tree)
            if entry.platform is None or entry.is_attestation:
                kept.append(tree)
                continue
            other = seen.setdefault(entry.platform.normalised(), entry)
            if other is entry:
                kept.append(tree)
            elif other.digest == entry.digest:
                self.notes.append(f"the second {entry.platform} {entry.digest.short} is dropped")
            else:
                kept.append(tree)
                self.left.append(
                    f"{entry.platform}: {other.digest.short} and {entry.digest.short} are both for it; "
                    "say which goes with ocitool index remove --digest"
                )
        return kept

    # An image

    def alone(self, manifest: Manifest) -> Document:
        """An image that stands in no index: what of it can be mended without an entry's word."""
        image = Image(None, manifest, self._look.configs.get(manifest.config.digest))
        ruling = verdict(self._look, image, without_proof=self._wishes.without_proof)
        if ruling.open:
            self.left.append(ruling.open)
        return self._changed(manifest, image, None)

    def _child(
        self, manifest: Manifest, image: Image | None, config: Platform | None, index: Index, *, is_attested: bool
    ) -> Document:
        """The child as it ought to be; the very same document if nothing is wrong with it."""
        held = len(self.content)
        after = self._changed(manifest, image, config)
        family = edit.family_of(index)
        if mediatype.family_of(effective_type(after)) not in (None, family):
            try:
                after = convert_manifest(after, family)
                self.notes.append(f"{_digest(manifest)} is converted to the {family.value} family of the index")
            except UsageError as error:
                self.left.append(f"{_digest(manifest)} cannot be made {family.value}: {error}")
        before = manifest.document
        if after.raw == before.raw:
            return before
        if is_attested and not self._wishes.drop_attestations:
            del self.content[held:]
            self.left.append(
                f"{_digest(manifest)} would get another digest, and attestations describe this one; "
                "--drop-attestations lets them go"
            )
            return before
        if PutManifest(after) not in self.content:
            self.content.append(PutManifest(after))
            self.replaced.append(before)
        return after

    def _changed(self, manifest: Manifest, image: Image | None, platform: Platform | None) -> Document:
        config: Descriptor | None = None
        if platform is not None and image is not None and image.config is not None:
            old = image.config.document
            new = old.edit(lambda tree: _say_platform(tree, platform))
            config = replace(manifest.config, digest=new.digest, size=new.size)
            self.content.append(PutBlob(config, BytesSource(new.raw), "config"))
            self.notes.append(f"the config of {_digest(manifest)} becomes {platform}")
        family = mediatype.family_of(effective_type(manifest.document))
        types: dict[int, str] = {}
        for number, layer in enumerate(manifest.layers):
            seen = self._look.layers.get(layer.digest)
            said = mediatype.compression(layer.media_type)
            right: str | None = layer.media_type
            if seen is not None and said is not None and seen.codec and seen.codec != said:
                right = mediatype.layer_type(family, seen.codec) if family is not None else None
            elif family is not None and mediatype.family_of(layer.media_type) not in (None, family):
                right = mediatype.twin(layer.media_type, family)
            if right is None:
                self.left.append(f"layer {number} of {_digest(manifest)}: no type of its family fits its bytes")
            elif right != layer.media_type:
                types[number] = right
                self.notes.append(f"layer {number} of {_digest(manifest)} becomes {right}")
        config_type = manifest.config.media_type
        if family is not None and mediatype.family_of(config_type) not in (None, family):
            config_type = mediatype.twin(config_type, family) or config_type

        def change(tree: Tree) -> None:
            if config is not None:
                tree["config"]["digest"], tree["config"]["size"] = str(config.digest), config.size
                tree["config"].pop("data", None)
            tree["config"]["mediaType"] = config_type
            for number, media_type in types.items():
                tree["layers"][number]["mediaType"] = media_type
            _name(tree, effective_type(manifest.document))

        return manifest.document.edit(change)


def doubtful(look: Look) -> frozenset[Digest]:
    """The images whose layers have to be read before their platform can be mended."""
    found = set()
    for image in look.images:
        ruling = verdict(look, image)
        if ruling != Verdict():
            found.add(image.digest)
    return frozenset(found)


def _name(tree: Tree, media_type: str) -> None:
    """Let the document say its type, behind schemaVersion as everybody writes it."""
    if tree.get("mediaType") or not media_type:
        return
    rest = {key: value for key, value in tree.items() if key not in ("schemaVersion", "mediaType")}
    version = tree.get("schemaVersion", 2)
    tree.clear()
    tree.update({"schemaVersion": version, "mediaType": media_type, **rest})


def _say_platform(tree: Tree, platform: Platform) -> None:
    tree["architecture"], tree["os"] = platform.architecture, platform.os
    if platform.variant:
        tree["variant"] = platform.variant
    else:
        tree.pop("variant", None)


def _is_attestation(tree: Tree) -> bool:
    return Descriptor.from_tree(tree).is_attestation


def _digest(manifest: Manifest) -> str:
    return manifest.document.digest.short


def _label(entry: Descriptor) -> str:
    if entry.attested:
        return f"attestation of {entry.attested[:19]}"
    return str(entry.platform) if entry.platform else entry.digest.short
