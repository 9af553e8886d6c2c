"""Plans that change the images below a name: each selected one, then every index above it, the tag last.

An image that is not selected, or does not change, keeps its bytes. Attestations inside an index name an image by
its digest; what becomes of those whose image changes is the caller's choice, and they are never pointed at the new
one (K022).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from ocitool.change.plan import Plan, PutBlob, PutManifest
from ocitool.change.reason import ChangeReason
from ocitool.errors import MalformedDocument, Unsupported, UsageError
from ocitool.graph.attestations import EMPTY_CONFIG, referrer_of
from ocitool.graph.referrers import check_stands_beside
from ocitool.graph.walk import MAX_DEPTH, settle_entries
from ocitool.image.base_note import BaseNote, moved_note
from ocitool.index import edit
from ocitool.index.edit import EntryChanges, marked
from ocitool.index.entries import IndexEntry, Selector, entries_of
from ocitool.index.plans import write_back
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, JsonTree
from ocitool.model.platform import Platform
from ocitool.model.views import ZSTD_IMAGE, Descriptor, Index, Manifest, Opaque, View, view
from ocitool.store.base import BytesSource, Store, called
from ocitool.store.verify import read_config
from ocitool.tasks import Scope, TaskGroup
from ocitool.values import dataclass, replace

_EVERY: Final = Selector()
_AS_IT_WAS: Final = EntryChanges()
_MOST_NAMED: Final = 8
"""Images that one line names; a guess at what is read."""
_CHILD: Final = frozenset({"mediaType", "digest", "size", "data", "platform"})
"""What an entry says of its manifest; all of it follows the manifest."""


class AttestationChoice(StrEnum):
    """What becomes of attestations in an index whose image gets another digest."""

    REFUSE = ""
    KEEP = "keep"
    DROP = "drop"
    REFERRERS = "referrers"

    @classmethod
    def named(cls, word: str) -> "AttestationChoice":
        """The choice that a word means, empty for none. Raises UsageError."""
        try:
            return cls(word)
        except ValueError:
            raise UsageError(f"attestations are given as {word!r}", hint="keep, drop or referrers") from None


@dataclass(frozen=True, slots=True)
class EditedImage:
    """An image after an edit: its manifest, the same bytes if nothing changed; new blobs; a line for each change.

    `entry` is what the index says of it from now on, `notes` what a human should know also where nothing changed.
    `zstd` is a zstd image that is to stand beside it.
    """

    manifest: Document
    blobs: tuple[PutBlob, ...] = ()
    told: tuple[str, ...] = ()
    entry: EntryChanges = _AS_IT_WAS
    notes: tuple[str, ...] = ()
    zstd: "EditedImage | None" = None


ImageEdit: TypeAlias = Callable[[Manifest, Platform | None, Scope], EditedImage]
"""What is done to an image, given what it runs on by its index or, without one, by its config."""
IndexEdit: TypeAlias = Callable[[Index], Document]


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of a document: everything new below it, inner parts first, and the images that were looked at.

    `document` is None where nothing changed.
    """

    document: Document | None = None
    steps: tuple[PutBlob | PutManifest, ...] = ()
    replaced: tuple[Document, ...] = ()
    leaves: tuple[IndexEntry, ...] = ()
    told: tuple[tuple[str, IndexEntry, Document], ...] = ()
    notes: tuple[str, ...] = ()
    entry: EntryChanges = _AS_IT_WAS
    zstd: EditedImage | None = None


