"""Where work happens: this machine's store, the way to other stores, a scope, and how wide it may go."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from ocitool.events import Listener, Noted, silent
from ocitool.model.platform import Platform, other_names, parse_platforms
from ocitool.pack.own_files import OwnFiles
from ocitool.store.locate import Opener
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope

PlatformWords: TypeAlias = Iterable[str | Platform] | str | Platform
"""One platform or several, as words or parsed."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a build happens: this machine's store, the way to other stores, its scope and how wide it may go.

    `width` bounds compilers and compression, `transfers` requests. `own` is what this program writes, which is no
    input of it.
    """

    machine: MachineStore
    opener: Opener
    scope: Scope
    host: Platform
    width: int = 2
    transfers: int = 16
    listener: Listener = silent
    own: OwnFiles = field(default_factory=OwnFiles, compare=False)

    def platforms(self, words: PlatformWords) -> tuple[Platform, ...]:
        """The platforms that are meant; another name of an architecture is told. Raises UsageError."""
        listed = [words] if isinstance(words, (str, Platform)) else list(words)
        found = parse_platforms(listed, self.host)
        self._tell_names(listed)
        return found

    def platform(self, word: str | Platform) -> Platform:
        """The one platform that is meant, as above."""
        found = word if isinstance(word, Platform) else Platform.parse(word, self.host)
        self._tell_names([word])
        return found

    def _tell_names(self, words: Iterable[str | Platform]) -> None:
        for line in other_names(word for word in words if isinstance(word, str)):
            self.listener(Noted(f"note: {line}", "notice"))
