"""Lists in the making, as `docker manifest create` and `annotate` keep them on this machine.

A draft holds what the user said: which images, and what was set on them. Digests and platforms are asked of
the registry again when the list is pushed, so an image that was built anew meanwhile is never published
in silence as it used to be (K016). The published bytes are laid out as docker's client lays them out.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ocitool.change import plan as plans
from ocitool.change.plan import Plan
from ocitool.errors import MalformedDocument, NotFound, UsageError, local_io
from ocitool.index.edit import EntryChanges, marked
from ocitool.index.entries import check_duplicates, check_family, family_of_entries
from ocitool.index.members import elsewhere
from ocitool.index.sources import Member, MemberSource, resolve_each
from ocitool.model.digest import Digest
from ocitool.model.document import Document, Style, parse, write
from ocitool.model.files import temporary_in
from ocitool.model.platform import Platform
from ocitool.store.base import Store
from ocitool.store.verify import find_manifest
from ocitool.tasks import Scope
from ocitool.values import dataclass, replace

DOCKER: Final = Style(indent="   ", comma=",", colon=": ", ascii_only=False)
"""How docker's client writes a list, so that the same images give the same digest."""
_PLATFORM: Final = ("architecture", "os", "os.version", "os.features", "variant", "features")
_MARKS: Final = ("os", "architecture", "variant", "os_version")


@dataclass(frozen=True, slots=True)
class DraftMember:
    """One image of a list: its full reference, its digest when it was named, and what was set on it."""

    reference: str
    digest: Digest
    marks: EntryChanges = EntryChanges()


@dataclass(frozen=True, slots=True)
class Draft:
    """A list that is not published yet; `name` is its full reference."""

    name: str
    members: tuple[DraftMember, ...] = ()

    def with_members(self, members: Sequence[DraftMember]) -> "Draft":
        """The draft with further members; one that is there already is asked anew and loses its marks."""
        named = {m.reference: m for m in (*self.members, *members)}
        return replace(self, members=tuple(named.values()))

    def annotated(self, reference: str, marks: EntryChanges) -> "Draft":
        """The draft with marks on one member, over those it has. Raises NotFound."""
        if all(m.reference != reference for m in self.members):
            raise NotFound(
                f"manifest for image {reference} does not exist in {self.name}",
                name=reference,
                where=self.name,
                hint=f"it holds {', '.join(m.reference for m in self.members)}",
            )
        members = (replace(m, marks=_over(m.marks, marks)) if m.reference == reference else m for m in self.members)
        return replace(self, members=tuple(members))


