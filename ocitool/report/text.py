"""A survey as text: the table of platforms, the layers, the tree. Every line reads well without colour.

Names, annotations and configs come from registries, so control characters in them are shown, not obeyed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ocitool.model.digest import Digest
from ocitool.model.printable import human, shown
from ocitool.model.views import Descriptor
from ocitool.report.survey import Attestation, Survey, SurveyedImage


def columns(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Rows as aligned lines; the first row is the head, `right` the columns aligned to the right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]

    def cell(n: int, text: str) -> str:
        return text.rjust(widths[n]) if n in right else text.ljust(widths[n])

    return ["  ".join(cell(n, text) for n, text in enumerate(row)).rstrip() for row in rows]


def table(survey: Survey, *, layers: bool = False) -> str:
    """The platforms as Docker Hub shows them: platform, digest, compressed size, created, layers.

    With `layers`, each image's layers follow it, bottom first.
    """
    lines = list(_head(survey))
    rows = [["PLATFORM", "DIGEST", "SIZE", "CREATED", "LAYERS", ""]]
    rows += [_row(image) for image in survey.images]
    aligned = columns(rows, right=frozenset({2, 4}))
    if survey.images:
        lines += ["", aligned[0]]
    shared = survey.layers
    for image, line in zip(survey.images, aligned[1:], strict=True):
        lines.append(line)
        if layers:
            lines += [f"    {text}" for text in _layers(image, shared)]
        lines += [f"    {shown(_other(r))}" for r in image.referrers]
    lines += list(_annotations(survey))
    lines += list(_foot(survey))
    return "\n".join(lines)


def _annotations(survey: Survey) -> Iterator[str]:
    """The annotations of entries and manifests; what all of them say is told once (K224)."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for image in survey.images:
        own = image.manifest.annotations if image.manifest is not None else {}
        levels = {"entry": image.descriptor.annotations, "manifest": own if survey.kind == "index" else {}}
        for level, pairs in levels.items():
            for key, value in pairs.items():
                rows.setdefault((level, key, value), []).append(image.label)
    if rows:
        yield ""
    for (level, key, value), labels in rows.items():
        who = "every" if len(labels) == len(survey.images) > 1 else ", ".join(labels)
        yield f"{shown(who)} {level}  {shown(key)}: {shown(value)}"


def tree(survey: Survey, *, layers: bool = False) -> str:
    """The name, what hangs below it, and below that attestations (and layers)."""
    children: list[tuple[str, list[str]]] = []
    shared = survey.layers
    for image in survey.images:
        below = [f"config {image.manifest.config.digest.short}"] if image.manifest and layers else []
        below += _layers(image, shared) if layers else []
        below += [_attestation(a) for a in image.attestations]
        below += [_other(r) for r in image.referrers]
        children.append((f"{image.label}  {image.descriptor.digest}  {_size(image)}", below))
    children += [(_other(other), []) for other in (*survey.others, *survey.referrers)]
    children += [(f"{_attestation(orphan)}  of an image that is not listed", []) for orphan in survey.orphans]
    lines = [f"{shown(survey.name)}  {_what(survey)}  {survey.root.digest}"]
    for number, (line, below) in enumerate(children):
        last = number == len(children) - 1
        lines.append(f"{'└─' if last else '├─'} {shown(line)}")
        stem = "   " if last else "│  "
        lines += [f"{stem}{'└─' if n == len(below) - 1 else '├─'} {shown(b)}" for n, b in enumerate(below)]
    return "\n".join(lines)


def configs(survey: Survey) -> str:
    """Every image's config, as JSON, under a line that names its platform."""
    parts = []
    for image in survey.images:
        said = json.dumps(image.config.document.tree(), indent=2) if image.config else f"({image.problem})"
        parts.append(f"# {image.label} {image.descriptor.digest}\n{said}")
    return "\n".join(parts)


def _head(survey: Survey) -> Iterator[str]:
    yield shown(survey.name)
    yield f"  {_what(survey)}  {survey.root.digest}"
    if survey.note:
        yield f"  {survey.note}"
    if survey.subject:
        yield f"  about {survey.subject.digest}"
    for key, value in survey.annotations.items():
        yield f"  {shown(key)}: {shown(value)}"


def _what(survey: Survey) -> str:
    word = survey.artifact_type or survey.root.media_type
    return f"{survey.kind}  {shown(word)}"


def _row(image: SurveyedImage) -> list[str]:
    if image.manifest is None:
        return [shown(image.label), image.descriptor.digest.short, "", "", "", shown(image.problem)]
    created = image.config.created.partition(".")[0].removesuffix("Z").replace("T", " ") if image.config else ""
    remarks = [shown(kind) for a in image.attestations for kind in a.kinds or ("attestation",)]
    says = image.config.platform if image.config else None
    if says is not None and image.platform is not None and not says.same(image.platform):
        remarks.append(f"its config says {shown(str(says))}")
    if image.problem:
        remarks.append(shown(image.problem))
    size, count = human(image.size), str(len(image.layers))
    return [shown(image.label), image.descriptor.digest.short, size, shown(created), count, ", ".join(remarks)]


def _size(image: SurveyedImage) -> str:
    return human(image.size) if image.manifest else image.problem


def _layers(image: SurveyedImage, shared: Mapping[Digest, tuple[Descriptor, int]]) -> list[str]:
    return [
        f"{layer.digest.short}  {human(layer.size):>8}{_shared(shared[layer.digest][1])}" for layer in image.layers
    ]


def _shared(count: int) -> str:
    return f"  in {count} images" if count > 1 else ""


def _attestation(attestation: Attestation) -> str:
    kinds = ", ".join(attestation.kinds) or "attestation"
    return f"{kinds}  {attestation.descriptor.digest}"


def _other(other: Descriptor) -> str:
    return f"{other.artifact_type or other.media_type}  {other.digest}"


def _foot(survey: Survey) -> Iterable[str]:
    for other in (*survey.others, *survey.referrers):
        yield shown(_other(other))
    for orphan in survey.orphans:
        yield f"{shown(_attestation(orphan))}  of an image that is not listed"
    if len(survey.images) > 1:
        yield ""
        yield totals(survey)


def totals(survey: Survey) -> str:
    """How many platforms and layers there are, and how large they are with and without sharing."""
    total, separate = survey.total_size, sum(image.size for image in survey.images)
    saved = f", {human(separate)} without sharing" if separate != total else ""
    many = "platforms" if survey.offered != 1 else "platform"
    return f"{survey.offered} {many}, {human(total)} in {len(survey.layers)} layers{saved}"
