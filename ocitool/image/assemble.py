"""Layers and settings become images, and images an index: pure, from values to Documents.

Over a base, its config is edited: what it holds and we do not know stays, its history is kept and continued.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from ocitool.codec.codecs import OF_BYTES
from ocitool.errors import Unsupported, UsageError
from ocitool.image.annotations import Annotations
from ocitool.image.base import BaseImage
from ocitool.image.options import ImageOptions, ports_of, set_env
from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.moments import rfc3339
from ocitool.model.platform import Platform
from ocitool.model.views import ZSTD_IMAGE, Descriptor, History, ImageConfig, layers_size
from ocitool.pack.layer import Layer
from ocitool.values import dataclass, replace

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What docker sets on scratch, so that programs find each other."""
BUILDKIT_COMMENT: Final = "buildkit.dockerfile.v0"
"""What BuildKit writes beside each line of history; tools that tell Dockerfile lines from others look for it."""
BUILDKIT_ORDER: Final = (
    "Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "ExposedPorts", "Tty",
    "OpenStdin", "StdinOnce", "Env", "Cmd", "Healthcheck", "ArgsEscaped", "Image", "Volumes", "WorkingDir",
    "Entrypoint", "NetworkDisabled", "MacAddress", "OnBuild", "Labels", "StopSignal", "StopTimeout", "Shell",
)  # fmt: skip
"""The order in which BuildKit writes the settings of a config."""
LEFTOVERS: Final = ("container", "container_config", "docker_version", "id", "parent")
"""What configs say of the container they were made of; builds of a project leave it out."""


@dataclass(frozen=True, slots=True)
class LayerStep:
    """A layer of ours and the line that history tells of it."""

    layer: Layer
    created_by: str


@dataclass(frozen=True, slots=True)
class Image:
    """One platform's image, ready to be stored: manifest, config, and the descriptors of its layers in order.

    A platform may have another one, which `is_zstd`.
    """

    platform: Platform
    manifest: Document
    config: Document
    layers: tuple[Descriptor, ...]
    base: BaseImage | None = None
    is_zstd: bool = False

    @property
    def descriptor(self) -> Descriptor:
        """The image as an index lists it."""
        entry = Descriptor.of(self.manifest, self.platform)
        return replace(entry, annotations=MappingProxyType({ZSTD_IMAGE: "true"})) if self.is_zstd else entry

    @property
    def size(self) -> int:
        """Compressed bytes of the distinct layers."""
        return layers_size(self.layers)


def choose_family(asked: str, base: Family | None, *, annotated: bool, kind: str) -> Family:
    """The family to write: what was asked for, else the base's, else Docker's.

    Raises UsageError where Docker's cannot carry what is wanted: annotations, zstd and eStargz layers (K032, K055).
    """
    family = Family(asked) if asked in {"docker", "oci"} else base or Family.DOCKER
    if family is Family.OCI:
        return family
    because = "because the base is Docker's" if asked == "auto" and base is not None else "which is the default"
    how = "asked for with --format docker" if asked == "docker" else because
    if annotated:
        raise UsageError(
            f"annotations have no place in Docker's manifests, {how}", hint="add --format oci, or use --label"
        )
    if kind in {"zstd", "estargz", "gzip-toc"}:
        raise UsageError(
            f"{kind} layers have no agreed type in Docker's manifests, {how}",
            hint="add --format oci, or choose --compression gzip",
        )
    return family


def assemble(
    platform: Platform,
    family: Family,
    steps: Sequence[LayerStep],
    options: ImageOptions,
    *,
    base: BaseImage | None,
    epoch: int,
    annotations: Mapping[str, str] | None = None,
) -> Image:
    """The image of `steps` over `base` (None: scratch) for one platform.

    Raises Unsupported for a base whose layers have no type in `family`.
    """
    created = rfc3339(epoch)
    told = [History(created=created, created_by=step.created_by, comment="ocitool") for step in steps]
    told += [
        History(created=created, created_by=line, comment="ocitool", empty_layer=True) for line in spoken(options)
    ]
    diff_ids = tuple(step.layer.diff_id for step in steps)
    if base is None:
        settings: dict[str, Any] = {"Env": [f"PATH={DEFAULT_PATH}"]}
        apply_options(settings, options)
        config = compose.image_config(
            family, platform, settings=settings, diff_ids=diff_ids, history=told, created=created
        )
        below: tuple[Descriptor, ...] = ()
    else:
        edited = base.config.document.edit(_continued(base.config, options, diff_ids, told, created))
        config = Document(edited.raw, family.config)
        below = tuple(in_family(layer, family, base.label) for layer in base.manifest.layers)
    layers = (*below, *(step.layer.descriptor(family) for step in steps))
    manifest = compose.manifest(family, Descriptor.of(config), layers, annotations)
    return Image(platform, manifest, config, layers, base)


