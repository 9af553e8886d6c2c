"""A push: what a store holds under tags of another one, whatever these hold; a change that undo knows."""

from collections.abc import Iterable

from ocitool.change.plan import Plan, PutSnapshot, Tag
from ocitool.errors import OcitoolError
from ocitool.events import Listener, Noted
from ocitool.graph.copy import read_all
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.store.base import Reader, Store, StoreSource, called
from ocitool.tasks import Scope


def plan_push(
    source: Reader, root: Document, target: Store, tags: Iterable[str], *, scope: Scope, width: int = 16
) -> Plan:
    """The plan that takes `root` and all below it from `source` to `target`, under tags whatever these hold.

    Reads every manifest of the source, and nothing of the target. Raises NotFound for what the source lacks.
    """
    snapshot = read_all(source, root, scope=scope, width=width)
    content = PutSnapshot(snapshot, lambda descriptor: StoreSource(descriptor, source))
    return Plan(target.label, (content, *(Tag(tag, root, replaces=True) for tag in tags)))


class WarnOnce:
    """What lets a push go on where old bytes cannot be kept: the listener hears one warning, with the digest."""

    def __init__(self, target: Reader, listener: Listener) -> None:
        self._target, self._listener = target, listener
        self._told = False

    def __call__(self, tag: str, before: Digest | None, error: OcitoolError) -> None:
        """Warn of the first tag that held something."""
        if before is None or self._told:
            return
        self._told = True
        place = called(self._target, tag)
        undo = f"ocitool undo {place} --to {before}"
        self._listener(Noted(f"{place} held {before}, which is not kept here: {error}; {undo} brings it back"))
