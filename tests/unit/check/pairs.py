"""For each rule two stores that differ in one thing: the ill one has what the rule speaks of, its neighbour not.

Every maker takes `ill` and puts an index (or whatever the rule is about) under the tag 1.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document, Served
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource
from tests.fakes import tocs
from tests.fakes.programs import Elf, attributes, uleb
from tests.fakes.sick import FILES, MACHINES, Loose, Tree, Ward, member, packed, program, tar

GONE = Digest.of(b"gone")
OTHER = Document(b'{"schemaVersion":2,"other":true}', mediatype.OCI_MANIFEST)


def two(ward: Ward, second: Tree | None = None, **more: Any) -> Tree:
    """An index of amd64 and a second entry, arm64 if left out."""
    return ward.index(ward.image(), second or ward.image("linux/arm64"), **more)


def as_platform(entry: Tree, **platform: str) -> Tree:
    """The entry with another platform."""
    return entry | {"platform": platform}


def retyped(media_type: str, number: int = 0) -> Callable[[Tree], object]:
    """A change of a manifest: another type for one layer."""
    return lambda tree: tree["layers"][number].update(mediaType=media_type)


def in_config(**pair: Any) -> Callable[[Ward, bool], object]:
    """A field of the arm64 image's config: (what is ill, what is right)."""
    ((key, (ill_value, right)),) = pair.items()
    return lambda w, ill: two(
        w, w.image("linux/arm64", config=lambda tree: tree.update({key: ill_value if ill else right}))
    )


def in_settings(**pair: Any) -> Callable[[Ward, bool], object]:
    """A field of the `config` object of the arm64 image: (what is ill, what is right), over /etc/passwd and /app."""
    ((key, (ill_value, right)),) = pair.items()
    layers = [program("arm64"), tar(member("etc/passwd", b"app:x:1:1::/:\n"), member("etc/group", b"app:x:1:\n"))]
    return lambda w, ill: two(
        w,
        w.image(
            "linux/arm64", layers=layers, config=lambda t: t["config"].update({key: ill_value if ill else right})
        ),
    )


def in_layer(ill_layers: list[bytes], right: list[bytes], platform: str = "linux/arm64") -> Callable[..., object]:
    """Other layers in the arm64 image."""
    return lambda w, ill: two(w, w.image(platform, layers=ill_layers if ill else right))


def with_layer(ward: Ward, layer: Tree) -> Tree:
    """An arm64 image whose one layer is described so."""
    return ward.image("linux/arm64", manifest=lambda tree: tree.update(layers=[layer]))


def with_table(ward: Ward, ill: bool) -> None:
    """An arm64 image whose layer has a table of contents that says another mode than the tar, or the same."""
    entries, parts = tocs.pieces_of(program("arm64"), 1 << 20)
    blob = tocs._blob(parts, zstd_frame)
    entries[0]["mode"] ^= 0o022 if ill else 0
    data, annotations = tocs.seal_chunked(blob, entries, zstd_frame)
    two(ward, with_layer(ward, ward.blob(data, mediatype.OCI_LAYER_ZSTD) | {"annotations": annotations}))


def dangling(ward: Ward, ill: bool) -> None:
    entry = ward.image("linux/arm64")
    two(ward, entry)
    if ill:
        ward.store.delete(entry["digest"])


def child_digest(ward: Ward, ill: bool) -> None:
    entry = ward.image("linux/arm64")
    two(ward, entry)
    if ill:
        ward.store.spoil(entry["digest"], OTHER)


def two_readings(ward: Ward, *, ill: bool) -> Document:
    """K043: with `manifests` and `layers` it is index and image; without the first it is an image."""
    tree = ward.image_tree("linux/arm64") | ({"manifests": []} if ill else {})
    return ward.document(tree, mediatype.OCI_MANIFEST)


def broken_child(ward: Ward, ill: bool) -> None:
    child = ward.store.plant(two_readings(ward, ill=ill))
    two(ward, as_platform(child, os="linux", architecture="arm64"))


def schema_1(ward: Ward, ill: bool) -> None:
    """K125."""
    old = {"schemaVersion": 1, "name": "app", "tag": "t", "architecture": "arm64", "fsLayers": [], "history": []}
    document = ward.document(old, mediatype.SCHEMA1)
    if ill:
        ward.store.plant(document, "1")
    else:
        two(ward)


