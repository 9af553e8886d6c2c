"""Locators that users type, as stores: `oci:DIR[:TAG|@DIGEST]`, archives, or a reference in a registry.

One of the tables where code is loaded late: a layout is opened without an HTTP client, a registry without layouts.
"""

import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from ocitool.errors import Unsupported, UsageError
from ocitool.events import Listener, silent
from ocitool.model.digest import is_computed, is_digest
from ocitool.model.reference import Reference, digest_in
from ocitool.registry.hosts import Access, Traffic
from ocitool.store.base import FULL_NAME, FullNames, Reader, Store, no_names
from ocitool.tasks import Scope
from ocitool.values import dataclass, replace

if TYPE_CHECKING:
    from ocitool.registry.examine import Examined
    from ocitool.registry.session import Session
    from ocitool.store.remote import RemoteStore


SCHEMES: Final = ("oci", "oci-archive", "docker-archive")
"""What stands before the first colon of a place that is no registry."""

_FOREIGN: Final = ("dir", "docker-daemon", "containers-storage", "ocidir")
"""The like in skopeo and regctl: taken for repositories of docker.io, they would be asked for there."""


@dataclass(frozen=True, slots=True)
class Locator:
    """A place and a name in it. `scheme` is empty for a registry; then `reference` is set, else `path`."""

    scheme: str
    path: Path | None
    name: str
    reference: Reference | None = None

    @property
    def is_archive(self) -> bool:
        """Whether it is one file, which is written in one piece."""
        return self.scheme.endswith("-archive")

    @classmethod
    def parse(cls, text: str) -> "Locator":
        """What a user typed. Raises UsageError.

        A path ends at its first colon, or at an @ that a digest follows.
        """
        scheme, colon, rest = text.partition(":")
        if colon and scheme in _FOREIGN:
            raise UsageError(
                f"{scheme}: is read and written by other tools, not here: {text!r}",
                hint="write oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE",
            )
        if not colon or scheme not in SCHEMES:
            reference = Reference.parse(text)
            return cls("", None, reference.name, reference)
        path, at, name = rest.rpartition("@")
        if at and (is_digest(name) or is_computed(name.partition(":")[0])):
            name = digest_in(text, name)
            path = path.partition(":")[0]  # a tag as well, as commands print what they wrote: the digest counts
        else:
            path, _, name = rest.partition(":")
        if not path or "\0" in path:
            raise UsageError(f"{text!r} names no path", hint=f"write {scheme}:PATH[:TAG]")
        return cls(scheme, Path(path), name)

    def __str__(self) -> str:
        if self.reference is not None:
            return str(self.reference)
        mark = "@" if ":" in self.name else ":"
        return f"{self.scheme}:{self.path}{mark if self.name else ''}{self.name}"


def said_name(text: str) -> str:
    """The tag or digest that a place names itself; empty where it is a whole repository. Raises UsageError."""
    at = Locator.parse(text)
    return at.name if at.reference is None else Reference.parse(text, default_tag="").name


def is_below(text: str) -> bool:
    """Whether a destination is a place of a registry that repositories go below, each by its own path."""
    return text.endswith("/") and text.partition(":")[0] not in SCHEMES


