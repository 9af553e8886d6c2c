"""A published image put onto another base, every platform of an index at once, as a plan.

The layers of the old base give way to those of the new one, the image's own keep their bytes, and its config is
what a build over the new base makes. Where the build asked the old base what the new one answers otherwise, that is
said and nothing is done unless it is forced.
"""

import threading
from collections.abc import Mapping
from typing import Any

from ocitool.builder.base_reads import Reads, Side, listings
from ocitool.change.difference import difference
from ocitool.change.plan import Plan, PutBlob
from ocitool.errors import MalformedDocument, UsageError
from ocitool.image.assemble import in_family
from ocitool.image.base import BaseImage
from ocitool.image.base_note import BaseNote, note_of
from ocitool.image.config_edit import with_config
from ocitool.image.rebase import OwnHistory, reads_over, rebased_config
from ocitool.index.bases import Bases, is_underneath
from ocitool.index.edit import set_annotations
from ocitool.index.entries import Selector
from ocitool.index.image_plans import AttestationChoice, EditedImage, plan_images
from ocitool.index.name_editor import NameEditor, Texts
from ocitool.model import mediatype
from ocitool.model.document import Document, JsonTree
from ocitool.model.mediatype import Family, family_of
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, ImageConfig, Manifest
from ocitool.store.base import BytesSource, Store, StoreSource
from ocitool.store.verify import read_config
from ocitool.tasks import Scope
from ocitool.values import dataclass, field, replace
from ocitool.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RebaseRequest:
    """What to put an image onto. Words that are empty are taken from its annotations.

    Forced, it is also done where that is not what a build over the new base makes.
    """

    old_base: str = ""
    new_base: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True)
class ImageRebaser(NameEditor):
    """What becomes of the images below a name when their base changes."""

    def plan(self, request: RebaseRequest, chosen: Selector, attestations: AttestationChoice, tags: Texts) -> Plan:
        """The plan. Bases are read by making it, and listings of layers are kept on this machine.

        Raises UsageError where no base is known, where it is not underneath, and for what the build read of it
        (unless forced); NotFound for a base that is gone or lacks a platform; and as `plan_images`.
        """
        store, name, written = self._open(tags)
        bases = Bases(self.work, request.old_base, request.new_base)
        work = _Rebase(self.work, store, bases)
        plan = plan_images(
            store,
            name,
            work,
            chosen=chosen,
            attestations=attestations,
            tags=written,
            scope=self.work.scope,
        )
        told = work.told()
        if told and not request.force:
            error = UsageError(
                "the build asked the old base for what the new one answers otherwise, or what is not known",
                hint="build it anew, or say --force to put the image onto the new base as it is",
            )
            for line in told:
                error.add_note(line)
            raise error
        notes = tuple(f"not what a build makes: {line}" for line in told)
        return self._told(store, replace(plan, notes=(*plan.notes, *notes)), name, written)


@dataclass(frozen=True, slots=True)
class _Rebase:
    """What is done to one image; `found` is what the builds of all of them read, by what each runs on."""

    work: Workspace
    store: Store
    bases: Bases
    found: list[tuple[str, str]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock, compare=False)

    def __call__(self, manifest: Manifest, platform: Platform | None, scope: Scope) -> EditedImage:
        config = read_config(self.store, manifest.config)
        note, platform = BaseNote.of(manifest.annotations), platform or config.platform
        old_root, new_root = self.bases.old_base(note), self.bases.new_base(note)
        if old_root.root.document.digest == new_root.root.document.digest:
            return EditedImage(manifest.document)
        old, new = (root.image(platform, self.work.listener) for root in (old_root, new_root))
        check_underneath(old, manifest, config)
        history = OwnHistory.of(config, old.config, note.reads or ())
        after = rebased_config(config, old.config, new.config, history)
        if old.manifest.document.digest != new.manifest.document.digest:
            memo, added = self.work.machine.memo, manifest.layers[len(old.manifest.layers) :]
            reads = Reads(
                Side(old, memo, scope),
                Side(new, memo, scope),
                manifest,
                config,
                ImageConfig.of(after),
                history,
                note.reads,
                listings(self.store, added, memo, scope),
            )
            with self.lock:  # trees are large: one after the other
                self.found.extend((str(platform), line) for line in reads.differences())
        if "platforms" in (note.reads or ()) and old_root.platforms() != new_root.platforms():
            there = ", ".join(map(str, new_root.platforms()))
            self.found.append((str(platform), f"its platforms, for which it was built; the new one has {there}"))
        reads_after = (
            None if note.reads is None else reads_over(note.reads, config, old.config, new.config, history)
        )
        said = note_of(new, reads_after).annotations() if note else {}
        gone = dict.fromkeys(note.annotations().keys() - said.keys())
        document, blobs = _onto(manifest, after, old, new, said | gone)
        first = f"layers of {old.manifest.document.digest.short} → those of {new.manifest.document.digest.short}"
        changes = (change.text() for change in difference(config.document, after))
        told = (first, *(line for line in changes if " config/" in line))
        return EditedImage(document, tuple(blobs), told)

    def told(self) -> list[str]:
        """What builds read, each line with the platforms it holds for."""
        platforms: dict[str, list[str]] = {}
        for platform, line in self.found:
            platforms.setdefault(line, []).append(platform)
        return sorted(f"{', '.join(sorted(names))}: {line}" for line, names in platforms.items())


def _onto(
    manifest: Manifest, config: Document, old: BaseImage, new: BaseImage, said: Mapping[str, str | None]
) -> tuple[Document, list[PutBlob]]:
    """The manifest over the new base's layers, with annotations as `said`, None for gone; the blobs it needs."""
    family = family_of(manifest.effective_type) or Family.OCI
    below = [in_family(layer, family, new.label) for layer in new.manifest.layers]

    def change(tree: JsonTree) -> None:
        kept = (tree["layers"] or [])[len(old.manifest.layers) :]
        tree["layers"] = [*(layer.to_tree() for layer in below), *kept]
        set_annotations(tree, said)

    held = Descriptor(manifest.config.media_type, config.digest, config.size)
    there = {layer.digest for layer in manifest.layers}
    blobs = [
        PutBlob(layer, StoreSource(layer, new.store), "layer of the base")
        for layer in below
        if layer.digest not in there and not (mediatype.is_foreign(layer.media_type) and layer.urls)
    ]
    blobs.append(PutBlob(held, BytesSource(config.raw), f"config of {ImageConfig.of(config).platform}"))
    return with_config(manifest, config).edit(change), blobs


def check_underneath(base: BaseImage, manifest: Manifest, config: ImageConfig) -> None:
    """Raise UsageError for a base that an image does not stand on, MalformedDocument for a lack of diff_ids."""
    if len(config.diff_ids) != len(manifest.layers):
        raise MalformedDocument(
            f"the image lists {len(manifest.layers)} layers and {len(config.diff_ids)} diff_ids",
            hint="ocitool check tells more",
        )
    if not is_underneath(base, manifest, config):
        raise UsageError(
            f"{base.label} is not underneath the image: its layers are not the lowest ones",
            hint="--old-base names the image that was built upon; ocitool base status compares",
        )
