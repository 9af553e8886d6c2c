"""Files of URLs for ADD: each downloaded once for all platforms, and kept in this machine's store by its digest.

With a checksum a file that is there already is not asked for again. Without, its server is asked whether it is
still the one that is there, where the server gave anything to ask with.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ocitool.dockerfile.places import is_web, name_of
from ocitool.dockerfile.sources import check_sources
from ocitool.dockerfile.stages import StageGraph
from ocitool.dockerfile.syntax.instructions import Copy
from ocitool.dockerfile.syntax.lines import heredoc_name
from ocitool.dockerfile.trace import Trace, TracedStep
from ocitool.errors import Cancelled, DigestMismatch, OcitoolError
from ocitool.events import Advanced, Done, Started
from ocitool.model.digest import Digest, Tap
from ocitool.model.files import FileKind
from ocitool.model.mediatype import OCTETS
from ocitool.model.views import Descriptor
from ocitool.pack.entries import Entry, NoFile
from ocitool.registry.downloads import Download, Edition, download
from ocitool.registry.error_response import redact
from ocitool.store.layout import LayoutStore
from ocitool.tasks import TaskGroup
from ocitool.values import dataclass

if TYPE_CHECKING:
    from ocitool.workspace import Workspace

DownloadKey: TypeAlias = tuple[str, Digest | None]
"""A URL, and the checksum that its file must have."""
_MODE: Final = 0o600
_WIDTH: Final = 4
"""Downloads at a time; a guess at what no server of files minds."""


@dataclass(frozen=True, slots=True)
class BlobContent(NoFile):
    """A blob of a layout as the content of a file; verified when it is read."""

    store: LayoutStore
    blob: Descriptor

    @property
    def path(self) -> Path:
        """Where the layout keeps it."""
        return self.store.blob_path(self.blob.digest)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.blob.size

    @property
    def identity(self) -> str:
        """The digest."""
        return str(self.blob.digest)

    def pieces(self) -> Iterator[bytes]:
        """The bytes. Raises NotFound, DigestMismatch."""
        with self.store.open_blob(self.blob) as pieces:
            yield from pieces


class Downloads:
    """The files that one build downloads; `digests` are those that each of them has."""

    def __init__(
        self, workspace: "Workspace", ahead: Iterable[DownloadKey] = (), *, use_cache: bool = True
    ) -> None:
        self._workspace = workspace
        self._ahead = tuple(ahead)
        self._use_cache = use_cache
        self._entries: dict[DownloadKey, Entry] = {}
        self.digests: dict[DownloadKey, Digest] = {}
        self._failed: dict[DownloadKey, OcitoolError] = {}

    def entry(self, url: str, checksum: Digest | None) -> Entry:
        """The file at a URL as ADD places it: mode 0600, owner 0:0, the time that its server says, else 1970.

        Its path is its name alone. With the first file those `ahead` come too, some at a time; what goes wrong with
        one is raised when it is asked for. Raises DigestMismatch for a file that has not the checksum (nothing is
        kept then), and what `registry.downloads.download` raises.
        """
        wish = (url, checksum)
        if wish in self._ahead:
            with TaskGroup(self._workspace.scope, min(_WIDTH, self._workspace.transfers)) as group:
                for one in self._ahead:
                    group.spawn(self._fetch, one)
            self._ahead = ()
        if wish in self._failed:
            raise self._failed[wish]
        if wish not in self._entries:
            self._entries[wish] = self._entry(*wish)
        return self._entries[wish]

    def _fetch(self, wish: DownloadKey) -> None:
        """Fetch one of several, unless the build has failed by one of them."""
        if self._failed or wish in self._entries:
            return
        try:
            self._entries[wish] = self._entry(*wish)
        except Cancelled:
            raise
        except OcitoolError as error:
            self._failed[wish] = error

    def _entry(self, url: str, checksum: Digest | None) -> Entry:
        memo = self._workspace.machine.memo
        question = f"download:{checksum or ''}:{url}"
        known = memo.recall(question) if self._use_cache else None
        if known is None or not self._workspace.machine.content.has_blob(_blob(known)):
            known = None
        step = f"download:{url}"
        self._workspace.listener(Started(step, f"download {name_of(url)}"))
        if known is not None and checksum is not None:
            found: Mapping[str, Any] = known
        else:
            edition = Edition(known["etag"], known["modified"]) if known is not None else None
            with download(self._workspace.opener.session, url, edition) as got:
                found = self._kept(step, got, checksum) if got is not None else known or {}
            memo.remember(question, dict(found))
        self._workspace.listener(Done(step, "unchanged" if found is known else "downloaded", found["size"]))
        self.digests[url, checksum] = Digest(found["digest"])
        content = BlobContent(self._workspace.machine.content, _blob(found))
        return Entry(name_of(url), FileKind.FILE, _MODE, mtime=found["modified_s"], content=content)

    def _kept(self, step: str, got: Download, checksum: Digest | None) -> dict[str, Any]:
        """What is to be remembered of a file that is in the store now."""
        tap = Tap(checksum.algorithm if checksum is not None else "sha256")
        ingest = self._workspace.machine.content.ingest()
        try:
            for piece in tap(got.pieces):
                ingest.write(piece)
                self._workspace.listener(Advanced(step, len(piece)))
            _check(got.url, checksum, tap.digest)
            digest, size = ingest.commit()
        except BaseException:
            ingest.abort()
            raise
        return {
            "digest": str(digest),
            "size": size,
            "etag": got.edition.etag,
            "modified": got.edition.modified,
            "modified_s": got.modified_s or 0,
        }


def _blob(known: Mapping[str, Any]) -> Descriptor:
    return Descriptor(OCTETS, Digest(known["digest"]), known["size"])


def _check(url: str, checksum: Digest | None, got: Digest) -> None:
    if checksum not in {None, got}:
        raise DigestMismatch(
            f"{redact(url)} has the checksum {got}, not {checksum}",
            expected=str(checksum),
            got=str(got),
            where=redact(url),
            hint="somebody changed the file, or the checksum is another file's; nothing of it was kept",
        )


def certain(graph: StageGraph) -> tuple[DownloadKey, ...]:
    """The files of ADD that are known beforehand, each once, in their order."""
    found: dict[DownloadKey, None] = {}
    trace = Trace(graph)
    for one in graph.needed:
        for traced, _ in trace.follow(one):
            if isinstance(traced.instruction, Copy) and traced.instruction.is_add:
                found |= dict.fromkeys(_added(traced, traced.instruction))
    return tuple(found)


def _added(traced: TracedStep, add: Copy) -> Iterator[DownloadKey]:
    words = [traced.certain(word) for word in add.sources if heredoc_name(word) is None]
    sources, checksum = [word for word in words if word is not None], traced.certain(add.checksum)
    if checksum is None or len(sources) < len(words):
        return
    try:
        digest = check_sources(add, sources, checksum)
    except OcitoolError:  # told when its turn comes
        return
    yield from ((source, digest) for source in sources if is_web(source))
