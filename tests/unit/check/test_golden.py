"""Golden images of every rule: real bytes, the findings as JSON, and the bytes that repair leaves.

What ought to be found was judged by eye; see the README beside the files. Rules about what a caller asks for have both
sides elsewhere: what a policy refuses in tests/cli/test_trust.py, platforms in test_expected.py.
"""

import json
from pathlib import Path

import pytest

from ocitool.check.engine import ASKED, DOCUMENTED
from ocitool.errors import NotFound
from ocitool.model.digest import Digest
from tests.fakes import bundle
from tests.unit.check.golden import REFILLED, findings_of, planned, repaired
from tests.unit.check.pairs import PAIRS, store

GOLDEN = Path(__file__).parents[3] / "testdata" / "golden" / "check"
RULES = {rule.id: rule for rule in DOCUMENTED if rule not in ASKED}


def read(rule, name):
    return (GOLDEN / rule / name).read_text()


def neighbour(rule):
    """Where what is gone can be brought back from, for the rules that need it."""
    return bundle.load(read(rule, "healthy.json")) if rule in REFILLED else None


def test_every_rule_has_a_broken_and_a_healthy_image():
    """A new rule without both, or a folder that no rule is called after, fails here."""
    both = {"broken.json", "healthy.json", "findings.json"}
    expected = {
        (rule, name) for rule in RULES for name in both | ({"repaired.json"} if RULES[rule].fixable else set())
    }
    there = {(str(file.parent.relative_to(GOLDEN)), file.name) for file in GOLDEN.glob("*/*/*.json")}

    assert list(RULES) == list(PAIRS)
    assert expected == there


@pytest.mark.parametrize("rule", RULES)
def test_the_files_are_the_pair(rule):
    """What the files hold is what the code beside this test makes."""
    assert read(rule, "broken.json") == bundle.dump(store(rule, ill=True))
    assert read(rule, "healthy.json") == bundle.dump(store(rule, ill=False))


@pytest.mark.parametrize("rule", RULES)
def test_the_broken_one(rule):
    """All that is found is this rule's, and nothing else: the images differ from right ones in one thing."""
    expected = json.loads(read(rule, "findings.json"))

    assert expected == findings_of(bundle.load(read(rule, "broken.json")))
    assert {(rule, RULES[rule].severity.value, RULES[rule].fixable)} == {
        (finding["rule"], finding["severity"], finding["fixable"]) for finding in expected
    }


@pytest.mark.parametrize("rule", RULES)
def test_its_healthy_neighbour(rule):
    assert [] == findings_of(bundle.load(read(rule, "healthy.json")))


@pytest.mark.parametrize("rule", RULES)
def test_places_lead_somewhere(rule):
    """A finding's digest is that of something in the store, and its pointer leads to a value or to where one lacks."""
    held = bundle.load(read(rule, "broken.json"))
    for finding in json.loads(read(rule, "findings.json")):
        if "digest" not in finding["at"]:
            with pytest.raises(NotFound):  # a tag that leads nowhere
                held.get_manifest(finding["at"]["label"])
            continue
        digest, pointer = Digest(finding["at"]["digest"]), finding["at"].get("pointer", "")
        raw = held._manifests[digest].raw if digest in held._manifests else held._blobs[digest]

        assert not pointer or leads(json.loads(raw), pointer), finding


def leads(tree, pointer):
    *way, last = [int(part) if part.isdigit() else part for part in pointer.split("/")[1:]]
    for part in way:
        if isinstance(tree, dict) and part not in tree:
            return part in {"platform", "annotations"}  # a whole object lacks
        tree = tree[part]
    return isinstance(tree, dict) or last in range(len(tree))


@pytest.mark.parametrize("rule", [rule for rule in RULES if RULES[rule].fixable])
def test_repair(rule):
    """The bytes that repair leaves under the tag; nothing is found in them any more."""
    assert read(rule, "repaired.json").encode() == repaired(bundle.load(read(rule, "broken.json")), neighbour(rule))


@pytest.mark.parametrize("rule", [rule for rule in RULES if RULES[rule].fixable])
def test_every_changed_line_says_which_finding_it_mends(rule):
    plan = planned(bundle.load(read(rule, "broken.json")), neighbour(rule)).plan

    found = {finding["rule"] for finding in json.loads(read(rule, "findings.json"))}
    assert [] == [change.text() for change in plan.changes() if not change.why or not found.issuperset(change.why)]
    assert [] == [reason.text for reason in plan.reasons if not reason.why or not found.issuperset(reason.why)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.slow
def test_the_healthy_neighbour_needs_no_repair(rule):
    repair = planned(bundle.load(read(rule, "healthy.json")))

    assert (True, ()) == (repair.plan.is_empty, repair.left)
