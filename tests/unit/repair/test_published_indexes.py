"""Indexes as public reports describe them: each is named by what is wrong with it, and its variants too."""

import json

import pytest

from ocitool.check.engine import findings
from ocitool.check.inspection import READ_LIMIT, look
from ocitool.errors import MalformedDocument
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import MANIFEST_LIMIT, Document
from ocitool.tasks import Scope
from tests.fakes.programs import Elf
from tests.fakes.sick import FILES, member, program, tar
from tests.unit.check.pairs import as_platform, two

GONE = Digest.of(b"gone")


def other(ward, platform, **more):
    """Another image for a platform."""
    return ward.image(platform, config=lambda tree: tree.update(author="other"), **more)


def short(entry):
    return Digest(entry["digest"]).short


def told(ward, name="1", *, deep=True):
    """(rule, platform, message) of everything in a look."""
    seen = look(ward.store, name, scope=Scope(), deep=lambda _: deep)
    return [(one.rule, one.at.label, one.message) for one in findings(seen)]


def rules(ward, **more):
    return sorted({rule for rule, *_ in told(ward, **more)})


# Platforms


@pytest.mark.parametrize("platforms", [("arm64/v8", "arm64"), ("arm64", "arm64/v8"), ("amd64", "amd64/v1")])
def test_two_forms_of_one_platform(ward, platforms):
    """K001: an index that holds both is an error, and both are named."""
    one, second = (other(ward, f"linux/{name}", layers=[FILES]) for name in platforms)
    ward.index(ward.image("linux/s390x", layers=[FILES]), one, second)

    ((rule, _, message),) = told(ward)

    assert "index/duplicate-platform" == rule
    assert short(one) in message
    assert short(second) in message


@pytest.mark.parametrize("variants", [("v6", "v7"), ("v7", "v6")])
def test_arm_entries_without_variants_whose_configs_have_them(ward, variants):
    """K004: ambiguous, and no duplicate."""
    bare = {"os": "linux", "architecture": "arm"}
    ward.index(*(as_platform(ward.image(f"linux/arm/{v}", layers=[FILES]), **bare) for v in variants))

    assert [
        ("index/ambiguous-arm", "linux/arm", f"one of 2 arm entries, and it names no variant; its config says {v}")
        for v in variants
    ] == told(ward)


def test_arm_entries_without_variants_anywhere(ward):
    """K004: there is nothing to take one from."""
    ward.index(ward.image("linux/arm", layers=[FILES]), other(ward, "linux/arm", layers=[FILES]))

    assert {"one of 2 arm entries, and it names no variant; nor does its config"} == {m for *_, m in told(ward)}


def test_one_arm_entry_that_names_no_variant_beside_one_that_does(ward):
    """K004: the board of the named one may still get the other."""
    ward.index(other(ward, "linux/arm", layers=[FILES]), ward.image("linux/arm/v7", layers=[FILES]))

    assert ["index/ambiguous-arm"] == rules(ward)


def test_one_arm_entry_alone_may_leave_its_variant_out(ward):
    """K004: nothing else can be meant."""
    ward.index(ward.image("linux/arm", layers=[FILES]), ward.image("linux/arm64"))

    assert [] == told(ward)


@pytest.mark.parametrize(("variant", "expected"), [("v5", ["index/ambiguous-arm"]), ("v7", [])])
def test_one_arm_entry_alone_is_read_as_v7(ward, variant, expected):
    """K004: a board of the config's own level does not find it."""
    ward.index(as_platform(ward.image(f"linux/arm/{variant}", layers=[FILES]), os="linux", architecture="arm"))

    assert expected == rules(ward)


K007 = "entry says linux/arm64/v8, the config says linux/amd64"


@pytest.mark.parametrize(("deep", "message"), [(True, f"{K007}, its programs are for linux/arm64"), (False, K007)])
def test_an_entry_that_is_right_over_a_config_that_is_not(ward, deep, message):
    """K007: the entry, the config's value and the machine of the programs are named; these only by --deep."""
    wrong = ward.image("linux/amd64", layers=[program("arm64")])
    ward.index(as_platform(wrong, os="linux", architecture="arm64", variant="v8"))

    assert [("index/wrong-platform", "linux/arm64/v8", message)] == told(ward, deep=deep)


