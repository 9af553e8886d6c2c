"""What repair makes of broken images: the plan, what stays as it is, and what is left for a human."""

import json

import pytest
from zstandard import ZstdCompressor

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.change.plan import Plan
from ocitool.check.engine import findings
from ocitool.check.inspection import look
from ocitool.errors import Ambiguous, NotFound, UsageError
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, view
from ocitool.repair.fallback import FallbackReader, FallbackSource
from ocitool.repair.plan import Repair, plan_repair
from ocitool.repair.work import RepairOptions
from ocitool.store.layout import LayoutStore
from ocitool.tasks import Scope
from tests.fakes.programs import Elf
from tests.fakes.sick import FILES, MACHINES, Loose, Ward, member, packed, program, tar
from tests.unit.check.pairs import as_platform, retyped, two

PARTS = pytest.mark.parametrize(
    "part", [lambda tree: tree["config"], lambda tree: tree["layers"][0]], ids=["config", "layer"]
)


@pytest.fixture
def repair(ward, tmp_path):
    """`repair()`: carry the plan for 1 out; returns (what is left, rules that still speak)."""

    def call(**wishes):
        refilled = FallbackReader(ward.store, wishes.get("sources", ()), "1")
        seen = look(refilled, "1", scope=Scope(), deep=lambda _: True)
        done = plan_repair(seen, "1", RepairOptions(**wishes), refilled)
        known = {finding.rule for finding in findings(look(ward.store, "1", scope=Scope(), deep=lambda _: True))}
        known |= {"--attestations-to-referrers", *(finding.rule for finding in findings(seen))}
        assert [] == [c.text() for c in done.plan.changes() if not c.why or not known.issuperset(c.why)]
        if not done.is_blocked:
            apply(done.plan, ward.store, Journal(tmp_path / "journal"), Scope())
        after = look(ward.store, "1", scope=Scope(), deep=lambda _: True)
        return list(done.left), [finding.rule for finding in findings(after)]

    return call


def entries(ward):
    return view(ward.store.get_manifest("1")).entries


def platforms(ward):
    return [str(entry.platform) for entry in entries(ward)]


def test_nothing_to_do_changes_nothing(ward, repair):
    one = ward.image()
    before = ward.index(one, ward.image("linux/arm64"), ward.attestation(one["digest"]))

    assert ([], []) == repair()
    assert before["digest"] == ward.store.head("1").digest


def test_swapped_platforms_are_swapped_back(ward, repair):
    """K008: config and program agree, so the entries are wrong; the children keep their digests."""
    amd64, arm64 = ward.image(), ward.image("linux/arm64")
    ward.index(amd64 | {"platform": arm64["platform"]}, arm64 | {"platform": amd64["platform"]})

    assert ([], []) == repair()
    assert ["linux/amd64", "linux/arm64"] == platforms(ward)
    assert [amd64["digest"], arm64["digest"]] == [entry.digest for entry in entries(ward)]


def test_a_wrong_config_is_rewritten(ward, repair):
    """K007: the program proves the entry right; only this child changes, and its config keeps all else."""
    amd64 = ward.image()
    arm64 = ward.image("linux/arm64", config=lambda tree: tree.update(architecture="amd64", author="me"))
    ward.index(amd64, arm64)

    assert ([], []) == repair()
    assert amd64["digest"] == entries(ward)[0].digest
    assert arm64["digest"] != entries(ward)[1].digest
    config = view(ward.store.get_manifest(entries(ward)[1].digest)).config
    with ward.store.open_blob(config) as pieces:
        tree = json.loads(b"".join(pieces))
    assert ("arm64", "me") == (tree["architecture"], tree["author"])


def test_a_blank_architecture_is_filled_in(ward, repair):
    two(ward, ward.image("linux/arm64", config=lambda tree: tree.update(architecture="")))

    assert ([], []) == repair()


def test_without_a_program_nothing_is_guessed(ward, repair):
    ward.index(as_platform(ward.image("linux/arm64", layers=[FILES]), os="linux", architecture="amd64"))

    left, rules = repair()

    assert ["index/wrong-platform"] == rules
    assert "--without-proof" in left[0]
    assert ([], []) == repair(without_proof=True)
    assert ["linux/arm64"] == platforms(ward)