def too_large(ward: Ward, ill: bool) -> None:
    """4 MiB and a byte; exactly 4 MiB."""
    image = ward.image()
    tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": [image], "annotations": {"a": ""}}
    size = ward.document(tree, mediatype.OCI_INDEX).size
    tree["annotations"]["a"] = "x" * (4 * 1024 * 1024 - size + (1 if ill else 0))
    ward.store.plant(ward.document(tree, mediatype.OCI_INDEX), "1")


def attested(ward: Ward, **platform: str) -> None:
    """An attestation of the amd64 image whose entry says this platform."""
    image = ward.image()
    ward.index(image, as_platform(ward.attestation(image["digest"]), **platform))


def unsigned(ward: Ward, ill: bool) -> None:
    image = ward.image()
    note = ward.attestation(image["digest"])
    note["annotations"].pop("vnd.docker.reference.digest") if ill else None
    ward.index(image, note)


def ordered(ward: Ward, ill: bool) -> None:
    image = ward.image()
    note = ward.attestation(image["digest"])
    ward.index(*((note, image) if ill else (image, note)))


def foreign(ward: Ward, ill: bool) -> None:
    """K058: the layer lives at another address; a layer of the common type lives here."""

    def change(tree: Tree) -> None:
        if ill:
            elsewhere = {"mediaType": mediatype.DOCKER_FOREIGN_GZIP, "size": 5, "digest": str(GONE)}
            tree["layers"] = [elsewhere | {"urls": ["https://files.test/l"]}]

    ward.index(ward.image(media_type=mediatype.DOCKER_MANIFEST, manifest=change), media_type=mediatype.DOCKER_LIST)


def zstd_frame(data: bytes) -> bytes:
    """One raw block of at most 65,791 bytes; format: RFC 8878, 3.1.1."""
    size = b"\x60" + (len(data) - 256).to_bytes(2, "little") if len(data) > 255 else bytes((0x20, len(data)))
    head = b"\x28\xb5\x2f\xfd" + size
    return head + (len(data) << 3 | 1).to_bytes(3, "little") + data


def zstd(ward: Ward, ill: bool) -> None:
    """K055: zstd bytes under Docker's name for them; under OCI's they are right."""
    data = zstd_frame(program("arm64"))
    layer = ward.blob(data, mediatype.DOCKER_LAYER_ZSTD if ill else mediatype.OCI_LAYER_ZSTD)
    family = mediatype.Family.DOCKER if ill else mediatype.Family.OCI
    image = ward.image("linux/arm64", media_type=family.manifest, manifest=lambda tree: tree.update(layers=[layer]))
    ward.index(image, media_type=family.index)


def sha512(ward: Ward, ill: bool) -> None:
    """K046: valid, and unknown to many."""
    data = packed(program("arm64"))
    digest = Digest("sha512:" + hashlib.sha512(data).hexdigest()) if ill else Digest.of(data)
    held = Descriptor(mediatype.OCI_LAYER_GZIP, digest, len(data))
    ward.store.put_blob(held, BytesSource(data))
    two(ward, with_layer(ward, held.to_tree()))


def gzip_layer(ward: Ward, media_type: str) -> Tree:
    return ward.blob(packed(program("arm64")), media_type)


def without_blob(ward: Ward, part: Callable[[Tree], Tree], ill: bool) -> None:
    """A blob of the arm64 image is gone; the neighbour, which has it, is where it can be brought back from."""
    entry = ward.image("linux/arm64")
    two(ward, entry)
    gone = part(ward.store.get_manifest(entry["digest"]).tree())
    if ill:
        del ward.store._blobs[Digest(gone["digest"])]


def layer_size(ward: Ward, ill: bool) -> None:
    layer = gzip_layer(ward, mediatype.OCI_LAYER_GZIP)
    two(ward, with_layer(ward, layer | {"size": layer["size"] + ill}))


def other_layer(ward: Ward, ill: bool) -> None:
    """The registry holds other bytes of the same length under the digest of a layer."""
    layer = gzip_layer(ward, mediatype.OCI_LAYER_GZIP)
    two(ward, with_layer(ward, layer))
    if ill:
        ward.store._blobs[Digest(layer["digest"])] = packed(program("amd64"))


def in_layer_type(ill_type: str, right: str) -> Callable[[Ward, bool], object]:
    """The arm64 image's layer, gzip bytes, under one type or the other."""
    return lambda w, ill: two(w, with_layer(w, gzip_layer(w, ill_type if ill else right)))


