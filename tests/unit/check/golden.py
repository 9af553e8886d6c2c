"""What check and repair make of a golden store; shared by the tests and by the script that writes the files."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.check.engine import findings
from ocitool.check.finding import Finding
from ocitool.check.inspection import Inspection, look
from ocitool.check.runner import CheckOptions, check_tags
from ocitool.errors import OcitoolError
from ocitool.repair.fallback import FallbackReader, FallbackSource
from ocitool.repair.plan import Repair, plan_repair
from ocitool.repair.work import RepairOptions
from ocitool.store.base import Reader
from ocitool.tasks import Scope
from tests.fakes.sick import Loose

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REFILLED = frozenset(["config/missing", "layer/missing", "index/child-digest"])
"""Rules whose golden image is mended from its healthy neighbour."""


def seen(store: Reader) -> Inspection:
    return look(store, "1", scope=Scope(), deep=lambda _: True, now=NOW, head=store.head("1"))


def found(store: Loose) -> tuple[Finding, ...]:
    """The findings of a deep look at the tag 1, or at all tags where there are several."""
    if len(store._tags) > 1:
        return check_tags([(store, "", "")], CheckOptions(deep=True), scope=Scope()).findings
    return findings(seen(store))


def findings_of(store: Loose) -> list[dict[str, object]]:
    return [finding.to_tree() for finding in found(store)]


def planned(store: Loose, neighbour: Loose | None = None) -> Repair:
    """The repair of the tag 1; what is gone may be brought back from the neighbour."""
    sources = (FallbackSource(neighbour, "1", "neighbour"),) if neighbour is not None else ()
    refilled = FallbackReader(store, sources, "1")
    wishes = RepairOptions(drop_missing=True, without_proof=True, sources=sources)
    return plan_repair(seen(refilled), "1", wishes, refilled)


def repaired(store: Loose, neighbour: Loose | None = None) -> bytes | None:
    """What the tag holds after repair, None if something is left to find."""
    try:
        done = planned(store, neighbour)
    except OcitoolError:
        return None
    if done.is_blocked:
        return None
    with tempfile.TemporaryDirectory() as folder:
        apply(done.plan, store, Journal(Path(folder)), Scope())
    return store.get_manifest("1").raw if not findings_of(store) else None
