"""A build's result: on the screen, in metadata files, and where CI services ask for it.

GitHub names its files in GITHUB_OUTPUT and GITHUB_STEP_SUMMARY. GitLab takes a dotenv report; its file is named
in OCITOOL_DOTENV.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from errno import EISDIR
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ocitool.cli.console import human, table
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.cli.plans import replaced_line
from ocitool.errors import local_io
from ocitool.model.views import Descriptor
from ocitool.store.base import Put

if TYPE_CHECKING:
    from ocitool.builder.pipeline import Built
    from ocitool.builder.publish import BuildReport
    from ocitool.image.assemble import Image

PIPELINE_FILES: Final = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "OCITOOL_DOTENV")
"""Variables that name files for the next step of a pipeline."""


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


def make_way(paths: Iterable[Path | None]) -> None:
    """Before anything is built: each file can be written, and nothing that an earlier build wrote is left there.

    A pipeline must not find the image of an earlier run after one that failed. Links and devices stay as they
    are (`/dev/stdout`). Raises LocalIOError.
    """
    for path in filter(None, paths):
        try:
            if not path.is_symlink() and (path.is_file() or not path.exists()):
                path.open("w", encoding="utf-8").close()
                with suppress(OSError):  # in a folder that is closed, or mounted itself: empty will do
                    path.unlink()
            elif path.is_dir():
                raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        except OSError as error:
            raise local_io(error, f"write {path}") from error


def write_text(path: Path, text: str) -> None:
    """Write a whole file. Raises LocalIOError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise local_io(error, f"write {path}") from error


def hand_over(
    built: "Built",
    names: Sequence[str],
    data: Mapping[str, Any],
    *,
    metadata_file: Path | None,
    iidfile: Path | None,
    environ: Mapping[str, str],
) -> None:
    """Write the files that were asked for, by flags or by a CI service's variables. Raises LocalIOError."""
    if metadata_file is not None:
        write_text(metadata_file, json.dumps(metadata(built, names, data), indent=2) + "\n")
    if iidfile is not None:
        write_text(iidfile, image_id(built))
    outputs = {
        "digest": str(built.root.digest),
        "imageid": image_id(built),
        "names": ",".join(names),
        "platforms": ",".join(str(image.platform) for image in built.images),
    }
    if environ.get("GITHUB_OUTPUT"):
        _append(Path(environ["GITHUB_OUTPUT"]), "".join(f"{key}={value}\n" for key, value in outputs.items()))
    if environ.get("GITHUB_STEP_SUMMARY"):
        _append(Path(environ["GITHUB_STEP_SUMMARY"]), summary(built, names))
    if environ.get("OCITOOL_DOTENV"):
        lines = (f"OCITOOL_{key.upper()}={value}\n" for key, value in outputs.items())
        _append(Path(environ["OCITOOL_DOTENV"]), "".join(lines))


def summary(built: "Built", names: Sequence[str]) -> str:
    """The build as Markdown, for a CI service's page."""
    lines = [f"### {', '.join(names) or 'image'}", "", f"`{built.root.digest}`", ""]
    lines += ["| platform | digest | size | layers |", "|--|--|--:|--:|"]
    lines += [
        f"| {image.platform} | `{image.manifest.digest.short}` | {human(image.size)} | {len(image.layers)} |"
        for image in built.images
    ]
    return "\n".join(lines) + "\n"


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise local_io(error, f"write {path}") from error


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
    rows = [
        (
            f"{image.platform}{' (zstd)' if image.is_zstd else ''}",
            image.manifest.digest.short,
            human(sum(layer.size for layer in image.layers)),
            str(len(image.layers)),
        )
        for image in (*built.images, *built.zstd_images)
    ]
    traffic = app.work.opener.traffic
    sent = sum(delivery.report.sent for delivery in deliveries)
    saved = sum(delivery.report.saved for delivery in deliveries)
    # A layout or an archive is asked for nothing.
    asked = f", {traffic.requests} request{'s' if traffic.requests != 1 else ''}" if traffic.requests else ""
    summary = (
        f"{table(('PLATFORM', 'DIGEST', 'SIZE', 'LAYERS'), rows)}\n"
        f"{len(built.images)} platform{'s' if len(built.images) != 1 else ''}"
        f", {human(sent)} sent, {human(saved)} saved"
        f"{asked}, {seconds:.1f} s"
    )
    names = [name for delivery in deliveries for name in delivery.names]
    lines = [name for name in names if "@" in name] if pushed else [f"{name}@{digest}" for name in names]
    replaced = [one for delivery in deliveries for one in delivery.replaced]
    loaded = [one for one in deliveries if one.loaded]
    told = [f"loaded into {one.where}: {', '.join(map(str, one.loaded))}" for one in loaded]
    summary = "\n".join([summary, *told, *(replaced_line(name, before) for name, before in replaced)])
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
