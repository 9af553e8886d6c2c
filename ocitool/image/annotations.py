"""Annotations of a build, and where each belongs: pure.

    KEY=VALUE                              the default of whoever reads it
    manifest:KEY=VALUE                     every image's manifest
    manifest[linux/arm64]:KEY=VALUE        the manifest of one platform
    index:KEY=VALUE                        the index
    manifest-descriptor:KEY=VALUE          the index's entries
    index,manifest:KEY=VALUE               several places at once

The grammar is that of `docker buildx build --annotation`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from ocitool.errors import Unsupported, UsageError, closest
from ocitool.model.platform import Platform
from ocitool.values import dataclass


class AnnotationLevel(StrEnum):
    """Which documents an annotation is written on; ROOT is the index where there is one, else the manifest."""

    ROOT = "root"
    INDEX = "index"
    MANIFEST = "manifest"
    ENTRY = "manifest-descriptor"


_LAYOUTS_OWN: Final = "index-descriptor"
_TYPED: Final = (AnnotationLevel.INDEX, AnnotationLevel.MANIFEST, AnnotationLevel.ENTRY, _LAYOUTS_OWN)
_PLACE: Final = re.compile(r"([a-z-]*)(?:\[([A-Za-z0-9_/.-]+)\])?")


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation; with a platform it is for that one alone."""

    level: AnnotationLevel
    key: str
    value: str
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class Annotations:
    """All annotations of a build; of two for the same place and key the later one counts."""

    all: tuple[Annotation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.all)

    def __add__(self, others: "Annotations") -> "Annotations":
        return Annotations((*self.all, *others.all))

    def on_index(self) -> dict[str, str]:
        """What an index is annotated with."""
        return self._at({AnnotationLevel.ROOT, AnnotationLevel.INDEX}, None)

    def on_manifest(self, platform: Platform, *, is_root: bool) -> dict[str, str]:
        """What the manifest of a platform is annotated with; `is_root` says that no index is above it."""
        return self._at(
            {AnnotationLevel.ROOT, AnnotationLevel.MANIFEST} if is_root else {AnnotationLevel.MANIFEST}, platform
        )

    def on_entry(self, platform: Platform) -> dict[str, str]:
        """What the index's entry of a platform is annotated with."""
        return self._at({AnnotationLevel.ENTRY}, platform)

    def _at(self, levels: set[AnnotationLevel], platform: Platform | None) -> dict[str, str]:
        return {
            one.key: one.value
            for one in self.all
            if one.level in levels and (one.platform is None or platform is None or one.platform.same(platform))
        }

    def check(self, platforms: Sequence[Platform], *, is_index: bool) -> None:
        """Raise UsageError for what would be written nowhere: an index that is not made, a platform not built."""
        for one in self.all:
            if one.level in {AnnotationLevel.INDEX, AnnotationLevel.ENTRY} and not is_index:
                raise UsageError(
                    f"annotation {one.key} is for an index, and one image is built",
                    hint="--index makes an index of one image too",
                )
            if one.platform is not None and not any(one.platform.same(built) for built in platforms):
                raise UsageError(
                    f"annotation {one.key} is for {one.platform}, which is not built",
                    hint=f"built are {', '.join(map(str, platforms))}",
                )


def plain(
    pairs: Iterable[tuple[str, str]],
    level: AnnotationLevel = AnnotationLevel.ROOT,
    platform: Platform | None = None,
) -> Annotations:
    """Annotations that name no place of their own."""
    return Annotations(tuple(Annotation(level, key, value, platform) for key, value in pairs))


def parse_annotation(text: str, default: AnnotationLevel) -> Annotations:
    """The annotations that one KEY=VALUE asks for; without a place they are of level `default`.

    Raises UsageError, Unsupported for `index-descriptor`, which only index.json of a layout has.
    """
    typed, equals, value = text.partition("=")
    places, colon, key = typed.partition(":")
    # A key may hold a colon of its own; a place never holds a dot, as names of this kind of key do.
    if not colon or "." in re.sub(r"\[[^\]]*\]", "", places):
        places, key = "", typed
    if not key or not equals:
        raise UsageError(f"annotation {text!r} is not KEY=VALUE", hint="as in manifest:KEY=VALUE")
    if not places:
        return Annotations((Annotation(default, key, value),))
    return Annotations(tuple(_placed(place, key, value) for place in places.split(",")))


def annotations_of(pairs: Mapping[str, str], default: AnnotationLevel) -> Annotations:
    """Annotations whose keys may name their place; without one they are of level `default`. Raises as above."""
    return sum((parse_annotation(f"{key}={value}", default) for key, value in pairs.items()), Annotations())


def _placed(place: str, key: str, value: str) -> Annotation:
    found = _PLACE.fullmatch(place)
    word = found[1] if found is not None else place
    if found is None or word not in _TYPED:
        near = closest(word, _TYPED)
        hint = f"did you mean {near}?" if near else f"one of {', '.join(_TYPED)}"
        raise UsageError(f"annotation {key} is for {place!r}, which is no place", hint=hint)
    if word == _LAYOUTS_OWN:
        raise Unsupported(
            f"annotation {key} is for {word}, which only the index.json of a layout has",
            ability=word,
            hint="annotate the index itself with index:KEY=VALUE",
        )
    return Annotation(AnnotationLevel(word), key, value, Platform.parse(found[2]) if found[2] else None)
