"""Edits of an index, each a pure function from an Index to the new Document.

What an edit does not touch keeps its bytes; an edit that changes nothing returns the same document.
Attestations follow their image: they leave with it and never stand before the images.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ocitool.errors import MalformedDocument, UsageError
from ocitool.image.annotations import Annotation, AnnotationLevel, Annotations
from ocitool.index.entries import IndexEntry, Selector, check_duplicates, check_family, check_runnable, entries_of
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, JsonTree
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform, version_numbers
from ocitool.model.views import Index, effective_type, view
from ocitool.values import dataclass, field, replace

NONE: Final = Annotations()
MAX_DEPTH = 4
"""Levels of indexes inside indexes that are flattened; a hostile chain has to end (K020)."""


def upsert(index: Index, new: Sequence[IndexEntry], *, keep_both: bool = False) -> Document:
    """The index with `new` in it: an entry for a platform that is there already takes its place (K001, K017).

    Where several old entries are for that platform, one is left; a zstd image stands beside the one with gzip, and
    leaves with it. Attestations of replaced images leave with them. With `keep_both` nothing is replaced. Raises
    UsageError for entries of another family, and for two new ones for one platform.
    """
    check_family(new, family_of(index))
    if not keep_both:
        check_duplicates(new)
    old = entries_of(index)
    listed = list(old)
    placed: list[IndexEntry] = []
    for entry in new:
        places = _places_of(listed, entry, keep_both=keep_both)
        places = [n for n in places if not any(listed[n] is one for one in placed)]
        if not places:
            listed.insert(_place_for(listed, entry), entry)
            placed.append(entry)
            continue
        there = next((n for n in places if _is_twin(listed[n], entry)), None)
        chosen = entry if there is None or entry.descriptor.annotations else listed[there]
        listed[places[0]] = chosen
        placed.append(chosen)
        listed = [e for n, e in enumerate(listed) if n not in places[1:]]
    return _with(index, _without_orphans(old, listed))


def remove(index: Index, selector: Selector, *, attestations: bool = False) -> Document:
    """The index without the selected entries (and their attestations), or without any attestations.

    Raises NotFound for a selection that matches nothing, UsageError if no entry would be left.
    """
    old = entries_of(index)
    selector.check(old, "the index")
    listed = [e for e in old if not selector.matches(e) and not (attestations and e.is_attestation)]
    if old and not listed:
        raise UsageError(
            "no entry would be left in the index", hint="crane delete or skopeo delete removes the tag itself"
        )
    return _with(index, _without_orphans(old, listed))


def keep(index: Index, selector: Selector, *, attestations: bool = True) -> Document:
    """The index with only the selected entries, and with their attestations unless told otherwise.

    Raises NotFound for a platform or digest that is not there (K013).
    """
    old = entries_of(index)
    selector.check(old, "the index")
    kept = {e.digest for e in old if selector.matches(e)}
    listed = [
        e
        for e in old
        if selector.matches(e) or (attestations and e.is_attestation and e.descriptor.attested in kept)
    ]
    return _with(index, listed)


@dataclass(frozen=True, slots=True)
class EntryChanges:
    """What to set on entries; None leaves a field alone, an empty value removes it.

    A value of None in `annotations` removes that annotation.
    """

    os: str | None = None
    architecture: str | None = None
    variant: str | None = None
    os_version: str | None = None
    os_features: tuple[str, ...] | None = None
    features: tuple[str, ...] | None = None
    annotations: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    def on(self, platform: Platform | None) -> Platform | None:
        """The platform with these marks; None if there was none and none is set."""
        named = ("os", "architecture", "variant", "os_version", "os_features", "features")
        fields = {name: value for name in named if (value := getattr(self, name)) is not None}
        return replace(platform or Platform("", ""), **fields) if fields else platform


def annotate(index: Index, selector: Selector, marks: EntryChanges, *, allow_duplicates: bool = False) -> Document:
    """The index with marks on the selected entries.

    Raises NotFound if nothing is selected, UsageError for a platform that does not exist, for two entries
    that would be for one platform, and for annotations on a Docker list (K032).
    """
    if marks.annotations and family_of(index) is Family.DOCKER:
        raise UsageError(
            "a Docker manifest list cannot carry annotations",
            hint="ocitool index convert REF --format oci comes first",
        )
    old = entries_of(index)
    selector.check(old, "the index")
    listed = [marked(entry, marks) if selector.matches(entry) else entry for entry in old]
    if not allow_duplicates and [e.platform for e in listed] != [e.platform for e in old]:
        check_duplicates(listed)
    return _with(index, listed)


def annotate_index(index: Index, annotations: Mapping[str, str | None]) -> Document:
    """The index with annotations of its own set, or removed where the value is None.

    Raises UsageError for a Docker list (K032).
    """
    if any(value is not None for value in annotations.values()) and family_of(index) is Family.DOCKER:
        raise UsageError(
            "a Docker manifest list cannot carry annotations",
            hint="ocitool index convert REF --format oci comes first",
        )
    return index.document.edit(lambda tree: set_annotations(tree, annotations))


def annotate_placed(
    index: Index, annotations: Annotations, removed: Annotations = NONE, chosen: Selector | None = None
) -> Document:
    """The index with annotations at the places that they name: its own, or those of its entries.

    `removed` are taken away; their values do not matter. An annotation of entries that names no platform is for
    those `chosen`, all images if nothing is. Raises UsageError for a Docker list (K032) and for a place in the
    manifests, which would get other digests; NotFound for a platform that is not there.
    """
    if annotations and family_of(index) is Family.DOCKER:
        raise UsageError(
            "a Docker manifest list cannot carry annotations",
            hint="ocitool index convert REF --format oci comes first",
        )
    both = (*((one, one.value) for one in annotations.all), *((one, None) for one in removed.all))
    old = entries_of(index)
    for one, _ in both:
        if one.level is AnnotationLevel.MANIFEST:
            raise UsageError(
                f"annotation {one.key} is for the manifests, which would get other digests",
                hint=f"manifest-descriptor:{one.key} annotates their entries, and ocitool config edit manifests",
            )
        if one.platform is not None:
            Selector((one.platform,)).check(old, "the index")

    def on(entry: IndexEntry, one: Annotation) -> bool:
        if one.level is not AnnotationLevel.ENTRY:
            return False
        if one.platform is not None:
            return Selector((one.platform,)).matches(entry)
        return chosen.matches(entry) if chosen is not None else not entry.is_attestation

    def change(tree: JsonTree) -> None:
        own = {one.key: value for one, value in both if one.level is not AnnotationLevel.ENTRY}
        set_annotations(tree, own) if own else None
        for entry, entry_tree in zip(old, tree["manifests"], strict=True):
            said = {one.key: value for one, value in both if on(entry, one)}
            set_annotations(entry_tree, said) if said else None

    return index.document.edit(change)


def order(index: Index, platforms: Sequence[Platform] = ()) -> Document:
    """The index sorted: the named platforms first, the rest as they stood, attestations last by their image.

    zstd images stand behind all others: clients that know nothing of them take the first of a platform.
    Without platforms: linux before other systems, then by name; amd64 before other architectures.
    """
    old = entries_of(index)
    runnable = [e for e in old if not e.is_attestation]

    def rank(entry: IndexEntry) -> tuple[object, ...]:
        if not platforms:
            return _name_rank(entry.platform)
        numbers = [n for n, p in enumerate(platforms) if Selector((p,)).matches(entry)]
        return (numbers[0] if numbers else len(platforms),)

    if platforms:
        Selector(tuple(platforms)).check(old, "the index")
    listed = sorted(runnable, key=lambda e: (e.descriptor.is_zstd_image, *rank(e)))
    places = {entry.digest: number for number, entry in enumerate(listed)}
    attestations = [e for e in old if e.is_attestation]
    attestations.sort(key=lambda e: places.get(_digest_or_own(e), len(places)))
    return _with(index, [*listed, *attestations])


def flatten(index: Index, nested: Mapping[Digest, Index]) -> Document:
    """The index with every index among its entries replaced by that one's entries, at any depth up to four.

    `nested` holds the inner indexes by digest. An entry that would appear twice appears once.
    Raises MalformedDocument for a deeper nesting and for an inner index that is not in `nested`.
    """
    if not any(e.digest in nested or mediatype.is_index(e.media_type) for e in index.entries):
        return index.document
    listed: list[IndexEntry] = []
    seen: set[tuple[Digest, Platform | None]] = set()

    def walk(level: Index, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise MalformedDocument(f"indexes nested deeper than {MAX_DEPTH} levels")
        for entry in entries_of(level):
            if entry.digest in nested:
                walk(nested[entry.digest], depth + 1)
            elif mediatype.is_index(entry.descriptor.media_type):
                raise MalformedDocument(f"the inner index {entry.digest} was not read")
            elif (key := (entry.digest, entry.descriptor.platform)) not in seen:
                seen.add(key)
                listed.append(entry)

    walk(index, 1)
    return _with(index, zstd_last(listed))


def zstd_last(entries: Iterable[IndexEntry]) -> list[IndexEntry]:
    """The entries as they stand, but zstd images behind the others, and attestations behind all."""
    return sorted(entries, key=lambda e: (e.is_attestation, e.descriptor.is_zstd_image))


def as_index(document: Document, name: str = "") -> Index:
    """The document as the index it has to be; `name` is what people call it. Raises UsageError for another."""
    seen = view(document)
    if not isinstance(seen, Index):
        raise UsageError(f"{name or document.digest} is no index", hint="ocitool index create makes one of images")
    return seen


def with_document(index: Index, document: Document) -> Index:
    """The index after an edit that left its entries in their order, with what was found out about each of them."""
    after = as_index(document)
    entries = zip(after.entries, index.entries, strict=True)
    settled = (replace(new, attests=old.attests, own_platform=old.own_platform) for new, old in entries)
    return replace(after, entries=tuple(settled))


def family_of(index: Index) -> Family:
    """The family an index is written in; OCI where its type says nothing."""
    return mediatype.family_of(effective_type(index.document)) or Family.OCI


def _with(index: Index, entries: Iterable[IndexEntry]) -> Document:
    trees = [entry.tree for entry in entries]

    def change(tree: JsonTree) -> None:
        tree["manifests"] = trees

    return index.document.edit(change)


def _places_of(listed: Sequence[IndexEntry], entry: IndexEntry, *, keep_both: bool) -> list[int]:
    """Where the entries stand that a new one takes the place of."""
    platform = entry.platform
    if keep_both:
        return [n for n, e in enumerate(listed) if _is_twin(e, entry)][:1]
    if platform is None:
        return [n for n, e in enumerate(listed) if e.digest == entry.digest and e.platform is None]
    same = [n for n, e in enumerate(listed) if e.platform is not None and e.platform.same(platform)]
    is_beside = entry.descriptor.is_zstd_image or any(_is_twin(listed[n], entry) for n in same)
    alike = [n for n in same if listed[n].descriptor.is_zstd_image == entry.descriptor.is_zstd_image]
    return alike if is_beside else [*alike, *(n for n in same if n not in alike)]


def _is_twin(there: IndexEntry, entry: IndexEntry) -> bool:
    is_alike = there.descriptor.is_zstd_image == entry.descriptor.is_zstd_image
    return is_alike and there.digest == entry.digest and there.platform == entry.platform


def _place_for(listed: Sequence[IndexEntry], entry: IndexEntry) -> int:
    """Behind the last image, before those with zstd if it is none; attestations behind everything."""
    if entry.is_attestation:
        return len(listed)
    is_zstd = entry.descriptor.is_zstd_image
    before = (
        n for n, e in enumerate(listed) if not e.is_attestation and (is_zstd or not e.descriptor.is_zstd_image)
    )
    return 1 + max(before, default=-1)


def _without_orphans(old: Sequence[IndexEntry], listed: Sequence[IndexEntry]) -> list[IndexEntry]:
    """Without attestations whose image was there before and is no more (K022: never pointed at another)."""
    gone = {e.digest for e in old} - {e.digest for e in listed}
    return [e for e in listed if not (e.is_attestation and e.descriptor.attested in gone)]


def marked(entry: IndexEntry, marks: EntryChanges) -> IndexEntry:
    """The entry with marks on it. Raises UsageError for a platform that does not exist."""
    platform = marks.on(entry.descriptor.platform)
    if platform is not None and platform != entry.descriptor.platform:
        check_runnable(platform, entry.label)
    tree = dict(entry.tree)
    if platform != entry.descriptor.platform and platform is not None:
        known = platform.to_tree()
        was = tree.get("platform")
        old = was if isinstance(was, Mapping) else {}
        kept = {k: v for k, v in old.items() if k in known or k not in _PLATFORM_KEYS}
        tree["platform"] = kept | known
    if marks.annotations:
        set_annotations(tree, marks.annotations)
    return IndexEntry(replace(entry.descriptor, platform=platform), tree)


_PLATFORM_KEYS = frozenset({"architecture", "os", "os.version", "os.features", "variant", "features"})


def set_annotations(tree: JsonTree, annotations: Mapping[str, str | None]) -> None:
    """Set the annotations of a parsed document or entry, or take those away whose value is None."""
    has = dict(tree.get("annotations") or {})
    for key, value in annotations.items():
        if value is None:
            has.pop(key, None)
        else:
            has[key] = value
    if has:
        tree["annotations"] = has
    elif tree.get("annotations"):
        del tree["annotations"]


def _name_rank(platform: Platform | None) -> tuple[object, ...]:
    if platform is None:
        return (2, "", 0, "", "", ())
    p = platform.normalised()
    first = {"amd64": 0, "arm64": 1}.get(p.architecture, 2)
    return (p.os != "linux", p.os, first, p.architecture, p.variant, version_numbers(p.os_version))


def _digest_or_own(entry: IndexEntry) -> Digest:
    return Digest(entry.descriptor.attested) if entry.descriptor.attested else entry.digest
