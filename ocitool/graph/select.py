"""One image of a name: the manifest itself, or the entry of an index that a platform chooses."""

from collections.abc import Sequence

from ocitool.errors import MalformedDocument, NotFound, Unsupported, UsageError
from ocitool.graph.walk import MAX_DEPTH, settle_entries
from ocitool.model.platform import Platform, choose
from ocitool.model.views import Descriptor, Index, Manifest, Opaque, view
from ocitool.store.base import Reader, called
from ocitool.store.verify import read_config
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class Selected:
    """An image and what it runs on (None if nothing says so); `note` tells of a choice that was not exact."""

    manifest: Manifest
    platform: Platform | None
    note: str = ""


def select(store: Reader, name: str, wanted: Platform | None = None) -> Selected:
    """The image under `name` for a host of platform `wanted`; without one, the only image there is.

    One request for each level of index, none for configs unless an image without an index has to answer for
    its platform. Raises NotFound, with what there is in the hint; UsageError where a platform has to be named;
    Unsupported for what has no file system.
    """
    label = called(store, name)
    document = store.get_manifest(name)
    try:
        seen = view(document)
    except MalformedDocument as error:
        error.add_note(f"it is {label}")
        raise
    platform: Platform | None = None
    for _ in range(MAX_DEPTH):
        if not isinstance(seen, Index):
            break
        entry = _entry(settle_entries(store, seen).platforms, wanted, label)
        platform = entry.runs_on or platform
        seen = view(store.get_manifest(str(entry.digest)))
    if isinstance(seen, Index):
        raise MalformedDocument(f"{label} has indexes in indexes, {MAX_DEPTH} levels deep")
    if isinstance(seen, Opaque) or not seen.is_image:
        why = seen.why if isinstance(seen, Opaque) else f"an artifact of type {seen.effective_artifact_type}"
        raise Unsupported(f"{label} has no files of an image: it is {why}", ability="files")
    if wanted is None:
        return Selected(seen, platform)
    platform = platform or _configured(store, seen)
    if platform is None or choose(wanted, (platform,), lambda one: one) is None:
        raise _nothing(wanted, label, (platform,) if platform else ())
    exact = platform.same(wanted)
    return Selected(
        seen, platform, "" if exact else f"{label} has no {wanted}; {platform} is what such a host runs"
    )


def entry_of(store: Reader, name: str, wanted: Platform) -> Descriptor:
    """The entry of the index under `name` that a host of platform `wanted` would take: one request.

    Raises UsageError for what is no index, NotFound with what there is in the hint.
    """
    seen = view(store.get_manifest(name))
    if not isinstance(seen, Index):
        raise UsageError(f"{name} in {store.label} is no index, so it has no platforms to choose from")
    entry = choose(wanted, seen.entries, lambda one: one.platform)
    if entry is None:
        raise _nothing(wanted, f"{store.label}:{name}", [one.platform for one in seen.platforms if one.platform])
    return entry


def _entry(entries: Sequence[Descriptor], wanted: Platform | None, label: str) -> Descriptor:
    known = tuple(entry.runs_on for entry in entries if entry.runs_on is not None)
    if wanted is not None:
        found = choose(wanted, entries, lambda entry: entry.runs_on)
        if found is None:
            raise _nothing(wanted, label, known)
        return found
    if len(entries) != 1:
        there = ", ".join(map(str, known))
        raise UsageError(f"{label} holds {len(entries)} images", hint=f"choose one with --platform: {there}")
    return entries[0]


def _nothing(wanted: Platform, label: str, there: Sequence[Platform]) -> NotFound:
    names = ", ".join(map(str, there))
    hint = f"there is {names}" if names else "nothing in it says what it runs on"
    return NotFound(f"no {wanted} in {label}", name=str(wanted), where=label, hint=hint)


def _configured(store: Reader, manifest: Manifest) -> Platform | None:
    platform = read_config(store, manifest.config).platform
    return platform if platform.os and platform.architecture else None
