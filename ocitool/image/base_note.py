"""Annotations about the base of an image: its name, its digest, and what the build read of it beside the layers.

Spec: image-spec annotations.md, "org.opencontainers.image.base.*": the digest is that of what the name holds, so
of the index where it is one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ocitool.errors import MalformedDocument
from ocitool.image.base import BaseImage
from ocitool.image.options import ImageOptions
from ocitool.model.digest import Digest, as_digest
from ocitool.model.document import parse
from ocitool.model.numbers import MIB
from ocitool.store.locate import Locator
from ocitool.values import dataclass, replace

NAME: Final = "org.opencontainers.image.base.name"
DIGEST: Final = "org.opencontainers.image.base.digest"
READS: Final = "org.ocitool.base.reads"
"""A JSON array of words, told in docs/concepts/bases.md."""
WITHOUT_BASE: Final[Mapping[str, None]] = MappingProxyType({NAME: None, DIGEST: None, READS: None})
"""The annotations taken away."""
_LIMIT: Final = MIB


@dataclass(frozen=True, slots=True)
class BaseNote:
    """What is said of a base. A local one has no name; `reads` is None where nobody noted what was read of it."""

    name: str = ""
    digest: Digest | None = None
    reads: frozenset[str] | None = None

    @classmethod
    def of(cls, annotations: Mapping[str, str]) -> "BaseNote":
        """What annotations say; what is no digest and no list of words says nothing."""
        digest = as_digest(annotations.get(DIGEST, ""))
        return cls(annotations.get(NAME, ""), digest, _words(annotations.get(READS, "")))

    def __bool__(self) -> bool:
        return bool(self.name or self.digest)

    @property
    def place(self) -> tuple[str, Digest | None]:
        """The base alone."""
        return self.name, self.digest

    def annotations(self) -> dict[str, str]:
        """The annotations that say it."""
        said = {NAME: self.name, DIGEST: str(self.digest or "")}
        if self.reads is not None:
            said[READS] = json.dumps(sorted(self.reads), separators=(",", ":"))
        return {key: value for key, value in said.items() if value}


def note_of(base: BaseImage, reads: Iterable[str] | None = None) -> BaseNote:
    """What a build says of its base."""
    return BaseNote(base.name, base.root, None if reads is None else frozenset(reads))


def common_note(bases: Sequence[BaseImage | None]) -> BaseNote:
    """What an index says of the base of its images: nothing unless they have one and the same."""
    notes = {note_of(base) if base is not None else BaseNote() for base in bases}
    return notes.pop() if len(notes) == 1 else BaseNote()


def moved_note(said: BaseNote, images: Sequence[tuple[BaseNote, BaseNote]]) -> BaseNote:
    """What an index says of the base that it named, once its images say `after` in place of `before`, each.

    Where some say something else than the others, nothing is left to be said of all.
    """
    if not said or all(before.place == after.place for before, after in images):
        return said
    after = {after.place for _, after in images}
    return BaseNote(*after.pop()) if len(after) == 1 else BaseNote()


def published_name(place: str) -> str:
    """What an image may say its base is called: the reference in full, empty for a path, which is this machine's.

    Of a tag with a digest the tag is said, since that is what moves.
    """
    reference = Locator.parse(place).reference
    if reference is None:
        return ""
    return str(replace(reference, digest=None) if reference.tag else reference)


def same_labels(base: BaseImage | None, options: ImageOptions, told: Iterable[str] = ()) -> set[str]:
    """The words for labels of options that the base says too, or lines of history: nothing else tells of them."""
    labels = base.config.setting("Labels") if base is not None else None
    held = labels if isinstance(labels, Mapping) else {}
    lines = [line for line in told if line.startswith("LABEL ")]
    return {
        f"label:{key}"
        for key, value in options.labels
        if held.get(key) == value or any(f" {key}=" in line for line in lines)
    }


def _words(text: str) -> frozenset[str] | None:
    try:
        words = parse(text.encode("utf-8", "surrogateescape")) if len(text) < _LIMIT else None
    except MalformedDocument:
        return None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    return frozenset(words)