def test_a_program_of_another_platform_renames_the_image(ward, repair):
    """K010: all programs say amd64, and no entry says so yet."""
    ward.index(ward.image("linux/arm64", layers=[program("amd64")]))

    assert ([], []) == repair()
    assert ["linux/amd64"] == platforms(ward)


@pytest.mark.parametrize(
    ("programs", "says", "left"),
    [(["amd64"], "amd64", 0), (["amd64", "arm64"], "s390x", 1)],
    ids=["one", "several"],
)
def test_a_single_image_is_what_its_programs_are(ward, repair, programs, says, left):
    """K010: without an index the config alone is wrong; programs of several platforms decide nothing."""
    layers = [tar(member(word, Elf(machine=MACHINES[word]).build(), mode=0o755)) for word in programs]
    ward.image("linux/s390x", layers=layers, tag="1")

    assert left == len(repair()[0])
    with ward.store.open_blob(view(ward.store.get_manifest("1")).config) as pieces:
        assert says == json.loads(b"".join(pieces))["architecture"]


def test_a_program_of_a_platform_that_is_there_is_for_a_human(ward, repair):
    """K010: the index has amd64 already, so the image has to be built again."""
    before = two(ward, ward.image("linux/arm64", layers=[program("amd64")]))

    left, rules = repair()

    assert ["binary/wrong-platform"] == rules
    assert "build it again" in left[0]
    assert before["digest"] == ward.store.head("1").digest


def test_a_program_of_a_platform_that_is_there_goes_with_a_word(ward, repair):
    """K010: better no arm64 image than one that cannot start; its attestation goes too."""
    misfit = ward.image("linux/arm64", layers=[program("amd64")])
    amd64 = ward.image()
    ward.index(amd64, misfit, ward.attestation(misfit["digest"]))

    assert ([], []) == repair(drop_misfits=True)
    assert [amd64["digest"]] == [entry.digest for entry in entries(ward)]


def test_one_arm_image_needs_no_variant(ward, repair):
    """K004: there is nothing to mix it up with, and check says nothing either."""
    before = ward.index(
        ward.image(), as_platform(ward.image("linux/arm/v7", layers=[FILES]), os="linux", architecture="arm")
    )

    assert ([], []) == repair()
    assert before["digest"] == ward.store.head("1").digest


def test_a_missing_platform_comes_from_the_config(ward, repair):
    """K014: nothing speaks against the config."""
    two(ward, {k: v for k, v in ward.image("linux/arm64").items() if k != "platform"})

    assert ([], []) == repair()
    assert ["linux/amd64", "linux/arm64"] == platforms(ward)


def test_arm_variants_come_from_the_configs(ward, repair):
    """K004: two linux/arm entries whose configs know better."""
    arm = {"os": "linux", "architecture": "arm"}
    ward.index(*(as_platform(ward.image(f"linux/arm/{v}", layers=[FILES]), **arm) for v in ("v6", "v7")))

    assert ([], []) == repair()
    assert ["linux/arm/v6", "linux/arm/v7"] == platforms(ward)


def test_arm_variants_that_nobody_says_are_for_a_human(ward, repair):
    """K004: each image is named, so that it can be annotated; neither is called superfluous."""
    one, other = (ward.image("linux/arm", layers=[FILES], config=lambda c, n=n: c.update(author=n)) for n in "ab")
    ward.index(one, other)

    left, rules = repair()

    assert ["index/ambiguous-arm"] * 2 == rules
    assert [
        f"linux/arm: nothing says for which variant of arm {Digest(entry['digest']).short} is; "
        f"ocitool index annotate REF --digest {entry['digest']} --variant VARIANT does"
        for entry in (one, other)
    ] == left


