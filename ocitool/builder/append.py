"""Files and tars as new layers on top of a published image, every platform of an index at once, as a plan.

Layers that are there keep their bytes; files are placed through the links of the image, and programs of another
platform are refused, as in a build.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ocitool.builder.contents import base_tree
from ocitool.builder.programs import refuse_foreign, survey
from ocitool.change.plan import Plan, PutBlob
from ocitool.codec.codecs import Codec, decompress, parse_codec
from ocitool.dockerfile.run.tar_entries import tar_entries
from ocitool.errors import MalformedDocument, Unsupported, UsageError, local_io
from ocitool.image.assemble import continued_history
from ocitool.image.base import BaseImage
from ocitool.image.config_edit import with_config
from ocitool.index.entries import Selector
from ocitool.index.image_plans import AttestationChoice, EditedImage, plan_images
from ocitool.index.name_editor import NameEditor, Texts
from ocitool.model.document import JsonTree
from ocitool.model.mediatype import Family, family_of
from ocitool.model.moments import rfc3339
from ocitool.model.numbers import KIB
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, History, ImageConfig, Manifest
from ocitool.pack.entries import CopyRule, Entry, expand, named_for
from ocitool.pack.layer import Layer, StoredTar, pack_layer, pack_tar
from ocitool.pack.placing import place
from ocitool.store.base import BytesSource, Store, StoreSource, ingested
from ocitool.store.verify import read_config
from ocitool.tasks import Scope
from ocitool.workspace import Workspace

_PIECE: Final = 256 * KIB


@dataclass(frozen=True, slots=True)
class AppendRequest:
    """What is appended: files by copy rules as one layer, then each tar as one; names may hold {os} and {arch}.

    Relative sources stand below `source`. `epoch` is the time of files and of the history's lines.
    """

    copies: tuple[CopyRule, ...] = ()
    tars: tuple[str, ...] = ()
    source: Path = Path()
    compression: str = ""
    epoch: int = 0
    allow_foreign: bool = False
    allow_sparse: bool = False


@dataclass(frozen=True, slots=True)
class ImageAppender(NameEditor):
    """What is put on top of the images below a name."""

    def plan(self, request: AppendRequest, chosen: Selector, attestations: AttestationChoice, tags: Texts) -> Plan:
        """The plan; layers are packed into this machine's store by making it.

        Raises what packing and reading a base raise, WrongPlatform for programs of another platform, and as
        `plan_images`.
        """
        if not request.copies and not request.tars:
            raise UsageError("what should be appended?", hint="say --copy SRC:DEST or --tar FILE")
        store, name, written = self._open(tags)
        work = _Append(self.work, store, request, parse_codec(request.compression or "gzip"))
        plan = plan_images(
            store, name, work, chosen=chosen, attestations=attestations, tags=written, scope=self.work.scope
        )
        return self._told(store, plan, name, written)


@dataclass(frozen=True, slots=True)
class _Append:
    """What is done to one image. One is packed at a time: the next finds again what it has in common with it."""

    work: Workspace
    store: Store
    request: AppendRequest
    codec: Codec
    lock: Any = field(default_factory=threading.Lock, compare=False)

    def __call__(self, manifest: Manifest, platform: Platform | None, scope: Scope) -> EditedImage:
        config = read_config(self.store, manifest.config)
        if len(config.diff_ids) != len(manifest.layers):
            raise MalformedDocument(
                f"the image lists {len(manifest.layers)} layers and {len(config.diff_ids)} diff_ids",
                hint="ocitool check tells more",
            )
        platform = platform or config.platform
        family = family_of(manifest.effective_type) or Family.OCI
        with self.lock:
            scope.check()
            added = self._layers(manifest, config, platform, scope)
        if config.diff_ids[-len(added) :] == tuple(layer.diff_id for layer, _ in added):
            return EditedImage(manifest.document)  # the same on top of itself would change no file
        layers = [(layer.descriptor(family), layer, line) for layer, line in added]
        told = [
            History(created=rfc3339(self.request.epoch), created_by=line, comment="ocitool")
            for _, _, line in layers
        ]

        def change(tree: JsonTree) -> None:
            ids = [str(one) for one in (*config.diff_ids, *(layer.diff_id for _, layer, _ in layers))]
            tree["rootfs"] = {**tree["rootfs"], "diff_ids": ids}
            tree["history"] = continued_history(tree, config, told)

        after = config.document.edit(change)
        document = with_config(manifest, after).edit(
            lambda tree: tree.update(layers=[*(tree["layers"] or ()), *(one.to_tree() for one, _, _ in layers)])
        )
        held = Descriptor(manifest.config.media_type, after.digest, after.size)
        blobs = [
            PutBlob(one, StoreSource(one, self.work.machine.content), f"layer of {platform}")
            for one, _, _ in layers
        ]
        blobs.append(PutBlob(held, BytesSource(after.raw), f"config of {platform}"))
        lines = tuple(f"+ layer {one.digest.short} ({one.size} bytes)  {line}" for one, _, line in layers)
        return EditedImage(document, tuple(blobs), lines)

    def _layers(
        self, manifest: Manifest, config: ImageConfig, platform: Platform, scope: Scope
    ) -> list[tuple[Layer, str]]:
        layers = []
        request, content = self.request, self.work.machine.content
        if request.copies:
            entries = self._copied(BaseImage(self.store, self.store.label, manifest, config), platform, scope)
            self._look_at(entries, platform)
            layer = pack_layer(
                entries,
                content,
                self.codec,
                epoch=request.epoch,
                scope=scope,
                width=self.work.width,
                memo=self.work.machine.memo,
                listener=self.work.listener,
                label=f"layer for {platform}",
            )
            layers.append((layer, "; ".join(f"COPY {rule.source} {rule.destination}" for rule in request.copies)))
        for text in request.tars:
            tar = self._stored(request.source / named_for(platform, text), scope)
            self._look_at(tar_entries(content.blob_path(tar.diff_id), tar), platform)
            layer = pack_tar(
                tar,
                content,
                self.codec,
                scope=scope,
                width=self.work.width,
                memo=self.work.machine.memo,
                listener=self.work.listener,
                label=f"layer for {platform}",
            )
            layers.append((layer, f"ADD {text} /"))
        return layers

    def _copied(self, base: BaseImage, platform: Platform, scope: Scope) -> tuple[Entry, ...]:
        if platform.os == "windows":
            raise Unsupported("layers for Windows cannot be packed", ability="windows layers")
        tree = base_tree(base, self.work, scope)
        entries: list[Entry] = []
        for rule in self.request.copies:
            entries += expand(
                rule,
                platform,
                self.request.source,
                tree,
                allow_sparse=self.request.allow_sparse,
                own=self.work.own,
            )
        return place(entries, tree)

    def _look_at(self, entries: Sequence[Entry], platform: Platform) -> None:
        found = survey(entries, self.work.machine.memo)
        refuse_foreign(found, platform, allow=self.request.allow_foreign, listener=self.work.listener)

    def _stored(self, path: Path, scope: Scope) -> StoredTar:
        """The tar in a file, unpacked by the codec that its first bytes name, in this machine's store."""
        try:
            with path.open("rb", buffering=0) as file:
                pieces = scope.pieces(decompress(iter(lambda: file.read(_PIECE), b"")))
                return StoredTar(*ingested(self.work.machine.content.ingest(), pieces))
        except OSError as error:
            raise local_io(error, f"read {path}") from error
