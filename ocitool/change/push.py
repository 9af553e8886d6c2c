"""A push: what a store holds under tags of another one, whatever these hold; a change that undo knows."""

from collections.abc import Iterable

from ocitool.change.plan import Plan, PutSnapshot, Tag
from ocitool.graph.copy import read_all
from ocitool.model.document import Document
from ocitool.store.base import Reader, Store, StoreSource
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
