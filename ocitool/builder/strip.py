"""Files taken out of all layers of an image, every platform of an index at once, as a plan: their bytes are gone.

Layers without them keep their digests, and all other members of the rest their bytes; history stays.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final

from ocitool.builder.layer_edits import LayeredImage, LayerEditor, LayerPacker, ListedLayer
from ocitool.change.plan import Plan
from ocitool.codec import estargz, listed
from ocitool.codec.codecs import Codec, parse_codec
from ocitool.dockerfile.spool import LayerContent, Spool
from ocitool.errors import NotFound, UsageError
from ocitool.index.entries import Selector
from ocitool.index.image_plans import AttestationChoice, EditedImage
from ocitool.index.name_editor import Texts
from ocitool.model import mediatype
from ocitool.model.files import FileKind, LinkLoop, clean
from ocitool.model.path_pattern import deep_glob, is_pattern, literal
from ocitool.model.platform import Platform
from ocitool.model.printable import shown
from ocitool.model.views import Manifest
from ocitool.pack.layer import Layer
from ocitool.rootfs.strip import LayerCut, PathMatch, StrippedLayer, spliced, strip_layers
from ocitool.rootfs.tree import Tree, list_layer
from ocitool.tasks import Scope, collect
from ocitool.toolchains.workdir import temporary_folder
from ocitool.values import dataclass, field, replace

_MOST_NAMED: Final = 8
"""Paths that one line names; a guess at what is read."""
_FORMS: Final = {"estargz": estargz.ANNOTATION, "gzip,toc": listed.ANNOTATION}
"""The annotation by which forms of gzip are told from others."""


@dataclass(frozen=True, slots=True)
class ImageStripper(LayerEditor):
    """The images below a name, out of which files are taken."""

    def plan(self, paths: Iterable[str], chosen: Selector, attestations: AttestationChoice, tags: Texts) -> Plan:
        """The plan; layers are packed into this machine's store by making it.

        Paths are those of the image, or patterns as in .dockerignore; a directory goes with all below it. Raises
        NotFound for one that no layer of any image has, UsageError for what is no path, and what reading layers
        raises.
        """
        patterns = {text: _pattern(text) for text in paths}
        if not patterns:
            raise UsageError("what should be taken out?", hint="name a path, such as /etc/app/netrc")
        found: set[str] = set()
        plan = self._plan(
            lambda store: _Strip(LayerPacker(self.work, store), patterns, found), chosen, attestations, tags
        )
        absent = [text for text in patterns if text not in found]
        if absent:
            raise NotFound(
                f"no layer of {self.reference} has {', '.join(map(shown, absent))}",
                name=absent[0],
                where=self.reference,
                hint="ocitool files lists what is seen of an image, and lower layers may have more",
            )
        return plan


def _pattern(text: str) -> str:
    """The pattern of a path that was given. Raises UsageError for none."""
    pattern = clean(text)
    if not pattern:
        raise UsageError(f"not a path to take out: {shown(text)[:200]!r}", hint="name it from the root, without ..")
    deep_glob(pattern)
    return pattern


@dataclass(frozen=True, slots=True)
class _Strip:
    """What is done to one image. What several have in common is packed once."""

    packer: LayerPacker
    patterns: Mapping[str, str] = field(hash=False)
    found: set[str] = field(compare=False)
    lock: Any = field(default_factory=threading.Lock, compare=False)
    made: dict[tuple[Any, ...], Layer] = field(default_factory=dict, compare=False)

    def __call__(self, manifest: Manifest, platform: Platform | None, scope: Scope) -> EditedImage:
        work = self.packer.work
        image = LayeredImage.read(self.packer.store, manifest, platform)
        for layer in image.layers:
            layer.check_readable()
        with self.lock, ExitStack() as opened:
            listings = collect(
                scope,
                lambda layer: list_layer(self.packer.store, layer.descriptor, work.machine.memo, scope=scope),
                image.layers,
                work.width,
            )
            # The table of an eStargz is a file of the tar, also where it was compressed otherwise since.
            stripped, found = strip_layers(listings, self._meant(Tree(listings)), estargz.TOC_NAME)
            del listings
            self.found.update(found)
            layers, told = [], []
            for layer, without in zip(image.layers, stripped, strict=True):
                after = layer
                if without.cuts:
                    after = layer.become(self._packed(image, layer, without.cuts, scope, opened), image.family)
                    told.append(_line(layer, after, without))
                layers.append(after)
        return image.with_layers(layers, work.machine.content, told=told)

    def _meant(self, tree: Tree) -> dict[str, PathMatch]:
        """What each text means, as it stands and through the links of the image."""
        return {
            text: _either(deep_glob(pattern), deep_glob(_through_links(pattern, tree)))
            for text, pattern in self.patterns.items()
        }

    def _packed(
        self, image: LayeredImage, layer: ListedLayer, cuts: tuple[LayerCut, ...], scope: Scope, opened: ExitStack
    ) -> Layer:
        sources = tuple(image.layers[cut.inode[0]].descriptor.digest for cut in cuts if cut.entry is not None)
        key = layer.descriptor.digest, layer.diff_id, cuts, sources
        if key not in self.made:
            tar = spliced(self.packer.read(layer, scope), self._filled(image, cuts, scope, opened))
            codec = _codec_of(layer, image.family)
            self.made[key] = self.packer.pack(
                tar, codec, image.platform, scope, key=layer.descriptor.digest.hex[:12]
            )
        return self.made[key]

    def _filled(
        self, image: LayeredImage, cuts: tuple[LayerCut, ...], scope: Scope, opened: ExitStack
    ) -> Iterator[LayerCut]:
        """The cuts, with the contents of what stands in their place."""
        if not any(cut.entry is not None and cut.entry.kind is FileKind.FILE for cut in cuts):
            yield from cuts
            return
        spool = Spool(opened.enter_context(temporary_folder(self.packer.work.machine.root / "work")), scope)
        contents = {
            cut: LayerContent(
                spool, self.packer.store, image.layers[cut.inode[0]].descriptor, cut.inode[1], cut.size
            )
            for cut in cuts
            if cut.entry is not None and cut.entry.kind is FileKind.FILE
        }
        spool.fill(contents.values())
        for cut in cuts:
            content = contents.get(cut)
            entry = cut.entry if content is None or cut.entry is None else replace(cut.entry, content=content)
            yield replace(cut, entry=entry)


def _either(one: PathMatch, other: PathMatch) -> Callable[[str], bool]:
    return lambda path: one(path) or other(path)


def _through_links(pattern: str, tree: Tree) -> str:
    """The pattern with the links of the image followed on its way, as far as it is plain."""
    parts = pattern.split("/")
    plain = next((number for number, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
    try:
        folder = tree.resolve("/".join(parts[:plain]))
    except LinkLoop:
        return pattern
    return "/".join([*([literal(folder)] if folder else []), *parts[plain:]])


def _codec_of(layer: ListedLayer, family: mediatype.Family) -> Codec:
    """What a layer is packed with again: its own form, or gzip where that has no name or cannot be written."""
    said = layer.descriptor.annotations
    form = next((form for form, key in _FORMS.items() if key in said), None)
    kind = form or mediatype.compression(layer.descriptor.media_type)
    return parse_codec(kind if kind and (form or mediatype.layer_type(family, kind)) else "gzip")


def _line(before: ListedLayer, after: ListedLayer, without: StrippedLayer) -> str:
    more = f" and {len(without.gone) - _MOST_NAMED} more" if len(without.gone) > _MOST_NAMED else ""
    names = ", ".join(f"/{shown(path)}" for path in without.gone[:_MOST_NAMED])
    kept = "".join(f"; /{shown(path)} is the file now" for path in without.promoted[:_MOST_NAMED])
    return f"~ layer {before.sized} → {after.sized} without {names}{more}{kept}"
