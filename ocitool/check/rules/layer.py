"""Rules about layers: what manifests say of them, and with --deep what is in them. Spec: image-spec layer.md."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from ocitool.check.finding import Location
from ocitool.check.inspection import InspectedImage, Inspection
from ocitool.check.layers import LayerLook
from ocitool.check.rules.rule import Hit, Rule
from ocitool.check.tables import table_key
from ocitool.errors import DigestMismatch, EscapingPath, MalformedDocument, OcitoolError
from ocitool.findings import Severity
from ocitool.model import mediatype
from ocitool.model.files import WHITEOUT, FileKind
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.rootfs.tree import Node, Tree

_LARGEST_ID: Final = 65535
_WINDOWS: Final = frozenset(["Files", "Hives", "UtilityVM"])
"""What stands at the top of a Windows layer."""
_SHOWN: Final = 20
"""Findings of one kind in one layer; a bad layer need not fill a screen with the same."""


def missing(inspection: Inspection) -> Iterator[Hit]:
    """A layer that is not there (K034)."""
    for manifest, label in inspection.labelled:
        for number, layer in enumerate(manifest.layers):
            if layer.digest in inspection.absent:
                at = Location(manifest.document.digest, f"/layers/{number}", label=label)
                yield at, f"layer {layer.digest} is not there"


def none(inspection: Inspection) -> Iterator[Hit]:
    """An image without a layer: settings alone, which nothing can be started with (K209)."""
    for image in _each(inspection):
        if not image.manifest.layers:
            yield Location(image.digest, "/layers", label=image.label), "an image without a layer: it has no files"


def mixed_families(inspection: Inspection) -> Iterator[Hit]:
    """A manifest of one family with config or layers of the other (K025)."""
    for image in _each(inspection):
        own = mediatype.family_of(image.manifest.effective_type)
        parts = [("/config", image.manifest.config)]
        parts += [(f"/layers/{n}", layer) for n, layer in enumerate(image.manifest.layers)]
        for pointer, part in parts:
            has = mediatype.family_of(part.media_type)
            if own is not None and has not in (None, own):
                what = "a Docker manifest" if own is Family.DOCKER else "an OCI manifest"
                yield (
                    Location(image.digest, f"{pointer}/mediaType", label=image.label),
                    (f"{part.media_type} in {what}"),
                )


def docker_zstd(inspection: Inspection) -> Iterator[Hit]:
    """A zstd layer in a Docker manifest: the family has no agreed name for it (K055)."""
    for image, number, layer in _layers(inspection):
        if (
            mediatype.family_of(layer.media_type) is Family.DOCKER
            and mediatype.compression(layer.media_type) == "zstd"
        ):
            yield _at(image, number, "/mediaType"), f"{layer.media_type} is not known to strict clients"


def foreign(inspection: Inspection) -> Iterator[Hit]:
    """A layer that is not in the registry (K058)."""
    for image, number, layer in _layers(inspection):
        if mediatype.is_foreign(layer.media_type):
            where = f" at {layer.urls[0]}" if layer.urls else ""
            yield _at(image, number, "/mediaType"), f"a foreign layer, kept elsewhere{where}"


def uncommon_digest(inspection: Inspection) -> Iterator[Hit]:
    """A digest that is valid and that many clients do not know (K046)."""
    for image, number, layer in _layers(inspection):
        if layer.digest.algorithm != "sha256":
            yield _at(image, number, "/digest"), f"a {layer.digest.algorithm} digest: some clients know sha256 only"


def size(inspection: Inspection) -> Iterator[Hit]:
    """A layer of the right digest and of another size than the manifest says."""
    for image, number, layer, seen in _seen(inspection):
        if seen.size is not None and seen.size != layer.size:
            yield _at(image, number, "/size"), f"the manifest says {layer.size} bytes, the layer has {seen.size}"


def digest(inspection: Inspection) -> Iterator[Hit]:
    """A layer that is not of the digest that the manifest says."""
    return _damaged(inspection, lambda damage: isinstance(damage, DigestMismatch))


def escaping_path(inspection: Inspection) -> Iterator[Hit]:
    """A layer with a name or hard link that leads out of the image (K154)."""
    return _damaged(inspection, lambda damage: isinstance(damage, EscapingPath))


def damaged(inspection: Inspection) -> Iterator[Hit]:
    """A layer that cannot be read to its end: cut off, no archive, or one that readers take differently."""
    return _damaged(inspection, lambda damage: not isinstance(damage, (DigestMismatch, EscapingPath)))


def _damaged(inspection: Inspection, wanted: Callable[[OcitoolError], bool]) -> Iterator[Hit]:
    for image, number, layer in _layers(inspection):
        seen = inspection.layers.get(layer.digest)
        damage = seen.damage if seen is not None else inspection.broken.get(layer.digest)
        if damage is not None and wanted(damage):
            yield _at(image, number), str(damage)


def compression(inspection: Inspection) -> Iterator[Hit]:
    """A layer whose bytes are compressed in another way than its type says (K056)."""
    for image, number, layer, seen in _seen(inspection):
        said = mediatype.compression(layer.media_type)
        if said is not None and seen.codec and seen.codec != said:
            yield _at(image, number, "/mediaType"), f"{layer.media_type}, but its bytes are {_named(seen.codec)}"


def toc(inspection: Inspection) -> Iterator[Hit]:
    """A table of contents that is damaged, or tells of other files than the layer has."""
    for image, number, layer in _layers(inspection):
        key = table_key(layer)
        fault = inspection.tables.get(key) if key is not None else None
        if fault:
            yield _at(image, number, "/annotations"), f"the table of contents is not that of the layer: {fault}"


def diff_id(inspection: Inspection) -> Iterator[Hit]:
    """A layer whose content has another digest than the config says."""
    for image, number, _, seen in _seen(inspection):
        ids = image.config.diff_ids if image.config is not None else ()
        told = ids[number] if number < len(ids) else None
        if seen.diff_id is not None and told is not None and told.algorithm == "sha256" and told != seen.diff_id:
            yield _at(image, number), f"the config says diff_id {told.short}, it is {seen.diff_id.short}"


def duplicate_path(inspection: Inspection) -> Iterator[Hit]:
    """A path that stands twice in one layer (K145)."""
    for image, _, layer, seen in _seen(inspection):
        known: set[str] = set()
        twice = {one.path for one in seen.listed if one.path in known or known.add(one.path)}  # type: ignore[func-returns-value]
        for path in sorted(twice)[:_SHOWN]:
            yield _file(image, layer, path), "stands twice in one layer"


def large_id(inspection: Inspection) -> Iterator[Hit]:
    """An owner that hosts with mapped ids cannot map (K137)."""
    for image, _, layer, seen in _seen(inspection):
        large = [one for one in seen.listed if max(one.node.uid, one.node.gid) > _LARGEST_ID]
        for one in large[:_SHOWN]:
            yield _file(image, layer, one.path), f"owner {one.node.uid}:{one.node.gid} is above {_LARGEST_ID}"


def world_writable(inspection: Inspection) -> Iterator[Hit]:
    """A file of root that everybody may change. Windows has other rights."""
    for image, _, layer, seen in _unix(inspection):
        open_ones = [
            o for o in seen.listed if o.node.kind is FileKind.FILE and o.node.uid == 0 and o.node.mode & 0o002
        ]
        for one in open_ones[:_SHOWN]:
            yield (
                _file(image, layer, one.path),
                f"mode {one.node.mode & 0o7777:o}: everybody may change root's file",
            )


def setuid(inspection: Inspection) -> Iterator[Hit]:
    """A program that runs with its owner's or group's rights."""
    for image, _, layer, seen in _unix(inspection):
        marked = [o for o in seen.listed if o.node.kind is FileKind.FILE and o.node.mode & 0o6000]
        for one in marked[:_SHOWN]:
            kind = "setuid" if one.node.mode & 0o4000 else "setgid"
            yield _file(image, layer, one.path), f"{kind} program of {one.node.uid}:{one.node.gid}"


def replaced_link(inspection: Inspection) -> Iterator[Hit]:
    """A directory entry over a link of the layers below, as a COPY to /bin over usrmerge."""
    for image, layer, path, below in _over(inspection):
        there = _standing(below, path)
        if there is not None and there.kind is FileKind.SYMLINK:
            yield _file(image, layer, path), f"a directory replaces the link to {there.link} below"


def needless_whiteout(inspection: Inspection) -> Iterator[Hit]:
    """A whiteout of a file that no layer below has."""
    for image in _each(inspection):
        for layer, seen, below in _stacked(inspection, image):
            for one in seen.listed:
                above, _, name = one.path.rpartition("/")
                if name.startswith(WHITEOUT) and not name.startswith(WHITEOUT * 2) and name != WHITEOUT:
                    path = f"{above}/{name.removeprefix(WHITEOUT)}".lstrip("/")
                    if _standing(below, path) is None:
                        yield _file(image, layer, path), "is removed, and no layer below has it"


def dangling_hard_link(inspection: Inspection) -> Iterator[Hit]:
    """A hard link to a file that neither its own layer has before it nor one below (K208)."""
    for image in _each(inspection):
        tree = inspection.tree(image.manifest)
        for number, path, target in tree.dangling[:_SHOWN] if tree is not None else ():
            yield (
                _file(image, image.manifest.layers[number], path),
                f"a hard link to /{target}, not before it",
            )


def costly(inspection: Inspection) -> Iterator[Hit]:
    """Layers whose links and paths cost more to follow than any image needs (K238)."""
    for image in _each(inspection):
        inspection.tree(image.manifest)
        if image.manifest.document.digest in inspection.costly:
            yield Location(image.digest, label=image.label), str(inspection.costly[image.manifest.document.digest])


def not_windows(inspection: Inspection) -> Iterator[Hit]:
    """A layer of a Windows image that is a plain tar of files: Windows cannot unpack it (K059)."""
    for image, number, _, seen in _seen(inspection):
        if image.is_windows:
            tops = {one.path.partition("/")[0] for one in seen.listed} - _WINDOWS - {""}
            if tops:
                yield _at(image, number), f"/{min(tops)} stands beside Files and Hives in a layer for windows"


def _over(inspection: Inspection) -> Iterator[tuple[InspectedImage, Descriptor, str, Tree]]:
    for image in _each(inspection):
        for layer, seen, below in _stacked(inspection, image):
            for one in seen.listed:
                if one.node.kind is FileKind.DIRECTORY and one.path:
                    yield image, layer, one.path, below


def _standing(below: Tree, path: str) -> Node | None:
    """What an entry of this path would meet: links on its way are followed, it is not."""
    try:
        return below.get(below.resolve(path, follow_last=False))
    except MalformedDocument:
        return None


def _stacked(inspection: Inspection, image: InspectedImage) -> Iterator[tuple[Descriptor, LayerLook, Tree]]:
    """Each layer of an image with the merged files below it; ends where one was not read or costs too much."""
    read: list[tuple[Descriptor, LayerLook]] = []
    for layer in image.manifest.layers:
        seen = inspection.layers.get(layer.digest)
        if seen is None or seen.damage is not None:
            break
        read.append((layer, seen))
    with suppress(MalformedDocument):
        for (layer, seen), below in zip(read, Tree.growing(seen.listed for _, seen in read), strict=True):
            yield layer, seen, below


def _each(inspection: Inspection) -> Iterator[InspectedImage]:
    return iter({image.digest: image for image in inspection.images}.values())


def _layers(inspection: Inspection) -> Iterator[tuple[InspectedImage, int, Descriptor]]:
    for image in _each(inspection):
        for number, layer in enumerate(image.manifest.layers):
            yield image, number, layer


def _seen(inspection: Inspection) -> Iterator[tuple[InspectedImage, int, Descriptor, LayerLook]]:
    for image, number, layer in _layers(inspection):
        seen = inspection.layers.get(layer.digest)
        if seen is not None:
            yield image, number, layer, seen


def _unix(inspection: Inspection) -> Iterator[tuple[InspectedImage, int, Descriptor, LayerLook]]:
    return (row for row in _seen(inspection) if not row[0].is_windows)


def _at(image: InspectedImage, number: int, rest: str = "") -> Location:
    return Location(image.digest, f"/layers/{number}{rest}", label=image.label)


def _file(image: InspectedImage, layer: Descriptor, path: str) -> Location:
    return Location(layer.digest, path=path, label=image.label)


def _named(codec: str) -> str:
    return "not compressed" if codec == "none" else codec


_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

RULES: Final = (
    Rule(
        "layer/missing", "A layer is not there",
        "Clean-up jobs delete blobs; an image without one of its layers cannot be pulled.",
        "HEAD and GET of the layer answer 404", _ERROR, missing, fixable=True,
    ),
    Rule(
        "layer/none", "An image without a layer",
        "It is valid, and holds settings alone: often the files that were meant to be in it were left out.",
        "`FROM scratch` with ENV and CMD, and no COPY", _NOTE, none,
        advice="If files were meant to be in it, look at COPY, `.dockerignore` and the target of the build.",
    ),
    Rule(
        "layer/mixed-families", "A manifest with parts of the other family",
        "Half-converted manifests are refused by strict clients and taken by others.",
        "an OCI layer type in a Docker schema 2 manifest", _ERROR, mixed_families, fixable=True,
    ),
    Rule(
        "layer/docker-zstd", "A zstd layer in a Docker manifest",
        "Docker's family has no agreed name for zstd; strict clients refuse the image.",
        "application/vnd.docker.image.rootfs.diff.tar.zstd", _ERROR, docker_zstd,
        advice="Convert to OCI with `ocitool index convert REF --format oci`, or compress with gzip.",
    ),
    Rule(
        "layer/foreign", "A layer that is kept elsewhere",
        "It is fetched from another address than the registry, which may be gone or not reachable.",
        "a foreign layer with `urls`", _WARNING, foreign,
        advice="Push the image again from an engine that is allowed to push such layers, or leave it if the "
        "address holds.",
    ),
    Rule(
        "layer/uncommon-digest", "A digest that not every client knows",
        "Valid, but clients that assume sha256 fail.",
        "sha512:…", _WARNING, uncommon_digest,
        advice="Leave it where your engines read it; else build again with sha256.",
    ),
    Rule(
        "layer/size", "A layer has another size than the manifest says",
        "Clients that compare sizes refuse it, or read no further than the manifest says.",
        "a size of 9 for a layer of 8 bytes", _ERROR, size, fixable=True, needs_deep=True,
    ),
    Rule(
        "layer/digest", "A layer is not of the digest that the manifest says",
        "Every client refuses it after the download.",
        "the bytes of another layer under its digest", _ERROR, digest, needs_deep=True,
        advice="Push the image again from where its layers are whole; the registry's storage may be damaged.",
    ),
    Rule(
        "layer/escaping-path", "A file of a layer leads out of the image",
        "Careful engines refuse the image, careless ones write outside of it.",
        "a member named ../../etc/passwd", _ERROR, escaping_path, needs_deep=True,
        advice="Do not unpack it; build it again without the file.",
    ),
    Rule(
        "layer/damaged", "A layer cannot be read to its end",
        "It is cut off, no archive, or an archive that two readers take differently.",
        "a tar that ends in the middle of a file", _ERROR, damaged, needs_deep=True,
        advice="Push the image again from where the layer is whole, or build it again.",
    ),
    Rule(
        "layer/compression", "Bytes and type disagree",
        "Engines that look at the bytes manage, those that trust the type fail.",
        "gzip bytes under …layer.v1.tar", _ERROR, compression, fixable=True, needs_deep=True,
    ),
    Rule(
        "layer/diff-id", "The content has another diff_id",
        "Engines compare it when they unpack and refuse the image.",
        "the config names the digest of the compressed layer", _ERROR, diff_id, needs_deep=True,
        advice="Build it again: either the layer or the config is of another build.",
    ),
    Rule(
        "layer/toc", "A table of contents tells of other files than the layer has",
        "Who reads files by it (eStargz, zstd:chunked) sees another image than who unpacks the layer.",
        "a table with another digest for bin/sh than the tar gives", _ERROR, toc, needs_deep=True,
        advice="Do not trust it; build it again.",
    ),
    Rule(
        "layer/duplicate-path", "A path stands twice in one layer",
        "Some engines refuse such a layer, others keep the last.",
        "two members etc/app.conf", _WARNING, duplicate_path, needs_deep=True,
        advice="Pack it with a tool that writes each path once.",
    ),
    Rule(
        "layer/dangling-hard-link", "A hard link to nothing",
        "Engines link files as they unpack: where the file is not there yet they refuse the layer.",
        "a hard link r/a to r/z, and r/z after it", _ERROR, dangling_hard_link, needs_deep=True,
        advice="Pack the file before the links to it.",
    ),
    Rule(
        "layer/costly", "The files cost more than any image needs",
        "A few kilobytes of links or deep paths can keep whoever unpacks them busy for hours.",
        "thirty links that each lead through the next eight hundred times", _ERROR, costly, needs_deep=True,
        advice="Do not unpack it, unless you know who made it and why; then build it with fewer links.",
    ),
    Rule(
        "layer/large-id", "An owner above 65535",
        "Hosts that map 65536 ids for a container cannot unpack the file.",
        "uid 99999", _WARNING, large_id, needs_deep=True,
        advice="Change the owner in the build: `COPY --chown=ID`, or `chown` before the layer is made.",
    ),
    Rule(
        "layer/world-writable", "A file of root that everybody may change",
        "Any process in the container can replace what root runs or reads.",
        "mode 0666, owner 0", _WARNING, world_writable, needs_deep=True,
        advice="Build again with `COPY --chmod=644`, or `chmod o-w` in the step that makes the file.",
    ),
    Rule(
        "layer/setuid", "A setuid or setgid program",
        "Worth knowing before a container is run with fewer rights.",
        "mode 4755", _NOTE, setuid, needs_deep=True,
        advice="Leave it where it is meant; else `chmod u-s` in the build, or run with no-new-privileges.",
    ),
    Rule(
        "layer/replaced-link", "A directory replaces a link of the layers below",
        "Everything behind the link disappears; over /lib or /bin nothing starts any more.",
        "bin/ over bin -> usr/bin", _ERROR, replaced_link, needs_deep=True,
        advice="Copy into the directory that the link leads to, such as usr/bin and not bin.",
    ),
    Rule(
        "layer/not-windows", "A plain tar in a Windows image",
        "Windows layers hold their files below Files and the registry in Hives; anything else cannot be unpacked.",
        "app.exe at the top of a layer of windows/amd64", _ERROR, not_windows, needs_deep=True,
        advice="Build the layer on Windows, or with a tool that writes Files and Hives.",
    ),
    Rule(
        "layer/needless-whiteout", "A whiteout of nothing",
        "Harmless, and a sign that the layer was made for another base.",
        "a/.wh.b where no layer below has a/b", _NOTE, needless_whiteout, needs_deep=True,
        advice="Leave it; it goes when the image is built again upon the base it is on.",
    ),
)  # fmt: skip
