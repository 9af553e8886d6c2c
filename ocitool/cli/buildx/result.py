"""A build's result: on the screen, in metadata files, and where CI services ask for it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ocitool.cli.console import table
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.cli.pipeline import page, tell_pipeline, write_text
from ocitool.cli.plans import replaced_line
from ocitool.model.printable import human
from ocitool.model.views import Descriptor
from ocitool.store.base import Put

if TYPE_CHECKING:
    from ocitool.builder.pipeline import Built
    from ocitool.builder.publish import BuildReport
    from ocitool.image.assemble import Image

_COLUMNS: Final = ("PLATFORM", "DIGEST", "SIZE", "LAYERS")
_OUTPUTS: Final = ("digest", "imageid", "names", "platforms")


def metadata(built: "Built", names: Sequence[str], data: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata file: buildx's keys, and everything of ours under `ocitool`."""
    root = Descriptor.of(built.root) if _is_index(built) else built.images[0].descriptor
    tree: dict[str, Any] = {"containerimage.digest": str(root.digest), "containerimage.descriptor": root.to_tree()}
    if not _is_index(built):
        tree["containerimage.config.digest"] = str(built.images[0].config.digest)
    if names:
        tree["image.name"] = ",".join(names)
    return {**tree, "ocitool": dict(data)}


def image_id(built: "Built") -> str:
    """What --iidfile holds: the config's digest of one image, the digest of an index."""
    return str(built.root.digest if _is_index(built) else built.images[0].config.digest)


def _is_index(built: "Built") -> bool:
    return built.root.digest != built.images[0].manifest.digest


def hand_over(
    images: "Mapping[str, tuple[Built, Mapping[str, Any]]]",
    *,
    metadata_file: Path | None,
    iidfiles: Sequence[Path | None],
    environ: Mapping[str, str],
) -> None:
    """Write the files that were asked for, by flags or by a CI service's variables. Raises LocalIOError.

    `images` has each image with what was told of it, by the name that it has in the spec where several are there:
    then the metadata file is a map, as that of `buildx bake` is, and outputs are JSON.
    """
    tags = {name: [str(tag) for tag in built.plan.tags] for name, (built, _) in images.items()}
    if metadata_file is not None:
        found = {name: metadata(built, tags[name], data) for name, (built, data) in images.items()}
        tree = found if len(found) > 1 else next(iter(found.values()))
        write_text(metadata_file, json.dumps(tree, indent=2) + "\n")
    for iidfile, (built, _) in zip(iidfiles, images.values(), strict=True):
        if iidfile is not None:
            write_text(iidfile, image_id(built))
    each = {name: _outputs(built, tags[name]) for name, (built, _) in images.items()}
    if len(each) > 1:
        outputs = {key: json.dumps({name: one[key] for name, one in each.items()}) for key in _OUTPUTS}
    else:
        outputs = next(iter(each.values()))
    pages = "\n".join(summary(built, tags[name]) for name, (built, _) in images.items())
    tell_pipeline(outputs, pages, environ)


def _outputs(built: "Built", names: Sequence[str]) -> dict[str, str]:
    """What the next step of a pipeline reads."""
    values = (
        str(built.root.digest),
        image_id(built),
        ",".join(names),
        ",".join(str(image.platform) for image in built.images),
    )
    return dict(zip(_OUTPUTS, values, strict=True))


def summary(built: "Built", names: Sequence[str]) -> str:
    """The build as Markdown, for a CI service's page."""
    rows = (
        f"| {image.platform} | `{image.manifest.digest.short}` | {human(image.size)} | {len(image.layers)} |"
        for image in built.images
    )
    return page(names, built.root.digest, ("| platform | digest | size | layers |", "|--|--|--:|--:|", *rows))


