"""A repair in the making: what a human decided, and what was found to do, why, and to be left alone."""

from collections.abc import Iterable

from ocitool.change.plan import CopyFrom, PutBlob, PutManifest
from ocitool.change.reason import ChangeReason
from ocitool.check.inspection import Inspection
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor
from ocitool.repair.fallback import FallbackSource
from ocitool.values import dataclass, replace

CHILD: tuple[str, ...] = ("mediaType", "digest", "size", "data")
"""What an entry says of its manifest; all of it follows the manifest."""


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """What a human decided. `sources` are where what is gone may still be found.

    With `substitute` an image of the same platform from there may stand in for one that is nowhere. `keep` are the
    images that stay where others are for their platform.
    """

    drop_missing: bool = False
    drop_attestations: bool = False
    without_proof: bool = False
    sources: tuple[FallbackSource, ...] = ()
    substitute: bool = False
    attestations_to_referrers: bool = False
    drop_misfits: bool = False
    keep: frozenset[Digest] = frozenset()


class Mending:
    """The steps, reasons and leftovers so far. `is_blocked` says that nothing of it may be carried out."""

    def __init__(self, options: RepairOptions, inspection: Inspection) -> None:
        self.options = options
        self.inspection = inspection
        self.content: list[PutBlob | CopyFrom | PutManifest] = []
        self.replaced: list[Document] = []
        self.left: list[str] = []
        self.is_blocked = False
        self._reasons: list[ChangeReason] = []
        self._became: dict[str, set[str]] = {}  # one image under two platforms may become two

    def attests(self, entry: Descriptor) -> bool:
        """Whether an entry is an attestation, by what was read of its manifest (K218)."""
        return self.inspection.settle(entry).is_attestation

    def because(self, why: str | tuple[str, ...], text: str, *digests: str, keys: Iterable[str] = ()) -> None:
        """Note what is done to the entries with these digests (to the document, if there are none), and why."""
        words = (why,) if isinstance(why, str) else why
        self._reasons.append(ChangeReason(text, words, frozenset(digests), frozenset(keys)))

    def add(self, reasons: Iterable[ChangeReason]) -> None:
        """Note reasons that are made already."""
        self._reasons += reasons

    def put(self, *steps: PutBlob | PutManifest) -> None:
        """Store this too, once."""
        self.content += [step for step in steps if step not in self.content]

    def bring(self, source: FallbackSource, entry: Descriptor, *, anew: bool = False) -> None:
        """Copy a manifest with all that it reaches from where it still is."""
        self.content.append(CopyFrom(source.store, entry, entry.label, anew=anew))

    def swap(self, before: Document, after: Document, label: str) -> None:
        """Put one manifest in the place of another."""
        self.put(PutManifest(after, label))
        self.replaced.append(before)
        self.rename(before.digest, after.digest)

    def rename(self, before: str, after: str) -> None:
        """Know an entry by the digest that it gets, too."""
        self._became.setdefault(str(before), set()).add(str(after))

    def why(self, digest: str) -> tuple[str, ...]:
        """What asked for the changes of an entry so far."""
        return tuple(dict.fromkeys(word for one in self._reasons if digest in one.entries for word in one.why))

    @property
    def reasons(self) -> tuple[ChangeReason, ...]:
        """The reasons, each once, with the new digests of the entries beside the old ones."""
        return tuple(
            dict.fromkeys(
                replace(one, entries=one.entries.union(*(self._became.get(digest, ()) for digest in one.entries)))
                for one in self._reasons
            )
        )


def lacks(tree: "dict[str, object]") -> tuple[tuple[str, str], ...]:
    """The rules that speak of what `name_type` adds, each with the key."""
    keys = (("index/no-version", "schemaVersion"), ("index/no-media-type", "mediaType"))
    return tuple((rule, key) for rule, key in keys if not tree.get(key))
