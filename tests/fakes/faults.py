"""What goes wrong in a fake registry: faults as data, matched to requests in order."""

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Fault:
    """What happens instead of the right answer. `on` is `METHOD /path/pattern`; `skip` requests pass before it.

    `status`, `headers` and `body` are an answer; `reset` breaks the connection, before anything was read or, with
    `after` bytes of the body; `edit` changes headers of the right answer (None removes one); `corrupt` and
    `truncate` spoil the right body. `times` is how often it happens, `every` makes it each so-manieth request
    instead. `stall` says nothing until the client has gone, `drip_s` pauses between pieces of the body.
    `first` is called before anything else: another writer, a registry that forgets. `above` spares requests whose
    body has at most so many bytes.
    """

    on: str
    times: int = 1
    skip: int = 0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: bool = False
    after: int = 0
    edit: Mapping[str, str | None] = field(default_factory=dict)
    corrupt: bool = False
    truncate: int = 0
    then: bool = False  # do the work first, then answer so (a commit whose answer is lost)
    every: int = 0
    stall: bool = False
    drip_s: float = 0.0
    first: Callable[[], object] = lambda: None
    above: int = -1
    to_itself: bool = False  # `status` is a redirect to where the request came
    relative: bool = False  # the Location of the right answer without its path
    seen: int = 0

    def due(self, method: str, path: str, length: int = 0) -> bool:
        """Whether this fault takes the request; counts it."""
        wanted, _, pattern = self.on.partition(" ")
        if wanted not in {"*", method} or not fnmatch.fnmatch(path, pattern) or self.times == 0:
            return False
        if length <= self.above:
            return False
        self.seen += 1
        if self.every:
            return self.seen % self.every == 0
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True
