"""Repair of indexes that are broken in several ways at once: nothing right changes, and one repair is enough."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.check.engine import findings
from ocitool.check.inspection import look
from ocitool.model import mediatype
from ocitool.model.views import view
from ocitool.repair.plan import plan_repair
from ocitool.repair.work import RepairOptions
from ocitool.tasks import Scope
from tests.amounts import amount
from tests.fakes.sick import Loose, Ward, program

pytestmark = pytest.mark.property

PLATFORMS = ("linux/amd64", "linux/arm64")
ALIASES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
IMAGES = st.fixed_dictionaries(
    {
        "platform": st.sampled_from(PLATFORMS),
        "program": st.sampled_from(["own", "other", "none"]),
        "config": st.sampled_from(["right", "right", "blank", "other"]),
        "family": st.sampled_from([mediatype.OCI_MANIFEST, mediatype.OCI_MANIFEST, mediatype.DOCKER_MANIFEST]),
        "said": st.sampled_from(["right", "right", "other", "nothing", "v8", "alias", "half"]),
        "size": st.sampled_from([None, None, 9]),
        "attested": st.sampled_from([0, 0, 1, 2]),
        "twice": st.booleans(),
        "gone": st.sampled_from([False, False, False, True]),
        "nested": st.sampled_from([False, False, False, True]),
        "typed": st.booleans(),
        "author": st.sampled_from(["a", "b"]),
    }
)
WISHES = st.builds(
    RepairOptions,
    drop_missing=st.booleans(),
    drop_attestations=st.booleans(),
    drop_misfits=st.booleans(),
    without_proof=st.booleans(),
    attestations_to_referrers=st.booleans(),
)


def other(platform):
    return PLATFORMS[1 - PLATFORMS.index(platform)]


def tree_of(platform):
    os, architecture = platform.split("/")
    return {"os": os, "architecture": architecture}


def entries(ward, one):
    """The entries of an image with its faults, attestations behind it."""
    platform = one["platform"]

    def config(tree):
        tree["author"] = one["author"]
        if one["config"] != "right":
            tree["architecture"] = "" if one["config"] == "blank" else other(platform).split("/")[1]

    layers = {"own": [platform], "other": [other(platform)], "none": []}[one["program"]]
    typed = (lambda tree: None) if one["typed"] else (lambda tree: tree.pop("mediaType"))
    kind = one["family"] if one["typed"] else mediatype.OCI_MANIFEST
    entry = ward.image(
        platform,
        layers=[program(name.split("/")[1]) for name in layers],
        config=config,
        manifest=typed,
        media_type=kind,
    )
    entry["mediaType"] = kind
    said = {
        "right": tree_of(platform),
        "other": tree_of(other(platform)),
        "v8": tree_of(platform) | {"variant": "v8"},
        "alias": {"os": "Linux", "architecture": ALIASES[platform]},
        "half": {"os": "linux"},
    }
    entry["platform"] = said.get(one["said"])
    if entry["platform"] is None:
        del entry["platform"]
    listed = [entry | ({"size": one["size"]} if one["size"] else {})] * (1 + one["twice"])
    listed += [ward.provenance(entry["digest"], annotations={"n": f"{n}"}) for n in range(one["attested"])]
    return entry["digest"], [ward.index(*listed, tag="")] if one["nested"] else listed


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


@given(images=st.lists(IMAGES, min_size=1, max_size=4), wishes=WISHES, typed=st.booleans())
@settings(max_examples=amount(30, 1_000))
def test_one_repair_is_enough_and_touches_nothing_else(images, wishes, typed, folder):
    ward = Ward(Loose())
    listed, gone = [], []
    for one in images:
        digest, own = entries(ward, one)
        listed += own
        gone += [digest] if one["gone"] else []
    ward.index(*listed, mediaType=mediatype.OCI_INDEX if typed else None)
    for digest in set(gone):
        ward.store.delete(digest)
    before = look(ward.store, "1", scope=Scope(), deep=lambda _: True)
    attested = {e.digest: e.attested for i in before.indexes for e in i.entries if e.attested}

    done = plan_repair(before, "1", wishes)
    if done.is_blocked:
        return
    apply(done.plan, ward.store, Journal(folder), Scope())
    after = look(ward.store, "1", scope=Scope(), deep=lambda _: True)
    again = plan_repair(after, "1", wishes)

    assert [] == [change.text() for change in done.plan.changes() if not change.why]
    assert done.left or again.plan.is_empty, again.plan.text()
    fixable = [finding.text() for finding in findings(after) if finding.fixable]
    assert done.left or not fixable, fixable
    held = {str(entry.digest) for entry in after.indexes[0].entries}
    for entry in after.indexes[0].entries:  # K022
        assert not entry.attested or (entry.attested in held and attested[entry.digest] == entry.attested)
    for digest in ward.store._manifests:
        seen = view(ward.store._manifests[digest])
        if seen.subject is not None:
            statement = json.loads(ward.store._blobs[seen.layers[0].digest])
            assert seen.subject.digest.hex == statement["subject"][0]["digest"]["sha256"]