@pytest.mark.parametrize(
    ("said", "config", "becomes"),
    [
        ("linux/x86_64", "linux/amd64", "linux/amd64"),
        ("Linux/armhf", "linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/armv6", "linux/arm/v6", "linux/arm/v6"),
        ("linux/arm64/8", "linux/arm64/v8", "linux/arm64"),
        ("linux", "linux/arm64/v8", "linux/arm64/v8"),
        ("/arm64", "linux/arm64", "linux/arm64"),
        ("linux/arm", "linux/arm/v5", "linux/arm/v5"),
        ("linux/ARM", "linux/arm/v6", "linux/arm/v6"),
    ],
)
def test_a_platform_gets_the_name_that_engines_ask_for(ward, repair, said, config, becomes):
    """K001, K004, K014: the entry alone changes; the image keeps its digest."""
    says = dict(zip(("os", "architecture", "variant"), said.split("/"), strict=False))
    image = ward.image(config, layers=[FILES])
    ward.index(
        ward.image("linux/s390x", layers=[FILES]), image | {"platform": {k: v for k, v in says.items() if v}}
    )

    assert ([], []) == repair()
    assert ["linux/s390x", becomes] == platforms(ward)
    assert image["digest"] == entries(ward)[1].digest


@pytest.mark.parametrize("config", ["amd64", ""])
def test_a_variant_that_there_is_not_goes_where_a_program_speaks(ward, repair, config):
    """K007: arm64's v8 on an amd64 entry."""
    image = ward.image(config=lambda tree: tree.update(architecture=config))
    ward.index(as_platform(image, os="linux", architecture="amd64", variant="v8"))

    assert ([], []) == repair()
    assert ["linux/amd64"] == platforms(ward)


def test_a_platform_like_no_other_is_for_a_human(ward, repair):
    """K014: nothing is guessed."""
    image = ward.image(layers=[FILES])
    ward.index(as_platform(image, os="linux", architecture="amd64", variant="v9"))

    left, rules = repair()

    assert ["index/impossible-platform"] == rules
    way = f"ocitool index annotate REF --digest {image['digest']} --os OS --arch ARCH"
    assert [f"linux/amd64/v9: no engine asks for linux/amd64/v9; {way} sets the entry's platform"] == left


def test_an_entry_twice_is_dropped(ward, repair):
    """K001: arm64 and arm64/v8 are one platform, and it is one image."""
    arm64 = ward.image("linux/arm64")
    ward.index(arm64, arm64 | {"platform": arm64["platform"] | {"variant": "v8"}})

    assert ([], []) == repair()
    assert ["linux/arm64"] == platforms(ward)


def test_a_sick_entry_twice_is_mended_once(ward, repair):
    """K001: else each entry would get an image of its own."""
    arm64 = ward.image("linux/arm64", config=lambda tree: tree.update(architecture=""))
    ward.index(arm64, arm64 | {"platform": arm64["platform"] | {"variant": "v8"}})

    assert ([], []) == repair()
    assert ["linux/arm64"] == platforms(ward)


def test_two_images_of_one_platform_are_for_a_human(ward, repair):
    """K017: which one is meant is not ours to say."""
    other = ward.image(config=lambda tree: tree.update(author="other"))
    before = ward.index(ward.image(), other)

    left, rules = repair()

    assert ["index/duplicate-platform"] == rules
    assert "--keep DIGEST says which stays" in left[0]
    assert before["digest"] == ward.store.head("1").digest


@pytest.fixture
def dead(ward):
    """An arm64 image in an index, its manifest gone; the entry."""
    entry = ward.image("linux/arm64")
    ward.index(ward.image(), entry, ward.attestation(entry["digest"]))
    ward.store.delete(entry["digest"])
    return entry


def test_a_dead_child_needs_a_word(ward, repair, dead):
    """K034: neither dropped nor brought back by itself."""
    before = ward.store.head("1").digest

    left, rules = repair()

    assert ["index/dangling"] == rules
    assert "--drop-missing" in left[0]
    assert before == ward.store.head("1").digest


def test_a_dead_child_is_dropped_with_its_attestation(ward, repair, dead):
    """K034, K022."""
    assert ([], []) == repair(drop_missing=True)
    assert ["linux/amd64"] == platforms(ward)


def test_a_dead_child_is_brought_back(ward, repair, dead):
    """K034: the index keeps its digest when the child returns."""
    before = ward.store.head("1").digest
    mirror = Ward(Loose("mirror"))
    mirror.image("linux/arm64")

    assert ([], []) == repair(sources=(FallbackSource(mirror.store, "1", "mirror"),))
    assert before == ward.store.head("1").digest


