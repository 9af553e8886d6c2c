"""New documents of our own making: index, manifest, config. Key order and layout are fixed here.

Manifests and indexes are indented by two spaces, configs are on one line, none ends with a newline; the
golden digests of the tests hold them so. Every document carries its mediaType (K044).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ocitool.errors import UsageError
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import COMPACT, Document, write
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, History


def index(family: Family, entries: Iterable[Descriptor], annotations: Mapping[str, str] | None = None) -> Document:
    """An OCI index or Docker manifest list of `entries`, in their order.

    Raises UsageError for what a Docker list cannot carry: annotations, artifact types (K032).
    """
    entries = tuple(entries)
    if family is Family.DOCKER and (annotations or any(e.annotations or e.artifact_type for e in entries)):
        raise UsageError("a Docker manifest list cannot carry annotations", hint="add --format oci")
    tree: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": family.index,
        "manifests": [entry.to_tree() for entry in entries],
    }
    return _annotated(tree, annotations, family.index)


def manifest(
    family: Family,
    config: Descriptor,
    layers: Sequence[Descriptor],
    annotations: Mapping[str, str] | None = None,
) -> Document:
    """An image manifest; `layers` bottom first, their types of the same family.

    Raises UsageError for annotations in Docker's family, and for types of the other one (K025).
    """
    if family is Family.DOCKER and annotations:
        raise UsageError("a Docker manifest cannot carry annotations", hint="add --format oci")
    for descriptor in (config, *layers):
        if mediatype.family_of(descriptor.media_type) is not family:
            raise UsageError(
                f"{descriptor.media_type} does not belong into a manifest of the {family.value} family"
            )
    tree: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": family.manifest,
        "config": config.to_tree(),
        "layers": [layer.to_tree() for layer in layers],
    }
    return _annotated(tree, annotations, family.manifest)


def image_config(
    family: Family,
    platform: Platform,
    *,
    settings: Mapping[str, Any],
    diff_ids: Sequence[Digest],
    history: Sequence[History],
    created: str,
    author: str = "",
) -> Document:
    """A new image config. `settings` is the runtime part (Env, Entrypoint, …), empty values left out.

    One history entry without `empty_layer` for each diff_id, or none at all (K050).
    """
    filled = sum(not step.empty_layer for step in history)
    if history and filled != len(diff_ids):
        raise UsageError(f"history tells of {filled} layers, the image has {len(diff_ids)}")
    tree: dict[str, Any] = {"created": created}
    if author:
        tree["author"] = author
    tree |= {"architecture": platform.architecture, "os": platform.os}
    if platform.os_version:
        tree["os.version"] = platform.os_version
    if platform.os_features:
        tree["os.features"] = list(platform.os_features)
    if platform.variant:
        tree["variant"] = platform.variant
    tree["config"] = {key: value for key, value in settings.items() if value not in (None, "", [], {})}
    tree["rootfs"] = {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]}
    tree["history"] = [history_tree(step) for step in history]
    return write(tree, family.config, COMPACT)


def history_tree(step: History) -> dict[str, Any]:
    """A history entry as it stands in a config: only what is set."""
    tree: dict[str, Any] = {"created": step.created, "author": step.author, "created_by": step.created_by}
    tree |= {"comment": step.comment, "empty_layer": step.empty_layer}
    return {key: value for key, value in tree.items() if value}


def _annotated(tree: dict[str, Any], annotations: Mapping[str, str] | None, media_type: str) -> Document:
    if annotations:
        tree["annotations"] = dict(sorted(annotations.items()))
    return write(tree, media_type)