def test_an_entry_over_a_config_of_the_other_os(ward):
    """K007: the whole platform is compared."""
    ward.index(as_platform(ward.image("linux/arm64"), os="freebsd", architecture="arm64"))

    assert "entry says freebsd/arm64, the config says linux/arm64" in told(ward, deep=False)[0][2]


def test_two_amd64_entries_of_which_one_is_arm64(ward):
    """K008: the platform is there twice, and the second entry is not what its config and its programs say."""
    one, wrong = ward.image(), ward.image("linux/arm64")
    ward.index(one, as_platform(wrong, os="linux", architecture="amd64"))

    assert [
        (
            "index/wrong-platform",
            "linux/amd64",
            "entry says linux/amd64, the config says linux/arm64, its programs are for linux/arm64",
        ),
        (
            "index/duplicate-platform",
            "linux/amd64",
            f"linux/amd64 {short(wrong)} is for the same platform as {short(one)}",
        ),
        ("binary/wrong-platform", "linux/amd64", "a program for linux/arm64 in an image for linux/amd64"),
    ] == told(ward)


def test_two_entries_that_say_each_others_platform(ward):
    """K008: no platform is there twice, and both entries are wrong."""
    amd64, arm64 = ward.image(), ward.image("linux/arm64")
    ward.index(amd64 | {"platform": arm64["platform"]}, arm64 | {"platform": amd64["platform"]})

    assert {"linux/amd64", "linux/arm64"} == {at for rule, at, _ in told(ward) if rule == "index/wrong-platform"}


@pytest.mark.parametrize(("machine", "said", "found"), [(0x3E, "arm64", "amd64"), (0xB7, "amd64", "arm64")])
def test_a_program_of_another_machine(ward, machine, said, found):
    """K010: config and index agree, the file was copied from the other build; path, found and expected are told."""
    app = Elf(machine=machine).build()
    assert (bytes.fromhex("7f454c46020101"), machine) == (app[:7], app[18])
    ward.index(ward.image(f"linux/{said}", layers=[tar(member("usr/bin/app", app, mode=0o755))]))

    seen = look(ward.store, "1", scope=Scope(), deep=lambda _: True)
    (finding,) = findings(seen)

    assert ("binary/wrong-platform", "usr/bin/app") == (finding.rule, finding.at.path)
    assert f"a program for linux/{found} in an image for linux/{said}" == finding.message


def test_what_is_no_program_is_for_every_machine(ward):
    """K010: scripts, data, objects of a kernel's virtual machine that are not run, and what only begins like one."""
    files = [
        member("bin/sh", Elf(machine=183).build(), mode=0o755),
        member("start", b"#!/bin/sh\n", mode=0o755),
        member("data", b"\x7fEL", mode=0o755),
        member("half", Elf(machine=62).build()[:20], mode=0o755),
        member("lib/filter.o", Elf(machine=247, kind=1).build()),
    ]
    ward.index(ward.image("linux/arm64", layers=[tar(*files)]))

    assert [] == told(ward)


def test_a_program_that_a_higher_layer_replaces_is_none(ward):
    """K010: what a container finds is judged."""
    ward.index(ward.image("linux/arm64", layers=[program("amd64"), program("arm64")]))

    assert [] == told(ward)


@pytest.mark.parametrize("platform", [{}, {"platform": None}, {"platform": {}}], ids=["absent", "null", "empty"])
def test_an_entry_without_a_platform(ward, platform):
    """K014: no traceback; the value is read from the config and offered."""
    entry = {key: value for key, value in ward.image("linux/arm64").items() if key != "platform"} | platform
    ward.index(ward.image(), entry)

    assert [
        ("index/missing-platform", short(entry), "entry says no platform; its config says linux/arm64")
    ] == told(ward)


