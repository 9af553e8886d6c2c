"""Rules of installed packages: a distribution with an entry point, as an installer leaves it."""

import sys

import pytest

from ocitool.check.engine import RULES, findings, installed_rules
from ocitool.check.inspection import look
from ocitool.errors import UsageError
from ocitool.tasks import Scope

ACME = """
from ocitool.check.finding import Location
from ocitool.findings import Severity
from ocitool.check.rules.rule import Rule

def labels(look):
    for image in look.images:
        if image.config is not None and not image.config.setting("Labels"):
            yield Location(image.manifest.config.digest, "/config/Labels", label=image.label), "no labels"

RULE = Rule("acme/labels", "No labels", "We ask who owns an image.", "no Labels", Severity.WARNING, labels)
TWO = (RULE, Rule("acme/none", "t", "r", "e", Severity.NOTE, lambda look: iter(())))
BROKEN = Rule("acme/broken", "t", "r", "e", Severity.NOTE, lambda look: 1 / 0)
TAKEN = Rule("index/order", "t", "r", "e", Severity.NOTE, labels)
ODD = Rule("Acme", "t", "r", "e", Severity.NOTE, labels)
OURS = Rule("index/labels", "t", "r", "e", Severity.NOTE, labels)
GRAVE = Rule("acme/grave", "t", "r", "e", "error", labels)
IDLE = Rule("acme/idle", "t", "r", "e", Severity.NOTE, None)
NUMBER = Rule(7, "t", "r", "e", Severity.NOTE, labels)
PLACES = Rule("acme/places", "t", "r", "e", Severity.NOTE, lambda look: [("here", "wrong")])
TEXTS = Rule("acme/texts", "t", "r", "e", Severity.NOTE, lambda look: [(Location("sha256:ab"), "wrong")])
LISTS = Rule(
    "acme/lists", "t", "r", "e", Severity.NOTE, lambda look: [(Location(look.snapshot.root.digest, []), "wrong")]
)
ONE = Rule("acme/one", "t", "r", "e", Severity.NOTE, lambda look: [Location(look.snapshot.root.digest)])
TEXT = "labels"
AGAIN = (RULE, RULE)
MIXED = [RULE, "labels"]
NO_RULES = ()
"""


def install(site, attribute):
    """Lay a distribution into a folder that is on the path; returns the folder."""
    meta = site / "acme_rules-1.0.dist-info"
    meta.mkdir(parents=True, exist_ok=True)
    (site / "acme.py").write_text(ACME)
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text(f"[ocitool.rules]\nacme = {attribute}\n")
    return site


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """`installed(attribute)`: the rules there are with that entry point."""

    def call(attribute):
        monkeypatch.syspath_prepend(install(tmp_path, attribute))
        monkeypatch.delitem(sys.modules, "acme", raising=False)
        return installed_rules()

    yield call
    sys.modules.pop("acme", None)


def test_without_packages_there_are_ours():
    assert RULES == installed_rules()


@pytest.mark.parametrize(
    ("attribute", "ids"),
    [("acme:RULE", ["acme/labels"]), ("acme:TWO", ["acme/labels", "acme/none"]), ("acme:NO_RULES", [])],
)
def test_a_rule_or_several(installed, attribute, ids):
    rules = installed(attribute)

    assert RULES == rules[: len(RULES)]
    assert ids == [rule.id for rule in rules[len(RULES) :]]


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        ("acme:TAKEN", "the id 'index/order' of a rule of acme:TAKEN is there already"),
        ("acme:AGAIN", "the id 'acme/labels' of a rule of acme:AGAIN is there already"),
        ("acme:ODD", "the id 'Acme' of a rule of acme:ODD is not of the form family/name"),
        ("acme:OURS", "the id 'index/labels' of a rule of acme:OURS is in a family of ocitool"),
        ("acme:NUMBER", "the id 7 of a rule of acme:NUMBER is not of the form family/name"),
        ("acme:GRAVE", "the rule acme/grave of acme:GRAVE has no Severity or no function"),
        ("acme:IDLE", "the rule acme/idle of acme:IDLE has no Severity or no function"),
        ("acme:TEXT", "entry point acme of acme:TEXT holds no Rule"),
        ("acme:MIXED", "entry point acme of acme:MIXED holds no Rule"),
        ("acme:ABSENT", "rules acme of acme:ABSENT do not load"),
        ("gone:RULE", "rules acme of gone:RULE do not load: No module named 'gone'"),
    ],
)
def test_what_is_no_rule_is_named(installed, attribute, told):
    with pytest.raises(UsageError) as caught:
        installed(attribute)

    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        ("acme:BROKEN", "the rule acme/broken failed: ZeroDivisionError: division by zero"),
        ("acme:ONE", "the rule acme/one failed: TypeError: "),
        ("acme:PLACES", "the rule acme/places gives places that are no Location with a Digest"),
        ("acme:TEXTS", "the rule acme/texts gives places that are no Location with a Digest"),
        ("acme:LISTS", "the rule acme/lists gives places that are no Location with a Digest"),
    ],
)
def test_what_a_rule_gives_that_is_no_finding_is_its_fault(installed, ward, attribute, told):
    ward.index(ward.image())
    rules = installed(attribute)

    with pytest.raises(UsageError) as caught:
        findings(look(ward.store, "1", scope=Scope()), rules=rules)

    assert str(caught.value).startswith(told)
