"""What users type, as stores: `oci:DIR[:TAG|@DIGEST]`, archives, or a reference in a registry.

One of the two tables where code is loaded late: a layout is opened without loading an HTTP client.
"""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ocitool.errors import Unsupported
from ocitool.events import Listener, silent
from ocitool.model.reference import Reference
from ocitool.registry.hosts import Access
from ocitool.store.base import Store
from ocitool.store.layout import LayoutStore
from ocitool.tasks import Scope


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went over the wire so far."""

    requests: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


@dataclass(frozen=True, slots=True)
class Locator:
    """A place and a name in it. `scheme` is empty for a registry; then `reference` is set, else `path`."""

    scheme: str
    path: Path | None
    name: str
    reference: Reference | None = None

    @classmethod
    def parse(cls, text: str) -> "Locator":
        """What a user typed. Raises UsageError."""
        if text.startswith("oci:"):
            rest = text.removeprefix("oci:")
            path, at, digest = rest.partition("@")
            name = digest
            if not at:
                path, _, name = rest.partition(":")
            return cls("oci", Path(path), name)
        reference = Reference.parse(text)
        return cls("", None, reference.name, reference)

    def __str__(self) -> str:
        if self.reference is not None:
            return str(self.reference)
        mark = "@" if ":" in self.name else ":"
        return f"{self.scheme}:{self.path}{mark if self.name else ''}{self.name}"


class Opener:
    """Opens stores from locators; one session for all remote ones, made on first use."""

    def __init__(self, access: Access, scope: Scope, listener: Listener = silent) -> None:
        self._access, self._scope, self._listener = access, scope, listener

    @property
    def traffic(self) -> Traffic:
        """Requests and bytes of all remote stores."""
        return Traffic()

    def open(self, locator: Locator | str, *, write: bool = False) -> tuple[Store, str]:
        """The store, and the tag or digest in it ("" for a layout's only entry)."""
        at = Locator.parse(locator) if isinstance(locator, str) else locator
        if at.path is not None:
            return LayoutStore(at.path, create=write), at.name
        raise Unsupported("registries are not reachable yet")

    def __enter__(self) -> "Opener":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session."""