@pytest.mark.parametrize(
    ("platform", "lacks"), [({"os": "linux"}, "architecture"), ({"architecture": "arm64"}, "os")]
)
def test_an_entry_with_half_a_platform(ward, platform, lacks):
    """K014: what is said is no contradiction, what is not said is offered."""
    ward.index(ward.image(), ward.image("linux/arm64") | {"platform": platform})

    ((rule, _, message),) = told(ward)
    assert ("index/missing-platform", f"entry says no {lacks}; its config says linux/arm64") == (rule, message)


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        (("linux", "aarch64"), "linux/arm64"),
        (("Linux", "arm64"), "linux/arm64"),
        (("linux", "arm64", "8"), "linux/arm64"),
        (("linux", "arm64", "armv8"), "linux/arm64"),
        (("linux", "arm64", "v8.2-a"), "linux/arm64/v8.2"),
    ],
)
def test_a_platform_under_a_name_of_compilers_and_kernels(ward, platform, name):
    """K001: it is the same platform, and clients that compare names do not find it."""
    says = dict(zip(("os", "architecture", "variant"), platform, strict=False))
    ward.index(ward.image("linux/arm64") | {"platform": says})

    ((rule, _, message),) = told(ward)
    assert ("index/impossible-platform", f"no engine asks for {'/'.join(platform)}; its name is {name}") == (
        rule,
        message,
    )


# Indexes


def test_two_images_of_one_platform(ward):
    """K017: both digests are named."""
    one, second = ward.image(), other(ward, "linux/amd64")
    ward.index(one, ward.image("linux/ppc64le", layers=[FILES]), second)

    assert [
        (
            "index/duplicate-platform",
            "linux/amd64",
            f"linux/amd64 {short(second)} is for the same platform as {short(one)}",
        )
    ] == told(ward)


def test_windows_of_several_builds_are_no_duplicates(ward):
    """K017, K013: os.version is part of the platform."""
    entries = []
    for version in ("10.0.17763.5", "10.0.20348.1"):
        image = ward.image("windows/amd64", layers=[FILES], config=lambda t, v=version: t.update({"os.version": v}))
        entries.append(as_platform(image, os="windows", architecture="amd64", **{"os.version": version}))
    ward.index(*entries)

    assert [] == told(ward)


def test_an_index_made_of_indexes_with_attestations_is_right(ward):
    """K019: images first, then their attestations."""
    one, second = ward.image(), ward.image("linux/arm64")
    ward.index(one, second, ward.attestation(one["digest"]), ward.attestation(second["digest"]))

    assert [] == told(ward)


def test_an_index_of_indexes(ward):
    """K020: each inner one is told, and what is wrong below is found all the same."""
    wrong = as_platform(ward.image("linux/arm64"), os="linux", architecture="s390x")
    inner = [ward.index(ward.image(), tag=""), ward.index(wrong, tag="")]
    ward.index(*inner)

    seen = told(ward, deep=False)

    assert [short(entry) for entry in inner] == [at for rule, at, _ in seen if rule == "index/nested"]
    assert ["linux/s390x"] == [at for rule, at, _ in seen if rule == "index/wrong-platform"]


def test_a_chain_of_indexes_ends(ward):
    """K020: a hostile one is refused and not walked."""
    entry = ward.image()
    for _ in range(6):
        entry = ward.index(entry)

    with pytest.raises(MalformedDocument, match="nested deeper than 4 levels"):
        told(ward)


def test_an_attestation_of_an_image_that_was_replaced(ward):
    """K022."""
    old, new = ward.image(), other(ward, "linux/amd64")
    ward.index(new, ward.attestation(old["digest"]))

    assert [
        (
            "index/stale-attestation",
            f"attestation of {old['digest'][:19]}",
            f"attests {old['digest'][:19]}, which is not here",
        )
    ] == told(ward)