def in_family(layer: Descriptor, family: Family, label: str) -> Descriptor:
    """A layer of base `label` as a manifest of `family` lists it. Raises Unsupported if it has no such type.

    Where its table of contents is said with it in a manifest of OCI's, so that it can be read in parts there too.
    """
    twin = mediatype.twin(layer.media_type, family)
    if twin is None or twin == mediatype.DOCKER_LAYER_ZSTD:
        raise Unsupported(
            f"layer {layer.digest.short} of base {label} is {layer.media_type}: {family.value} has no such type",
            ability=layer.media_type,
            hint="add --format oci",
        )
    kept = {key: value for key, value in layer.annotations.items() if key.startswith(OF_BYTES)}
    said = kept if family is Family.OCI else {}
    return Descriptor(twin, layer.digest, layer.size, annotations=said, urls=layer.urls)


def _continued(
    base: ImageConfig, options: ImageOptions, diff_ids: Sequence[Digest], told: Sequence[History], created: str
) -> Callable[[Any], None]:
    """The edit that continues a base's config; everything unknown in it stays (K031)."""

    def change(tree: Any) -> None:  # noqa: ANN401 - JSON
        tree["created"] = created
        settings = dict(tree.get("config") or {})
        apply_options(settings, options)
        tree["config"] = settings
        tree["rootfs"] = {**tree["rootfs"], "diff_ids": [str(d) for d in (*base.diff_ids, *diff_ids)]}
        tree["history"] = continued_history(tree, base, told)
        for leftover in LEFTOVERS:
            tree.pop(leftover, None)

    return change


def continued_history(tree: Any, base: ImageConfig, told: Sequence[History]) -> list[Any]:  # noqa: ANN401 - JSON
    """The history in the tree of a base's config, with ours after it; what it says is kept as it is."""
    return inherited_history(tree, base) + [compose.history_tree(step) for step in told]


def inherited_history(tree: Any, base: ImageConfig) -> list[Any]:  # noqa: ANN401 - JSON
    """The history in the tree of a base's config as images upon it have it: a line for each layer."""
    if sum(not step.empty_layer for step in base.history) != len(base.diff_ids):
        # A history that does not fit its layers is worse than none to some registries (K050).
        return [{"created_by": "unknown: the base has no history of this layer"} for _ in base.diff_ids]
    return list(tree.get("history") or [])


def last_time(history: Sequence[History]) -> str:
    """When the newest step was made that says so: the time of an image to which nothing was added."""
    return next((step.created for step in reversed(history) if step.created), "")


def set_platform(tree: Any, had: Platform, has: Platform) -> None:  # noqa: ANN401 - JSON
    """Write a platform into the tree of a base's config where it differs from the base's own."""
    if had == has:
        return
    tree |= {"os": has.os, "architecture": has.architecture}
    if has.variant:
        tree["variant"] = has.variant
    elif (had.os, had.architecture) != (has.os, has.architecture):
        tree.pop("variant", None)


def apply_options(settings: dict[str, Any], options: ImageOptions) -> None:
    """Change the runtime part of a config as asked; a new ENTRYPOINT forgets the base's CMD, as docker does."""
    if options.entrypoint is not None:
        settings["Entrypoint"] = list(options.entrypoint)
        if options.cmd is None:
            settings.pop("Cmd", None)
    if options.cmd is not None:
        settings["Cmd"] = list(options.cmd)
    if options.env:
        set_env(settings, options.env)
    if options.user is not None:
        settings["User"] = options.user
    if options.workdir is not None:
        settings["WorkingDir"] = options.workdir
    if options.labels:
        settings["Labels"] = dict(sorted({**(settings.get("Labels") or {}), **dict(options.labels)}.items()))
    if options.expose:
        ports: dict[str, Any] = {port: {} for port in ports_of(options.expose)}
        settings["ExposedPorts"] = {**(settings.get("ExposedPorts") or {}), **dict(sorted(ports.items()))}
    if options.volumes:
        settings["Volumes"] = {**(settings.get("Volumes") or {}), **{v: {} for v in sorted(options.volumes)}}
    if options.stop_signal is not None:
        settings["StopSignal"] = options.stop_signal


def spoken(options: ImageOptions) -> list[str]:
    """What was set, in Dockerfile's words, one line each, for history."""
    lines = [f"ENV {key}={value}" for key, value in options.env]
    lines += [f"EXPOSE {port}" for port in options.expose]
    lines += [f"VOLUME {json.dumps([volume])}" for volume in options.volumes]
    lines += [f"WORKDIR {options.workdir}"] if options.workdir else []
    lines += [f"USER {options.user}"] if options.user else []
    lines += [f"STOPSIGNAL {options.stop_signal}"] if options.stop_signal else []
    lines += [f"ENTRYPOINT {json.dumps(list(options.entrypoint))}"] if options.entrypoint is not None else []
    lines += [f"CMD {json.dumps(list(options.cmd))}"] if options.cmd is not None else []
    return lines


def bind(
    images: Sequence[Image],
    family: Family,
    annotations: Annotations,
    *,
    index: bool,
    attestations: Sequence[Descriptor] = (),
) -> Document:
    """The root of a build: the index of `images`, or the one image itself. Raises UsageError.

    Entries of `attestations` stand behind all images, as BuildKit has them.
    """
    if not index and len(images) == 1:
        return images[0].manifest
    entries = (
        replace(entry, annotations=MappingProxyType({**entry.annotations, **annotations.on_entry(image.platform)}))
        for image in images
        for entry in (image.descriptor,)
    )
    return compose.index(family, (*entries, *attestations), annotations.on_index())
