"""Tags of a repository, chosen by name and version, in order, and what each of them holds."""

from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import islice
from typing import Any

from ocitool.events import Listener, silent
from ocitool.model.digest import Digest
from ocitool.model.moments import rfc3339
from ocitool.model.tag_filter import TagFilter
from ocitool.model.versions import version_key
from ocitool.model.views import Index, Manifest, layers_size, view
from ocitool.repository.graph import RepositoryGraph, read_graph
from ocitool.store.base import Reader
from ocitool.tasks import Scope
from ocitool.values import dataclass, field


class TagOrder(Enum):
    """What tags are sorted by; those of unknown date, and those that are no versions, come first."""

    LISTED = "listed"
    NAME = "name"
    VERSION = "version"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class TagQuery:
    """Which tags, in which order, and how many of them at most (0: all)."""

    wanted: TagFilter = field(default_factory=TagFilter)
    order: TagOrder = TagOrder.LISTED
    is_reversed: bool = False
    limit: int = 0


@dataclass(frozen=True, slots=True)
class TagInfo:
    """What a tag holds. `size` is the compressed bytes of an image, None for an index, whose images have sizes.

    `manifest_size` is that of the manifest itself; `platforms` are what an index lists; `created` is the date of
    the newest image in seconds since 1970, None where it says none or nobody looked; `problem` why it cannot be
    read.
    """

    tag: str
    digest: Digest
    media_type: str
    manifest_size: int
    size: int | None = None
    platforms: tuple[str, ...] = ()
    created: float | None = None
    problem: str = ""

    def to_tree(self) -> dict[str, Any]:
        """The tag for JSON output."""
        return {
            "tag": self.tag,
            "digest": self.digest,
            "mediaType": self.media_type,
            "manifestSize": self.manifest_size,
            "size": self.size,
            "platforms": list(self.platforms),
            "created": rfc3339(self.created) if self.created is not None else None,
            "problem": self.problem,
        }


def find_tags(store: Reader, query: TagQuery, *, scope: Scope, listener: Listener = silent) -> tuple[str, ...]:
    """The tags that are wanted, in order; by the list alone, unless they are sorted by date.

    In the order of the list no more of it is read than is wanted. Raises as `read_graph`.
    """
    if query.order is TagOrder.DATE:
        return tuple(info.tag for info in describe_tags(store, query, scope=scope, listener=listener))
    return tuple(_cut(_sorted(filter(query.wanted.holds, store.tags()), query), query))


def describe_tags(
    store: Reader, query: TagQuery, *, scope: Scope, listener: Listener = silent
) -> tuple[TagInfo, ...]:
    """The tags that are wanted with what they hold: one request each, side by side.

    Sorted by date, images of indexes and configs are read too. A tag that is gone by then is left out.
    """
    by_date = query.order is TagOrder.DATE
    names: Iterable[str] = filter(query.wanted.holds, store.tags())
    if not by_date:
        names = _cut(_sorted(names, query), query)
    graph = read_graph(store, names, scope=scope, deep=by_date, dates=by_date, tolerant=True, listener=listener)
    found = [_info(graph, tag) for tag in graph.tags]
    if by_date:
        found.sort(key=lambda info: (info.created is not None, info.created or 0.0, info.tag))
        found = list(_cut(reversed(found) if query.is_reversed else found, query))
    return tuple(found)


def _sorted(names: Iterable[str], query: TagQuery) -> Iterable[str]:
    match query.order:
        case TagOrder.NAME:
            return sorted(names, reverse=query.is_reversed)
        case TagOrder.VERSION:
            return sorted(names, key=version_key, reverse=query.is_reversed)
        case _:
            return reversed(list(names)) if query.is_reversed else names


def _cut(found: Iterable[Any], query: TagQuery) -> Iterator[Any]:
    return islice(found, query.limit or None)


def _info(graph: RepositoryGraph, tag: str) -> TagInfo:
    digest = graph.tags[tag]
    node = graph.nodes[digest]
    known = [one for one in graph.dates(digest) if one is not None]
    size: int | None = None
    platforms: tuple[str, ...] = ()
    if not node.problem:
        match view(node.document):
            case Manifest() as image:
                size = layers_size(image.layers)
            case Index() as index:
                platforms = tuple(dict.fromkeys(entry.label for entry in index.platforms))
    document = node.document
    created = max(known, default=None)
    return TagInfo(tag, digest, document.media_type, document.size, size, platforms, created, node.problem)