def served(ward: Ward, ill: bool, *, head: Served | None = None, **headers: str) -> None:
    """An index that a registry serves as the specification says, or with these headers instead."""
    two(ward)
    for digest, document in tuple(ward.store._manifests.items()):
        right = Served(document.media_type, str(digest), str(document.size))
        is_root = digest == ward.store._tags["1"]
        told = replace(right, **headers) if ill and is_root else right
        ward.store.plant(replace(document, served=told, media_type=mediatype.bare(told.content_type)))
        if is_root:
            ward.store.heads["1"] = head if ill and head is not None else told


def misnamed(ward: Ward, ill: bool) -> None:
    """K122: the child's bytes are right, the header names others."""
    served(ward, ill=False)
    child = list(ward.store._manifests.values())[1]
    if ill:
        ward.store.plant(replace(child, served=replace(child.served, digest=str(GONE))))


def tags(ward: Ward, ill: bool) -> None:
    """Three tags with an index; in the fourth another, or one image of it."""
    one, other = ward.image(), ward.image("linux/arm64")
    for tag in "123" if ill else "1234":
        ward.index(one, other, tag=tag, annotations={"tag": tag})
    if ill:
        ward.image(tag="4")


def fallback(ward: Ward, ill: bool) -> None:
    """The fallback tag of an image that is there, or of one that is gone."""
    image = ward.image(tag="1")
    subject = str(GONE) if ill else image["digest"]
    ward.index(tag=subject.replace(":", "-"), subject=None)


def lost(ward: Ward, ill: bool) -> None:
    """A tag that leads to its image, or that is listed and leads nowhere."""
    ward.image(tag="1")
    if ill:
        ward.store._tags["2"] = GONE


def listed(ward: Ward, ill: bool, **entry: str) -> None:
    """The fallback list of an image with an SBOM of it; the entry says another type, or the SBOM has no subject."""
    image = ward.image(tag="1")
    subject = {key: image[key] for key in ("mediaType", "digest", "size")}
    empty = ward.blob(b"{}", mediatype.OCI_EMPTY)
    tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_MANIFEST, "artifactType": "application/spdx+json"}
    tree |= {"config": empty, "layers": [empty]} | ({"subject": subject} if entry or not ill else {})
    document = ward.document(tree, mediatype.OCI_MANIFEST)
    sbom = ward.store.plant(document) | {"artifactType": "application/spdx+json"} | (entry if ill else {})
    ward.index(sbom, tag=image["digest"].replace(":", "-"))


def elf(architecture: int, **fields: Any) -> bytes:
    return tar(member("app", Elf(machine=architecture, **fields).build(), mode=0o755))


def arm(level: int) -> bytes:
    """A 32-bit ARM program that says its level in its build attributes: 6 is v6, 10 is v7."""
    pairs = [(".ARM.attributes", 0x70000003, attributes("aeabi", uleb(6) + uleb(level)))]
    return elf(40, bits=32, flags=0x05000400, sections=pairs)


LINK = tar(member("bin", type=b"2", linkname="usr/bin"), member("usr/bin/sh"))
NEEDS_LOADER = program("arm64", segments=[(3, 4, b"/lib/ld-linux-aarch64.so.1\0")])
LOADER = tar(member("usr/lib/ld-linux-aarch64.so.1"), member("lib", type=b"2", linkname="usr/lib"))
CUT = tar(member("a", b"x" * 2000))[:1500]


def addon(architecture: str) -> bytes:
    """A library for an architecture in a folder that is called after it."""
    library = Elf(machine=MACHINES[architecture], kind=3).build()
    return tar(member(f"srv/prebuilds/linux-{architecture}/addon.node", library))


def example(interpreter: str) -> bytes:
    """A script that no config starts, and that is on nobody's PATH."""
    return tar(member("usr/share/doc/x/example.sh", f"#!{interpreter}\n".encode(), mode=0o755))