def test_size_and_type_come_from_the_child(ward, repair):
    wrong = {"size": 9999, "mediaType": mediatype.DOCKER_MANIFEST}
    two(ward, ward.image("linux/arm64") | wrong)

    assert ([], []) == repair()


@pytest.mark.parametrize("said", [9, 10**6, 10**11])
@PARTS
def test_the_size_of_a_part_is_that_of_its_bytes(ward, repair, part, said):
    """A size alone is wrong, and the digest tells that the bytes are meant: nothing is guessed."""
    amd64, right = ward.image(), ward.image("linux/arm64")
    ward.index(amd64, ward.image("linux/arm64", manifest=lambda tree: part(tree).update(size=said)))

    assert ([], []) == repair()
    assert [amd64["digest"], right["digest"]] == [str(entry.digest) for entry in entries(ward)]


@PARTS
@pytest.mark.parametrize("is_whole", [True, False], ids=["image", "blob"])
def test_a_lost_part_comes_back_with_its_own_size(ward, repair, part, is_whole):
    """What the plan brings is what the source has, whatever the old manifest says of it."""
    wrong = ward.image("linux/arm64", manifest=lambda tree: part(tree).update(size=9))
    ward.index(ward.image(), wrong)
    mirror = Ward(Loose("mirror"))
    right = mirror.image("linux/arm64")
    if is_whole:
        mirror.store.plant(ward.store.get_manifest(wrong["digest"]))
    del ward.store._blobs[Digest(part(mirror.store.get_manifest(right["digest"]).tree())["digest"])]

    assert ([], []) == repair(sources=(FallbackSource(mirror.store, "1", "mirror"),))
    assert right["digest"] == entries(ward)[1].digest


@PARTS
def test_a_part_of_another_size_is_not_lost(ward, repair, tmp_path, part):
    """A layout calls a blob absent that has not the size it is asked for."""
    ward.store, mirror = LayoutStore(tmp_path / "layout", create=True), Ward(Loose("mirror"))
    ward.index(ward.image(), ward.image("linux/arm64", manifest=lambda tree: part(tree).update(size=9)))
    right = mirror.image("linux/arm64")

    assert ([], []) == repair(sources=(FallbackSource(mirror.store, "1", "mirror"),))
    assert right["digest"] == entries(ward)[1].digest


def test_one_layer_with_a_right_and_a_wrong_size(ward, repair):
    """Whichever is read, each manifest is compared with what the layer has."""
    layers = [tar(member("data"))]
    right = ward.image(layers=layers)
    ward.index(
        right, ward.image("linux/arm64", layers=layers, manifest=lambda tree: tree["layers"][0].update(size=9))
    )

    assert ([], []) == repair()
    sizes = {view(ward.store.get_manifest(str(entry.digest))).layers[0].size for entry in entries(ward)}
    assert {len(packed(layers[0]))} == sizes


def test_an_inner_index_is_flattened(ward, repair):
    """K020."""
    two(ward, ward.index(ward.image("linux/arm64"), tag=""))

    assert ([], []) == repair()
    assert ["linux/amd64", "linux/arm64"] == platforms(ward)


def test_mixed_families_are_left_as_they_are(ward, repair):
    """K225: nothing is wrong with them, and a child of another family would get another digest."""
    before = ward.index(ward.image(), ward.image("linux/arm64", media_type=mediatype.DOCKER_MANIFEST))

    assert ([], ["index/mixed-families"]) == repair()
    assert before["digest"] == ward.store.head("1").digest


def test_parts_of_the_other_family(ward, repair):
    """K025."""
    two(ward, ward.image("linux/arm64", manifest=retyped(mediatype.DOCKER_LAYER_GZIP)))

    assert ([], []) == repair()


def test_a_layer_is_called_what_it_is(ward, repair):
    """K056: the type is rewritten, the blob is not."""
    two(ward, ward.image("linux/arm64", manifest=retyped(mediatype.OCI_LAYER)))

    assert ([], []) == repair()