@pytest.mark.parametrize("said", [mediatype.OCI_INDEX, None])
def test_an_oci_index_of_docker_images(ward, said):
    """K023: also where the index says no type; each child is told."""
    images = [ward.image(f"linux/{name}", media_type=mediatype.DOCKER_MANIFEST) for name in ("amd64", "arm64")]
    ward.index(*images, mediaType=said)

    seen = told(ward)

    assert ["linux/amd64", "linux/arm64"] == [at for rule, at, _ in seen if rule == "index/mixed-families"]
    assert {"a Docker manifest in an OCI index"} == {m for rule, _, m in seen if rule == "index/mixed-families"}
    assert (said is None) == ("index/no-media-type" in rules(ward))


def test_a_docker_list_of_oci_images(ward):
    """K026: only the list was retyped."""
    two(ward, media_type=mediatype.DOCKER_LIST)

    assert {"an OCI manifest in a Docker index"} == {message for *_, message in told(ward)}


@pytest.mark.parametrize("part", ["config", "layer", "both"])
def test_a_docker_manifest_with_oci_parts(ward, part):
    """K025: half-converted; each part is told."""

    def change(tree):
        if part in {"config", "both"}:
            tree["config"]["mediaType"] = mediatype.OCI_CONFIG
        if part in {"layer", "both"}:
            tree["layers"][0]["mediaType"] = mediatype.OCI_LAYER_GZIP

    ward.index(ward.image(media_type=mediatype.DOCKER_MANIFEST, manifest=change), media_type=mediatype.DOCKER_LIST)

    expected = {"config": {mediatype.OCI_CONFIG}, "layer": {mediatype.OCI_LAYER_GZIP}}
    expected["both"] = expected["config"] | expected["layer"]
    assert {f"{name} in a Docker manifest" for name in expected[part]} == {message for *_, message in told(ward)}


def test_unusual_bytes_are_as_good_as_any(ward):
    """K028: three spaces, escaped slashes, unknown keys, other letters, no final newline."""
    tree = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": [ward.image()], "x": {"é": 1}}
    raw = json.dumps(tree, indent=3, ensure_ascii=False).replace("application/", "application\\/").encode()
    ward.store.plant(Document(raw, mediatype.OCI_INDEX), "1")

    assert [] == told(ward)


def test_children_that_a_clean_up_took(ward):
    """K034: every child is looked for, and each that is gone is told."""
    entries = [ward.image(f"linux/{name}", layers=[FILES]) for name in ("amd64", "arm64", "s390x")]
    ward.index(*entries)
    for entry in entries[1:]:
        ward.store.delete(entry["digest"])

    assert [
        ("index/dangling", "linux/arm64", f"{entries[1]['digest']} is not there"),
        ("index/dangling", "linux/s390x", f"{entries[2]['digest']} is not there"),
    ] == told(ward)


@pytest.mark.parametrize("part", ["config", "layer"])
def test_blobs_that_a_clean_up_took(ward, part):
    """K034, K227: both are asked for whether they are read or not."""
    held = {}
    ward.index(ward.image(manifest=lambda tree: held.update(config=tree["config"], layer=tree["layers"][0])))
    del ward.store._blobs[Digest(held[part]["digest"])]

    assert [f"{part}/missing"] == rules(ward)
    assert [f"{part}/missing"] == rules(ward, deep=False)


def test_children_in_another_repository(ward):
    """K035, K040: none of what the list names stands where the list stands."""
    absent = {"mediaType": mediatype.OCI_MANIFEST, "digest": str(GONE), "size": 9}
    ward.store.plant(
        ward.document(
            {
                "schemaVersion": 2,
                "mediaType": mediatype.OCI_INDEX,
                "manifests": [as_platform(absent, os="linux", architecture=name) for name in ("amd64", "arm64")],
            },
            mediatype.OCI_INDEX,
        ),
        "1",
    )

    assert [("index/dangling", f"linux/{name}", f"{GONE} is not there") for name in ("amd64", "arm64")] == told(
        ward
    )


def both(ward):
    return ward.image_tree("linux/arm64") | {"manifests": [ward.image()]}


