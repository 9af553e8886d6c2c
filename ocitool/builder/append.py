"""Files and tars as new layers on top of a published image, every platform of an index at once, as a plan.

Layers that are there keep their bytes; files are placed through the links of the image, and programs of another
platform are refused, as in a build.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ocitool.builder.contents import base_tree
from ocitool.builder.layer_edits import LayeredImage, LayerEditor, ListedLayer, codecs_of
from ocitool.builder.programs import refuse_foreign, survey
from ocitool.change.plan import Plan
from ocitool.codec.codecs import Codec, decompress
from ocitool.dockerfile.run.tar_entries import tar_entries
from ocitool.errors import Unsupported, UsageError, local_io
from ocitool.image.assemble import continued_history
from ocitool.image.base import BaseImage
from ocitool.index.entries import Selector
from ocitool.index.image_plans import AttestationChoice, EditedImage
from ocitool.index.name_editor import Texts
from ocitool.model.moments import rfc3339
from ocitool.model.numbers import KIB
from ocitool.model.platform import Platform
from ocitool.model.views import History, Manifest
from ocitool.pack.entries import CopyRule, Entry, expand, named_for
from ocitool.pack.layer import Layer, StoredTar, pack_layer, pack_tar
from ocitool.pack.placing import place
from ocitool.store.base import Store, ingested
from ocitool.tasks import Scope
from ocitool.values import dataclass, field
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
class ImageAppender(LayerEditor):
    """What is put on top of the images below a name."""

    def plan(self, request: AppendRequest, chosen: Selector, attestations: AttestationChoice, tags: Texts) -> Plan:
        """The plan; layers are packed into this machine's store by making it.

        Raises what packing and reading a base raise, WrongPlatform for programs of another platform, and as
        `plan_images`.
        """
        if not request.copies and not request.tars:
            raise UsageError("what should be appended?", hint="say --copy SRC:DEST or --tar FILE")
        codec, zstd = codecs_of(request.compression)
        return self._plan(
            lambda store: _Append(self.work, store, request, codec),
            chosen,
            attestations,
            tags,
            lambda store: _Append(self.work, store, request, zstd),
        )


@dataclass(frozen=True, slots=True)
class _Append:
    """What is done to one image. One is packed at a time: the next finds again what it has in common with it."""

    work: Workspace
    store: Store
    request: AppendRequest
    codec: Codec
    lock: Any = field(default_factory=threading.Lock, compare=False)

    def __call__(self, manifest: Manifest, platform: Platform | None, scope: Scope) -> EditedImage:
        image = LayeredImage.read(self.store, manifest, platform)
        with self.lock:
            scope.check()
            added = self._layers(image, scope)
        if image.config.diff_ids[-len(added) :] == tuple(layer.diff_id for layer, _ in added):
            return EditedImage(manifest.document)  # the same on top of itself would change no file
        new = [ListedLayer.of(layer, image.family) for layer, _ in added]
        created = rfc3339(self.request.epoch)
        told = [History(created=created, created_by=line, comment="ocitool") for _, line in added]
        return image.with_layers(
            (*image.layers, *new),
            self.work.machine.content,
            told=[f"+ layer {layer.digest.short} ({layer.size} bytes)  {line}" for layer, line in added],
            history=continued_history(image.config.document.tree(), image.config, told),
        )

    def _layers(self, image: LayeredImage, scope: Scope) -> list[tuple[Layer, str]]:
        layers = []
        platform = image.platform
        request, content = self.request, self.work.machine.content
        if request.copies:
            entries = self._copied(
                BaseImage(self.store, self.store.label, image.manifest, image.config), platform, scope
            )
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
