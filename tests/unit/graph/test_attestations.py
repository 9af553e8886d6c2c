"""K218: one rule for what an attestation is, and everybody who goes by it: unknown/unknown is not enough."""

import json

import pytest

from ocitool.check.engine import findings
from ocitool.check.inspection import look
from ocitool.errors import NotFound
from ocitool.events import silent
from ocitool.graph.convert import Losses, convert
from ocitool.graph.select import select
from ocitool.image.base import open_base
from ocitool.index import edit
from ocitool.index.copy_plans import CopyOptions, plan_copy
from ocitool.index.entries import Selector
from ocitool.index.plans import plan_edit
from ocitool.index.sources import MemberSource, resolve
from ocitool.model.digest import Digest
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import view
from ocitool.repair.run import prepare_repair
from ocitool.repair.work import RepairOptions
from ocitool.report.survey import pick, survey
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes.sick import Loose, Ward
from tests.unit.check.pairs import as_platform

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
EVERYTHING = Losses(annotations=True, attestations=True)


@pytest.fixture
def ward():
    return Ward(Loose())


@pytest.fixture
def nameless(ward):
    """An index of amd64 that says unknown/unknown, arm64, and BuildKit's attestation of that."""
    one, two = ward.image(), ward.image("linux/arm64")
    ward.index(as_platform(one, os="unknown", architecture="unknown"), two, ward.provenance(two["digest"]))
    return one["digest"]


def rules(store):
    return [one.rule for one in findings(look(store, "1", scope=Scope(), deep=lambda _: True))]


def test_an_image_called_unknown_can_be_built_upon(ward, nameless):
    base = open_base(ward.store, "1")

    assert (AMD64, ARM64) == base.platforms()
    assert Digest(nameless) == base.image(AMD64, silent).manifest.document.digest


def listed(document):
    return [(str(one.platform), str(one.digest)) for one in view(document).entries]


def test_check_says_that_the_entry_is_wrong(ward, nameless):
    (found,) = findings(look(ward.store, "1", scope=Scope()))

    assert ("index/wrong-platform", "error") == (found.rule, found.severity.value)
    assert "entry says unknown/unknown, the config says linux/amd64" == found.message


@pytest.mark.parametrize("layers", [None, []])
def test_repair_takes_the_config_s_word_and_leaves_the_order(ward, layers):
    one, two = ward.image(layers=layers), ward.image("linux/arm64")
    ward.index(as_platform(one, os="unknown", architecture="unknown"), two)

    repair = prepare_repair(ward.store, "1", scope=Scope())

    (tag,) = repair.plan.tags
    assert [("linux/amd64", one["digest"]), ("linux/arm64", two["digest"])] == listed(tag.document)
    assert ((("index/wrong-platform",),), ()) == (tuple(one.why for one in repair.plan.reasons), repair.left)


def test_the_same_image_twice_is_listed_once_after_repair(ward):
    one = ward.image()
    ward.index(one, as_platform(one, os="unknown", architecture="unknown"))

    (tag,) = prepare_repair(ward.store, "1", scope=Scope()).plan.tags

    assert [("linux/amd64", one["digest"])] == listed(tag.document)


def test_another_image_for_the_platform_is_left_to_a_human(ward):
    one, other = ward.image(), ward.image(config=lambda tree: tree.update(author="other"))
    ward.index(one, as_platform(other, os="unknown", architecture="unknown"))

    assert "--keep DIGEST says which stays" in prepare_repair(ward.store, "1", scope=Scope()).left[0]

    options = RepairOptions(keep=frozenset([Digest(other["digest"])]))
    (tag,) = prepare_repair(ward.store, "1", scope=Scope(), options=options).plan.tags
    assert [("linux/amd64", other["digest"])] == listed(tag.document)


def test_inspect_lists_it_with_what_it_is(ward, nameless):
    found = survey(ward.store, "1", scope=Scope())

    assert ["linux/amd64", "linux/arm64"] == [image.label for image in found.images]
    assert "the index says unknown/unknown" == found.images[0].problem
    assert nameless == pick(found, (AMD64,))[0].images[0].descriptor.digest


def test_a_platform_finds_it(ward, nameless):
    assert nameless == select(ward.store, "1", AMD64).manifest.document.digest


@pytest.mark.parametrize("platform", [AMD64, ARM64])
def test_a_copy_of_a_platform_takes_what_is_of_it(ward, nameless, platform):
    plan = plan_copy(ward.store, "1", MemoryStore("target"), ["1"], CopyOptions((platform,)), scope=Scope())

    (tag,) = plan.tags
    assert (str(platform) == "linux/amd64") == (nameless in [digest for _, digest in listed(tag.document)])


def test_edits_do_not_drop_it_with_the_attestations(ward, nameless):
    plan = plan_edit(ward.store, "1", lambda index: edit.remove(index, Selector(), attestations=True))

    (tag,) = plan.tags
    assert [nameless, "linux/arm64"] == [listed(tag.document)[0][1], listed(tag.document)[1][0]]


def test_edits_leave_it_among_the_images(ward, nameless):
    assert plan_edit(ward.store, "1", edit.order).is_empty


def test_a_new_index_of_it_says_what_it_is(ward, nameless):
    members, _ = resolve([MemberSource(ward.store, "1")], scope=Scope(), attestations=False)

    assert ["linux/amd64", "linux/arm64"] == [str(member.entry.platform) for member in members]
    assert {"os": "linux", "architecture": "amd64"} == members[0].entry.tree["platform"]


def test_converting_takes_it_along(ward, nameless):
    document = ward.store.get_manifest("1")

    done = convert(ward.store, document, Family.DOCKER, losses=EVERYTHING, scope=Scope())

    assert ["unknown/unknown", "linux/arm64"] == [name for name, _ in listed(done.document)]


def test_statements_are_an_attestation_whatever_the_entry_says(ward):
    """A sibling: the manifest decides in the other direction, too."""
    image = ward.image()
    ward.index(
        image, as_platform(ward.provenance(image["digest"]) | {"annotations": {}}, os="linux", architecture="arm64")
    )

    assert ["index/attestation-platform", "index/attestation-without-subject"] == sorted(rules(ward.store))
    found = survey(ward.store, "1", scope=Scope())
    assert (1, 1) == (len(found.images), len(found.orphans))


def test_statements_without_a_mark_stay_an_attestation(ward):
    image = ward.image()
    note = ward.provenance(image["digest"])
    del note["annotations"]
    ward.index(image, note)

    assert ["index/attestation-without-subject"] == rules(ward.store)
    with pytest.raises(NotFound):
        select(ward.store, "1", Platform("unknown", "unknown"))


def test_a_mark_is_believed(ward):
    one, two = ward.image(), ward.image("linux/arm64")
    marked = as_platform(two, os="unknown", architecture="unknown") | ward.attestation(one["digest"])["annotations"]
    marks = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": one["digest"]}
    ward.index(
        one, {key: marked[key] for key in ("mediaType", "digest", "size", "platform")} | {"annotations": marks}
    )

    assert [] == rules(ward.store)


def test_an_index_as_buildkit_writes_it_costs_no_request(ward):
    image = ward.image()
    ward.index(image, ward.provenance(image["digest"]))
    asked = []

    class Listening(MemoryStore):
        def get_manifest(self, name, **limits):
            asked.append(name)
            return ward.store.get_manifest(name, **limits)

    plan_edit(Listening("m"), "1", edit.order)
    assert ["1"] == asked
    assert 2 == len(json.loads(ward.store.get_manifest("1").raw)["manifests"])
