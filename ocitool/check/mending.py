"""A repair in the making: what a human decided, and what was found to do, why, and to be left alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ocitool.change.plan import Bring, PutBlob, PutManifest
from ocitool.change.reason import Reason
from ocitool.model.document import Document
from ocitool.model.views import Descriptor
from ocitool.store.base import Reader

CHILD: tuple[str, ...] = ("mediaType", "digest", "size", "data")
"""What an entry says of its manifest; all of it follows the manifest."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a human decided. `sources` are where children that are gone may still be found."""

    drop_missing: bool = False
    drop_attestations: bool = False
    without_proof: bool = False
    sources: tuple[tuple[Reader, str], ...] = field(default=())
    attestations_to_referrers: bool = False
    drop_misfits: bool = False


class Mending:
    """The steps, reasons and leftovers so far. `is_blocked` says that nothing of it may be carried out."""

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes
        self.content: list[PutBlob | Bring | PutManifest] = []
        self.replaced: list[Document] = []
        self.left: list[str] = []
        self.is_blocked = False
        self._reasons: list[Reason] = []
        self._became: dict[str, str] = {}

    def because(self, why: str | tuple[str, ...], text: str, *digests: str, keys: Iterable[str] = ()) -> None:
        """Note what is done to the entries with these digests (to the document, if there are none), and why."""
        words = (why,) if isinstance(why, str) else why
        self._reasons.append(Reason(text, words, frozenset(digests), frozenset(keys)))

    def add(self, reasons: Iterable[Reason]) -> None:
        """Note reasons that are made already."""
        self._reasons += reasons

    def put(self, *steps: PutBlob | PutManifest) -> None:
        """Store this too, once."""
        self.content += [step for step in steps if step not in self.content]

    def swap(self, before: Document, after: Document, label: str) -> None:
        """Put one manifest in the place of another."""
        self.put(PutManifest(after, label))
        self.replaced.append(before)
        self._became[str(before.digest)] = str(after.digest)

    def why(self, digest: str) -> tuple[str, ...]:
        """What asked for the changes of an entry so far."""
        return tuple(dict.fromkeys(word for one in self._reasons if digest in one.entries for word in one.why))

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons, each once, with the new digests of the entries beside the old ones."""
        return tuple(
            dict.fromkeys(
                replace(one, entries=one.entries | {self._became[d] for d in one.entries if d in self._became})
                for one in self._reasons
            )
        )


def label_of(entry: Descriptor) -> str:
    """What people call an entry: its platform, or what it attests, or its digest."""
    if entry.attested:
        return f"attestation of {entry.attested[:19]}"
    return str(entry.platform) if entry.platform else entry.digest.short


def name_type(tree: "dict[str, object]", media_type: str) -> None:
    """Let the document say its type, behind schemaVersion as everybody writes it."""
    if tree.get("mediaType") or not media_type:
        return
    rest = {key: value for key, value in tree.items() if key not in ("schemaVersion", "mediaType")}
    version = tree.get("schemaVersion", 2)
    tree.clear()
    tree.update({"schemaVersion": version, "mediaType": media_type, **rest})
