"""Two names compared, platform by platform: configs, layers, annotations, attestations.

Platforms are paired after normalising, in the order of the first. Equal bytes are equal whatever they are
called; everything else is told field by field.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Any

from ocitool.change.difference import Change, difference
from ocitool.model.digest import Digest
from ocitool.model.document import COMPACT, write
from ocitool.model.printable import human, shown
from ocitool.model.views import Descriptor
from ocitool.report.survey import Survey, SurveyedImage
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class LayerChange:
    """A layer that only one side has. `kind` is added or removed; `number` counts from 0, bottom first.

    `same_tar` says that the other side has a layer of the same diff_id: only the compression differs.
    """

    kind: str
    number: int
    layer: Descriptor
    same_tar: bool = False

    def to_tree(self) -> dict[str, Any]:
        """The change for JSON output."""
        tree = {"kind": self.kind, "layer": self.number, "digest": self.layer.digest, "size": self.layer.size}
        return tree | ({"sameTar": True} if self.same_tar else {})


@dataclass(frozen=True, slots=True)
class FileChange:
    """A path that differs in the merged file systems. `kind` is added, removed or changed; `what` says how."""

    kind: str
    path: str
    what: tuple[str, ...] = ()

    def to_tree(self) -> dict[str, Any]:
        """The change for JSON output."""
        return {"kind": self.kind, "path": self.path} | ({"what": list(self.what)} if self.what else {})


@dataclass(frozen=True, slots=True)
class ComparedFiles:
    """The merged file systems of two images: what differs, and how many paths differ in their times alone."""

    changes: tuple[FileChange, ...] = ()
    times: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """One platform on both sides; `fields` are changes of config, annotations and the entry itself."""

    platform: str
    before: SurveyedImage
    after: SurveyedImage
    fields: tuple[tuple[str, Change], ...] = ()
    layers: tuple[LayerChange, ...] = ()
    files: ComparedFiles | None = None

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.fields or self.layers or (self.files and self.files.changes))

    @property
    def note(self) -> str:
        """What is told of the files beside those that differ; empty if they were not compared."""
        if self.files is None:
            return ""
        if self.files.times:
            return f"times alone of {self.files.times} path{'' if self.files.times == 1 else 's'}"
        if self.files.changes or all(layer.same_tar for layer in self.layers):
            return ""
        return "the files are the same: their tars are cut, ordered or written otherwise"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two surveys; equal if nothing does."""

    before: Survey
    after: Survey
    pairs: tuple[Pair, ...] = ()
    removed: tuple[SurveyedImage, ...] = ()
    added: tuple[SurveyedImage, ...] = ()
    fields: tuple[tuple[str, Change], ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.removed or self.added or self.fields) and all(pair.is_equal for pair in self.pairs)

    def to_tree(self) -> dict[str, Any]:
        """The comparison for JSON output."""
        return {
            "equal": self.is_equal,
            "before": {"name": self.before.name, "digest": self.before.root.digest},
            "after": {"name": self.after.name, "digest": self.after.root.digest},
            "removed": [{"platform": i.label, "digest": i.descriptor.digest} for i in self.removed],
            "added": [{"platform": i.label, "digest": i.descriptor.digest} for i in self.added],
            "fields": [_field_tree(where, change) for where, change in self.fields],
            "platforms": [_pair_tree(pair) for pair in self.pairs],
        }

    def text(self) -> str:
        """The comparison for people: only what differs, or one line that says nothing does."""
        if self.is_equal:
            return f"{shown(self.before.name)} and {shown(self.after.name)} are equal"
        lines = [
            f"- {shown(self.before.name)}  {self.before.root.digest}",
            f"+ {shown(self.after.name)}  {self.after.root.digest}",
        ]
        lines += [_field_line(where, change) for where, change in self.fields]
        lines += [f"- {shown(i.label)}  {i.descriptor.digest.short}" for i in self.removed]
        lines += [f"+ {shown(i.label)}  {i.descriptor.digest.short}" for i in self.added]
        for pair in self.pairs:
            if not pair.is_equal:
                lines += _pair_lines(pair)
        return "\n".join(lines)


def compare(before: Survey, after: Survey, files: Mapping[str, ComparedFiles] = MappingProxyType({})) -> Comparison:
    """What differs between two surveys taken with configs. `files` are by platform label."""
    if before.root.digest == after.root.digest:
        return Comparison(before, after)
    pairs, removed, added = pair_up(before, after)
    fields = [*_maps("annotations", before.annotations, after.annotations)]
    for key, old, new in (
        ("mediaType", before.root.media_type, after.root.media_type),
        ("artifactType", before.artifact_type, after.artifact_type),
    ):
        if old != new:
            fields.append((key, Change("changed", "", before=old, after=new)))
    fields += _listed("others", [str(o.digest) for o in before.others], [str(o.digest) for o in after.others])
    compared = tuple(_pair(a, b, files.get(a.label)) for a, b in pairs)
    if not (fields or removed or added) and all(pair.is_equal for pair in compared):
        fields.append(_bytes(before.root, after.root))
    return Comparison(
        before=before,
        after=after,
        pairs=compared,
        removed=removed,
        added=added,
        fields=tuple(fields),
    )