PAIRS: dict[str, Callable[[Ward, bool], object]] = {
    "index/missing-platform": lambda w, ill: two(
        w, {k: v for k, v in w.image("linux/arm64").items() if not (ill and k == "platform")}
    ),
    "index/wrong-platform": in_config(architecture=("amd64", "arm64")),
    "index/duplicate-platform": lambda w, ill: w.index(
        one := w.image("linux/arm64"),
        *([one | {"platform": one["platform"] | {"variant": "v8"}}] if ill else []),
    ),
    "index/ambiguous-arm": lambda w, ill: w.index(
        *(
            as_platform(w.image(f"linux/arm/{v}", layers=[FILES]), os="linux", architecture="arm", **({} if ill else {"variant": v}))
            for v in ("v6", "v7")
        )
    ),
    "index/impossible-platform": lambda w, ill: w.index(
        as_platform(w.image(), os="linux", architecture="x86_64" if ill else "amd64")
    ),
    "index/windows-version": lambda w, ill: two(
        w,
        as_platform(
            w.image("windows/amd64", layers=[FILES], config=lambda t: t.update({"os.version": "10.0.17763.5"})),
            os="windows", architecture="amd64", **({} if ill else {"os.version": "10.0.17763.5"}),
        ),
    ),
    "index/attestation-platform": lambda w, ill: attested(
        w, os="linux" if ill else "unknown", architecture="s390x" if ill else "unknown"
    ),
    "index/stale-attestation": lambda w, ill: w.index(
        one := w.image(), w.attestation(str(GONE) if ill else one["digest"])
    ),
    "index/attestation-without-subject": unsigned,
    "index/no-media-type": lambda w, ill: two(w, mediaType=None if ill else mediatype.OCI_INDEX),
    "index/order": ordered,
    "index/empty": lambda w, ill: w.index(*([] if ill else [w.image()])),
    "index/nested": lambda w, ill: two(w, w.index(w.image("linux/arm64"), tag="") if ill else None),
    "index/mixed-families": lambda w, ill: two(
        w, w.image("linux/arm64", media_type=mediatype.DOCKER_MANIFEST if ill else mediatype.OCI_MANIFEST)
    ),
    "index/child-size": lambda w, ill: two(w, (one := w.image("linux/arm64")) | {"size": one["size"] + ill}),
    "index/child-type": lambda w, ill: two(
        w,
        w.image("linux/arm64") | {"mediaType": mediatype.DOCKER_MANIFEST if ill else mediatype.OCI_MANIFEST},
        media_type=mediatype.OCI_INDEX,
    ),
    "index/dangling": dangling,
    "index/child-digest": child_digest,
    "index/broken-child": broken_child,
    "index/ambiguous": lambda w, ill: w.store.plant(two_readings(w, ill=ill), "1"),
    "index/schema-1": schema_1,
    "index/unknown-type": lambda w, ill: (
        w.store.plant(Document(b'{"errors": []}', "application/json"), "1") if ill else two(w)
    ),
    "index/no-version": lambda w, ill: w.store.plant(
        w.document(
            ({} if ill else {"schemaVersion": 2})
            | {"mediaType": mediatype.OCI_INDEX, "manifests": [w.image()]}, mediatype.OCI_INDEX
        ), "1",
    ),
    "index/too-large": too_large,
    "config/missing": lambda w, ill: without_blob(w, lambda tree: tree["config"], ill),
    "config/size": lambda w, ill: two(
        w, w.image("linux/arm64", manifest=lambda tree: tree["config"].update(size=9) if ill else None)
    ),
    "config/malformed": in_config(
        rootfs=({"type": "floppies"}, {"type": "layers", "diff_ids": [str(Digest.of(program("arm64")))]})
    ),
    "config/no-platform": in_config(architecture=("", "arm64")),
    "config/diff-ids": lambda w, ill: two(
        w, w.image("linux/arm64", config=lambda tree: tree["rootfs"]["diff_ids"].pop() if ill else None)
    ),
    "config/history": in_config(
        history=(
            [{"created_by": "COPY"}, {"created_by": "CMD"}],
            [{"created_by": "COPY"}, {"created_by": "CMD", "empty_layer": True}],
        )
    ),
    "config/future": in_config(created=("2026-01-03T00:00:00Z", "2026-01-01T12:00:00Z")),
    "config/secret": in_settings(Env=(["TOKEN=ghp_" + "a1B2" * 9], ["TOKEN_FILE=/run/secrets/token"])),
    "config/unknown-user": in_settings(User=("apps", "app")),
    "config/entrypoint-missing": in_settings(Entrypoint=(["/apps"], ["/app"])),
    "config/entrypoint-not-executable": lambda w, ill: two(
        w,
        w.image(
            "linux/arm64",
            layers=[tar(member("app", Elf(machine=MACHINES["arm64"]).build(), mode=0o644 if ill else 0o755))],
            config=lambda tree: tree["config"].update(Entrypoint=["/app"]),
        ),
    ),
    "layer/missing": lambda w, ill: without_blob(w, lambda tree: tree["layers"][0], ill),
    "layer/none": in_layer([], [program("arm64")]),
    "layer/mixed-families": in_layer_type(mediatype.DOCKER_LAYER_GZIP, mediatype.OCI_LAYER_GZIP),
    "layer/docker-zstd": zstd,
    "layer/foreign": foreign,
    "layer/uncommon-digest": sha512,
    "layer/size": layer_size,
    "layer/digest": other_layer,
    "layer/escaping-path": in_layer([tar(member("../../etc/x"))], [tar(member("./etc/x"))]),
    "layer/damaged": in_layer([CUT], [tar(member("a", b"x" * 2000))]),
    "layer/compression": in_layer_type(mediatype.OCI_LAYER, mediatype.OCI_LAYER_GZIP),
    "layer/diff-id": in_config(
        rootfs=tuple(
            {"type": "layers", "diff_ids": [str(Digest.of(data))]} for data in (b"other", program("arm64"))
        )
    ),
    "layer/toc": with_table,
    "layer/duplicate-path": in_layer(
        [tar(member("a"), member("./a"))], [tar(member("a")), tar(member("./a"))]
    ),
    "layer/dangling-hard-link": in_layer(
        [tar(member("a", type=b"1", linkname="z"), member("z"))],
        [tar(member("z"), member("a", type=b"1", linkname="z"))],
    ),
    "layer/costly": in_layer(
        [tar(member("k", type=b"2", linkname="d" * 4000), member("k/" + "e" * 96))],
        [tar(member("k", type=b"2", linkname="d" * 4000), member("k/" + "e" * 95))],
    ),
    "layer/large-id": in_layer([tar(member("a", uid=65536))], [tar(member("a", uid=65535))]),
    "layer/world-writable": in_layer(
        [tar(member("a", mode=0o666))], [tar(member("a", mode=0o664), member("b", mode=0o666, uid=1))]
    ),
    "layer/setuid": in_layer([tar(member("a", mode=0o4755))], [tar(member("a", mode=0o755))]),
    "layer/replaced-link": in_layer(
        [LINK, tar(member("bin", type=b"5"), member("bin/x"))], [LINK, tar(member("bin/x"))]
    ),
    "layer/not-windows": lambda w, ill: two(
        w,
        as_platform(
            w.image("windows/amd64", layers=[tar(member("app.exe" if ill else "Files/app.exe"), member("Hives/x"))]),
            os="windows", architecture="amd64", **{"os.version": "10.0.17763.5"},
        ),
    ),
    "layer/needless-whiteout": in_layer(
        [LINK, tar(member("usr/bin/.wh.bash", b""))], [LINK, tar(member("usr/bin/.wh.sh", b""))]
    ),
    "binary/wrong-platform": lambda w, ill: w.index(
        w.image("linux/arm64", layers=[program("amd64" if ill else "arm64")])
    ),
    "binary/level": lambda w, ill: w.index(w.image("linux/arm/v6", layers=[arm(10 if ill else 6)])),
    "binary/missing-needs": lambda w, ill: w.index(
        w.image("linux/arm64", layers=[*([] if ill else [LOADER]), NEEDS_LOADER])
    ),
    "binary/same-program": lambda w, ill: w.index(
        w.image("linux/arm/v6", layers=[arm(6)]), w.image("linux/arm/v7", layers=[arm(6 if ill else 10)])
    ),
    "binary/mixed-linkage": lambda w, ill: two(
        w, w.image("linux/arm64", layers=[LOADER, NEEDS_LOADER] if ill else [program("arm64")])
    ),
    "binary/apart-platform": lambda w, ill: w.index(
        w.image("linux/arm64", layers=[program("arm64"), addon("amd64" if ill else "arm64")])
    ),
    "binary/apart-needs": lambda w, ill: w.index(
        w.image("linux/arm64", layers=[program("arm64"), example("/bin/ksh" if ill else "/app")])
    ),
    "registry/content-type": lambda w, ill: served(w, ill, content_type="application/json"),
    "registry/wrong-digest": misnamed,
    "registry/head": lambda w, ill: served(w, ill, head=Served(mediatype.OCI_INDEX, "", "0")),
    "registry/no-digest": lambda w, ill: served(w, ill, digest=""),
    "registry/no-length": lambda w, ill: served(w, ill, length=""),
    "tag/single-image": tags,
    "tag/stale-fallback": fallback,
    "tag/wrong-referrer": listed,
    "tag/referrer-type": lambda w, ill: listed(w, ill, artifactType="application/vnd.cyclonedx+json"),
    "tag/gone": lost,
}  # fmt: skip
"""For each rule the maker of the two stores."""


def store(rule: str, *, ill: bool) -> Loose:
    """The store of one side of a pair."""
    ward = Ward(Loose())
    PAIRS[rule](ward, ill)
    return ward.store
