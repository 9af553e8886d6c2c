"""Configs, layers and programs as public reports describe them, and right ones that look odd."""

import hashlib

import pytest

from ocitool.check.engine import findings
from ocitool.check.inspection import look
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource
from ocitool.tasks import Scope
from tests.fakes.sick import Loose, Ward, member, packed, program, tar
from tests.unit.check.pairs import LOADER, NEEDS_LOADER, as_platform, with_layer, zstd_frame
from tests.unit.codec.test_tar_reader_sparse import LARGE, version_1

FILE, EMPTY = tar(member("a", b"1")), tar()


def told(ward, *, deep=True):
    """(rule, path, message) of everything in a look."""
    seen = look(ward.store, "1", scope=Scope(), deep=lambda _: deep)
    return [(one.rule, one.at.path, one.message) for one in findings(seen)]


def rules(ward, **more):
    return sorted({rule for rule, *_ in told(ward, **more)})


def in_config(ward, layers, **fields):
    """An index of one image with these layers and config fields."""
    ward.index(ward.image(layers=layers, config=lambda tree: tree.update(fields)))


def in_layer(ward, *members):
    ward.index(ward.image("linux/arm64", layers=[tar(*members)]))


# Configs


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_diff_ids(ward, count):
    """K047: both counts are told; a verifier that stops at the shorter list can be passed by."""
    ids = [str(Digest.of(FILE)), str(Digest.of(EMPTY)), str(Digest.of(b"more"))][:count]
    in_config(ward, [FILE, EMPTY], rootfs={"type": "layers", "diff_ids": ids})

    word = "diff_id" if count == 1 else "diff_ids"
    assert ("config/diff-ids", "", f"{count} {word} in the config, 2 layers in the manifest") in told(ward)


@pytest.mark.parametrize("odd", [7, None, "", "sha256:abc"])
def test_a_diff_id_that_is_none(ward, odd):
    """K047: never left out silently."""
    in_config(ward, [FILE, EMPTY], rootfs={"type": "layers", "diff_ids": [str(Digest.of(FILE)), odd]})

    assert ["config/malformed"] == rules(ward)


@pytest.mark.parametrize(
    ("change", "pointer", "what"),
    [
        ({"created": "yesterday"}, "/created", "created is no date of RFC 3339 ('yesterday')"),
        ({"created": ""}, "/created", "created is no date of RFC 3339 ('')"),
        ({"created": "2024-05-06 07:08:09"}, "/created", "created is no date of RFC 3339 ('2024-05-06 07:08:09')"),
        ({"history": [{"created": "?"}]}, "/history/0/created", "created is no date of RFC 3339 ('?')"),
        ({"config": {"Cmd": "sh -c x"}}, "/config/Cmd", "Cmd is not a list of strings"),
        ({"config": {"Env": [1]}}, "/config/Env", "Env is not a list of strings"),
        (
            {"config": {"ExposedPorts": ["80/tcp"]}},
            "/config/ExposedPorts",
            "ExposedPorts is not an object with empty objects",
        ),
        ({"config": {"Labels": {"a": 1}}}, "/config/Labels", "Labels is not an object of strings"),
        ({"config": {"User": 1000}}, "/config/User", "User is not a string"),
    ],
)
def test_what_engines_cannot_parse(ward, change, pointer, what):
    """K047: an engine refuses the whole config for one field of another kind."""
    entry = ward.image(config=lambda tree: tree.update(change))
    ward.index(entry)

    (finding,) = findings(look(ward.store, "1", scope=Scope()))

    assert ("config/malformed", pointer) == (finding.rule, finding.at.pointer)
    assert f"{what}: no engine reads this config" == finding.message


def test_settings_that_are_left_open_are_right(ward):
    """K047: null is nothing, and what is not of the specification is nobody's business."""
    nothing = dict.fromkeys(("Env", "Cmd", "Labels", "Volumes", "User"))
    extra = {"Healthcheck": {"Test": ["NONE"]}, "ArgsEscaped": True, "x": 1, "ExposedPorts": {"80/tcp": {}}}
    change = {"config": nothing | extra, "created": None, "history": [{"created": "0001-01-01T00:00:00Z"}]}
    ward.index(ward.image(config=lambda tree: tree.update(change)))

    assert [] == rules(ward)


@pytest.mark.parametrize("media_type", [mediatype.OCTETS, "application/json"])
def test_image_layers_under_a_config_of_no_type(ward, media_type):
    """K025: no client takes it for an image, though all of it is there."""
    ward.index(ward.image(manifest=lambda tree: tree["config"].update(mediaType=media_type)))

    assert ["config/malformed"] == rules(ward)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (None, []),
        ([], []),
        ([{"created_by": "A"}, {"created_by": "E", "empty_layer": True}, {"created_by": "B"}], []),
        ([{"created_by": "A"}], ["config/history"]),
        ([{"created_by": "A"}, {"created_by": "E"}, {"created_by": "B"}], ["config/history"]),
        ([{"created_by": "A"}, {"created_by": "B", "empty_layer": True}], ["config/history"]),
    ],
    ids=["none", "empty", "right", "partial", "unmarked", "by-size"],
)
def test_history_and_layers(ward, history, expected):
    """K049, K050: the empty tar is a layer, and only empty_layer says that a step made none; or no history at all."""
    in_config(ward, [FILE, EMPTY], history=history)

    assert expected == rules(ward)


