"""copy(): what a name holds, under tags of another store, as a change that undo knows."""

from collections.abc import Iterable

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.change.plan import Plan, PutSnapshot, Tag
from ocitool.errors import OcitoolError
from ocitool.events import Listener, Noted, silent
from ocitool.graph.copy import CopyReport, at_side, read_all
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor
from ocitool.store.base import Reader, Store, StoreSource, called
from ocitool.store.machine import MachineStore, default_root
from ocitool.tasks import Scope


def copy(
    source: Reader,
    name: str,
    target: Store,
    *tags: str,
    scope: Scope,
    width: int = 16,
    trust: bool = False,
    listener: Listener = silent,
    journal: Journal | None = None,
) -> CopyReport:
    """Copy `name` from `source` to `target`, and let every tag hold it.

    With `trust` a target that has the root is believed to have everything below it. What a tag held is kept in
    `journal`, this machine's if there is none, so that `undo` brings it back; where nothing can be kept, the
    listener hears a warning. Errors carry a note that says which side failed. After an error or a cancellation
    the tags are what they were.
    """
    with at_side("source"):
        root = source.get_manifest(name)
        if trust and target.head(str(root.digest)) is not None:
            plan = Plan(target.label, tuple(Tag(tag, root, replaces=True) for tag in tags))
        else:
            plan = plan_push(source, root, target, tags, scope=scope, width=width)
    kept = journal or Journal(MachineStore(default_root()).backup)
    with at_side("destination"):
        report = apply(plan, target, kept, scope, listener, width=width, unkept=WarnOnce(target, listener))
    return report.copies[0] if report.copies else CopyReport(Descriptor.of(root), manifests=1)


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
