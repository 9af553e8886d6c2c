"""Bases of the images under a name: whether each is underneath, and whether its name holds another one by now."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from ocitool.errors import NotFound, OcitoolError
from ocitool.image.base import FoundBase
from ocitool.image.base_note import BaseNote
from ocitool.index.bases import Bases, is_underneath
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.model.printable import shown
from ocitool.model.views import ImageConfig, Manifest
from ocitool.report.survey import Survey, SurveyedImage
from ocitool.report.text import columns
from ocitool.tasks import Scope
from ocitool.values import dataclass


class BaseState(StrEnum):
    """What is found of a base."""

    CURRENT = "current"
    MOVED = "moved"
    NOT_UNDERNEATH = "not underneath"
    UNKNOWN = "unknown"


_NO: Final = frozenset({BaseState.MOVED, BaseState.NOT_UNDERNEATH})


@dataclass(frozen=True, slots=True)
class ImageBase:
    """One image and its base. `now` is the digest that the base's name holds, None where nobody could ask.

    `underneath` says whether the layers of the base it was built upon are its lowest ones, None where that base is
    not there any more or nothing names it. `problem` says why an image could not be looked at.
    """

    reference: str
    digest: Digest
    platform: Platform | None
    note: BaseNote
    state: BaseState = BaseState.UNKNOWN
    underneath: bool | None = None
    now: Digest | None = None
    problem: str = ""

    def to_tree(self) -> dict[str, Any]:
        """The image for JSON output."""
        base = {"name": self.note.name or None, "digest": str(self.note.digest) if self.note.digest else None}
        return {
            "reference": self.reference,
            "platform": str(self.platform) if self.platform else None,
            "digest": str(self.digest),
            "base": base | {"now": str(self.now) if self.now else None},
            "underneath": self.underneath,
            "state": self.state.value,
            "problem": self.problem or None,
        }


@dataclass(frozen=True, slots=True)
class BaseStatus:
    """The bases of all images that were looked at."""

    images: tuple[ImageBase, ...]

    @property
    def is_current(self) -> bool:
        """Whether no base moved, and each is underneath."""
        return not any(image.state in _NO for image in self.images)

    def to_tree(self) -> dict[str, Any]:
        """The answer for JSON output."""
        return {"current": self.is_current, "images": [image.to_tree() for image in self.images]}

    def text(self) -> str:
        """The answer as a table."""
        rows: list[tuple[str, ...]] = [("REFERENCE", "PLATFORM", "BASE", "BUILT ON", "NOW", "STATE")]
        rows += [_row(image) for image in self.images]
        return "\n".join(columns(rows))


def base_status(surveys: Mapping[str, Survey], bases: Bases, *, scope: Scope) -> BaseStatus:
    """The bases of what was surveyed, by the names that people call it.

    A base that is named in words is compared by layers, where annotations say no digest. Raises what reading a base
    raises, but for one that is gone by its digest.
    """
    images = []
    for reference, survey in surveys.items():
        for image in survey.images:
            scope.check()
            images.append(_status(reference, image, _note(survey, image), bases))
    return BaseStatus(tuple(images))


def _note(survey: Survey, image: SurveyedImage) -> BaseNote:
    """What is said of the base nearest to the image: some builders annotate its entry, or the index alone."""
    own = image.manifest.annotations if image.manifest is not None else {}
    said = map(BaseNote.of, (own, image.descriptor.annotations, survey.annotations))
    return next((note for note in said if note), BaseNote())


def _status(reference: str, image: SurveyedImage, note: BaseNote, bases: Bases) -> ImageBase:
    manifest, config = image.manifest, image.config
    if manifest is None or config is None:
        return ImageBase(reference, image.digest, image.platform, note, problem=image.problem)
    found = ImageBase(reference, image.digest, image.platform, note)
    if not note.name and not bases.new:
        return found
    platform = image.platform or config.platform
    try:
        new = bases.new_base(note)
        if note.digest is None:  # nobody says what it was built upon: what the name holds now may be it
            is_on = _is_on(new, platform, bases, manifest, config)
            return _with(found, BaseState.CURRENT if is_on else BaseState.NOT_UNDERNEATH, is_on, new)
        underneath = _old_is_under(note, platform, bases, manifest, config)
    except OcitoolError as error:
        error.add_note(f"it is the base of {reference} for {platform}")
        raise
    if underneath is False:
        return _with(found, BaseState.NOT_UNDERNEATH, underneath, new)
    is_current = note.digest in {new.root.document.digest, _digest_for(new, platform, bases)}
    return _with(found, BaseState.CURRENT if is_current else BaseState.MOVED, underneath, new)


def _with(found: ImageBase, state: BaseState, underneath: bool | None, new: FoundBase) -> ImageBase:  # noqa: FBT001 - three values
    name = found.note.name or new.published
    return ImageBase(
        found.reference,
        found.digest,
        found.platform,
        BaseNote(name, found.note.digest),
        state,
        underneath,
        new.root.document.digest,
    )


def _old_is_under(
    note: BaseNote, platform: Platform, bases: Bases, manifest: Manifest, config: ImageConfig
) -> bool | None:
    """Whether the base by its digest is underneath; None where that is gone."""
    try:
        old = bases.old_base(note)
    except NotFound:
        return None
    return _is_on(old, platform, bases, manifest, config)


def _is_on(base: FoundBase, platform: Platform, bases: Bases, manifest: Manifest, config: ImageConfig) -> bool:
    try:
        image = base.image(platform, bases.work.listener, allow_foreign=True)
    except NotFound:
        return False
    return is_underneath(image, manifest, config)


def _digest_for(base: FoundBase, platform: Platform, bases: Bases) -> Digest | None:
    """The digest of the base's own image for a platform, which some builders note instead of the index's."""
    try:
        return base.image(platform, bases.work.listener, allow_foreign=True).manifest.document.digest
    except NotFound:
        return None


def _row(image: ImageBase) -> tuple[str, ...]:
    note = image.note
    return (
        shown(image.reference),
        str(image.platform or image.digest.short),
        shown(note.name or "-"),
        note.digest.short if note.digest else "-",
        image.now.short if image.now else "-",
        shown(image.problem or _words(image)),
    )


def _words(image: ImageBase) -> str:
    if image.state is BaseState.UNKNOWN:
        return "no base is named" if not image.note else "a base without a name"
    if image.state is BaseState.MOVED and image.underneath is None:
        return "moved; what it was built on is gone"
    return image.state.value