def pair_up(
    before: Survey, after: Survey
) -> tuple[tuple[tuple[SurveyedImage, SurveyedImage], ...], tuple[SurveyedImage, ...], tuple[SurveyedImage, ...]]:
    """The images of both sides paired by platform, those only before, and those only after."""
    free: dict[object, list[SurveyedImage]] = {}
    for image in after.images:
        free.setdefault(_key(image), []).append(image)
    pairs: list[tuple[SurveyedImage, SurveyedImage]] = []
    removed: list[SurveyedImage] = []
    for image in before.images:
        same = free.get(_key(image))
        if same:
            pairs.append((image, same.pop(0)))
        else:
            removed.append(image)
    return tuple(pairs), tuple(removed), tuple(image for images in free.values() for image in images)


def _key(image: SurveyedImage) -> object:
    if image.platform is None:
        return image.descriptor.digest
    return image.platform.normalised(), image.descriptor.is_zstd_image


def _pair(before: SurveyedImage, after: SurveyedImage, files: ComparedFiles | None) -> Pair:
    fields = [*_maps("entry annotations", before.descriptor.annotations, after.descriptor.annotations)]
    if before.platform != after.platform:
        change = Change("changed", "", before=str(before.platform or ""), after=str(after.platform or ""))
        fields.append(("platform", change))
    if before.problem != after.problem:
        fields.append(("problem", Change("changed", "", before=before.problem, after=after.problem)))
    kinds = ([k for a in side.attestations for k in a.kinds or ("attestation",)] for side in (before, after))
    fields += _listed("attestations", *kinds)
    if before.descriptor.digest != after.descriptor.digest and before.manifest and after.manifest:
        old, new = before.manifest, after.manifest
        if old.document.media_type != new.document.media_type:
            change = Change("changed", "", before=old.document.media_type, after=new.document.media_type)
            fields.append(("mediaType", change))
        fields += _maps("manifest annotations", old.annotations, new.annotations)
        if before.config and after.config:
            changes = difference(before.config.document, after.config.document)
            fields += [
                ("config", change) for change in changes if not change.pointer.startswith("/rootfs/diff_ids")
            ]
        elif old.config.digest != new.config.digest:
            fields.append(("config", Change("changed", "", before=old.config.digest, after=new.config.digest)))
    layers = tuple(_layer_changes(before, after))
    if before.descriptor.digest != after.descriptor.digest and not fields and not layers:
        fields.append(_bytes(before.descriptor, after.descriptor))
    return Pair(
        platform=before.label,
        before=before,
        after=after,
        fields=tuple(fields),
        layers=layers,
        files=files,
    )


def _bytes(before: Descriptor, after: Descriptor) -> tuple[str, Change]:
    """Two digests that nothing else explains: the order of entries or the layout of the JSON."""
    return "bytes", Change("changed", "", before=before.digest, after=after.digest)


def _layer_changes(before: SurveyedImage, after: SurveyedImage) -> Iterator[LayerChange]:
    old, new = ([layer.digest for layer in side.layers] for side in (before, after))
    tars = [side.config.diff_ids if side.config else () for side in (before, after)]

    def change(
        kind: str, image: SurveyedImage, number: int, own: Sequence[Digest], others: Sequence[Digest]
    ) -> LayerChange:
        return LayerChange(kind, number, image.layers[number], number < len(own) and own[number] in others)

    for kind, a0, a1, b0, b1 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from (change("removed", before, n, tars[0], tars[1]) for n in range(a0, a1))
            yield from (change("added", after, n, tars[1], tars[0]) for n in range(b0, b1))


def _maps(where: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, Change]]:
    sides = (write(dict(side), "", COMPACT) for side in (before, after))
    yield from ((where, change) for change in difference(*sides))


def _listed(where: str, before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, Change]]:
    yield from ((where, Change("removed", "", before=item)) for item in before if item not in after)
    yield from ((where, Change("added", "", after=item)) for item in after if item not in before)


def _field_tree(where: str, change: Change) -> dict[str, Any]:
    return {"where": where} | change.to_tree()


def _pair_tree(pair: Pair) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "platform": pair.platform,
        "equal": pair.is_equal,
        "before": pair.before.descriptor.digest,
        "after": pair.after.descriptor.digest,
        "fields": [_field_tree(where, change) for where, change in pair.fields],
        "layers": [layer.to_tree() for layer in pair.layers],
    }
    if pair.files is None:
        return tree
    return tree | {"files": [file.to_tree() for file in pair.files.changes], "times": pair.files.times}


def _field_line(where: str, change: Change) -> str:
    sign, _, rest = change.text().partition(" ")
    if not change.pointer:
        rest = rest.removeprefix("document").lstrip()
    return f"{sign} {where} {shown(rest)}"


def _pair_lines(pair: Pair) -> Iterator[str]:
    digests = (pair.before.descriptor.digest, pair.after.descriptor.digest)
    moved = f"  {digests[0].short} → {digests[1].short}" if digests[0] != digests[1] else ""
    yield f"~ {shown(pair.platform)}{moved}"
    for where, change in pair.fields:
        yield f"    {_field_line(where, change)}"
    for layer in pair.layers:
        sign = "+" if layer.kind == "added" else "-"
        same = "  the same tar, compressed otherwise" if layer.same_tar else ""
        yield f"    {sign} layer {layer.number + 1}  {layer.layer.digest.short}  {human(layer.layer.size)}{same}"
    for file in pair.files.changes if pair.files else ():
        sign = {"added": "+", "removed": "-"}.get(file.kind, "~")
        what = f"  ({', '.join(file.what)})" if file.what else ""
        yield f"    {sign} /{shown(file.path)}{what}"
    if pair.note:
        yield f"    {'~' if pair.files and pair.files.times else '='} {pair.note}"
