"""A store that asks for small things once: manifests and configs, whoever wants them and however many do."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from copy import copy
from types import TracebackType
from typing import IO, Final, TypeAlias

from ocitool.errors import Cancelled, OcitoolError
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import MANIFEST_LIMIT, Document, Served
from ocitool.model.numbers import GIB, MIB
from ocitool.model.views import Descriptor
from ocitool.store.base import BlobStream, BytesSource, Reader
from ocitool.store.forwarding import ForwardingReader
from ocitool.store.verify import read_blob
from ocitool.tasks import Scope

CachedManifest: TypeAlias = tuple[bytes, str, Served | None]
"""What a Document is made of: the bytes, the media type, and what was said beside them."""

_IN_MEMORY: Final = 32 * MIB
"""Most bytes kept in memory; a guess that holds some five thousand manifests and configs."""
_ON_DISK: Final = GIB
"""Most bytes kept in the temporary file; a guess. What finds no place any more is asked for again."""
_TURN_S: Final = 0.5


class CachingReader(ForwardingReader):
    """A reader in front of another that asks for nothing by digest twice; safe from several threads.

    Two threads that want the same share one request. Rules may look at any byte of a document, so bytes are
    kept and not conclusions: the last used in memory, the others in a temporary file. What was absent, or could
    not be read after all retries, stays so. Close it, or leave its block, to drop the file.
    """

    def __init__(
        self, store: Reader, scope: Scope, *, in_memory: int = _IN_MEMORY, on_disk: int = _ON_DISK
    ) -> None:
        super().__init__(store)
        self._scope = scope
        self._lock = threading.Lock()
        self._shelf = _Shelf(in_memory, on_disk)
        self._asking: dict[str, threading.Event] = {}
        self._failed: dict[str, OcitoolError] = {}

    def head(self, name: str) -> Descriptor | None:
        """The descriptor; asked for every time, except for a digest that was read."""
        with self._lock:
            held = self._shelf.get(name)
        return Descriptor.of(_document(held, name)) if held is not None else self._store.head(name)

    def get_manifest(self, name: str, *, limit: int = MANIFEST_LIMIT) -> Document:
        """The manifest; by digest asked for once."""
        if as_digest(name) is None:
            return self._store.get_manifest(name, limit=limit)

        def read() -> CachedManifest:
            document = self._store.get_manifest(name, limit=limit)
            return document.raw, document.media_type, document.served

        return _document(self._once(name, read), name)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the store behind has it; asked once."""
        key = f"{descriptor.digest}+{descriptor.size}?"
        raw, *_ = self._once(key, lambda: (b"yes" if self._store.has_blob(descriptor) else b"", "", None))
        return bool(raw)

    def open_blob(self, descriptor: Descriptor, offset: int = 0) -> BlobStream:
        """The blob; a JSON one (a config) asked for once."""
        if offset or not descriptor.media_type.endswith("json") or descriptor.size > MANIFEST_LIMIT:
            return self._store.open_blob(descriptor, offset)
        # The size belongs to the key: a descriptor with a wrong one is not what another was answered.
        key = f"{descriptor.digest}+{descriptor.size}"
        raw, *_ = self._once(key, lambda: (read_blob(self._store, descriptor, MANIFEST_LIMIT), "", None))
        return BytesSource(raw).open()

    def close(self) -> None:
        """Drop what was kept."""
        with self._lock:
            self._shelf.close()

    def __enter__(self) -> "CachingReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was kept."""
        self.close()

    def _once(self, key: str, read: Callable[[], CachedManifest]) -> CachedManifest:
        """What `read` gave when it was first called for `key`, or the error it raised."""
        while True:
            with self._lock:
                if (error := self._failed.get(key)) is not None:
                    raise copy(error)
                if (held := self._shelf.get(key)) is not None:
                    return held
                other = self._asking.get(key)
                if other is None:
                    mine = self._asking[key] = threading.Event()
                    break
            while not other.wait(_TURN_S):
                self._scope.check()
        try:
            held = read()
        except Cancelled:
            raise
        except OcitoolError as failure:
            with self._lock:
                self._failed[key] = copy(failure)  # without the traceback, which holds on to whole frames
            raise
        else:
            with self._lock:
                self._shelf.put(key, held)
            return held
        finally:
            with self._lock:
                del self._asking[key]
            mine.set()


def _document(held: CachedManifest, name: str) -> Document:
    return Document(*held, Digest(name).algorithm)


class _Shelf:
    """Things by key, each put once: the last used in memory, the others in a file without a name."""

    def __init__(self, in_memory: int, on_disk: int) -> None:
        self._in_memory, self._on_disk = in_memory, on_disk
        self._memory: OrderedDict[str, CachedManifest] = OrderedDict()
        self._size = 0
        self._places: dict[str, tuple[int, int, str, Served | None]] = {}
        self._file: IO[bytes] | None = None
        self._end = 0

    def get(self, key: str) -> CachedManifest | None:
        """What was put, None if nothing was or there was no place for it."""
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        if key not in self._places or self._file is None:
            return None
        start, size, media_type, served = self._places[key]
        return os.pread(self._file.fileno(), size, start), media_type, served

    def put(self, key: str, held: CachedManifest) -> None:
        """Keep it, and move what was not used for longest into the file."""
        self._memory[key] = held
        self._size += len(held[0])
        while self._size > self._in_memory:
            old, (raw, media_type, served) = self._memory.popitem(last=False)
            self._size -= len(raw)
            self._write(old, raw, media_type, served)

    def _write(self, key: str, raw: bytes, media_type: str, served: Served | None) -> None:
        if self._end + len(raw) > self._on_disk:
            return
        try:
            if self._file is None:
                import tempfile

                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
            written = os.pwrite(self._file.fileno(), raw, self._end)
        except OSError:
            written = -1
        if written != len(raw):  # the disk is full: what is not kept is asked for again
            self._on_disk = 0
            return
        self._places[key] = self._end, written, media_type, served
        self._end += written

    def close(self) -> None:
        """Forget everything."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._memory.clear()
        self._places.clear()
