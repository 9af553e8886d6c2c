"""A Dockerfile's outcome as an image: pure, from values to Documents."""

from collections.abc import Mapping, Sequence
from typing import Any

from ocitool.dockerfile.evaluate import Written
from ocitool.image.assemble import (
    BUILDKIT_COMMENT,
    BUILDKIT_ORDER,
    Image,
    apply_options,
    continued_history,
    in_family,
    last_time,
    set_platform,
    spoken,
)
from ocitool.image.options import ImageOptions
from ocitool.model import compose
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.moments import rfc3339
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, History
from ocitool.pack.layer import Layer


def image_of(
    written: Written,
    platform: Platform,
    layers: Sequence[Layer],
    options: ImageOptions,
    *,
    family: Family,
    epoch: int,
    annotations: Mapping[str, str] | None = None,
) -> Image:
    """The image for one platform; `layers` are those of `written.layers`, in order.

    What flags say comes after what the Dockerfile says. Raises Unsupported for a base whose layers have no type
    in `family`.
    """
    created = rfc3339(epoch)
    history = [
        History(created, told.created_by, BUILDKIT_COMMENT, empty_layer=told.layer is None) for told in written.told
    ]
    settings = dict(written.settings)
    apply_options(settings, options)
    history += [History(created, line, "ocitool", empty_layer=True) for line in spoken(options)]
    places = {key: number for number, key in enumerate(BUILDKIT_ORDER)}
    settings = dict(sorted(settings.items(), key=lambda item: (places.get(item[0], len(places)), item[0])))
    diff_ids = [layer.diff_id for layer in layers]
    base = written.base
    if base is None:
        config = compose.image_config(
            family,
            written.platform,
            settings=settings,
            diff_ids=diff_ids,
            history=history,
            created=created,
            author=written.author,
        )
        below: tuple[Descriptor, ...] = ()
    else:

        def change(tree: Any) -> None:  # noqa: ANN401 - JSON
            tree["created"] = created if history else last_time(base.config.history) or created
            if written.author:
                tree["author"] = written.author
            set_platform(tree, base.config.platform, written.platform)
            kept = {key: settings[key] for key in (tree.get("config") or {}) if key in settings}
            tree["config"] = {**kept, **settings}
            all_ids = (*base.config.diff_ids, *diff_ids)
            tree["rootfs"] = {**tree["rootfs"], "diff_ids": [str(diff_id) for diff_id in all_ids]}
            tree["history"] = continued_history(tree, base.config, history)

        config = Document(base.config.document.edit(change).raw, family.config)
        below = tuple(in_family(layer, family, base.label) for layer in base.manifest.layers)
    descriptors = (*below, *(layer.descriptor(family) for layer in layers))
    manifest = compose.manifest(family, Descriptor.of(config), descriptors, annotations)
    return Image(platform, manifest, config, descriptors, base)