def plan_images(
    store: Store,
    name: str,
    change: ImageEdit,
    *,
    chosen: Selector,
    named: Selector = _EVERY,
    on_index: IndexEdit | None = None,
    on_zstd: ImageEdit | None = None,
    attestations: AttestationChoice = AttestationChoice.REFUSE,
    tags: Sequence[str] = (),
    scope: Scope,
) -> Plan:
    """The plan that changes every image below `name`, or those `chosen`; the result goes there or under `tags`.

    `on_index` changes the outermost index itself before anything below it, `on_zstd` the zstd images that stand
    beside others, which else change as those do; `named` has to be there too. Raises
    NotFound for a choice that matches nothing, Unsupported where there is no image, UsageError for two images that
    would be for one platform, and for attestations that stop fitting where nobody said what becomes of them.
    """
    before = store.get_manifest(name)
    label = called(store, name)
    done = _Images(store, label, change, on_zstd or change, chosen, attestations, scope).root(before, on_index)
    for selector in (chosen, named):
        selector.check(done.leaves, label)
    if not done.leaves:
        raise Unsupported(f"{label} has no image in it", ability="images")
    return write_back(
        store,
        name,
        before,
        done.document or before,
        tags,
        content=dict.fromkeys(done.steps),
        replaced=dict.fromkeys(done.replaced),
        notes=dict.fromkeys(done.notes),
        reasons=_reasons(done.told),
    )


