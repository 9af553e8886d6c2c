"""Where the entries of an index come from: images, indexes, layouts, named with `SRC` or `SRC=PLATFORM`.

An image's platform is what its own config says, never this machine's. What an index says about its
entries is kept as it stands.
"""

from collections.abc import Mapping, Sequence

from ocitool.errors import MalformedDocument, NotFound, OcitoolError, UsageError
from ocitool.graph.walk import settle_entries
from ocitool.index.edit import MAX_DEPTH
from ocitool.index.entries import IndexEntry, Selector, available, entries_of
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Index, Manifest, Opaque, view
from ocitool.store.base import Reader, called
from ocitool.store.verify import read_config
from ocitool.tasks import Scope, TaskGroup
from ocitool.values import dataclass, replace

_SCHEMES = ("oci:", "oci-archive:", "docker-archive:")


@dataclass(frozen=True, slots=True)
class SourceName:
    """What a user typed: a locator, and the platform to take from it or to give it, if any."""

    locator: str
    platform: Platform | None = None

    @classmethod
    def parse(cls, text: str) -> "SourceName":
        """`SRC` or `SRC=PLATFORM`. Raises UsageError for a platform that does not parse."""
        locator, sign, word = text.rpartition("=")
        if not sign:
            return cls(text)
        try:
            return cls(locator, Platform.parse(word))
        except UsageError:
            if text.startswith(_SCHEMES) and "/" in word:
                return cls(text)  # a path that holds an equals sign
            raise


@dataclass(frozen=True, slots=True)
class MemberSource:
    """An opened source: a store, a name in it, and the platform asked for. `label` is for messages."""

    store: Reader
    name: str
    platform: Platform | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """An entry to be, the store in which its manifest is, and the manifest if it was read.

    `root` is what the source's name held: the image itself, or the index that lists it. `label` is what the
    user called the source, with the digest behind it for an entry of an index.
    """

    entry: IndexEntry
    store: Reader
    document: Document | None = None
    root: Digest | None = None
    label: str = ""


def resolve(
    sources: Sequence[MemberSource], *, scope: Scope, attestations: bool = True, skip_missing: bool = False
) -> tuple[tuple[Member, ...], tuple[MemberSource, ...]]:
    """The members that the sources stand for, in order, and the sources that were skipped as missing.

    One request for an image and one for its config; an index costs one for itself (K019). Images come
    first, attestations last. Raises NotFound for a missing source unless `skip_missing`, UsageError where
    the platform of an image cannot be told.
    """
    found = resolve_each(sources, scope=scope, skip_missing=skip_missing)
    members = [member for group_ in found if group_ is not None for member in group_]
    if not attestations:
        members = [m for m in members if not m.entry.is_attestation]
    members.sort(key=lambda m: m.entry.is_attestation)
    skipped = tuple(s for s, group_ in zip(sources, found, strict=True) if group_ is None)
    return tuple(_once(members)), skipped


def resolve_each(
    sources: Sequence[MemberSource], *, scope: Scope, skip_missing: bool = False
) -> list[tuple[Member, ...] | None]:
    """The members of each source, in the order of the sources; None for one that was skipped as missing."""
    width = max((source.store.traits.concurrency for source in sources), default=1)
    with TaskGroup(scope, width) as group:
        tasks = [group.spawn(_try, source, scope, skip_missing=skip_missing) for source in sources]
    return [task.result for task in tasks]


def inner_indexes(store: Reader, index: Index, *, scope: Scope) -> Mapping[Digest, Index]:
    """Every index below `index`, by digest, read level by level.

    Raises MalformedDocument where they are nested deeper than four levels (K020).
    """
    nested: dict[Digest, Index] = {}
    level = [index]
    for _ in range(MAX_DEPTH):
        due = {e.digest for outer in level for e in outer.entries if mediatype.is_index(e.media_type)} - set(nested)
        if not due:
            return nested
        with TaskGroup(scope, store.traits.concurrency) as group:
            tasks = {digest: group.spawn(_index, store, digest) for digest in due}
        level = [task.result for task in tasks.values()]
        nested |= {digest: task.result for digest, task in tasks.items()}
    raise MalformedDocument(f"indexes nested deeper than {MAX_DEPTH} levels in {store.label}")


