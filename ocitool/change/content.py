"""Content of a plan put into a store: side by side where that may be, and in order where it may not."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from ocitool.change.plan import ContentStep, CopyFrom, PutBlob, PutManifest, PutSnapshot
from ocitool.errors import DigestMismatch, RegistryError
from ocitool.events import Done, Listener, Started
from ocitool.graph.copy import CopyReport, copy, put_snapshot
from ocitool.graph.referrers import is_found, put_referrer
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor, view
from ocitool.store.base import Put, Store
from ocitool.tasks import Scope, TaskGroup

_LATE: Final = ("MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN")


class ContentWriter:
    """What one plan puts into a store, and what has come of it so far.

    `outcomes` has one of each step, `copies` the reports of what came with all below it, `skipped` the foreign
    layers that did not. `pushed` are manifests that were put there, `referrers` those that are new and refer to
    others. `tagged` are those that tags will hold: one of them may be left to the write of its tag, and is in
    `lacking` until then.
    """

    def __init__(
        self, store: Store, scope: Scope, listener: Listener, *, width: int, tagged: Collection[Digest]
    ) -> None:
        self.outcomes: list[Put] = []
        self.copies: list[CopyReport] = []
        self.skipped: list[Descriptor] = []
        self.pushed: set[Digest] = set()
        self.referrers: list[Digest] = []
        self.lacking: set[Digest] = set()
        self._store = store
        self._scope = scope
        self._listener = listener
        self._width = width
        self._tagged = tagged

    def put(
        self, content: Sequence[ContentStep], scope: Scope, beside: Sequence[Callable[[], object]] = ()
    ) -> None:
        """Blobs and children side by side, then images; what may share a fallback tag, and indexes, one by one.

        What is `beside` is done next to the last manifests of an image that is all of the content; else it is not.
        """
        if len(content) == 1:
            self.outcomes.append(self._put_one(content[0], scope, self._width, beside))
            return
        manifests = [step for step in content if isinstance(step, PutManifest)]
        alone = [step for step in manifests if view(step.document).subject is not None]  # may share a fallback tag
        alone += [step for step in manifests if step not in alone and mediatype.is_index(step.document.media_type)]
        self._side_by_side((step for step in content if not isinstance(step, PutManifest)), scope)
        self._side_by_side((step for step in manifests if step not in alone), scope)
        self._one_by_one(alone, scope, self._width)

    def _side_by_side(self, steps: Iterable[ContentStep], scope: Scope) -> None:
        lanes: dict[object, list[ContentStep]] = {}
        for number, step in enumerate(steps):
            subject = step.subject if isinstance(step, CopyFrom) else None
            lanes.setdefault(subject or number, []).append(step)
        if len(lanes) == 1:
            self._one_by_one(next(iter(lanes.values())), scope, self._width)
            return
        abreast = min(self._width, self._store.traits.concurrency, max(1, len(lanes)))
        inside = max(1, self._width // abreast)  # so that lanes and what they do inside are the width
        with TaskGroup(scope, abreast) as group:
            for lane in lanes.values():
                group.spawn(self._one_by_one, lane, group.scope, inside)

    def _one_by_one(self, steps: Iterable[ContentStep], scope: Scope, width: int) -> None:
        for step in steps:
            self.outcomes.append(self._put_one(step, scope, width))

    def _put_one(
        self, step: ContentStep, scope: Scope, width: int, beside: Sequence[Callable[[], object]] = ()
    ) -> Put:
        match step:
            case PutBlob(descriptor, source, label):
                self._listener(
                    Started(str(descriptor.digest), label or f"blob {descriptor.digest.short}", descriptor.size)
                )
                outcome = self._store.put_blob(descriptor, source)
                self._listener(Done(str(descriptor.digest), outcome.value, descriptor.size))
            case PutManifest(document, label):
                key = str(document.digest)
                self._listener(Started(key, label or f"manifest {document.digest.short}", document.size))
                outcome = Put.EXISTED if self._store.head(key) else Put.STORED
                # A run that was killed may have stored a referrer that the fallback tag does not list yet.
                if outcome is Put.STORED or not is_found(self._store, document):
                    self.patiently(lambda: put_referrer(self._store, document, scope=self._scope))
                    self.pushed.add(document.digest)
                if outcome is Put.STORED and view(document).subject is not None:
                    self.referrers.append(document.digest)
                self._listener(Done(key, outcome.value, document.size))
            case CopyFrom(origin, descriptor, trust=trust, anew=anew, document=root, snapshot=known, spares=spares):
                report = copy(
                    origin,
                    str(descriptor.digest),
                    self._store,
                    scope=scope,
                    width=width,
                    trust=trust,
                    anew=anew,
                    tagged=descriptor.digest in self._tagged,
                    listener=self._listener,
                    root=root,
                    snapshot=known,
                    spares=spares,
                    beside=beside,
                )
                if anew:
                    self._check_healed(descriptor.digest)
                outcome = self._copied(report)
            case PutSnapshot(snapshot, source_of, done=done):
                report = put_snapshot(
                    snapshot,
                    self._store,
                    source_of=source_of,
                    scope=scope,
                    width=width,
                    tagged=snapshot.root.digest in self._tagged,
                    listener=self._listener,
                    done=done,
                    beside=beside,
                )
                outcome = self._copied(report)
        return outcome

    def _copied(self, report: CopyReport) -> Put:
        self.copies.append(report)
        self.skipped += report.skipped
        self.pushed.add(report.root.digest)
        if report.lacks_root:
            self.lacking.add(report.root.digest)
        sent = report.manifests_sent + sum(n for put, n in report.puts.items() if put is not Put.EXISTED)
        return Put.STORED if sent else Put.EXISTED

    def _check_healed(self, digest: Digest) -> None:
        """Raise DigestMismatch if other bytes are still served under a digest whose own were put there again."""
        try:
            self._store.get_manifest(str(digest))
        except DigestMismatch as error:
            error.add_note(f"{self._store.label} took the right bytes and kept the others, as most registries do")
            error.hint = (
                "delete the manifest and let the registry collect its garbage, then repair again; "
                f"or drop the entry: ocitool index remove REF --digest {digest}"
            )
            raise

    def patiently(self, write: Callable[[], object]) -> object:
        """Do a write, and again when a registry does not know yet what it took a moment ago (K115)."""
        for wait_s in (0.5, 1.5):
            try:
                return write()
            except RegistryError as error:
                if not self._is_late(error):
                    raise
                self._scope.sleep(wait_s)
        return write()

    def _is_late(self, error: RegistryError) -> bool:
        said = " ".join(f"{message} {detail}" for _, message, detail in error.diagnostics)
        return error.has(*_LATE) and any(digest in said for digest in self.pushed)