@dataclass(frozen=True, slots=True)
class _Images:
    """One edit of everything below a name, which is called `label`."""

    store: Store
    label: str
    change: ImageEdit
    on_zstd: ImageEdit
    chosen: Selector
    attestations: AttestationChoice
    scope: Scope

    def root(self, document: Document, on_index: IndexEdit | None) -> _Done:
        seen = view(document)
        if isinstance(seen, Index):
            index = settle_entries(self.store, seen)
            if on_index is not None:
                index = edit.with_document(index, on_index(index))
            return self._index(index, 1, self.scope)
        if on_index is not None:
            raise UsageError(
                f"{self.label} is one image, and an index or its entries are to be annotated",
                hint="leave the place of the annotation out",
            )
        manifest = self._image(seen, self.label)
        platform = read_config(self.store, manifest.config).platform
        entry = IndexEntry.of(Descriptor.of(document, platform))
        if self.chosen != _EVERY and not self.chosen.matches(entry):
            return _Done(leaves=(entry,))
        done = self._edited(manifest, entry, platform, self.scope)
        if done.zstd is not None:
            raise UsageError(
                f"{self.label} is one image, and a zstd image stands beside another in an index",
                hint="ocitool index create makes one of it",
            )
        return done

    def _index(self, index: Index, depth: int, scope: Scope) -> _Done:
        if depth > MAX_DEPTH:
            raise MalformedDocument(f"indexes nested deeper than {MAX_DEPTH} levels in {self.label}")
        entries = entries_of(index)
        with TaskGroup(scope, self.store.traits.concurrency) as group:
            tasks = [group.spawn(self._child, entry, depth, group.scope) for entry in entries]
        done = [task.result for task in tasks]
        after = [_entry(entry, one) for entry, one in zip(entries, done, strict=True)]
        if [entry.platform for entry in after] != [entry.platform for entry in entries]:
            _check_clashes(entries, after)
        joining = [self._joining(entry, one, after) for entry, one in zip(entries, done, strict=True) if one.zstd]
        if any(joining):
            after = edit.zstd_last([*after, *(entry for found in joining for entry, _ in found)])
            done = [*done, *(one for found in joining for _, one in found)]
        held = {entry.digest for entry in after}
        changed = {
            str(entry.digest): one.replaced[-1]
            for entry, one in zip(entries, done, strict=False)
            if one.replaced and entry.digest not in held
        }
        stale = [entry for entry in after if entry.is_attestation and entry.descriptor.attested in changed]
        if stale:
            done.append(self._settled(stale, changed))
        gone = set() if self.attestations is AttestationChoice.KEEP else {entry.digest for entry in stale}
        moved = _base_annotations(index, entries, done)

        def change(tree: JsonTree) -> None:
            tree["manifests"] = [entry.tree for entry in after if entry.digest not in gone]
            edit.set_annotations(tree, moved)

        document = index.document.edit(change)
        return _Done(
            document,
            tuple(step for one in done for step in one.steps),
            tuple(old for one in done for old in one.replaced),
            tuple(leaf for one in done for leaf in one.leaves),
            tuple(line for one in done for line in one.told),
            tuple(note for one in done for note in one.notes),
        )

    def _child(self, entry: IndexEntry, depth: int, scope: Scope) -> _Done:
        """What becomes of an entry; nothing of one that is not meant, and then it is not read."""
        descriptor = entry.descriptor
        is_meant = self.chosen.matches(entry) or (self.chosen == _EVERY and not entry.is_attestation)
        if not is_meant and not (mediatype.is_index(descriptor.media_type) and not entry.is_attestation):
            return _Done(leaves=() if entry.is_attestation else (entry,))
        if entry.is_attestation:
            raise Unsupported(f"{descriptor.named} is an attestation, and no image", ability="images")
        child = self.store.get_manifest(str(entry.digest))
        child = replace(
            child, media_type=child.media_type or descriptor.media_type, algorithm=entry.digest.algorithm
        )
        seen = view(child)
        if isinstance(seen, Index):
            done = self._index(settle_entries(self.store, seen), depth + 1, scope)
        elif self.chosen == _EVERY and not (isinstance(seen, Manifest) and seen.is_image):
            return _Done(notes=(f"{descriptor.named} is no image, and stays as it is",))
        else:
            done = self._edited(self._image(seen, descriptor.named), entry, entry.platform, scope)
        if done.document is None or done.document.raw == child.raw:
            return replace(done, document=None)
        put = PutManifest(done.document, entry.label)
        return replace(done, steps=(*done.steps, put), replaced=(*done.replaced, child))

    @staticmethod
    def _joining(entry: IndexEntry, done: _Done, listed: Sequence[IndexEntry]) -> list[tuple[IndexEntry, _Done]]:
        """The entry of a zstd image that is to stand beside another one, unless there is one."""
        made, platform = done.zstd, entry.platform
        there = (one.platform for one in listed if one.descriptor.is_zstd_image)
        if made is None or any(one is not None and platform is not None and one.same(platform) for one in there):
            return []
        zstd = Descriptor.of(made.manifest, entry.descriptor.platform)
        new = IndexEntry.of(replace(zstd, annotations=MappingProxyType({ZSTD_IMAGE: "true"})))
        told = tuple((line, new, made.manifest) for line in made.told)
        return [(new, _Done(None, (*made.blobs, PutManifest(made.manifest, new.label)), told=told))]

    def _edited(self, manifest: Manifest, entry: IndexEntry, platform: Platform | None, scope: Scope) -> _Done:
        try:
            change = self.on_zstd if entry.descriptor.is_zstd_image else self.change
            edited = change(manifest, platform, scope)
        except (UsageError, MalformedDocument, Unsupported) as error:
            error.add_note(f"it is {entry.descriptor.named} in {self.label}")
            raise
        told = tuple((line, entry, edited.manifest) for line in edited.told)
        return _Done(edited.manifest, edited.blobs, (), (entry,), told, edited.notes, edited.entry, edited.zstd)

    def _image(self, seen: View, what: str) -> Manifest:
        if isinstance(seen, Manifest) and seen.is_image:
            return seen
        why = seen.why if isinstance(seen, Opaque) else "it holds no image"
        raise Unsupported(f"{what} cannot be edited as an image: {why}", ability="images")

    def _settled(self, stale: Sequence[IndexEntry], changed: Mapping[str, Document]) -> _Done:
        """What becomes of attestations whose image changes. Raises UsageError where nobody said."""
        count = f"{len(stale)} attestation{'s' if len(stale) > 1 else ''}"
        match self.attestations:
            case AttestationChoice.REFUSE:
                images = ", ".join(sorted({Digest(entry.descriptor.attested).short for entry in stale}))
                raise UsageError(
                    f"{count} in the index of images whose digests change: {images}",
                    hint="--attestations-to-referrers leaves them with the old images, --drop-attestations lets "
                    "them go, and --keep-attestations keeps them where they are",
                )
            case AttestationChoice.KEEP:
                return _Done(notes=(f"{count} in the index still of the old digests: check calls them stale",))
            case AttestationChoice.DROP:
                return _Done(notes=(f"{count} left behind: of the old digests",))
        check_stands_beside(self.store, "attestations")
        steps: list[PutBlob | PutManifest] = [PutBlob(EMPTY_CONFIG, BytesSource(b"{}"), "empty config")]
        replaced = []
        for entry in stale:
            attestation = self.store.get_manifest(str(entry.digest))
            attestation = replace(attestation, media_type=attestation.media_type or entry.descriptor.media_type)
            image = changed[entry.descriptor.attested]
            after = referrer_of(view(attestation), image)
            if isinstance(after, str):
                raise UsageError(
                    f"{entry.label} cannot refer to its image: {after}", hint="--drop-attestations lets it go"
                )
            steps.append(PutManifest(after, f"referrer of {image.digest.short}"))
            replaced.append(attestation)
        note = f"{count} out of the index, beside the old images"
        return _Done(None, tuple(steps), tuple(replaced), notes=(note,))


