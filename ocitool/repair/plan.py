"""From an Inspection to a Plan that mends what can be mended without guessing, and a list of what is left.

Children that are right keep their bytes and digests. What changes a child's digest takes the attestations of
the old one along only with consent: they are never pointed at the new digest (K022).
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from ocitool.change import plan as plans
from ocitool.change.plan import Plan, PutBlob
from ocitool.check.engine import findings
from ocitool.check.finding import Finding
from ocitool.check.inspection import InspectedImage, Inspection
from ocitool.errors import DigestMismatch, UsageError
from ocitool.findings import Severity
from ocitool.graph.convert import name_type
from ocitool.index import edit
from ocitool.model import mediatype
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import Document, JsonTree
from ocitool.model.platform import Platform
from ocitool.model.printable import shown
from ocitool.model.views import Descriptor, Index, Manifest, effective_type, view
from ocitool.repair import attestations, duplicates
from ocitool.repair.fallback import FallbackReader, FallbackSource, stand_in
from ocitool.repair.images import Mended, mend_image
from ocitool.repair.platforms import RIGHT, PlatformEvidence, verdict
from ocitool.repair.work import CHILD, Mending, RepairOptions, lacks
from ocitool.store.base import StoreSource
from ocitool.values import dataclass, replace

_UNKNOWN = {"architecture": "unknown", "os": "unknown"}
_PLATFORM_KEYS = ("architecture", "os", "os.version", "os.features", "variant")
_REFILLED = frozenset(["config/missing", "layer/missing", "index/child-digest"])
"""What is mended only where a source has it."""


@dataclass(frozen=True, slots=True)
class Repair:
    """The plan, and one line for each thing that it does not mend. A blocked plan would not be accepted."""

    plan: Plan
    left: tuple[str, ...] = ()
    is_blocked: bool = False

    def agreed(self) -> Plan:
        """The plan to carry out. Raises UsageError for one that is blocked, or would write a digest."""
        if self.is_blocked:
            what = f"{self.plan.target} is not mended: somebody has to say what becomes of what is left"
            raise UsageError(what, hint="\n".join(self.left))
        if digest := next((tag.name for tag in self.plan.tags if as_digest(tag.name)), None):
            raise UsageError(
                f"{digest} is a digest, which always means the same bytes", hint="repair a tag that holds it"
            )
        return self.plan

    def text(self) -> str:
        """The plan for people, and what is left."""
        left = [f"  left: {shown(line)}" for line in self.left]
        return "\n".join([self.plan.target if left and self.plan.is_empty else self.plan.text(), *left])

    def __str__(self) -> str:
        return self.text()


def plan_repair(
    inspection: Inspection, name: str, options: RepairOptions, fallback: FallbackReader | None = None
) -> Repair:
    """The plan that mends what `name` holds, as `inspection` saw it, through `fallback` where there are sources.

    `inspection` has to be deep for images whose platform is in doubt, or the programs cannot confirm anything.
    Raises Ambiguous or HeaderMismatch for what can be read in more than one way, UsageError for an image that is to
    be kept and is not there.
    """
    if inspection.refused is not None:
        raise inspection.refused
    before = inspection.snapshot.documents[inspection.snapshot.root.digest]
    mender = _Mender(inspection, options, fallback)
    seen = view(before)
    if isinstance(seen, Index):
        after = mender.index(seen)
    elif options.keep:
        raise UsageError(f"{name} holds no index, and --keep chooses among the images of one")
    elif isinstance(seen, Manifest):
        after = mender.alone(seen)
    else:
        after = before
    work = mender.work
    plan = plans.replace(
        inspection.where,
        [name],
        before,
        after,
        content=work.content,
        replaced=work.replaced,
        reasons=work.reasons,
    )
    if plan.is_empty and work.content:  # children put back under their old names: no tag changes
        names = [] if as_digest(name) else [name]
        plan = plans.refill(inspection.where, names, before, work.content, reasons=work.reasons)
    work.left += [
        f"{one.sentence}{'; --source PLACE brings it back' if one.rule in _REFILLED else ''}  [{one.rule}]"
        for one in findings(inspection)
        if one.severity is Severity.ERROR
        and (not one.fixable or one.rule in _REFILLED)
        and not mender.has_told(one)
    ]
    return Repair(plan, tuple(dict.fromkeys(work.left)), work.is_blocked)


class _Mender:
    """What becomes of each entry of one index."""

    def __init__(self, inspection: Inspection, options: RepairOptions, fallback: FallbackReader | None) -> None:
        self._inspection = inspection
        self._brought = fallback.manifests if fallback is not None else {}
        self._wrong = fallback.wrong if fallback is not None else set()
        self._blobs = fallback.blobs if fallback is not None else {}
        self._has_blob = fallback.is_held if fallback is not None else _nowhere
        self.work = Mending(options, inspection)
        self._told: set[tuple[str, Digest]] = set()  # rules whose findings about a child have been dealt with
        self._dropped: set[Digest] = set()
        self._images = {(image.digest, image.said): image for image in reversed(inspection.images)}
        self._gone = {edge.descriptor.digest for edge in inspection.snapshot.missing}
        self._refused = {edge.descriptor.digest for edge, _ in inspection.snapshot.refused}
        self._unread = {edge.descriptor.digest for edge, _ in inspection.snapshot.unanswered}

    def index(self, index: Index) -> Document:
        """The index as it ought to be."""
        document = duplicates.once(self.work, self._flat(index, duplicates.once(self.work, index.document)))
        seen = view(document)
        if not isinstance(seen, Index):
            return document
        moved = (
            attestations.move(self.work, self._inspection, seen) if self._options.attestations_to_referrers else ()
        )
        attested = {entry.attested for entry in seen.entries if entry not in moved}
        rulings = [self._ruling(entry) for entry in seen.entries]
        platforms = [ruling.entry or entry.platform for ruling, entry in zip(rulings, seen.entries, strict=True)]
        passed_over = duplicates.passed_over(self.work, seen.entries, platforms)
        trees: list[JsonTree] = []
        kept: set[Digest] = set()
        for number, (tree, entry) in enumerate(zip(document.tree()["manifests"], seen.entries, strict=True)):
            before = len(trees)
            if number in passed_over:
                continue
            if entry.digest in self._brought:
                self._bring_back(entry)
            if entry.digest in self._gone:
                trees += self._replace(tree, entry, seen)
            elif entry.digest in self._refused or entry.digest in self._unread:
                self._leave_unread(entry)
                trees.append(tree)
            elif self.work.attests(entry):
                trees += [self._attestation(tree, entry)] if entry not in moved else []
            else:
                ruling = self._decided(seen, rulings, number, passed_over)
                trees += self._entry(tree, entry, ruling, is_attested=str(entry.digest) in attested)
            if len(trees) > before:
                kept.add(entry.digest)
        self._dropped = {entry.digest for entry in seen.entries} - kept
        trees = self._ordered(duplicates.distinct(self.work, self._inspection, self._without_stale(seen, trees)))
        if not trees and seen.entries:
            self.work.left.append(
                "no entry would be left in the index; --source PLACE brings back what is gone, "
                "crane delete or skopeo delete removes the tag itself"
            )
            self.work.is_blocked = True
            return index.document
        media_type = effective_type(document)
        for rule, key in lacks(document.tree()):
            says = media_type if key == "mediaType" else f"{key} 2"
            self.work.because(rule, f"the index says {says}", keys=[key])

        def change(tree: JsonTree) -> None:
            tree["manifests"] = trees
            name_type(tree, media_type)

        return document.edit(change)

    @property
    def _options(self) -> RepairOptions:
        return self.work.options

    def _flat(self, index: Index, document: Document) -> Document:
        """The document of the index, whose second entries are gone already, without inner indexes."""
        nested = {inner.document.digest: inner for inner in self._inspection.indexes if inner is not index}
        read = self._inspection.snapshot.documents
        inner = [
            e
            for e in index.entries
            if e.digest in nested or (mediatype.is_index(e.media_type) and e.digest not in read)
        ]
        if not inner:
            return document
        if any(e.digest not in nested for e in inner if e.digest not in self._gone):
            self.work.left.append("an inner index could not be read, so nothing is flattened")
            return document
        if any(e.digest in self._gone for e in inner):
            self.work.left.append(
                "an inner index is gone, so nothing is flattened; repair again when that is mended"
            )
            return document
        outside = view(document)
        after = edit.flatten(outside if isinstance(outside, Index) else index, nested)
        old, new = (Counter(tree["digest"] for tree in one.tree()["manifests"]) for one in (document, after))
        touched = [digest for digest in old | new if old[digest] != new[digest]]  # what flattening says once, too
        for entry in inner:
            text = f"the inner index {entry.digest.short} is replaced by its entries"
            self.work.because("index/nested", text, *touched)
        self.work.replaced += [nested[entry.digest].document for entry in inner]
        return after

    def _bring_back(self, entry: Descriptor) -> None:
        """Bring back what a source has of an entry whose manifest is gone, or is another."""
        source, is_wrong = self._brought[entry.digest], entry.digest in self._wrong
        rule, how = ("index/child-digest", "put there anew") if is_wrong else ("index/dangling", "brought back")
        self.work.bring(source, entry, anew=is_wrong)
        self.work.because(rule, f"{entry.named} is {how} from {source.label}", entry.digest)

    def _replace(self, tree: JsonTree, entry: Descriptor, index: Index) -> list[JsonTree]:
        """What becomes of an entry whose manifest is nowhere: replaced, dropped, or left."""
        who, sources = entry.named, self._options.sources
        found = stand_in(sources, entry, edit.family_of(index))
        if found is not None and self._options.substitute:
            source, other = found
            self.work.bring(source, other)
            self.work.rename(entry.digest, other.digest)
            text = f"{who} is not there; {other.digest.short} of {source.label} stands in for it"
            self.work.because("index/dangling", text, entry.digest, keys=(*CHILD, "annotations"))
            known = {key: value for key, value in tree.items() if key not in (*CHILD, "annotations")}
            return [{**other.to_tree(), **known}]
        if self._options.drop_missing:
            if entry.digest in self._options.keep:
                raise UsageError(
                    f"{entry.digest} is to be kept, and is not there",
                    hint="--source PLACE brings it back; or --keep an image that is there",
                )
            self.work.because("index/dangling", f"{who} is not there; its entry is dropped", entry.digest)
            return []
        self.work.is_blocked = True
        nor = "".join(f", nor in {one.label}" for one in sources)
        way = "--source PLACE brings it back"
        if found is not None:
            way = f"--substitute takes {found[1].digest.short} of {found[0].label} instead"
        self.work.left.append(f"{entry.label}: {entry.digest} is not there{nor}; {way}, --drop-missing drops it")
        return [tree]

    def has_told(self, one: Finding) -> bool:
        """Whether a finding needs no word of its own: of a child that is dropped, or that was dealt with."""
        if one.at.digest is None:
            return False
        about = {one.at.digest}
        about |= {
            edge.descriptor.digest
            for edge in self._inspection.snapshot.below(one.at.digest)
            if f"{one.at.pointer}/".startswith(f"{edge.pointer}/")
        }
        return bool(about & self._dropped) or any((one.rule, digest) in self._told for digest in about)

    def _leave_unread(self, entry: Descriptor) -> None:
        """Tell the ways out for an entry whose manifest cannot be read."""
        snapshot = self._inspection.snapshot
        error = next(
            e for edge, e in (*snapshot.unanswered, *snapshot.refused) if edge.descriptor.digest == entry.digest
        )
        is_other = isinstance(error, DigestMismatch)
        rule = "index/child-digest" if is_other else "index/broken-child"
        self._told.add((rule, entry.digest))
        ways = "--source PLACE puts its own bytes back, " if is_other else ""
        ways += f"ocitool index remove REF --digest {entry.digest} drops it"
        self.work.left.append(f"{entry.label}: {error}; {ways}  [{rule}]")

    def _refill_blobs(self, image: InspectedImage, entry: Descriptor) -> None:
        """Bring the config and the layers back that are known to be gone and that a source has."""
        if entry.digest in self._brought:
            return
        kinds = dict.fromkeys(image.manifest.layers, "layer") | {image.manifest.config: "config"}
        lost: dict[Descriptor, tuple[str, FallbackSource]] = {}
        for blob, kind in kinds.items():
            own = self._with_own_size(blob, image)
            # Some stores call a blob absent that is not of the size they are asked for.
            if blob.digest in self._blobs and (own is blob or not self._has_blob(own)):
                lost[own] = kind, self._blobs[blob.digest]
        if not lost:
            return
        sources = [source for _, source in lost.values()]
        # A manifest that says a wrong size cannot be copied with what is below it.
        is_right = all(self._with_own_size(blob, image) is blob for blob in kinds)
        whole = next((one for one in sources if is_right and one.store.head(str(entry.digest)) is not None), None)
        if whole is not None:  # with what nobody has looked at
            self.work.bring(whole, entry)
        else:
            for blob, (kind, source) in lost.items():
                self.work.put(PutBlob(blob, StoreSource(blob, source.store), f"{kind} of {entry.label}"))
        places = ", ".join(dict.fromkeys(source.label for source in sources))
        rules = tuple(dict.fromkeys(f"{kind}/missing" for kind, _ in lost.values()))
        self.work.because(rules, f"what {entry.named} lacks is brought back from {places}", entry.digest)

    def _with_own_size(self, blob: Descriptor, image: InspectedImage) -> Descriptor:
        """The descriptor with the size that the bytes have, if they were seen; itself where it says so."""
        layer = self._inspection.layers.get(blob.digest)
        size = layer.size if layer is not None else None
        if blob == image.manifest.config and image.config is not None:
            size = image.config.document.size
        return blob if size in {None, blob.size} else replace(blob, size=size, data=None)

    def _attestation(self, tree: JsonTree, entry: Descriptor) -> JsonTree:
        child = self._inspection.snapshot.documents.get(entry.digest)
        tree = self._described(tree, entry, child, is_same=True) if child is not None else tree
        if entry.platform is not None and not entry.platform.is_unknown:
            text = f"{entry.label} no longer counts as {entry.platform}"
            self.work.because("index/attestation-platform", text, entry.digest, keys=["platform"])
            tree = {**tree, "platform": dict(_UNKNOWN)}
        return tree

    def _image(self, entry: Descriptor) -> InspectedImage | None:
        return self._images.get((entry.digest, entry.platform))

    def _ruling(self, entry: Descriptor) -> PlatformEvidence:
        image = self._image(entry)
        if image is None:
            return RIGHT
        return verdict(self._inspection, image, without_proof=self._options.without_proof)

    def _decided(
        self, index: Index, rulings: Sequence[PlatformEvidence], number: int, passed_over: frozenset[int]
    ) -> PlatformEvidence | None:
        """What becomes of the platform of an entry, beside what becomes of the others; None if the entry goes."""
        entry, ruling = index.entries[number], rulings[number]
        if ruling.open:
            self.work.left.append(f"{entry.label}: {ruling.open}")
        if ruling.entry is None or ruling.config is None:
            return ruling
        others = self._places_for(ruling.entry, index, rulings) - passed_over - {number}
        others = frozenset(n for n in others if index.entries[n].is_zstd_image == entry.is_zstd_image)
        if not others:
            return ruling
        if all(rulings[place].config is not None for place in others):
            kin = ", ".join(index.entries[place].label for place in sorted(others))
            self.work.left.append(
                f"{entry.label}: its programs are for {ruling.entry}, as are those of {kin}; "
                "--keep DIGEST says which becomes that"
            )
            return RIGHT
        if self._options.drop_misfits:
            text = f"{entry.named} is dropped: its programs are for {ruling.entry}"
            self.work.because(ruling.rule, text, entry.digest)
            return None
        self.work.left.append(
            f"{entry.label}: its programs are for {ruling.entry}, which the index offers already; "
            "build it again, or drop it with --drop-misfits"
        )
        return RIGHT

    def _entry(
        self, tree: JsonTree, entry: Descriptor, ruling: PlatformEvidence | None, *, is_attested: bool
    ) -> list[JsonTree]:
        """What becomes of an entry for an image; nothing if it is dropped."""
        if ruling is None:
            return []
        after = child = self._inspection.snapshot.documents[entry.digest]
        image = self._image(entry)
        if image is not None:
            self._refill_blobs(image, entry)
        seen = view(child)
        if isinstance(seen, Manifest):
            mended = mend_image(self._inspection, seen, image, ruling=ruling, entry=entry)
            after = self._child(child, mended, entry, is_attested=is_attested)
        tree = self._described(tree, entry, after, is_same=after is child)
        if ruling.entry is not None and not (ruling.config is not None and after is child):
            text = f"{entry.named} becomes {ruling.entry}"
            self.work.because(ruling.rule, text, entry.digest, keys=["platform"])
            old = tree.get("platform")
            known = {k: v for k, v in (old if isinstance(old, Mapping) else {}).items() if k not in _PLATFORM_KEYS}
            tree = {**tree, "platform": {**known, **ruling.entry.to_tree()}}
        return [tree]

    def _child(self, before: Document, mended: Mended, entry: Descriptor, *, is_attested: bool) -> Document:
        """The child as it ought to be; the very same document if nothing is wrong with it, or nobody agreed."""
        self.work.left += mended.left
        after = mended.document
        if after.raw == before.raw:
            return before
        if is_attested and not self._options.drop_attestations:
            self.work.left.append(
                f"{entry.named} would get another digest, and attestations describe this "
                "one; --attestations-to-referrers leaves them with it, --drop-attestations lets them go"
            )
            return before
        self.work.put(*mended.content)
        self.work.swap(before, after, entry.label)
        self.work.add(mended.reasons)
        return after

    def _described(self, tree: JsonTree, entry: Descriptor, child: Document, *, is_same: bool) -> JsonTree:
        """The entry with the child's own type, digest and size; the same object if it said so already."""
        is_type = effective_type(child) or tree["mediaType"]
        is_so = {"mediaType": is_type, "digest": str(child.digest), "size": child.size}
        if is_so.items() <= tree.items():
            return tree
        if is_same and child.size != entry.size:
            text = f"{entry.named} has {child.size} bytes"
            self.work.because("index/child-size", text, entry.digest, keys=["size", "data"])
        if is_same and is_type != entry.media_type:
            text = f"{entry.named} is {is_type}"
            self.work.because("index/child-type", text, entry.digest, keys=["mediaType", "data"])
        return {**{k: v for k, v in tree.items() if k != "data"}, **is_so}

    def _without_stale(self, index: Index, trees: list[JsonTree]) -> list[JsonTree]:
        """Without attestations of what is not in the index, or not any more."""
        held = {tree["digest"] for tree in trees}
        kept: list[JsonTree] = []
        for tree in trees:
            entry = Descriptor.from_tree(tree)
            if entry.attested and entry.attested not in held:
                was = any(str(other.digest) == entry.attested for other in index.entries)
                text = f"{entry.label} is dropped: its image is not in the index{' now' if was else ''}"
                self.work.because(
                    self.work.why(entry.attested) if was else "index/stale-attestation", text, entry.digest
                )
            else:
                kept.append(tree)
        return kept

    def _ordered(self, trees: list[JsonTree]) -> list[JsonTree]:
        """Images before attestations."""
        kinds = list(map(self._attests, trees))
        if kinds != sorted(kinds):
            digests = [tree["digest"] for tree in trees]
            self.work.because("index/order", "attestations go behind the images", *digests, keys=["order"])
        return sorted(trees, key=self._attests)

    def _places_for(self, platform: Platform, index: Index, rulings: Sequence[PlatformEvidence]) -> frozenset[int]:
        """The places of the entries for a platform, once every entry has what its ruling says."""
        platforms = (
            None if self.work.attests(entry) else ruling.entry or entry.platform
            for entry, ruling in zip(index.entries, rulings, strict=True)
        )
        return frozenset(place for place, one in enumerate(platforms) if one is not None and one.same(platform))

    def _attests(self, tree: JsonTree) -> bool:
        return self.work.attests(Descriptor.from_tree(tree))

    def alone(self, manifest: Manifest) -> Document:
        """An image that stands in no index: what of it can be mended without an entry's word."""
        image = InspectedImage(None, manifest, self._inspection.configs.get(manifest.config.digest))
        self._refill_blobs(image, Descriptor.of(manifest.document))
        ruling = verdict(self._inspection, image, without_proof=self._options.without_proof)
        if ruling.open:
            self.work.left.append(ruling.open)
        mended = mend_image(self._inspection, manifest, image, ruling=ruling)
        self.work.left += mended.left
        self.work.put(*mended.content)
        self.work.add(mended.reasons)
        return mended.document


def doubtful(inspection: Inspection) -> frozenset[Digest]:
    """The images whose layers have to be read before their platform can be mended."""
    return frozenset(image.digest for image in inspection.images if verdict(inspection, image) != RIGHT)


def _nowhere(_: Descriptor) -> bool:
    return False