def test_media_type_is_added(ward, repair):
    """K044."""
    two(ward, mediaType=None)

    assert ([], []) == repair()
    raw = ward.store.get_manifest("1").raw
    assert raw.startswith(b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"')


def test_schema_version_is_added(ward, repair):
    """K044: to the index and to the image, in front."""
    image = ward.store.plant(
        ward.document(
            {k: v for k, v in ward.image_tree("linux/amd64").items() if k != "schemaVersion"},
            mediatype.OCI_MANIFEST,
        )
    )
    index = {
        "manifests": [image | {"platform": {"os": "linux", "architecture": "amd64"}}],
        "annotations": {"a": "b"},
    }
    ward.store.plant(ward.document(index, mediatype.OCI_INDEX), "1")

    assert ([], []) == repair()
    assert ["schemaVersion", "mediaType", "manifests", "annotations"] == list(ward.store.get_manifest("1").tree())
    assert ["schemaVersion", "mediaType", "config", "layers"] == list(
        ward.store.get_manifest(str(entries(ward)[0].digest)).tree()
    )


def test_attestations_of_nothing_go(ward, repair):
    """K022."""
    one = ward.image()
    ward.index(one, ward.attestation(one["digest"]), ward.attestation(str(Digest.of(b"gone"))))

    assert ([], []) == repair()
    assert ["linux/amd64", "unknown/unknown"] == platforms(ward)


def test_attestations_of_a_mended_child_need_consent(ward, repair):
    """K022: never pointed at the new digest."""
    arm64 = ward.image("linux/arm64", config=lambda tree: tree.update(architecture=""))
    before = ward.index(arm64, ward.attestation(arm64["digest"]))

    left, rules = repair()

    assert ["config/no-platform"] == rules
    assert "--drop-attestations" in left[0]
    assert before["digest"] == ward.store.head("1").digest
    assert ([], []) == repair(drop_attestations=True)
    assert ["linux/arm64"] == platforms(ward)


def test_attestations_go_last(ward, repair):
    one = ward.image()
    ward.index(ward.attestation(one["digest"]), one)

    assert ([], []) == repair()
    assert ["linux/amd64", "unknown/unknown"] == platforms(ward)


SAYS_NOTHING = {"config": lambda tree: (tree.pop("os"), tree.pop("architecture"))}


def test_an_image_that_says_nothing_is_for_a_human(ward, repair):
    """crane's empty base: no index and no program says what the image is for."""
    ward.image(layers=[FILES], **SAYS_NOTHING, tag="1")

    left, _ = repair()

    assert ["the config says no platform, and no program decides"] == left


def test_an_image_whose_programs_say_what_it_is_for(ward, repair):
    """No index names it, and its program is for one platform only."""
    ward.image("linux/arm64", **SAYS_NOTHING, tag="1")

    assert ([], []) == repair()
    with ward.store.open_blob(view(ward.store.get_manifest("1")).config) as pieces:
        tree = json.loads(b"".join(pieces))
    assert ("linux", "arm64") == (tree["os"], tree["architecture"])


def test_an_entry_whose_programs_say_what_it_is_for(ward, repair):
    """K014: neither the entry nor the config names a platform."""
    nameless = {k: v for k, v in ward.image("linux/arm64", **SAYS_NOTHING).items() if k != "platform"}
    ward.index(ward.image(), nameless)

    assert ([], []) == repair()
    assert ["linux/amd64", "linux/arm64"] == platforms(ward)


def test_what_no_repair_knows_is_left(ward, repair):
    """K047: diff_ids that are too few are told, and nothing is written."""
    before = two(ward, ward.image("linux/arm64", config=lambda tree: tree["rootfs"].update(diff_ids=[])))

    left, _ = repair()

    assert "[config/diff-ids]" in left[0]
    assert before["digest"] == ward.store.head("1").digest


def test_a_config_of_the_other_family(ward, repair):
    """K025."""
    docker = ward.image(
        "linux/arm64", manifest=lambda tree: tree["config"].update(mediaType=mediatype.DOCKER_CONFIG)
    )
    two(ward, docker)

    assert ([], []) == repair()
    kinds = {view(ward.store.get_manifest(str(entry.digest))).config.media_type for entry in entries(ward)}
    assert {mediatype.OCI_CONFIG} == kinds


def test_a_layer_whose_bytes_have_no_type_in_its_family_is_for_a_human(ward, repair):
    """Docker has no type for zstd."""
    raw = ZstdCompressor().compress(program("arm64"))
    layer = ward.blob(raw, mediatype.DOCKER_LAYER_GZIP)
    image = ward.image(
        "linux/arm64", media_type=mediatype.DOCKER_MANIFEST, manifest=lambda tree: tree.update(layers=[layer])
    )
    before = ward.index(image, media_type=mediatype.DOCKER_LIST)

    left, _ = repair()

    assert any("no type of its family fits its bytes" in line for line in left), left
    assert before["digest"] == ward.store.head("1").digest


def test_an_index_of_which_nothing_would_be_left_is_told(ward, repair):
    entry = ward.image("linux/arm64")
    before = ward.index(entry)
    ward.store.delete(entry["digest"])

    left, _ = repair(drop_missing=True)

    assert left[0].startswith("no entry would be left in the index; --source PLACE brings back what is gone")
    assert before["digest"] == ward.store.head("1").digest


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("gone", "an inner index is gone, so nothing is flattened"),
        ("spoilt", "an inner index could not be read, so nothing is flattened"),
    ],
)
def test_of_inner_indexes_all_are_flattened_or_none(ward, repair, how, said):
    """K020."""
    inner, other = (
        ward.index(ward.image("linux/arm64"), tag=""),
        ward.index(ward.image("linux/s390x", layers=[FILES]), tag=""),
    )
    before = ward.index(ward.image(), inner, other)
    if how == "gone":
        ward.store.delete(other["digest"])
    else:
        ward.store.spoil(other["digest"], Document(b"{}", mediatype.OCI_INDEX))

    left, _ = repair()

    assert any(said in line for line in left), left
    assert before["digest"] == ward.store.head("1").digest


