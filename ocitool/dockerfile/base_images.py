"""The images that a Dockerfile names, each opened once for all platforms and stages of a build.

A named context may be one: `docker-image://REF`, `oci-layout://DIR`, or any place that ocitool reads.
"""

from typing import TYPE_CHECKING, Final

from ocitool.dockerfile.places import locator_of
from ocitool.dockerfile.stages import ImageStart, OriginKind, StageBase
from ocitool.errors import Cancelled, OcitoolError, Unsupported
from ocitool.image.base import BaseImage, FoundBase, check_fits, open_base
from ocitool.image.base_note import published_name
from ocitool.tasks import collect
from ocitool.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ocitool.events import Event, Listener
    from ocitool.model.platform import Platform
    from ocitool.workspace import Workspace

_OUTSIDE: Final = frozenset({OriginKind.IMAGE, OriginKind.CONTEXT})


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What came of reading an image ahead: it, or why there is none; `told` is for the listener."""

    image: "BaseImage | OcitoolError"
    told: "tuple[Event, ...]" = ()


class BaseImages:
    """The images that FROM and --from name; `places` are those of named contexts."""

    def __init__(self, places: "Mapping[str, str]", workspace: "Workspace", *, allow_foreign: bool = False) -> None:
        self._places = places
        self._workspace = workspace
        self._allow_foreign = allow_foreign
        self._found: dict[str, FoundBase] = {}
        self._gone: dict[str, OcitoolError] = {}
        self._ahead: dict[tuple[str, Platform | None], _Ahead] = {}
        self._images: dict[tuple[str, Platform | None, bool], BaseImage] = {}

    @property
    def read(self) -> "tuple[BaseImage, ...]":
        """The images that were asked for so far, in that order."""
        return tuple(self._images.values())

    def locator(self, stage_base: StageBase) -> str:
        """Where the image is that FROM or --from names; empty for a named context that is none."""
        place = self._places.get(stage_base.name)
        return stage_base.name if place is None else locator_of(place)

    def base(self, stage_base: StageBase) -> FoundBase:
        """What FROM or --from names, or a named context that is an image: read once for all platforms."""
        if stage_base.name in self._gone:
            raise self._gone[stage_base.name]
        if stage_base.name not in self._found:
            locator = self.locator(stage_base)
            if not locator:
                raise Unsupported(
                    f"context {stage_base.name} is a folder, and no stage can be built upon one",
                    ability="FROM folder",
                    hint="write FROM scratch and COPY --from it",
                )
            store, found, used = self._workspace.open_source(locator)
            self._found[stage_base.name] = open_base(store, found, published_name(used))
        return self._found[stage_base.name]

    def is_named(self, stage_base: StageBase, base: BaseImage) -> bool:
        """Whether it names the image that was opened as `base`."""
        found = self._found.get(stage_base.name)
        is_image = stage_base.origin in _OUTSIDE
        return is_image and found is not None and found.root.document.digest == base.root

    def image(self, stage_base: StageBase, *, is_copied: bool = False) -> BaseImage:
        """The image of a base for its platform.

        One of another platform is refused as a base; where files are only copied from it, it is told: they may
        be data, and programs among them are looked at like all others.
        """
        key = (stage_base.name, stage_base.platform, is_copied)
        if key not in self._images:
            ahead = None if is_copied else self._ahead.get(key[:2])
            self._images[key] = self._told(ahead) if ahead else self._read(stage_base, is_copied=is_copied)
        return self._images[key]

    def read_ahead(self, wanted: "Iterable[StageBase]") -> None:
        """Read the images that stages stand on, those of one base side by side.

        Nothing is raised but Cancelled, and nothing told of an image: that happens where it is asked for.
        """
        outside = (one for one in wanted if one.origin in _OUTSIDE and self.locator(one))
        keys = {(one.name, one.platform): one for one in outside}
        new = {
            key: one for key, one in keys.items() if key not in self._ahead and (*key, False) not in self._images
        }
        todo = {key: one for key, one in new.items() if self._is_there(one)}
        width = min(self._workspace.transfers, len(todo))
        found = collect(self._workspace.scope, self._tried, todo.values(), width)
        self._ahead |= zip(todo, found, strict=True)

    def _is_there(self, stage_base: StageBase) -> bool:
        """Whether a base can be had, which is asked once."""
        if stage_base.name in self._gone:
            return False
        try:
            self.base(stage_base)
        except Cancelled:
            raise
        except OcitoolError as error:
            self._gone[stage_base.name] = error
            return False
        return True

    def _tried(self, stage_base: StageBase) -> _Ahead:
        told: list[Event] = []
        try:
            return _Ahead(self._read(stage_base, listener=told.append), tuple(told))
        except Cancelled:
            raise
        except OcitoolError as error:
            return _Ahead(error)

    def _told(self, ahead: _Ahead) -> BaseImage:
        for event in ahead.told:
            self._workspace.listener(event)
        if isinstance(ahead.image, OcitoolError):
            raise ahead.image
        return ahead.image

    def _read(
        self, stage_base: StageBase, *, is_copied: bool = False, listener: "Listener | None" = None
    ) -> BaseImage:
        return self.base(stage_base).image(
            stage_base.platform or self._workspace.host,
            listener or self._workspace.listener,
            allow_foreign=self._allow_foreign or is_copied,
            role="image" if is_copied else "base",
        )

    def stage_base(self, stage_base: StageBase, platform: "Platform") -> BaseImage:
        """The image that what is built for a platform stands on. Raises WrongPlatform for one that does not fit."""
        image = self.image(stage_base)
        if stage_base.is_explicit:
            check_fits(image, platform, self._workspace.listener, allow_foreign=self._allow_foreign)
        return image

    def start(self, stage_base: StageBase) -> ImageStart | None:
        """What an image hands to a stage that is built upon it."""
        image = self.image(stage_base)
        return ImageStart.of(image.label, image.config.settings)