class Opener:
    """Opens stores from locators; one session for all remote ones, made on first use.

    Close it (or leave its block) when the stores are no longer used.
    """

    def __init__(self, access: Access, scope: Scope, listener: Listener = silent) -> None:
        self._access, self._scope, self._listener = access, scope, listener
        self._session: Session | None = None
        self._lock = threading.Lock()
        self._readers = ExitStack()
        self._is_closed = False

    @property
    def traffic(self) -> Traffic:
        """Requests and bytes of all remote stores."""
        return self._session.traffic if self._session is not None else Traffic()

    @property
    def session(self) -> "Session":
        """The session of all remote stores; loads the HTTP client."""
        from ocitool.registry.session import Session

        with self._lock:
            self.check_open()
            if self._session is None:
                self._session = Session(self._access, self._scope, self._listener)
            return self._session

    def open(
        self, locator: Locator | str, *, write: bool = False, full_names: FullNames = no_names
    ) -> tuple[Store, str]:
        """The store, and the tag or digest in it ("" for a layout's only entry).

        What is opened for reading is closed with the opener; a store to `write` is entered by its user. A layout or
        archive notes the `full_names` that its tags stand for. Raises UsageError for what is no locator, or would
        become a layout among other files, NotFound for a layout that is not there (unless `write`).
        """
        self.check_open()
        at = Locator.parse(locator) if isinstance(locator, str) else locator
        if at.path is not None and at.scheme == "oci":
            from ocitool.store.layout import LayoutStore, check_layout_may_be

            if write:
                check_layout_may_be(at.path)
            return LayoutStore(at.path, create=write, full_names=full_names), at.name
        if at.path is not None and write:
            return _archive_writer(at, full_names), at.name
        if at.path is not None:
            reader = _archive_reader(at)
            self._readers.callback(reader.__exit__, None, None, None)
            return reader, at.name
        if at.reference is None:
            raise UsageError(f"not a place: {at}")
        return self._at_its_places(at.reference, write=write), at.name

    def open_edited(self, text: str) -> tuple[Store, str]:
        """The store that holds what is to be edited, and the name in it. Raises Unsupported for archives."""
        at = Locator.parse(text)
        if at.is_archive:
            raise Unsupported(
                f"{text} is an archive, which is written in one piece and not edited",
                ability="edit",
                hint="ocitool copy it to oci:DIR, edit it there, and copy it back",
            )
        return self.open(at, write=True)

    def _at_its_places(self, reference: Reference, *, write: bool) -> "RemoteStore":
        """The store of a repository, read where registries.conf says. Raises UsageError for one that is blocked."""
        places = self.session.redirections.places(reference.registry, reference.repository)
        for place in places:
            if place.insecure:
                self.session.allow_insecure(place.registry)
        if write:
            return self.repository(reference.registry, reference.repository, write=True)
        *mirrored, reference_place = places
        own = self.repository(reference_place.registry, reference_place.repository)
        if not mirrored:
            return own
        from ocitool.store.mirrors import Mirror, MirroredStore

        mirrors = [(self.repository(place.registry, place.repository, is_mirror=True), place) for place in mirrored]
        return MirroredStore(own.repository, [Mirror(s, place.by_tag, place.by_digest) for s, place in mirrors])

    def repository(
        self, registry: str, name: str, *, write: bool = False, is_mirror: bool = False
    ) -> "RemoteStore":
        """The store of one repository."""
        from ocitool.registry.repository import Repository
        from ocitool.store.remote import RemoteStore

        return RemoteStore(Repository(self.session, registry, name, write=write, is_mirror=is_mirror))

    def with_login(self, username: str, password: str) -> "Opener":
        """Another opener that logs in with these and nothing else; closed with this one."""
        kept = {key: value for key, value in self.session.environ.items() if not key.startswith("OCITOOL_")}
        environ = {**kept, "OCITOOL_USERNAME": username, "OCITOOL_PASSWORD": password}
        return self._readers.enter_context(
            Opener(replace(self._access, environ=environ), self._scope, self._listener)
        )

    def log_in(self, registry: str) -> None:
        """Reach a registry with what is known of it. Raises why that does not work; loads the HTTP client."""
        from ocitool.registry.examine import log_in

        log_in(self.session, registry)

    def examine(self, registry: str, repository: str = "") -> "Examined":
        """What a registry is like; loads the HTTP client."""
        from ocitool.registry.examine import examine

        return examine(self.session, registry, repository)

    def check_open(self) -> None:
        """Raise UsageError once it is closed."""
        if self._is_closed:
            raise UsageError("it was closed, and nothing can be opened with it any more")

    def __enter__(self) -> "Opener":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session and the archives that were read; nothing is opened any more."""
        with self._lock:
            self._is_closed = True
        self._readers.close()
        if self._session is not None:
            self._session.close()


def _archive_writer(at: Locator, full_names: FullNames) -> Store:
    """A new archive at a locator; loads tarfile and its relatives."""
    from ocitool.store.archive_write import ArchiveWriter

    return ArchiveWriter(str(at.path), docker=at.scheme == "docker-archive", full_names=full_names)


def _archive_reader(at: Locator) -> Store:
    """The archive at a locator; loads tarfile and its relatives."""
    from ocitool.store.archive_read import ArchiveReader

    return ArchiveReader(str(at.path), docker=at.scheme == "docker-archive")


def names_of(source: Reader, name: str, reference: Reference | None, *, every: bool = False) -> FullNames:
    """What the tags of a copy of `name` stand for: the reference it comes from, or what a layout or archive noted.

    Holds for a copy under the same tag or under none, and with `every` for all tags of a repository.
    """
    if reference is None:
        found = None if every else source.head(name)
        noted = found.annotations.get(FULL_NAME) if found is not None else None
        return lambda _tag: (noted,) if noted else ()
    repository = reference.repository_name
    if every:
        return lambda tag: (f"{repository}:{tag}",) if tag else ()
    return lambda tag: (str(reference),) if not tag else (f"{repository}:{tag}",) if tag == reference.tag else ()