def test_a_layer_twice(ward):
    """K052: [L1, L2, L1] is an image like any other."""
    ward.index(ward.image(layers=[FILE, tar(member("b")), FILE]))

    assert [] == told(ward)


def test_one_diff_id_in_two_blobs(ward):
    """K053: the same tar compressed in two ways."""
    blobs = [
        ward.blob(packed(FILE), mediatype.OCI_LAYER_GZIP),
        ward.blob(zstd_frame(FILE), mediatype.OCI_LAYER_ZSTD),
    ]
    ward.index(ward.image(layers=[FILE, FILE], manifest=lambda tree: tree.update(layers=blobs)))

    assert [] == told(ward)


# Layer descriptors


def test_a_sha512_layer_with_its_diff_id(ward):
    """K046: verified, with a word about compatibility."""
    data = packed(program("arm64"))
    held = Descriptor(mediatype.OCI_LAYER_GZIP, Digest("sha512:" + hashlib.sha512(data).hexdigest()), len(data))
    ward.store.put_blob(held, BytesSource(data))
    diff_id = "sha512:" + hashlib.sha512(program("arm64")).hexdigest()
    ward.index(
        ward.image(
            "linux/arm64",
            config=lambda tree: tree["rootfs"].update(diff_ids=[diff_id]),
            manifest=lambda tree: tree.update(layers=[held.to_tree()]),
        )
    )

    assert ["layer/uncommon-digest"] == rules(ward)


def test_a_sha512_layer_of_other_bytes(ward):
    """K046: the digest is computed, not believed."""
    right, data = packed(program("arm64")), packed(program("amd64"))
    digest = Digest("sha512:" + hashlib.sha512(right).hexdigest())
    ward.store._blobs[digest] = data
    ward.index(with_layer(ward, Descriptor(mediatype.OCI_LAYER_GZIP, digest, len(data)).to_tree()))

    assert "layer/digest" in rules(ward)


@pytest.mark.parametrize(
    ("data", "said", "message"),
    [
        (packed(program("arm64")), mediatype.OCI_LAYER, "but its bytes are gzip"),
        (zstd_frame(program("arm64")), mediatype.OCI_LAYER_GZIP, "but its bytes are zstd"),
        (program("arm64"), mediatype.OCI_LAYER_GZIP, "but its bytes are not compressed"),
        (packed(program("arm64")), mediatype.OCI_LAYER_ZSTD, "but its bytes are gzip"),
    ],
    ids=["gzip-as-tar", "zstd-as-gzip", "tar-as-gzip", "gzip-as-zstd"],
)
def test_bytes_and_type_disagree(ward, data, said, message):
    """K056: the beginning of the bytes against the type."""
    ward.index(with_layer(ward, ward.blob(data, said)))

    assert [("layer/compression", "", f"{said}, {message}")] == told(ward)


@pytest.mark.parametrize("said", [mediatype.DOCKER_LAYER, mediatype.DOCKER_LAYER_GZIP])
def test_dockers_plain_type_says_nothing(ward, said):
    """K056: gzip is met under it everywhere."""
    layer = ward.blob(packed(program("arm64")), said)
    image = ward.image(
        "linux/arm64", media_type=mediatype.DOCKER_MANIFEST, manifest=lambda tree: tree.update(layers=[layer])
    )
    ward.index(image, media_type=mediatype.DOCKER_LIST)

    assert [] == told(ward)


def test_a_zstd_layer_in_a_docker_manifest(ward):
    """K055: it can be read, and strict clients refuse it; what is in it is looked at."""
    layer = ward.blob(zstd_frame(program("amd64")), mediatype.DOCKER_LAYER_ZSTD)
    image = ward.image(
        "linux/arm64", media_type=mediatype.DOCKER_MANIFEST, manifest=lambda tree: tree.update(layers=[layer])
    )
    ward.index(image, media_type=mediatype.DOCKER_LIST)

    assert ["binary/wrong-platform", "layer/diff-id", "layer/docker-zstd"] == rules(ward)


@pytest.mark.parametrize("kind", [mediatype.DOCKER_FOREIGN_GZIP, mediatype.OCI_FOREIGN_GZIP, mediatype.OCI_FOREIGN])
def test_a_layer_that_is_kept_elsewhere(kind):
    """K058: told, not called missing, and not asked for anywhere without consent."""

    class Watched(Loose):
        def open_blob(self, descriptor, offset=0):
            assert descriptor.media_type != kind
            return super().open_blob(descriptor, offset)

    ward = Ward(Watched())
    elsewhere = {
        "mediaType": kind,
        "digest": str(Digest.of(b"far")),
        "size": 5,
        "urls": ["https://files.test/l.tgz"],
    }
    family = mediatype.family_of(kind)
    image = ward.image(media_type=family.manifest, manifest=lambda tree: tree.update(layers=[elsewhere]))
    ward.index(image, media_type=family.index)

    assert [("layer/foreign", "", "a foreign layer, kept elsewhere at https://files.test/l.tgz")] == told(ward)