def test_what_can_be_read_in_two_ways_is_not_mended(ward, repair):
    tree = ward.image_tree("linux/amd64") | {"manifests": []}
    ward.store.plant(Document(json.dumps(tree).encode(), mediatype.OCI_INDEX), "1")

    with pytest.raises(Ambiguous, match="says it is"):
        repair()


def test_what_is_no_image_is_left_as_it_is(ward, repair):
    ward.store.plant(Document(b'{"schemaVersion": 2}', "application/vnd.example"), "1")
    before = ward.store.head("1").digest

    repair()

    assert before == ward.store.head("1").digest


def test_a_plan_that_waits_for_a_human_is_not_carried_out():
    waiting = Repair(Plan("reg.test/app"), ("two images for linux/arm64",), is_blocked=True)

    with pytest.raises(UsageError, match=r"reg\.test/app is not mended: somebody has to say") as refused:
        waiting.agreed()

    assert "two images for linux/arm64" == refused.value.hint


def test_a_source_that_has_no_image_gives_none(ward, repair, dead):
    other = Ward(Loose("mirror"))
    other.manifest(
        {"schemaVersion": 2, "artifactType": "a/b", "layers": [], "config": other.blob(b"{}", "x/y")}, tag="1"
    )

    left, rules = repair(sources=(FallbackSource(other.store, "1", "mirror"),), substitute=True)

    assert ["index/dangling"] == rules
    assert "is not there" in left[0]


def test_an_entry_of_which_nobody_says_what_it_is_for_is_for_a_human(ward, repair):
    nameless = {k: v for k, v in ward.image(layers=[FILES], **SAYS_NOTHING).items() if k != "platform"}
    ward.index(ward.image(), nameless)

    left, _ = repair()

    assert "neither the entry nor the config says a platform, and no program decides" in left[0]


def test_a_blob_that_neither_the_store_nor_a_source_has_is_not_found(ward):
    reader = FallbackReader(ward.store, (FallbackSource(Loose("mirror"), "1", "mirror"),), "1")

    with pytest.raises(NotFound), reader.open_blob(Descriptor("x/y", Digest.of(b"none"), 4)):
        pass

    assert {} == reader.blobs
