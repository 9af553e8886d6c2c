"""Edits of the index under one name: words in, plans out. Reads, and writes nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ocitool.arguments import mapping_of, maybe_text, pairs_of, path_of, words_of
from ocitool.change.followers import with_followers
from ocitool.change.plan import Plan
from ocitool.errors import UsageError, as_one
from ocitool.graph.convert import Losses
from ocitool.image.annotations import AnnotationLevel, annotations_of
from ocitool.index import edit
from ocitool.index.edit import EntryChanges
from ocitool.index.entries import Selector
from ocitool.index.name_editor import NameEditor, Texts
from ocitool.index.parts import check_platforms, check_revisions, find_parts
from ocitool.index.plans import (
    IndexRequest,
    plan_add,
    plan_convert,
    plan_create,
    plan_edit,
    plan_flatten,
    plan_tag,
)
from ocitool.index.sources import Member, MemberSource, SourceName
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.reference import is_tag
from ocitool.model.views import Index
from ocitool.store.base import Store
from ocitool.store.locate import Opener
from ocitool.values import dataclass, replace
from ocitool.workspace import PlatformWords


@dataclass(frozen=True, slots=True)
class IndexEditor(NameEditor):
    """Edits of the index under a name, each as a plan that `Client.apply` carries out.

    `tags` are full references in the same repository: the result is written there, and the name keeps what it
    holds. Platforms mean every entry of theirs, one without an OS version every version. Each method raises
    UsageError for what cannot be meant, NotFound for a name, platform or source that is not there, and what the
    registry answers.
    """

    @as_one()
    def create(
        self,
        *sources: str,
        tags: Texts = (),
        family: str = "auto",
        annotations: Mapping[str, str] | None = None,
        append: bool = False,
        allow_duplicates: bool = False,
        attestations: bool = True,
        drop_annotations: bool = False,
        skip_missing: bool = False,
        spec: Path | None = None,
    ) -> Plan:
        """A new index of images, indexes and layouts, under the name and under `tags` too.

        A source is what `ocitool index create` takes: a place, or PLACE=PLATFORM. `family` is docker, oci, or
        auto for that of the images; a key of `annotations` may name its place, as in `manifest-descriptor:key`
        (K224). `append` starts from what the name holds; `spec` is a file in manifest-tool's YAML, or TOML.
        """
        from ocitool.index.spec import IndexSpec, read_spec

        read = read_spec(path_of(spec, "spec")) if spec else IndexSpec("", ())
        target = self.reference or read.image
        if not target:
            raise UsageError("where should the index go?", hint="ocitool index create REF SRC...")
        store, name = self.work.opener.open(target, write=True)
        wanted = tuple(dict.fromkeys((name, *self._tags(store, tags), *read.tags)))
        listed = (open_member(self.work.opener, one.image, one.platform) for one in read.sources)
        request = IndexRequest(
            sources=(*self._sources(sources), *listed),
            family=read.family if family == "auto" else _family(family),
            annotations=read.annotations,
            placed=annotations_of(dict(pairs_of(annotations, "annotations")), AnnotationLevel.INDEX),
            append=append,
            allow_duplicates=allow_duplicates,
            attestations=attestations,
            skip_missing=skip_missing,
            losses=Losses(annotations=drop_annotations, attestations=not attestations),
        )
        plan = replace(plan_create(store, wanted, request, scope=self.work.scope), names=wanted)
        return with_followers(plan, store, scope=self.work.scope) if append else plan

    @as_one()
    def merge(
        self,
        *parts: str,
        tags: Texts = (),
        family: str = "auto",
        annotations: Mapping[str, str] | None = None,
        append: bool = False,
        any_revision: bool = False,
        attestations: bool = True,
        drop_annotations: bool = False,
    ) -> Plan:
        """An index of the parts that a build matrix pushed, under the name and under `tags` too.

        A part is a place, a digest in the repository of the name, a pattern of tags such as REPO:v1-*, a metadata
        file of a build, or a folder of these. Raises Conflict for parts of two revisions, unless `any_revision`,
        and for two that differ for one platform. The rest is as for `create`.
        """
        words = words_of(parts, "a part")
        if not words:
            raise UsageError("which parts?", hint="ocitool merge REF PART...")
        work = self.work
        store, name = work.opener.open(self.reference, write=True)
        wanted = tuple(dict.fromkeys((name, *self._tags(store, tags))))
        request = IndexRequest(
            sources=find_parts(work.opener, self.reference, words),
            family=None if family == "auto" else _family(family),
            placed=annotations_of(dict(pairs_of(annotations, "annotations")), AnnotationLevel.INDEX),
            append=append,
            attestations=attestations,
            losses=Losses(annotations=drop_annotations, attestations=not attestations),
        )

        def judge(members: Sequence[Member]) -> tuple[str, ...]:
            check_platforms(members)
            return () if any_revision else check_revisions(members, scope=work.scope)

        made = plan_create(store, wanted, request, scope=work.scope, judge=judge)
        plan = replace(made, names=wanted)
        return with_followers(plan, store, scope=work.scope) if append else plan

    @as_one()
    def add(
        self,
        *sources: str,
        tags: Texts = (),
        allow_duplicates: bool = False,
        convert: bool = False,
        attestations: bool = True,
        drop_annotations: bool = False,
        skip_missing: bool = False,
    ) -> Plan:
        """Images put into the index; a platform that is there already is replaced, unless `allow_duplicates`.

        A source is as for `create`. `convert` takes images of the other family; their digests change.
        """
        store, name, written = self._open(tags)
        request = IndexRequest(
            sources=self._sources(sources),
            family=Family.OCI if convert else None,  # any family: plan_add converts to the index's own
            allow_duplicates=allow_duplicates,
            attestations=attestations,
            skip_missing=skip_missing,
            losses=Losses(annotations=drop_annotations, attestations=not attestations),
        )
        return self._told(store, plan_add(store, name, request, tags=written, scope=self.work.scope), name, written)

    @as_one()
    def remove(
        self, platforms: PlatformWords = (), *, digests: Texts = (), attestations: bool = False, tags: Texts = ()
    ) -> Plan:
        """Entries taken out, by platform or digest, or every attestation; an image's attestations leave with it."""
        chosen = self._chosen(platforms, digests)
        if chosen == Selector() and not attestations:
            raise UsageError("what should be removed?", hint="say --platform, --digest or --attestations")
        return self._edit(lambda index: edit.remove(index, chosen, attestations=attestations), tags)

    @as_one()
    def filter(
        self, platforms: PlatformWords = (), *, digests: Texts = (), attestations: bool = True, tags: Texts = ()
    ) -> Plan:
        """Only the named entries kept, with their attestations unless told otherwise."""
        chosen = self._chosen(platforms, digests)
        if chosen == Selector():
            raise UsageError("what should stay?", hint="say --platform or --digest")
        return self._edit(lambda index: edit.keep(index, chosen, attestations=attestations), tags)

    @as_one()
    def annotate(
        self,
        annotations: Mapping[str, str | None] | None = None,
        *,
        platforms: PlatformWords = (),
        digests: Texts = (),
        os: str | None = None,
        arch: str | None = None,
        variant: str | None = None,
        os_version: str | None = None,
        os_features: Texts | None = None,
        allow_duplicates: bool = False,
        tags: Texts = (),
    ) -> Plan:
        """What the named entries say, or annotations of the index where none is named; None removes an annotation.

        The images are not touched.
        """
        named = mapping_of(annotations, "annotations")
        gone = {key: "" for key, value in named.items() if value is None}
        kept = {key: value for key, value in named.items() if value is not None}
        features = None if os_features is None else words_of(os_features, "os_features")
        changes = EntryChanges(
            maybe_text(os, "os"),
            maybe_text(arch, "arch"),
            maybe_text(variant, "variant"),
            maybe_text(os_version, "os_version"),
            features,
        )
        chosen = self._chosen(platforms, digests)
        default = AnnotationLevel.INDEX if chosen == Selector() else AnnotationLevel.ENTRY
        added = annotations_of(dict(pairs_of(kept, "annotations")), default)
        removed = annotations_of(dict(pairs_of(gone, "annotations")), default)
        if chosen == Selector() and changes != EntryChanges():
            raise UsageError("which entries are meant?", hint="say --platform or --digest")
        if changes == EntryChanges() and not added and not removed:
            raise UsageError("what should be set?", hint="say --annotation, --variant and the like")

        def change(index: Index) -> Document:
            document = edit.annotate_placed(index, added, removed, None if chosen == Selector() else chosen)
            if changes == EntryChanges():
                return document
            after = edit.with_document(index, document)
            return edit.annotate(after, chosen, changes, allow_duplicates=allow_duplicates)

        return self._edit(change, tags)

    @as_one()
    def convert(
        self, family: str, *, drop_annotations: bool = False, drop_attestations: bool = False, tags: Texts = ()
    ) -> Plan:
        """The index or image in the other family, docker or oci, its children first; manifests get new digests."""
        store, name, written = self._open(tags)
        losses = Losses(annotations=drop_annotations, attestations=drop_attestations)
        plan = plan_convert(store, name, _family(family), losses=losses, tags=written, scope=self.work.scope)
        return self._told(store, plan, name, written)

    @as_one()
    def flatten(self, *, tags: Texts = ()) -> Plan:
        """Indexes inside the index replaced by their entries: many clients look one level down only."""
        store, name, written = self._open(tags)
        return self._told(store, plan_flatten(store, name, tags=written, scope=self.work.scope), name, written)

    @as_one()
    def order(self, platforms: PlatformWords = (), *, tags: Texts = ()) -> Plan:
        """The entries sorted, the named platforms first, else linux and amd64: engines take the first that fits."""
        first = self.work.platforms(platforms)
        return self._edit(lambda index: edit.order(index, first), tags)

    @as_one()
    def tag(self, *names: str) -> Plan:
        """Further tags for what the name holds, index or image: tags, or full references in the same repository."""
        store, name, _ = self._open(())
        tags = tuple(self._tag(store, word) for word in words_of(names, "a tag"))
        return replace(plan_tag(store, name, tags), names=tags)

    def _edit(self, change: Callable[[Index], Document], tags: Texts) -> Plan:
        store, name, written = self._open(tags)
        return self._told(store, plan_edit(store, name, change, tags=written), name, written)

    def _tag(self, store: Store, word: str) -> str:
        if is_tag(word):
            return word
        if "/" not in word and ":" not in word:
            raise UsageError(f"not a tag: {word!r}", hint="letters, digits, _ . and -")
        return self._tags(store, word)[0]

    def _sources(self, texts: Iterable[str]) -> tuple[MemberSource, ...]:
        """The opened sources that `SRC` and `SRC=PLATFORM` words name."""
        names = map(SourceName.parse, words_of(texts, "a source"))
        return tuple(open_member(self.work.opener, name.locator, name.platform) for name in names)


def open_member(opener: Opener, locator: str, platform: Platform | None = None) -> MemberSource:
    """An opened source that errors call as the user did."""
    store, name = opener.open(locator)
    return MemberSource(store, name, platform, locator)


def _family(text: str) -> Family:
    try:
        return Family(text)
    except ValueError:
        raise UsageError(f"no family is called {text!r}", hint="docker or oci") from None