def windows(ward, *members):
    image = ward.image("windows/amd64", layers=[tar(*members)])
    ward.index(as_platform(image, os="windows", architecture="amd64", **{"os.version": "10.0.17763.5"}))


def test_a_unix_tar_in_a_windows_image(ward):
    """K059."""
    windows(ward, member("Files/app.exe"), member("app.exe"), member("etc/x"))

    assert [("layer/not-windows", "", "/app.exe stands beside Files and Hives in a layer for windows")] == told(
        ward
    )


def test_a_layer_of_windows(ward):
    """K059: files, the registry, the files of a virtual machine, and what deletes below them."""
    paths = ("Files/app.exe", "Files/.wh.old.exe", "Hives/System_Delta", "UtilityVM/Files/x")
    windows(ward, member("Files", type=b"5"), *(member(path) for path in paths))

    assert [] == [one for one in told(ward) if one[0] != "layer/needless-whiteout"]


# What is in layers


@pytest.mark.parametrize("field", ["uid", "gid"])
def test_owners_that_hosts_cannot_map(ward, field):
    """K137: with path and id."""
    in_layer(ward, member("srv/data", **{field: 99999}))

    ids = "99999:0" if field == "uid" else "0:99999"
    assert [("layer/large-id", "srv/data", f"owner {ids} is above 65535")] == told(ward)


@pytest.mark.parametrize("second", ["x/f", "./x/f", "/x/f", "x//f"])
def test_a_path_twice(ward, second):
    """K145, K146: however it is written."""
    in_layer(ward, member("x/f"), member(second))

    assert [("layer/duplicate-path", "x/f", "stands twice in one layer")] == told(ward)


@pytest.mark.parametrize(
    "hostile",
    [
        member("../x"),
        member("a/../../x"),
        member("l", type=b"1", linkname="../../etc/x"),
        member("../s", type=b"2", linkname="t"),
    ],
    ids=["up", "down-and-up", "hard-link", "link"],
)
def test_names_that_leave_the_image(ward, hostile):
    """K154."""
    in_layer(ward, member("etc/x"), hostile)

    assert ["layer/escaping-path"] == rules(ward)


def test_links_that_point_far_up_are_normal(ward):
    """K155: only writing through them is confined."""
    far = "../" * 8 + "etc/pki/java/cacerts"
    in_layer(
        ward,
        member("usr/lib/jvm/x/lib/security/cacerts", type=b"2", linkname=far),
        member("etc/ssl", type=b"2", linkname="/etc/pki"),
        member("abs", type=b"2", linkname="/abs/../../x"),
    )

    assert [] == told(ward)


@pytest.mark.parametrize("name", [".wh.", "etc/.wh.", "d/.wh..wh..opq", ".wh..wh.plnk"])
def test_odd_whiteouts_are_none_of_nothing(ward, name):
    """K148, K149: a name of the prefix alone deletes nothing; the mark of an opaque directory is none either."""
    ward.index(ward.image("linux/arm64", layers=[tar(member("etc/x"), member("d/old")), tar(member(name, b""))]))

    assert [] == told(ward)


def test_sparse_files_are_not_read_in_full(ward):
    """K158: 200 GiB in a layer of some kilobytes, looked at in no time and no space, whatever it begins with."""
    layers = [version_1(LARGE, (0, 4), data=data) for data in (b"data", b"\x7fELF")]
    ward.index(
        *(
            ward.image(f"linux/{name}", layers=[layer])
            for name, layer in zip(("amd64", "arm64"), layers, strict=True)
        )
    )

    assert [] == told(ward)


# Programs


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ([], ["binary/missing-needs"]),
        ([tar(member("lib/ld-musl-aarch64.so.1"))], ["binary/missing-needs"]),
        ([LOADER], []),
        ([tar(member("lib/ld-linux-aarch64.so.1"))], []),
    ],
    ids=["scratch", "alpine", "linked", "debian"],
)
def test_a_loader_that_the_image_lacks(ward, base, expected):
    """K173: links in the image are followed."""
    ward.index(ward.image("linux/arm64", layers=[*base, NEEDS_LOADER]))

    assert expected == rules(ward)
    assert all("/lib/ld-linux-aarch64.so.1" in message and path == "app" for _, path, message in told(ward))


def test_a_layer_that_is_gone_says_nothing_about_programs(ward):
    """K034, K173: what could not be read lacks nothing."""
    held = {}
    ward.index(
        ward.image(
            "linux/arm64",
            layers=[LOADER, NEEDS_LOADER],
            manifest=lambda tree: held.update(digest=tree["layers"][0]["digest"]),
        )
    )
    del ward.store._blobs[Digest(held["digest"])]

    assert ["layer/missing"] == rules(ward)