def _entry(entry: IndexEntry, done: _Done) -> IndexEntry:
    """The entry for what became of its manifest; itself where nothing did."""
    after, descriptor = done.document, entry.descriptor
    if after is not None:
        says = {"digest": str(after.digest), "size": after.size}
        tree = {key: says.get(key, value) for key, value in entry.tree.items() if key != "data"}
        descriptor = replace(descriptor, digest=after.digest, size=after.size, data=None)
        entry = IndexEntry(descriptor, tree)
    if descriptor.platform is None or descriptor.is_nameless:
        return entry
    return marked(entry, done.entry)


def _base_annotations(index: Index, entries: Sequence[IndexEntry], done: Sequence[_Done]) -> dict[str, str | None]:
    """What changes in the annotations of an index about the base of all its images, when theirs change."""
    said = BaseNote.of(index.annotations)
    if not said:
        return {}
    images = []
    for entry, one in zip(entries, done, strict=False):  # what became of attestations comes last
        if one.document is not None and one.replaced:
            images.append((_note(one.replaced[-1]), _note(one.document)))
        elif not entry.is_attestation:
            images.append((said, said))
    now, then = moved_note(said, images).annotations(), said.annotations()
    return {key: now.get(key) for key in {**then, **now} if now != then}


def _note(document: Document) -> BaseNote:
    seen = view(document)
    return BaseNote() if isinstance(seen, Opaque) else BaseNote.of(seen.annotations)


def _check_clashes(before: Sequence[IndexEntry], after: Sequence[IndexEntry]) -> None:
    """Raise UsageError for two images that become images for one platform, be they one and the same then."""
    seen: dict[Platform, int] = {}
    for number, entry in enumerate(after):
        if entry.platform is None:
            continue
        other = seen.setdefault(entry.platform.normalised(), number)
        was = before[other].platform, before[number].platform
        if other != number and not (was[0] and was[1] and was[0].same(was[1])):
            raise UsageError(
                f"{before[other].descriptor.named} and {before[number].descriptor.named} would both be for "
                f"{entry.platform}",
                hint="choose one image with --platform or --digest",
            )


def _reasons(told: Iterable[tuple[str, IndexEntry, Document]]) -> tuple[ChangeReason, ...]:
    """Lines about images, those that say the same as one."""
    groups: dict[str, list[tuple[IndexEntry, Document]]] = {}
    for line, entry, after in told:
        groups.setdefault(line, []).append((entry, after))
    return tuple(
        ChangeReason(
            f"{_names([entry.label for entry, _ in of])}: {line}",
            entries=frozenset(str(digest) for entry, after in of for digest in (entry.digest, after.digest)),
            keys=_CHILD,
        )
        for line, of in groups.items()
    )


def _names(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _MOST_NAMED} more" if len(labels) > _MOST_NAMED else ""
    return ", ".join(labels[:_MOST_NAMED]) + more