@pytest.mark.parametrize("served", ["", mediatype.OCI_MANIFEST, mediatype.OCI_INDEX])
def test_a_root_that_is_index_and_image(ward, served):
    """K043: whatever it is served as, with and without a mediaType of its own; nothing below is judged."""
    tree = both(ward) | ({"mediaType": served} if served else {})
    if not served:
        del tree["mediaType"]
    ward.store.plant(ward.document(tree, served), "1")

    message = "both an index and an image: it holds manifests and layers or config"
    assert [("index/ambiguous", "", message)] == told(ward)


def test_a_child_that_is_index_and_image(ward):
    """K043."""
    child = ward.store.plant(ward.document(both(ward), mediatype.OCI_MANIFEST))
    two(ward, as_platform(child, os="linux", architecture="arm64"))

    assert ["index/broken-child"] == rules(ward)


def test_a_child_whose_body_is_of_another_type(ward):
    """K043: where no registry says what it is, the entry does."""
    child = ward.document(ward.image_tree("linux/arm64"), mediatype.DOCKER_MANIFEST)
    two(ward, as_platform(ward.store.plant(child), os="linux", architecture="arm64"))

    assert ("index/broken-child", "linux/arm64") in [(rule, at) for rule, at, _ in told(ward)]


@pytest.mark.parametrize("held_as", [mediatype.OCI_INDEX, "application/json", ""])
def test_an_index_without_a_type(ward, held_as):
    """K044: known as one by its header, or by its shape; from a layout there is no header."""
    tree = {"schemaVersion": 2, "manifests": [ward.image()]}
    ward.store.plant(ward.document(tree, held_as), "1")

    assert [("index/no-media-type", "", "the document does not say its mediaType")] == told(ward)


@pytest.mark.parametrize("digest", ["sha256:" + "a" * 63, "SHA256:" + "a" * 64, "sha256:" + "A" * 64, "../../etc"])
def test_a_digest_that_is_none(ward, digest):
    """K046: refused before anything is asked for by it."""
    ward.store.plant(
        ward.document(
            {
                "schemaVersion": 2,
                "mediaType": mediatype.OCI_INDEX,
                "manifests": [ward.image() | {"digest": digest}],
            },
            mediatype.OCI_INDEX,
        ),
        "1",
    )

    with pytest.raises(MalformedDocument, match="/manifests/0/digest"):
        told(ward)


@pytest.mark.parametrize("kind", [mediatype.SCHEMA1, mediatype.SCHEMA1_SIGNED])
def test_a_schema_1_manifest(ward, kind):
    """K125: told as what it is, alone and in an index."""
    tree = {"schemaVersion": 1, "name": "app", "tag": "t", "fsLayers": [], "history": [], "signatures": []}
    child = ward.store.plant(ward.document(tree, kind), "1")

    assert ["index/schema-1"] == rules(ward)
    ward.index(ward.image(), as_platform(child, os="linux", architecture="arm64"))
    assert ("index/schema-1", "linux/arm64") in [(rule, at) for rule, at, _ in told(ward)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (MANIFEST_LIMIT, []),
        (MANIFEST_LIMIT + 1, [("index/too-large", "linux/arm64")]),
        (READ_LIMIT + 1, [("index/broken-child", "linux/arm64")]),
    ],
    ids=["limit", "above", "beyond"],
)
def test_a_child_of_megabytes(ward, size, expected):
    """Registries take 4 MiB; a little more is read to be able to say so, and anything beyond is no manifest."""
    right = ward.document(ward.image_tree("linux/arm64"), mediatype.OCI_MANIFEST)
    child = Document(right.raw + b" " * (size - right.size), mediatype.OCI_MANIFEST)
    two(ward, as_platform(ward.store.plant(child), os="linux", architecture="arm64"))

    assert expected == [(rule, at) for rule, at, _ in told(ward)]


def test_a_root_of_many_megabytes(ward):
    """It is not read to its end."""
    ward.store.plant(Document(b"{}" + b" " * READ_LIMIT, mediatype.OCI_INDEX), "1")

    with pytest.raises(MalformedDocument, match=f"more than {READ_LIMIT} bytes"):
        told(ward)
