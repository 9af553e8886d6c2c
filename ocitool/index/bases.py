"""Bases of published images, found by what annotations or words say, each opened once; whether one is underneath.

An annotation is somebody else's word: what it calls the base is a reference in a registry, and never a path.
"""

import threading

from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.image.base import BaseImage, FoundBase, open_base
from ocitool.image.base_note import BaseNote, published_name
from ocitool.model.digest import Digest
from ocitool.model.printable import shown
from ocitool.model.reference import Reference
from ocitool.model.views import ImageConfig, Manifest
from ocitool.store.locate import Locator
from ocitool.values import dataclass, field
from ocitool.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Bases:
    """The bases of images. `old` and `new` are words of a user that go before annotations, empty for none."""

    work: Workspace
    old: str = ""
    new: str = ""
    _found: dict[tuple[str, Digest | None], FoundBase] = field(default_factory=dict, compare=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def old_base(self, note: BaseNote) -> FoundBase:
        """What an image was built upon. Raises UsageError where nothing says it, NotFound for one that is gone."""
        if self.old:
            return self._open(self.old)
        if not note.name and not (note.digest and self.new):
            raise UsageError("nothing says what it is built upon", hint="name that image with --old-base")
        try:
            return self._open(reference_of(note) if note.name else self.new, note.digest)
        except NotFound as error:
            error.add_note("it is the base by the image's annotations; --old-base names another place that has it")
            raise

    def new_base(self, note: BaseNote) -> FoundBase:
        """What it is to stand on: by default what the old base's name holds now. Raises UsageError, NotFound."""
        if not self.new and not note.name:
            raise UsageError("nothing says what it is to stand on", hint="name that image with --new-base")
        return self._open(self.new or reference_of(note))

    def _open(self, place: str, digest: Digest | None = None) -> FoundBase:
        with self._lock:
            key = place, digest
            if key not in self._found:
                self.work.scope.check()
                store, name = self.work.opener.open(Locator.parse(place))
                self._found[key] = open_base(store, str(digest or name), published_name(place))
            return self._found[key]


def reference_of(note: BaseNote) -> str:
    """The base's name as a reference in full. Raises MalformedDocument for what is none."""
    try:
        return str(Reference.parse(note.name))
    except UsageError as error:
        raise MalformedDocument(
            f"an annotation calls the base {shown(note.name)[:200]!r}, which is no reference", hint=error.hint
        ) from None


def is_underneath(base: BaseImage, manifest: Manifest, config: ImageConfig) -> bool:
    """Whether the layers of a base are the lowest ones of an image, be they packed in another way."""
    below = [layer.digest for layer in base.manifest.layers]
    is_packed_alike = [layer.digest for layer in manifest.layers[: len(below)]] == below
    return is_packed_alike or config.diff_ids[: len(below)] == base.config.diff_ids
