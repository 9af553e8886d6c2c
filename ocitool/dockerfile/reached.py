"""The world around a Dockerfile as one build looks into it: contexts, images, downloads, what stands in for RUN."""

from collections.abc import Collection, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ocitool.dockerfile.base_images import BaseImages
from ocitool.dockerfile.context import Alone, Context
from ocitool.dockerfile.places import locator_of
from ocitool.dockerfile.request import DockerfileOptions
from ocitool.dockerfile.resources import Process, Ran
from ocitool.dockerfile.run.overrides import Replacements
from ocitool.dockerfile.spool import LayerContent, Spool
from ocitool.dockerfile.stages import OriginKind, StageBase
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.errors import Unsupported
from ocitool.image.base import BaseImage
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.pack.entries import Content, Entry
from ocitool.pack.own_files import OwnFiles
from ocitool.rootfs.files import Files, Imaged, Later, Layered
from ocitool.rootfs.tree import Node, read_tree

if TYPE_CHECKING:
    from ocitool.dockerfile.downloads import Downloads
    from ocitool.dockerfile.run.executed import RunExecutions
    from ocitool.workspace import Workspace


def main_context(
    source: Path,
    options: DockerfileOptions,
    rules: IgnoreRules,
    *,
    allow_sparse: bool = False,
    own: OwnFiles | None = None,
) -> Files:
    """The files that COPY takes: those of the folder, or those that were sent in its place."""
    if options.sent is not None:
        return Layered(options.sent.files) if options.sent.files else Alone()
    return Context(source, rules, allow_sparse=allow_sparse, own=own)


class Reached:
    """Everything outside the Dockerfile that one build looks into, each thing opened once.

    `downloaded` is what ADD fetched: URLs without secrets, and digests.
    """

    def __init__(
        self,
        main: Files,
        places: Mapping[str, str],
        replacements: Replacements,
        images: BaseImages,
        workspace: "Workspace",
        *,
        spool: Path,
        allow_sparse: bool = False,
        use_cache: bool = True,
    ) -> None:
        self._places = places
        self._replacements = replacements
        self._images = images
        self._workspace = workspace
        self._allow_sparse = allow_sparse
        self._files: dict[str, Files] = {}
        self._contexts: dict[str, Files] = {"": main}
        self.spool = Spool(spool, workspace.scope, allow_sparse=allow_sparse)
        self._use_cache = use_cache
        self._downloads: Downloads | None = None
        self._shared: dict[Collection[Entry], Collection[Entry]] = {}
        self.runs: RunExecutions | None = None
        self.downloaded: set[tuple[str, Digest]] = set()

    def image(self, stage_base: StageBase, *, is_copied: bool = False) -> BaseImage:
        """The image of a base for its platform."""
        return self._images.image(stage_base, is_copied=is_copied)

    def image_files(self, image: BaseImage) -> Files:
        """The merged tree of an image, read when something looks into it."""
        digest = str(image.manifest.document.digest)
        if digest not in self._files:
            self._files[digest] = Later(lambda: self._read(image))
        return self._files[digest]

    def _read(self, image: BaseImage) -> Files:
        memo, scope = self._workspace.machine.memo, self._workspace.scope
        tree = read_tree(image.store, image.manifest, memo, scope=scope, in_parts=True)

        def content_of(_path: str, node: Node) -> Content:
            layer, parts = image.manifest.layers[node.layer], tree.parts.get(node.layer)
            return LayerContent(self.spool, image.store, layer, node.offset, node.size, parts)

        return Imaged(tree, content_of)

    def context(self, name: str, platform: Platform | None = None) -> Files:
        """The files of a context; the ignore rules are for the main one. An image is that of the platform."""
        place = self._places.get(name, "")
        if name and locator_of(place):
            stage_base = StageBase(OriginKind.CONTEXT, name, platform=platform)
            return self.image_files(self.image(stage_base, is_copied=True))
        if "://" in place or place.endswith(".git"):
            raise Unsupported(
                f"context {name}={place} is not on this machine",
                ability=place,
                hint="fetch it, and name the folder",
            )
        if name not in self._contexts:
            self._contexts[name] = Context(Path(place), allow_sparse=self._allow_sparse, own=self._workspace.own)
        return self._contexts[name]

    def download(self, url: str, checksum: Digest | None, told: str) -> Entry:
        """The file at a URL, downloaded once for all platforms."""
        if self._downloads is None:
            from ocitool.dockerfile.downloads import Downloads, certain

            each = map(certain, self._replacements.graphs.values())
            ahead = dict.fromkeys(chain.from_iterable(each))
            self._downloads = Downloads(self._workspace, ahead, use_cache=self._use_cache)
        entry = self._downloads.entry(url, checksum)
        self.downloaded.add((told, self._downloads.digests[url, checksum]))
        return entry

    def shared(self, entries: Collection[Entry]) -> Collection[Entry]:
        """The entries, or the equal ones of another platform."""
        return self._shared.setdefault(entries, entries)

    def unpack(self, content: Content) -> tuple[Entry, ...] | None:
        """The entries of an archive; None if the file is none."""
        return self.spool.unpack(content)

    def is_apart(self, stage: int, platform: Platform) -> bool:
        """Whether the base of a stage is looked at only for a file that nothing else gives."""
        return self._replacements.is_apart(stage, platform)

    def is_idle(self, stage: int, platform: Platform) -> bool:
        """Whether a stage only prepares what a replaced one would do."""
        return self._replacements.is_idle(stage, platform)

    def whole(self, stage: int, platform: Platform, own: Files | None) -> Files | None:
        """The files of a stage; of one that is apart its base's as well, once they are asked for."""
        return self._replacements.whole(
            stage, platform, own, lambda stage_base: self.image_files(self.image(stage_base))
        )

    def gives(self, stage: int, platform: Platform) -> str:
        """What a stage that is made without its RUN lines has to offer."""
        return self._replacements.gives(stage, platform)

    def ran(self, process: Process) -> Ran | None:
        """What stands in for a RUN, else what is left of it once it is carried out; None where nobody does."""
        ran = self._replacements.ran(process)
        return self.runs.ran(process) if ran is None and self.runs is not None else ran