def outcome(
    app: App,
    report: "BuildReport",
    *,
    pushed: bool,
    streamed: bool,
    seconds: float,
    shown: str = "",
) -> Outcome:
    """A build for people and machines: one line REF@DIGEST per tag pushed, the table, the summary.

    With `shown` that is all of standard output; where it is `streamed`, it holds an archive and nothing else.
    """
    built, deliveries = report.built, report.deliveries
    digest = built.root.digest
    traffic = app.work.opener.traffic
    sent = sum(delivery.report.sent for delivery in deliveries)
    saved = sum(delivery.report.saved for delivery in deliveries)
    summary = (
        f"{table(_COLUMNS, _rows(built))}\n"
        f"{len(built.images)} platform{'s' if len(built.images) != 1 else ''}"
        f", {human(sent)} sent, {human(saved)} saved"
        f"{_asked(traffic.requests)}, {seconds:.1f} s"
    )
    names = [name for delivery in deliveries for name in delivery.names]
    lines = [name for name in names if "@" in name] if pushed else [f"{name}@{digest}" for name in names]
    replaced = [one for delivery in deliveries for one in delivery.replaced]
    loaded = [one for one in deliveries if one.loaded]
    summary = "\n".join([summary, *_loaded(report), *(replaced_line(name, before) for name, before in replaced)])
    data = {
        "digest": str(digest),
        "media_type": built.root.media_type,
        "size": built.root.size,
        "names": names,
        "loaded": [{"engine": one.where, "platforms": list(map(str, one.loaded))} for one in loaded],
        "replaced": [{"name": name, "digest": str(before)} for name, before in replaced],
        "platforms": _images(built.images),
        "zstd_images": _images(built.zstd_images),
        "layers": [
            {
                "digest": str(layer.digest),
                "diff_id": str(layer.diff_id),
                "size": layer.size,
                "codec": layer.codec.to_tree(),
            }
            for layer in built.layers
        ],
        "blobs": {put.value: sum(d.report.puts.get(put, 0) for d in deliveries) for put in Put},
        "sent": sent,
        "saved": saved,
        "requests": traffic.requests,
        "seconds": round(seconds, 3),
    }
    text = shown or "\n".join(lines or [str(digest)])
    if streamed:  # standard output is the archive
        return Outcome(data, summary=f"{summary}\n{text}")
    return Outcome(data, text, summary=summary)


def outcome_of_several(told: Mapping[str, Outcome], reports: "Sequence[BuildReport]") -> Outcome:
    """Several images for people and machines: the lines of each, one table, one summary, data by name."""
    trees = {name: one.data for name, one in told.items()}
    last = next(reversed(trees.values()))
    sums = {key: sum(tree[key] for tree in trees.values()) for key in ("sent", "saved")}
    shared = {key: last[key] for key in ("requests", "seconds")}  # counted from the beginning on
    rows = [(name, *row) for name, report in zip(told, reports, strict=True) for row in _rows(report.built)]
    replaced = [one for report in reports for delivery in report.deliveries for one in delivery.replaced]
    moved = f"{human(sums['sent'])} sent, {human(sums['saved'])} saved{_asked(last['requests'])}"
    lines = [
        table(("IMAGE", *_COLUMNS), rows),
        f"{len(trees)} images, {moved}, {last['seconds']:.1f} s",
        *(line for report in reports for line in _loaded(report)),
        *(replaced_line(name, before) for name, before in replaced),
    ]
    data = {"images": trees, **sums, **shared}
    return Outcome(data, "\n".join(one.text for one in told.values()), summary="\n".join(lines))


def _rows(built: "Built") -> list[tuple[str, ...]]:
    """A row for each image below the root."""
    return [
        (
            f"{image.platform}{' (zstd)' if image.is_zstd else ''}",
            image.manifest.digest.short,
            human(image.size),
            str(len(image.layers)),
        )
        for image in (*built.images, *built.zstd_images)
    ]


def _asked(requests: int) -> str:
    """How often registries were asked; a layout or an archive is asked for nothing."""
    return f", {requests} request{'s' if requests != 1 else ''}" if requests else ""


def _loaded(report: "BuildReport") -> list[str]:
    return [
        f"loaded into {one.where}: {', '.join(map(str, one.loaded))}" for one in report.deliveries if one.loaded
    ]


def _images(images: Iterable["Image"]) -> list[dict[str, Any]]:
    return [
        {
            "platform": str(image.platform),
            "digest": str(image.manifest.digest),
            "config": str(image.config.digest),
            "size": image.size,
            "layers": [str(layer.digest) for layer in image.layers],
        }
        for image in images
    ]