def platform_of(store: Reader, manifest: Manifest, what: str) -> Platform:
    """The platform that an image's config names, as engines call it; linux/arm gets its v7 written out.

    Raises UsageError, asking for `SRC=PLATFORM`, where there is no image config or it names no platform
    that exists.
    """
    if not manifest.is_image:
        raise UsageError(
            f"{what} is no image but {manifest.effective_artifact_type}: it has no platform of its own",
            hint=f"say which one it is for: {what}=linux/amd64",
        )
    config = read_config(store, manifest.config)
    says = config.platform.canonical()
    if not says.is_known:
        said = f"says {says}" if says.os or says.architecture else "names no platform"
        raise UsageError(f"the config of {what} {said}", hint=f"say which one it is: {what}=linux/amd64")
    return replace(says, variant="v7") if says.architecture == "arm" and not says.variant else says


def _try(source: MemberSource, scope: Scope, *, skip_missing: bool) -> tuple[Member, ...] | None:
    what = source.label or called(source.store, source.name)
    try:
        document = source.store.get_manifest(source.name)
    except NotFound:
        if skip_missing:
            return None
        raise
    try:
        return _members(source, document, what, scope)
    except OcitoolError as error:
        error.add_note(f"reading {what}")
        raise


def _members(source: MemberSource, document: Document, what: str, scope: Scope) -> tuple[Member, ...]:
    seen = view(document)
    match seen:
        case Manifest():
            platform = source.platform or platform_of(source.store, seen, what)
            descriptor = replace(Descriptor.of(document), platform=platform)
            if not seen.is_image:
                descriptor = replace(descriptor, artifact_type=seen.effective_artifact_type)
            return (Member(IndexEntry.of(descriptor), source.store, document, document.digest, what),)
        case Index():
            return _from_index(source, seen, what, scope)
        case Opaque(why=why):
            raise UsageError(f"{what} cannot be listed in an index: {why}")  # K125


def _from_index(source: MemberSource, index: Index, what: str, scope: Scope) -> tuple[Member, ...]:
    nested = inner_indexes(source.store, index, scope=scope)
    nested = {digest: settle_entries(source.store, inner) for digest, inner in nested.items()}
    entries = list(_flat(settle_entries(source.store, index), nested))
    with TaskGroup(scope, source.store.traits.concurrency) as group:
        tasks = {
            number: group.spawn(_completed, source.store, entry, what)
            for number, entry in enumerate(entries)
            if (entry.descriptor.platform is None or entry.descriptor.own_platform) and not entry.is_attestation
        }
    for number, task in tasks.items():
        entries[number] = task.result
    if source.platform is not None:
        entries = _only(entries, source.platform, what)
    root = index.document.digest
    return tuple(Member(e, source.store, root=root, label=f"{what}@{e.digest}") for e in entries)


def _flat(index: Index, nested: Mapping[Digest, Index]) -> list[IndexEntry]:
    found: list[IndexEntry] = []
    for entry in entries_of(index):
        found += _flat(nested[entry.digest], nested) if entry.digest in nested else [entry]
    return found


def _only(entries: Sequence[IndexEntry], platform: Platform, what: str) -> list[IndexEntry]:
    wanted = Selector((platform,))
    chosen = [e for e in entries if wanted.matches(e)]
    if not chosen:
        raise NotFound(f"no {platform} in {what}", name=str(platform), where=what, hint=available(entries))
    kept = {e.digest for e in chosen}
    return [*chosen, *(e for e in entries if e.is_attestation and e.descriptor.attested in kept)]


def _completed(store: Reader, entry: IndexEntry, what: str) -> IndexEntry:
    """The entry with its platform taken from the child's config (K014); artifacts have none."""
    child = view(store.get_manifest(str(entry.digest)))
    if not isinstance(child, Manifest) or not child.is_image:
        return entry
    platform = platform_of(store, child, f"{what}@{entry.digest}")
    tree = {key: value for key, value in entry.tree.items() if key != "platform"} | {"platform": platform.to_tree()}
    return IndexEntry(replace(entry.descriptor, platform=platform), tree)


def _index(store: Reader, digest: Digest) -> Index:
    seen = view(store.get_manifest(str(digest)))
    if not isinstance(seen, Index):
        raise MalformedDocument(f"{digest} in {store.label} is listed as an index and is none")
    return seen


def _once(members: Sequence[Member]) -> list[Member]:
    """Without members that name the same manifest for the same platform again."""
    seen: dict[tuple[Digest, Platform | None], Member] = {}
    for member in members:
        seen.setdefault((member.entry.digest, member.entry.descriptor.platform), member)
    return list(seen.values())
