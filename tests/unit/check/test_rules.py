"""Each rule: a broken image of which it speaks, and healthy ones of which none does.

K001 and K017 duplicates, K004 ambiguous arm, K007 and K008 wrong platform, K010 wrong program, K014 no platform,
K020 nested, K022 stale attestation, K025 mixed families, K034 dangling, K043 two readings, K044 no mediaType,
K046 sha512, K047 diff_ids, K055 Docker zstd, K056 compression, K058 foreign, K137 large ids, K145 duplicates.
"""

import gzip
import hashlib

import pytest

from ocitool.check.engine import DOCUMENTED, RULES
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource
from tests.fakes.programs import Elf, attributes, uleb
from tests.fakes.sick import member, program, tar


def two(ward, second=None, **more):
    """An index of amd64 and a second entry, arm64 if left out."""
    return ward.index(ward.image(), second or ward.image("linux/arm64"), **more)


def as_platform(entry, **platform):
    return entry | {"platform": platform}


def retyped(media_type, number=0):
    def change(tree):
        tree["layers"][number]["mediaType"] = media_type

    return change


def plain_gzip(ward):
    """gzip bytes under the plain tar type."""
    two(ward, ward.image("linux/arm64", manifest=retyped(mediatype.OCI_LAYER)))


def gone(ward):
    entry = ward.image("linux/arm64")
    two(ward, entry)
    ward.store.delete(entry["digest"])


def both_readings(ward):
    """K043: a child that is an index and an image."""
    child = Document(b'{"schemaVersion":2,"manifests":[],"config":{},"layers":[]}', mediatype.OCI_MANIFEST)
    two(ward, as_platform(ward.store.plant(child), os="linux", architecture="arm64"))


def nested(ward):
    two(ward, ward.index(ward.image("linux/arm64"), tag=""))


def misfit_size(ward):
    two(ward, ward.image("linux/arm64") | {"size": 9999})


def docker_in_oci(ward):
    two(ward, ward.image("linux/arm64", media_type=mediatype.DOCKER_MANIFEST))


def wrong_type(ward):
    two(ward, ward.image("linux/arm64") | {"mediaType": mediatype.DOCKER_MANIFEST}, media_type=mediatype.OCI_INDEX)


def attested_platform(ward):
    image = ward.image()
    note = ward.attestation(image["digest"]) | {"platform": {"os": "linux", "architecture": "s390x"}}
    ward.index(image, note)


def no_layer(ward):
    absent = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"absent"), 6).to_tree()
    two(ward, ward.image("linux/arm64", manifest=lambda tree: tree["layers"].__setitem__(0, absent)))


def no_config(ward):
    absent = Descriptor(mediatype.OCI_CONFIG, Digest.of(b"absent"), 6).to_tree()
    two(ward, ward.image("linux/arm64", manifest=lambda tree: tree.update(config=absent)))


def foreign(ward):
    """K058: the layer lives at another address."""
    layer = {"mediaType": mediatype.DOCKER_FOREIGN_GZIP, "size": 5, "urls": ["https://files.test/l"]}
    layer["digest"] = str(Digest.of(b"elsewhere"))
    image = ward.image(
        media_type=mediatype.DOCKER_MANIFEST, manifest=lambda tree: tree["layers"].__setitem__(0, layer)
    )
    ward.index(image, media_type=mediatype.DOCKER_LIST)


def sha512(ward):
    """K046: valid, and unknown to many."""
    data = gzip.compress(program("arm64"), mtime=0)
    held = Descriptor(mediatype.OCI_LAYER_GZIP, Digest("sha512:" + hashlib.sha512(data).hexdigest()), len(data))
    ward.store.put_blob(held, BytesSource(data))
    two(ward, ward.image("linux/arm64", manifest=lambda tree: tree["layers"].__setitem__(0, held.to_tree())))


def arm64_of(*layers, **more):
    """An index whose arm64 image has these layers."""
    return lambda ward: two(ward, ward.image("linux/arm64", layers=layers, **more))


def config(**fields):
    return lambda ward: two(ward, ward.image("linux/arm64", config=lambda tree: tree.update(fields)))


def settings(**fields):
    return lambda ward: two(ward, ward.image("linux/arm64", config=lambda tree: tree["config"].update(fields)))


