"""The image that a build starts from: its manifest, config and merged tree for each platform."""

from collections.abc import Sequence
from typing import Final

from ocitool.errors import MalformedDocument, NotFound, WrongPlatform
from ocitool.events import Listener, Noted
from ocitool.graph.walk import MAX_DEPTH, settle_entries
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family
from ocitool.model.numbers import MIB
from ocitool.model.platform import Platform, choose
from ocitool.model.views import Descriptor, ImageConfig, Index, Manifest, Opaque, View, view
from ocitool.store.base import Reader, called
from ocitool.store.verify import read_config
from ocitool.values import dataclass

CONFIG_LIMIT: Final = 8 * MIB
"""Most bytes of an image config that are read."""


@dataclass(frozen=True, slots=True)
class BaseImage:
    """One platform's image of a base: where it lives, its manifest and its config.

    `name` is what others may call the base, empty for a local one, and `root` the digest of what that holds.
    """

    store: Reader
    label: str
    manifest: Manifest
    config: ImageConfig
    name: str = ""
    root: Digest | None = None

    @property
    def family(self) -> Family:
        """The family of its manifest."""
        return mediatype.family_of(self.manifest.document.media_type) or Family.OCI


@dataclass(frozen=True, slots=True)
class FoundBase:
    """A base as it was found: an image, or an index of images. Open `store` as long as this is used.

    `published` is what others may call it, empty for a local one.
    """

    store: Reader
    name: str
    root: View
    published: str = ""

    @property
    def label(self) -> str:
        """The base for messages."""
        return called(self.store, self.name)

    def platforms(self) -> tuple[Platform, ...]:
        """What an index offers, attestations left out; for an image its config's platform."""
        if isinstance(self.root, Index):
            return tuple(entry.runs_on for entry in self.root.platforms if entry.runs_on is not None)
        return (self._image(self._manifest(self.root)).config.platform,)

    def image(
        self, platform: Platform, listener: Listener, *, allow_foreign: bool = False, role: str = "base"
    ) -> BaseImage:
        """The base's image for a platform; messages call it by its `role`.

        Raises NotFound if an index has none for it (the message lists what there is), WrongPlatform if the
        base is one image of another platform (K011) unless `allow_foreign`.
        """
        manifest = self._select(self.root, platform, 0, role)
        image = self._image(manifest)
        check_fits(image, platform, listener, allow_foreign=allow_foreign, role=role)
        return image

    def _select(self, seen: View, platform: Platform, depth: int, role: str) -> Manifest:
        if isinstance(seen, Index) and depth < MAX_DEPTH:
            seen = settle_entries(self.store, seen) if depth else seen
            entry = _pick(seen.platforms, platform)
            if entry is None:
                there = ", ".join(str(p) for p in self.platforms())
                raise NotFound(
                    f"{role} {self.label} has no image for {platform}",
                    name=str(platform),
                    where=self.label,
                    hint=f"it has {there}" if there else "it names no platform at all",
                )
            return self._select(view(self.store.get_manifest(str(entry.digest))), platform, depth + 1, role)
        return self._manifest(seen)

    def _manifest(self, seen: View) -> Manifest:
        if isinstance(seen, Manifest) and seen.is_image:
            return seen
        why = seen.why if isinstance(seen, Opaque) else "no image"
        raise MalformedDocument(f"base {self.label} cannot be built upon: {why}")

    def _image(self, manifest: Manifest) -> BaseImage:
        try:
            from_config = read_config(self.store, manifest.config)
        except MalformedDocument as error:
            error.add_note(f"config of base {self.label}")
            raise
        if len(from_config.diff_ids) != len(manifest.layers):
            raise MalformedDocument(
                f"base {self.label} lists {len(manifest.layers)} layers and {len(from_config.diff_ids)} diff_ids",
                where=self.label,
                hint="the base is broken; ocitool check tells more",
            )
        return BaseImage(self.store, self.label, manifest, from_config, self.published, self.root.document.digest)


def check_fits(
    image: BaseImage, platform: Platform, listener: Listener, *, allow_foreign: bool = False, role: str = "base"
) -> None:
    """Raise WrongPlatform for an image of another platform (K011); with `allow_foreign` it is only told."""
    found = image.config.platform
    if _fits(found, platform):
        return
    what = f"{role} {image.label} is for {found}, not for {platform}"
    if not allow_foreign:
        raise WrongPlatform(
            what,
            path=image.label,
            found=str(found),
            expected=str(platform),
            hint="choose a multi-arch base, or say --allow-foreign-arch if this is meant",
        )
    listener(Noted(what))


def open_base(store: Reader, name: str, published: str = "") -> FoundBase:
    """Read the base under `name`, which others call `published`; what says unknown/unknown is looked into (K218).

    Raises NotFound, MalformedDocument.
    """
    root = view(store.get_manifest(name))
    return FoundBase(store, name, settle_entries(store, root) if isinstance(root, Index) else root, published)


def _pick(entries: Sequence[Descriptor], platform: Platform) -> Descriptor | None:
    """The entry for a platform: the same one, else a lower level of the same architecture."""
    same = choose(platform, entries, lambda entry: entry.runs_on)
    if same is None or same.runs_on is None:
        return None
    return same if same.runs_on.normalised().architecture == platform.normalised().architecture else None


def _fits(found: Platform, wanted: Platform) -> bool:
    return (
        choose(wanted, (found,), lambda p: p) is not None
        and found.normalised().architecture == wanted.normalised().architecture
    )
