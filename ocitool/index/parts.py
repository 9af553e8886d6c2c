"""Parts of an index that a build matrix pushed one by one: found by what its jobs hand on, and compared."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final

from ocitool.errors import Conflict, MalformedDocument, NotFound, UsageError, local_io
from ocitool.index.sources import Member, MemberSource, SourceName
from ocitool.model.digest import as_digest, is_digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.model.platform import Platform
from ocitool.model.tag_filter import fits
from ocitool.model.views import Manifest, view
from ocitool.store.base import Reader
from ocitool.store.locate import Locator, Opener
from ocitool.store.verify import read_config
from ocitool.tasks import Scope, collect

REVISION: Final = "org.opencontainers.image.revision"
MOST: Final = 200
"""Most parts of one index, and files of a folder; a guess far above the platforms that there are."""
_DIGEST: Final = "containerimage.digest"
_NAMES: Final = "image.name"


def find_parts(opener: Opener, target: str, words: Sequence[str]) -> tuple[MemberSource, ...]:
    """The opened sources that words stand for, each once.

    A word is a place, a digest in the repository of `target`, a pattern of tags such as `REPO:v1-*`, a metadata
    file as `build --metadata-file` and buildx write them, or a folder of these and of files that digests name; each
    but the last two may end with `=PLATFORM`. Raises NotFound for a file, and for a pattern or folder of nothing.
    """
    at = Locator.parse(target)
    found = dict.fromkeys(chain.from_iterable(_named(opener, at, word) for word in words))
    if len(found) > MOST:
        raise UsageError(f"{len(found)} parts are named, and an index takes {MOST}", hint="name those of one build")
    opened = []
    for locator, platform, label in found:
        store, name = opener.open(locator)
        opened.append(MemberSource(store, name, platform, label))
    return tuple(opened)


def check_platforms(members: Sequence[Member]) -> None:
    """Raise Conflict for two different images of one platform; one with gzip and one with zstd may be."""
    seen: dict[tuple[Platform, bool], Member] = {}
    for member in members:
        platform = member.entry.platform
        if platform is None:
            continue
        other = seen.setdefault((platform.normalised(), member.entry.descriptor.is_zstd_image), member)
        if other.entry.digest != member.entry.digest:
            raise Conflict(
                f"two parts are for {platform} and differ: {_called(other)} and {_called(member)}",
                expected=str(other.entry.digest),
                found=str(member.entry.digest),
                hint="leave out the one that is not of this build",
            )


def check_revisions(members: Sequence[Member], *, scope: Scope) -> tuple[str, ...]:
    """Notes on images that name no revision while others do. Raises Conflict for images of two revisions.

    What counts is the label `org.opencontainers.image.revision`, else the annotation of that name.
    """
    images = [member for member in members if member.entry.platform is not None]
    width = max((member.store.traits.concurrency for member in images), default=1)
    said = list(zip(collect(scope, _revision, images, width), images, strict=True))
    first: tuple[str, Member] | None = None
    for revision, member in said:
        if not revision:
            continue
        first = first or (revision, member)
        if revision != first[0]:
            raise Conflict(
                f"{_called(member)} is of revision {revision}, and {_called(first[1])} of {first[0]}",
                expected=first[0],
                found=revision,
                hint="build every part of one revision, or take them as they are with --any-revision",
            )
    return tuple(f"{_called(one)} names no revision" for revision, one in said if first and not revision)


def _revision(member: Member) -> str:
    """The revision that an image is of, by its label or an annotation; empty where nothing says."""
    document = member.document or member.store.get_manifest(str(member.entry.digest))
    manifest = view(document)
    if not isinstance(manifest, Manifest) or not manifest.is_image:
        return ""
    labels = read_config(member.store, manifest.config).setting("Labels")
    for said in (labels, manifest.annotations, member.entry.descriptor.annotations):
        if isinstance(said, Mapping) and isinstance(revision := said.get(REVISION), str) and revision:
            return revision
    return ""


def _called(member: Member) -> str:
    """What the user called a part, with its platform and digest."""
    label, digest = member.label, str(member.entry.digest)
    return f"{label if digest in label else f'{label}@{digest}'} ({member.entry.label})"


_Part = tuple[str, Platform | None, str]
"""Where a part is, the platform that it is said to be for, and what people call it."""


def _named(opener: Opener, target: Locator, word: str) -> Iterator[_Part]:
    name = SourceName(word) if _is_path(word) else SourceName.parse(word)
    text = name.locator
    place, _, pattern = text.rpartition(":")
    if as_digest(text):
        yield _at(target, text), name.platform, text
    elif _is_path(text):
        yield from ((locator, name.platform, locator) for locator in _in_path(Path(text), target))
    elif place and "/" not in pattern and any(char in pattern for char in "*?["):
        yield from ((tag, name.platform, tag) for tag in _fitting(opener, target, place, pattern))
    else:
        yield text, name.platform, text


def _is_path(text: str) -> bool:
    try:
        return text.endswith(".json") or (not {":", "@"} & set(text) and Path(text).exists())
    except OSError:  # longer than names of files are
        return False


def _at(target: Locator, digest: str) -> str:
    """A digest in the repository or layout that the index goes to."""
    place = target.reference.repository_name if target.reference else f"{target.scheme}:{target.path}"
    return f"{place}@{digest}"


def _fitting(opener: Opener, target: Locator, place: str, pattern: str) -> list[str]:
    """The tags of a place that fit, but the one that the index gets itself."""
    store, _ = opener.open(place)
    own = target.name if _is_same(opener, target, store) else None
    tags = sorted(tag for tag in store.tags() if fits(tag, (pattern,)) and tag != own)
    if not tags:
        raise NotFound(f"no tag of {store.label} fits {pattern}", name=pattern, where=store.label)
    return [f"{place}:{tag}" for tag in tags]


def _is_same(opener: Opener, target: Locator, store: Reader) -> bool:
    return opener.open(target, write=True)[0].label == store.label


def _in_path(path: Path, target: Locator) -> Iterator[str]:
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise local_io(error, f"read {path}") from error
    return _in_folder(path, target) if is_folder else _in_file(path, target)


def _in_folder(folder: Path, target: Locator) -> Iterator[str]:
    """What the files of a folder name, below it too: artifacts of jobs are unpacked into folders of their own."""
    files = sorted(islice((path for path in folder.rglob("*") if not path.is_dir()), MOST + 1))
    if not files:
        raise NotFound(f"nothing is in {folder}", name=str(folder), hint="it should hold what the jobs handed on")
    if len(files) > MOST:
        raise UsageError(f"{folder} has more than {MOST} files, the most parts of an index")
    for path in files:
        if is_digest(digest := f"sha256:{path.name}"):  # as docker's own recipe for a matrix hands digests on
            yield _at(target, digest)
        elif path.suffix == ".json":
            yield from _in_file(path, target)
        else:
            raise UsageError(
                f"{path} is neither a metadata file nor named by a digest", hint="keep the parts in a folder alone"
            )


def _in_file(path: Path, target: Locator) -> Iterator[str]:
    """What a metadata file names: one image, or one for each target of bake."""
    try:
        tree = Document(_read(path), "application/json").tree()
    except MalformedDocument as error:
        error.add_note(f"in the metadata file {path}")
        raise
    inner = tree.values() if isinstance(tree, Mapping) and _DIGEST not in tree else (tree,)
    found = [one for one in inner if isinstance(one, Mapping) and _DIGEST in one]
    if not found:
        raise UsageError(
            f"{path} is no metadata file: it has no {_DIGEST}", hint="build --metadata-file writes one"
        )
    for one in found:
        digest, names = one[_DIGEST], one.get(_NAMES, "")
        if not isinstance(digest, str) or not is_digest(digest) or not isinstance(names, str):
            raise UsageError(f"{path} names no digest: {_DIGEST} is {str(digest)[:80]!r}")
        places = [_at(Locator.parse(text), digest) for text in filter(None, names.split(","))]
        own = _at(target, digest)
        yield own if own in places or not places else places[0]


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise NotFound(f"no file {path}", name=str(path), hint="hand on what build --metadata-file wrote")
        with path.open("rb") as file:
            data = file.read(MANIFEST_LIMIT + 1)
    except OSError as error:
        raise local_io(error, f"read {path}") from error
    if len(data) > MANIFEST_LIMIT:
        raise UsageError(f"{path} is larger than {MANIFEST_LIMIT} bytes, and no metadata file")
    return data