LINK = tar(member("bin", type=b"2", linkname="usr/bin"))
V7 = tar(
    member(
        "app",
        Elf(
            machine=40,
            bits=32,
            flags=0x05000400,
            sections=[(".ARM.attributes", 0x70000003, attributes("aeabi", uleb(6) + uleb(10)))],
        ).build(),
        mode=0o755,
    )
)
LOADER = [(3, 4, b"/lib/ld-linux-aarch64.so.1\0")]
BROKEN = {
    "index/missing-platform": lambda w: two(
        w, {k: v for k, v in w.image("linux/arm64").items() if k != "platform"}
    ),
    "index/wrong-platform": lambda w: two(w, as_platform(w.image("linux/arm64"), os="linux", architecture="s390x")),
    "index/duplicate-platform": lambda w: w.index(
        w.image("linux/arm64"), w.image("linux/arm64/v8", config=lambda t: t.update(author="other"))
    ),
    "index/ambiguous-arm": lambda w: w.index(
        as_platform(w.image("linux/arm/v6", layers=[]), os="linux", architecture="arm"),
        as_platform(w.image("linux/arm/v7", layers=[]), os="linux", architecture="arm"),
    ),
    "index/impossible-platform": lambda w: two(w, as_platform(w.image(), os="linux", architecture="z80")),
    "index/windows-version": lambda w: two(w, w.image("windows/amd64", layers=[])),
    "index/nested": nested,
    "index/mixed-families": docker_in_oci,
    "index/child-size": misfit_size,
    "index/child-type": wrong_type,
    "index/dangling": gone,
    "index/broken-child": both_readings,
    "index/attestation-platform": attested_platform,
    "index/stale-attestation": lambda w: two(w, w.attestation(str(Digest.of(b"gone")))),
    "index/attestation-without-subject": lambda w: two(w, w.image("unknown/unknown", layers=[])),
    "index/no-media-type": lambda w: two(w, mediaType=None),
    "index/order": lambda w: w.index(w.attestation((one := w.image())["digest"]), one),
    "index/empty": lambda w: w.index(),
    "config/missing": no_config,
    "config/malformed": config(rootfs={"type": "floppies"}),
    "config/no-platform": config(architecture=""),
    "config/diff-ids": config(rootfs={"type": "layers", "diff_ids": []}),
    "config/history": config(history=[{"created_by": "a"}, {"created_by": "b"}]),
    "config/future": config(created="2999-01-01T00:00:00Z"),
    "config/secret": settings(Env=["TOKEN=ghp_" + "a1B2" * 9]),
    "config/unknown-user": settings(User="app"),
    "layer/missing": no_layer,
    "layer/mixed-families": lambda w: two(w, w.image("linux/arm64", manifest=retyped(mediatype.DOCKER_LAYER_GZIP))),
    "layer/docker-zstd": lambda w: w.index(
        w.image(media_type=mediatype.DOCKER_MANIFEST, manifest=retyped(mediatype.DOCKER_LAYER_ZSTD)),
        media_type=mediatype.DOCKER_LIST,
    ),
    "layer/foreign": foreign,
    "layer/uncommon-digest": sha512,
    "layer/damaged": arm64_of(tar(member("../../etc/passwd"))),
    "layer/compression": plain_gzip,
    "layer/diff-id": config(rootfs={"type": "layers", "diff_ids": [str(Digest.of(b"other"))]}),
    "layer/duplicate-path": arm64_of(tar(member("a"), member("./a"))),
    "layer/large-id": arm64_of(tar(member("a", uid=99999))),
    "layer/world-writable": arm64_of(tar(member("a", mode=0o666))),
    "layer/setuid": arm64_of(tar(member("a", mode=0o4755))),
    "layer/replaced-link": arm64_of(LINK, tar(member("bin", type=b"5"))),
    "layer/needless-whiteout": arm64_of(LINK, tar(member(".wh.nothing", b""))),
    "binary/wrong-platform": arm64_of(program("amd64")),
    "binary/level": lambda w: w.index(w.image("linux/arm/v6", layers=[V7])),
    "binary/missing-needs": arm64_of(program("arm64", segments=LOADER)),
}
"""For each rule an index under 1 of which it speaks."""


@pytest.mark.parametrize("rule", BROKEN)
def test_the_broken_one_is_named(rule, ward, found):
    BROKEN[rule](ward)

    assert rule in found()


def test_every_rule_has_a_broken_image():
    assert [rule.id for rule in RULES] == list(BROKEN)


def test_ids_are_distinct():
    ids = [rule.id for rule in DOCUMENTED]

    assert sorted(set(ids)) == sorted(ids)


def test_a_healthy_index_has_no_findings(ward, found):
    one, other = ward.image(), ward.image("linux/arm64")
    ward.index(one, other, ward.attestation(one["digest"]))

    assert {} == found()


def test_a_layer_twice_is_legal(ward, found):
    """K052: [L1, L2, L1] is an image like any other."""
    layers = [tar(member("a", b"1")), tar(member("b")), tar(member("a", b"1"))]
    ward.index(ward.image(layers=layers))

    assert {} == found()


def test_an_empty_tar_is_a_layer(ward, found):
    """K049: only empty_layer says that a step made none, whatever its size."""
    steps = [{"created_by": "A"}, {"created_by": "E", "empty_layer": True}, {"created_by": "B"}]
    layers = [tar(member("a")), tar()]
    ward.index(ward.image(layers=layers, config=lambda tree: tree.update(history=steps)))

    assert {} == found()


def test_a_secret_is_not_repeated(ward, found):
    BROKEN["config/secret"](ward)

    assert "ghp_" not in found()["config/secret"].message


def test_places_are_exact(ward, found):
    misfit_size(ward)
    finding = found()["index/child-size"]

    assert (ward.store.head("1").digest, "/manifests/1/size") == (finding.at.digest, finding.at.pointer)
    assert "linux/arm64" == finding.at.label
    assert finding.fixable


def test_a_loader_that_is_there(ward, found):
    """K173: links in the image are followed."""
    base = tar(member("usr/lib/ld-linux-aarch64.so.1"), member("lib", type=b"2", linkname="usr/lib"))
    arm64_of(base, program("arm64", segments=LOADER))(ward)

    assert {} == found()
