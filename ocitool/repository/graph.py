"""All of a repository that its tags lead to: manifests, what they list, what refers to them, and their dates.

Read whole or not at all: who deletes by it must not take what could not be read for something that is not there.
A registry does not list manifests without a tag; those that nothing below reaches are not in it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import Final, TypeVar

from ocitool.errors import DigestMismatch, MalformedDocument, NotFound, Unsupported
from ocitool.events import Advanced, Done, Listener, Noted, Started, silent
from ocitool.graph.referrers import cosign_tags
from ocitool.model.digest import Digest
from ocitool.model.document import Document, parse
from ocitool.model.moments import moment_of
from ocitool.model.numbers import MIB
from ocitool.model.printable import shown
from ocitool.model.reference import is_tag, referrers_tag
from ocitool.model.views import Descriptor, Manifest, Opaque, View, listed, view
from ocitool.store.base import Reader
from ocitool.store.verify import CONFIG_LIMIT, find_manifest, read_blob
from ocitool.tasks import Scope, collect
from ocitool.values import dataclass, field, replace

MAX_TAGS: Final = 200_000
"""Tags of one repository that are looked at; a guess far above what is kept."""
MAX_MANIFESTS: Final = 500_000
MAX_BYTES: Final = 512 * MIB
"""Bytes of all manifests of one repository, which are held in memory."""
CREATED: Final = "org.opencontainers.image.created"
_OF_A_DIGEST: Final = re.compile(r"(?:sha256|sha384|sha512|blake3)-[0-9a-f]{64,128}(?:\..*)?")
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class ManifestNode:
    """A manifest of a repository: what it lists, and what it refers to.

    `created` is the date that an image's config or an artifact's annotation says, None where nobody looked or it
    says none. An attestation is neither an image nor an artifact with a date. `problem` is why it cannot be read.
    """

    document: Document
    children: tuple[Digest, ...] = ()
    subject: Digest | None = None
    is_image: bool = False
    is_artifact: bool = False
    created: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class RepositoryGraph:
    """A repository at one moment. `unheld` are tags that it lists and that hold nothing, or what cannot be read.

    `nodes` are all manifests that tags lead to: tagged, listed by an index, and, if those were asked for, what
    refers to them. What is listed and not there is no node.
    """

    label: str
    tags: Mapping[str, Digest] = field(hash=False)
    nodes: Mapping[Digest, ManifestNode] = field(hash=False)
    unheld: tuple[str, ...] = ()

    @cached_property
    def tags_on(self) -> Mapping[Digest, tuple[str, ...]]:
        """The tags of each manifest that has some."""
        found: dict[Digest, list[str]] = {}
        for tag, digest in self.tags.items():
            found.setdefault(digest, []).append(tag)
        return MappingProxyType({digest: tuple(tags) for digest, tags in found.items()})

    @cached_property
    def listed_by(self) -> Mapping[Digest, tuple[Digest, ...]]:
        """The indexes that list each manifest."""
        return _reversed((child, digest) for digest, node in self.nodes.items() for child in node.children)

    @cached_property
    def referring_to(self) -> Mapping[Digest, tuple[Digest, ...]]:
        """The manifests here that refer to each digest."""
        return _reversed((one.subject, digest) for digest, one in self.nodes.items() if one.subject is not None)

    @cached_property
    def beside(self) -> Mapping[str, Digest]:
        """The tags that belong to a manifest here, as fallback tags and cosign's do, and to which."""
        return MappingProxyType(
            {tag: digest for digest in self.nodes for tag in tags_beside(digest) if tag in self.tags}
        )

    def beside_of(self, digest: Digest) -> tuple[str, ...]:
        """The tags here that belong to a manifest."""
        return tuple(tag for tag in tags_beside(digest) if tag in self.tags)

    def below(self, digest: Digest) -> Iterator[Digest]:
        """The manifest itself and all that it lists, at any depth, here or not; each once."""
        return reached([digest], lambda one: self.nodes[one].children if one in self.nodes else ())

    def dates(self, digest: Digest) -> tuple[float | None, ...]:
        """The dates of all images below a manifest, or of artifacts where there is no image.

        None for each that says none, or is not here.
        """
        nodes = [self.nodes.get(one) for one in self.below(digest)]
        images = tuple(node.created if node else None for node in nodes if node is None or node.is_image)
        return images or tuple(node.created for node in nodes if node and node.is_artifact)

    @cached_property
    def referrer_lists(self) -> frozenset[Digest]:
        """The manifests under fallback tags, which list what refers to one here."""
        return frozenset(self.tags[tag] for tag, digest in self.beside.items() if tag == referrers_tag(digest))