class Drafts:
    """The drafts in a folder of this machine, one file each, written whole."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def load(self, name: str) -> Draft | None:
        """The draft of that name, None if there is none. Raises MalformedDocument for a damaged file."""
        path = self._path(name)
        try:
            tree = parse(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise local_io(error, f"read {path}") from error
        try:
            return Draft(tree["name"], tuple(_member(member) for member in tree["members"]))
        except (KeyError, TypeError):
            raise MalformedDocument(
                f"{path} is no draft of a list", hint="remove it and create the list anew"
            ) from None

    def save(self, draft: Draft) -> None:
        """Keep a draft, over an older one of its name. Raises LocalIOError."""
        tree = {"name": draft.name, "members": [_member_tree(member) for member in draft.members]}
        path = self._path(draft.name)
        temporary = temporary_in(path.parent)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(tree))
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise local_io(error, f"write {path}") from error

    def remove(self, name: str) -> bool:
        """Forget a draft; False if there was none."""
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise local_io(error, f"remove {self._path(name)}") from error
        return True

    def _path(self, name: str) -> Path:
        return self.root / f"{Digest.of(name.encode()).hex[:32]}.json"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A draft as it is now: the document it makes, its members, and what changed since it was written.

    `words` are the images as the user named them, each with its platform if something was set on it.
    """

    document: Document
    members: tuple[Member, ...]
    renewed: tuple[tuple[str, Digest, Digest], ...] = ()
    words: tuple[tuple[str, Platform | None], ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each image that is another one now."""
        return tuple(f"{ref} was {old.short} and is {new.short} now" for ref, old, new in self.renewed)


def draw(draft: Draft, sources: Sequence[MemberSource], *, scope: Scope) -> Drawn:
    """The document that a draft makes of what its images are now; `sources` stand for its members, in order.

    A member that is an index gives its children. Raises UsageError for two images of one platform, for
    marks on an index of several, and for mixed families.
    """
    members: list[Member] = []
    renewed: list[tuple[str, Digest, Digest]] = []
    words: dict[int, tuple[str, Platform | None]] = {}
    groups = resolve_each(sources, scope=scope)
    # docker lists by the file names of its drafts; the same order gives the same bytes.
    order = sorted(range(len(groups)), key=lambda n: _file_name(draft.members[n].reference))
    for number in order:
        said, group = draft.members[number], groups[number] or ()
        listed = _marked(said, group)
        words[number] = (said.reference, listed[0].entry.platform if said.marks != EntryChanges() else None)
        members += listed
        now = group[0].root if group else None
        if now is not None and now != said.digest:
            renewed.append((said.reference, said.digest, now))
    members.sort(key=lambda m: m.entry.is_attestation)
    entries = [m.entry for m in members]
    check_duplicates(entries)
    family = family_of_entries(entries)
    check_family(entries, family)
    tree = {
        "schemaVersion": 2,
        "mediaType": family.index,
        "manifests": [_docker_order(entry.tree) for entry in entries],
    }
    said_so = tuple(words[number] for number in sorted(words))
    return Drawn(write(tree, family.index, DOCKER), tuple(members), tuple(renewed), said_so)


def plan_push(drawn: Drawn, target: Store, tag: str) -> Plan:
    """The plan that publishes a drawn list under a tag, children from elsewhere first."""
    held = find_manifest(target, tag)
    content = elsewhere(drawn.members, target)
    plan = plans.replace(target.label, [tag], held, drawn.document, content=content, notes=drawn.notes)
    return replace(plan, names=(tag,))


def _marked(said: DraftMember, group: Sequence[Member]) -> list[Member]:
    if said.marks == EntryChanges():
        return list(group)
    images = [m for m in group if not m.entry.is_attestation]
    if len(images) != 1:
        raise UsageError(
            f"{said.reference} is an index of {len(images)} images, so what was set is meant for none of them",
            hint="name the images one by one",
        )
    return [replace(m, entry=marked(m.entry, said.marks)) if m is images[0] else m for m in group]


def _docker_order(tree: Mapping[str, Any]) -> dict[str, Any]:
    entry = _ordered(tree, ("mediaType", "size", "digest"))
    platform = entry.get("platform")
    if isinstance(platform, Mapping):
        entry["platform"] = _ordered(platform, _PLATFORM)
    return entry


def _ordered(tree: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The object with these keys first, as far as it has them."""
    first = {key: tree[key] for key in keys if key in tree}
    return first | {key: value for key, value in tree.items() if key not in first}


def _file_name(reference: str) -> str:
    return reference.replace(":", "-").replace("/", "_")


def _over(old: EntryChanges, new: EntryChanges) -> EntryChanges:
    fields = {name: getattr(new, name) for name in (*_MARKS, "os_features") if getattr(new, name) is not None}
    return replace(old, **fields)


def _member(tree: Mapping[str, Any]) -> DraftMember:
    marks = {name: tree[name] for name in _MARKS if name in tree}
    features = tree.get("os_features")
    return DraftMember(
        tree["reference"],
        Digest(tree["digest"]),
        EntryChanges(**marks, os_features=None if features is None else tuple(features)),
    )


def _member_tree(member: DraftMember) -> dict[str, Any]:
    named = {name: getattr(member.marks, name) for name in (*_MARKS, "os_features")}
    marks = {name: value for name, value in named.items() if value is not None}
    return {"reference": member.reference, "digest": member.digest, **marks}
