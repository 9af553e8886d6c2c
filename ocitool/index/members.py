"""Making members fit an index: brought to its repository, converted to its family."""

from collections.abc import Iterable, Sequence

from ocitool.change.plan import CopyFrom, PutManifest
from ocitool.errors import UsageError
from ocitool.graph.convert import Losses, convert_manifest
from ocitool.index.entries import IndexEntry
from ocitool.index.sources import Member
from ocitool.model import mediatype
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.store.base import Reader
from ocitool.values import dataclass


def elsewhere(members: Iterable[Member], target: Reader) -> list[CopyFrom]:
    """Steps that bring every manifest which lives elsewhere to the target, each once."""
    found = {m.entry.digest: m for m in members if m.store.label != target.label}
    return [CopyFrom(m.store, m.entry.descriptor, m.entry.label) for m in found.values()]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Members of one family, the steps that store what they need, and what the user should know."""

    members: tuple[Member, ...]
    content: tuple[CopyFrom | PutManifest, ...]
    notes: tuple[str, ...] = ()


def fit(members: Sequence[Member], target: Reader, family: Family, losses: Losses) -> Fitted:
    """The members in `family`, present in `target`.

    Images of the other family are converted and get new digests. An attestation of such an image is left
    out with consent in `losses`, never pointed at the new digest (K022). Raises UsageError without consent.
    """
    changed = {
        m.entry.digest: _converted(m, family, losses)
        for m in members
        if _is_foreign(m, family) and not m.entry.is_attestation
    }
    stays = [m for m in members if m.entry.digest in changed or not _is_foreign(m, family)]
    stays = [m for m in stays if m.entry.descriptor.attested not in changed]
    lost = len(members) - len(stays)
    if lost and not losses.attestations:
        raise UsageError(
            f"{lost} attestations describe images whose digests change",
            hint="they cannot be made to fit; leave them out with --no-attestations",
        )
    notes = [f"{len(changed)} images are converted to {family.value}: their digests change"] if changed else []
    notes += [f"{lost} attestations are left behind: they describe the old digests"] if lost else []
    return Fitted(
        tuple(_renamed(m, changed[m.entry.digest], family) if m.entry.digest in changed else m for m in stays),
        (
            *elsewhere(stays, target),
            *(PutManifest(changed[m.entry.digest], m.entry.label) for m in stays if m.entry.digest in changed),
        ),
        tuple(notes),
    )


def _is_foreign(member: Member, family: Family) -> bool:
    return mediatype.family_of(member.entry.descriptor.media_type) not in (None, family)


def _converted(member: Member, family: Family, losses: Losses) -> Document:
    document = member.document or member.store.get_manifest(str(member.entry.digest))
    try:
        after = convert_manifest(document, family, drop_annotations=losses.annotations)
    except UsageError as error:
        error.add_note(f"converting {member.entry.label}")
        raise
    if family is Family.DOCKER and member.entry.descriptor.annotations and not losses.annotations:
        raise UsageError(
            f"a Docker manifest list cannot carry the annotations of {member.entry.label}",
            hint="keep them with --format oci, or leave them behind with --drop-annotations",
        )
    return after


def _renamed(member: Member, after: Document, family: Family) -> Member:
    """The member under its new name; Docker's family has no more than size, digest, type and platform."""
    names = {"mediaType": after.media_type, "digest": str(after.digest), "size": after.size}
    gone = {"annotations", "artifactType", "data"} if family is Family.DOCKER else {"data"}
    tree = {key: value for key, value in member.entry.tree.items() if key not in gone} | names
    return Member(IndexEntry(Descriptor.from_tree(tree), tree), member.store, after, member.root, member.label)