def tags_beside(digest: Digest) -> tuple[str, ...]:
    """The tags that belong to a manifest: that of its referrers, and cosign's three."""
    return (referrers_tag(digest), *cosign_tags(digest))


def is_beside(tag: str) -> bool:
    """Whether a tag has the form of those that belong to a manifest, known or not; it is nobody's release."""
    return _OF_A_DIGEST.fullmatch(tag) is not None


def read_graph(
    store: Reader,
    names: Iterable[str] | None = None,
    *,
    scope: Scope,
    deep: bool = True,
    referrers: bool = False,
    dates: bool = False,
    tolerant: bool = False,
    also: Iterable[Digest] = (),
    listener: Listener = silent,
) -> RepositoryGraph:
    """All that the tags of a repository lead to, or some of its tags, and what `also` names if it is there.

    One request for each tag and, if it is to be `deep`, each manifest below; with `referrers`, and what is
    referred to, one or two more for each manifest, with `dates` one for each image. Raises what reading raises but
    NotFound: what cannot be read may list anything, so MalformedDocument and DigestMismatch too, unless it is
    `tolerant`. Unsupported for more than can be held.
    """
    reader = _GraphReader(store, scope, listener, referrers=referrers, tolerant=tolerant)
    tags, unheld = reader.read_tags(_listed(store) if names is None else names)
    reader.follow(dict.fromkeys((*tags.values(), *also)), deep=deep)
    nodes = _dated(store, reader.nodes, scope) if dates else reader.nodes
    return RepositoryGraph(store.label, MappingProxyType(tags), MappingProxyType(nodes), unheld)


def _listed(store: Reader) -> Iterator[str]:
    """The tags that a repository lists. Raises Unsupported for too many, MalformedDocument for what is none."""
    for number, tag in enumerate(store.tags()):
        if number == MAX_TAGS:
            raise Unsupported(f"{store.label} lists more than {MAX_TAGS} tags", ability="repositories of that size")
        if not is_tag(tag):
            raise MalformedDocument(
                f"{store.label} lists {shown(tag)[:140]!r}, which is no tag, so what it holds is not known"
            )
        yield tag


class _GraphReader:
    """The growing state of one read: only the thread that reads changes it."""

    def __init__(self, store: Reader, scope: Scope, listener: Listener, *, referrers: bool, tolerant: bool) -> None:
        self.nodes: dict[Digest, ManifestNode] = {}
        self._store, self._scope, self._listener = store, scope, listener
        self._referrers, self._tolerant = referrers, tolerant
        self._documents: dict[Digest, Document] = {}
        self._absent: set[Digest] = set()
        self._size = 0

    def read_tags(self, wanted: Iterable[str]) -> tuple[dict[str, Digest], tuple[str, ...]]:
        """What each tag holds, and the tags that hold nothing."""
        names = list(dict.fromkeys(wanted))
        key = f"tags of {self._store.label}"
        self._listener(Started(key, key, len(names), "tags"))
        tags: dict[str, Digest] = {}
        unheld: list[str] = []
        for name, document in self._read(names):
            self._listener(Advanced(key, 1))
            if document is None:
                unheld.append(name)
            else:
                tags[name] = document.digest
                self._keep(document)
        self._listener(Done(key, "read"))
        return tags, tuple(unheld)

    def follow(self, wanted: Iterable[Digest], *, deep: bool) -> None:
        """Make nodes of manifests and all that they lead to, level by level, each once."""
        level = list(wanted)
        while level:
            for _, document in self._read(digest for digest in level if digest not in self._documents):
                if document is not None:
                    self._keep(document)
            here = [digest for digest in level if digest in self._documents]
            self._absent.update(set(level) - set(here))
            self.nodes |= {digest: self._node(self._documents[digest]) for digest in here}
            found = [child for digest in here for child in self.nodes[digest].children] if deep else []
            if self._referrers:
                for _, referring in self._side_by_side(here, self._store.referrers):
                    found += (one.digest for one in referring)
                found += (node.subject for one in here if (node := self.nodes[one]).subject is not None)
            level = [one for one in dict.fromkeys(found) if one not in self.nodes and one not in self._absent]

    def _read(self, names: Iterable[str]) -> Iterator[tuple[str, Document | None]]:
        return self._side_by_side(names, self._find)

    def _find(self, name: str) -> Document | None:
        try:
            return find_manifest(self._store, name)
        except (DigestMismatch, MalformedDocument) as error:
            if not self._tolerant:
                raise
            self._listener(Noted(f"{name} cannot be read: {error}"))
            return None

    def _side_by_side(self, keys: Iterable[K], ask: Callable[[K], V]) -> Iterator[tuple[K, V]]:
        return _side_by_side(self._scope, self._store.traits.concurrency, keys, ask)

    def _keep(self, document: Document) -> None:
        if document.digest in self._documents:
            return
        self._documents[document.digest] = document
        self._size += document.size
        if len(self._documents) > MAX_MANIFESTS or self._size > MAX_BYTES:
            raise Unsupported(
                f"{self._store.label} has more than {MAX_MANIFESTS} manifests, or {MAX_BYTES} bytes of them",
                ability="repositories of that size",
            )

    def _node(self, document: Document) -> ManifestNode:
        try:
            seen = view(document)
        except MalformedDocument as error:
            if self._tolerant:
                return ManifestNode(document, problem=str(error))
            held = f"{document.digest} in {self._store.label}"
            error.add_note(f"it is {held}; what it lists is not known, and so not what must be kept")
            raise
        is_image = isinstance(seen, Opaque) or (
            isinstance(seen, Manifest) and seen.is_image and not seen.is_statement
        )
        return ManifestNode(
            document,
            listed(seen),
            seen.subject.digest if seen.subject is not None else None,
            is_image=is_image,
            is_artifact=isinstance(seen, Manifest) and not seen.is_image and not seen.is_statement,
        )


def _dated(store: Reader, nodes: Mapping[Digest, ManifestNode], scope: Scope) -> dict[Digest, ManifestNode]:
    """The nodes with the dates of images and artifacts; each config is read once."""
    seen = {digest: view(node.document) for digest, node in nodes.items() if node.is_image or node.is_artifact}
    configs = {one.config.digest: one.config for one in seen.values() if isinstance(one, Manifest) and one.is_image}
    said = dict(
        _side_by_side(scope, store.traits.concurrency, configs, lambda digest: _said(store, configs[digest]))
    )
    return {
        digest: replace(node, created=_created(seen[digest], said)) if digest in seen else node
        for digest, node in nodes.items()
    }


def _side_by_side(scope: Scope, width: int, keys: Iterable[K], ask: Callable[[K], V]) -> Iterator[tuple[K, V]]:
    """Each key with its answer, a few rounds at a time: an error ends all that is under way."""
    left = iter(keys)
    while some := list(islice(left, 4 * width)):
        yield from zip(some, collect(scope, ask, some, width), strict=True)


def _said(store: Reader, config: Descriptor) -> str:
    """The date in a config, as it stands there, whatever else is in it; nothing of what is not there."""
    try:
        tree = parse(read_blob(store, config, CONFIG_LIMIT))
    except (NotFound, DigestMismatch, MalformedDocument):
        return ""
    created = tree.get("created") if isinstance(tree, Mapping) else None
    return created if isinstance(created, str) else ""


def _created(seen: View, said: Mapping[Digest, str]) -> float | None:
    if not isinstance(seen, Manifest):
        return None
    return moment_of(said.get(seen.config.digest, "") or seen.annotations.get(CREATED, ""))


def _reversed(pairs: Iterable[tuple[Digest, Digest]]) -> Mapping[Digest, tuple[Digest, ...]]:
    found: dict[Digest, list[Digest]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return MappingProxyType({key: tuple(dict.fromkeys(values)) for key, values in found.items()})


def reached(start: Iterable[Digest], onward: Callable[[Digest], Iterable[Digest]]) -> Iterator[Digest]:
    """What is reached from some manifests, they themselves first, each once."""
    level = list(dict.fromkeys(start))
    seen = set(level)
    while level:
        one = level.pop()
        yield one
        for other in onward(one):
            if other not in seen:
                seen.add(other)
                level.append(other)
