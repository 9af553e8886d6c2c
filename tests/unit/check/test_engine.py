"""Selection, allowances, exit codes, formats, and rules of other packages."""

import pytest

from ocitool.check.engine import RULES, Allowance, Selection, exit_code, findings
from ocitool.check.finding import Location
from ocitool.check.inspection import look
from ocitool.check.rules.rule import Rule
from ocitool.check.runner import check_tags
from ocitool.errors import AuthError, Cancelled, NetworkError, UsageError
from ocitool.findings import Severity
from ocitool.model.digest import Digest
from ocitool.tasks import Scope
from tests.fakes.sick import Loose, Ward, member, tar


@pytest.fixture
def seen(ward):
    """A look at an index without mediaType whose arm64 entry has a wrong size."""
    ward.index(ward.image(), ward.image("linux/arm64") | {"size": 9}, mediaType=None)
    return look(ward.store, "1", scope=Scope())


def ids(found):
    return [finding.rule for finding in found]


def test_errors_come_first(seen):
    assert ["index/child-size", "index/no-media-type"] == ids(findings(seen))


def test_select_and_ignore(seen):
    assert ["index/child-size"] == ids(findings(seen, Selection(select=("*/child-*",))))
    assert ["index/no-media-type"] == ids(findings(seen, Selection(ignore=("index/child-size",))))


def test_an_allowed_finding_does_not_count(seen):
    allow = (Allowance("index/child-size", "known", at="linux/arm64"), Allowance("index/no-*", "old"))

    found = findings(seen, Selection(allow=allow))

    assert ["known", "old"] == [finding.allowed for finding in found]
    assert 0 == exit_code(found, ())


def test_a_project_says_how_grave_a_rule_is(seen):
    """The first pattern that fits holds; the order and the exit code follow."""
    severity = (("index/child-*", Severity.NOTE), ("index/*", Severity.ERROR))

    found = findings(seen, Selection(severity=severity))

    assert [("index/no-media-type", Severity.ERROR), ("index/child-size", Severity.NOTE)] == [
        (finding.rule, finding.severity) for finding in found
    ]
    assert 0 == exit_code(found[1:], ())


def test_an_allowance_that_nothing_needs_is_idle(seen):
    """Only if a rule it is for was looked for; another place is another finding."""
    used, elsewhere = Allowance("index/child-size", "a"), Allowance("index/child-*", "b", at="linux/s390x")
    deep, ignored = Allowance("layer/setuid", "c"), Allowance("index/order", "d")
    selection = Selection(allow=(used, elsewhere, deep, ignored), ignore=("index/order",))

    found = findings(seen, selection)

    assert (elsewhere,) == selection.idle(found, ["index/child-size", "index/order"])
    assert (elsewhere, deep) == selection.idle(found, [rule.id for rule in RULES])


def test_an_allowance_is_for_its_place(seen):
    found = findings(seen, Selection(allow=(Allowance("index/child-size", "known", at="linux/amd64"),)))

    assert "" == found[0].allowed


def test_an_allowance_is_told_with_its_place():
    assert "index/order" == str(Allowance("index/order", "r"))
    assert "layer/* at /usr/*" == str(Allowance("layer/*", "r", at="/usr/*"))


@pytest.mark.parametrize(
    "selection",
    [
        Selection(select=("index/none",)),
        Selection(severity=(("index/none", Severity.NOTE),)),
        Selection(allow=(Allowance("index/order", " "),)),
    ],
    ids=["select", "severity", "no-reason"],
)
def test_refused_selections(selection):
    with pytest.raises(UsageError):
        selection.check(rule.id for rule in RULES)


def test_accepted_selections():
    allow = (Allowance("layer/setuid", "needed"), Allowance("index/*", "old"))

    Selection(("*",), ("index/order",), allow, (("*", Severity.NOTE),)).check(rule.id for rule in RULES)


class Leaving(Loose):
    """A store on which somebody presses Ctrl-C."""

    def open_blob(self, descriptor, offset=0):
        raise Cancelled


def test_an_interrupted_look_is_no_finding():
    ward = Ward(Loose())
    ward.index(ward.image())
    leaving = Leaving()
    leaving._manifests, leaving._tags = ward.store._manifests, ward.store._tags

    with pytest.raises(Cancelled):
        look(leaving, "1", scope=Scope())


def test_what_could_not_be_seen_goes_first(seen):
    """K034: 401 is 4, no answer is 5, whatever was found."""
    found = findings(seen)

    assert 1 == exit_code(found, ())
    assert 5 == exit_code(found, [NetworkError("no answer")])
    assert 4 == exit_code(found, [NetworkError("no answer"), AuthError("refused")])


class Locked(Loose):
    """A store that answers for one digest as a registry does that wants other credentials."""

    def __init__(self, error):
        super().__init__()
        self.locked, self.error = "", error

    def get_manifest(self, name, **more):
        if name == self.locked:
            raise self.error
        return super().get_manifest(name, **more)


@pytest.mark.parametrize("error", [AuthError("401"), NetworkError("503")])
def test_an_unanswered_child_is_not_missing(error):
    """K034: 404 and only 404 is missing."""
    store = Locked(error)
    ward = Ward(store)
    child = ward.image("linux/arm64")
    ward.index(ward.image(), child)
    store.locked = child["digest"]

    one = look(store, "1", scope=Scope())

    assert [] == ids(findings(one))
    assert (error,) == one.unanswered


def in_the_root(message):
    return lambda look: iter([(Location(look.snapshot.root.digest), message)])


def rule(find, name="acme/no"):
    return Rule(name, "t", "r", "e", Severity.ERROR, find)


def test_a_rule_of_somebody_else(seen):
    assert ["acme/no"] == ids(findings(seen, rules=[rule(in_the_root("no"))]))


@pytest.mark.parametrize(
    ("find", "told"),
    [
        (lambda look: iter(look.nothing), "acme/no failed: AttributeError: 'Inspection' object has no attribute"),
        (lambda look: None, "acme/no failed: TypeError"),
        (lambda look: iter([("here", "no")]), "acme/no gives places that are no Location"),
    ],
    ids=["raises", "no-iterator", "no-location"],
)
def test_a_rule_of_somebody_else_that_fails_is_told_as_theirs(seen, find, told):
    with pytest.raises(UsageError, match=told):
        findings(seen, rules=[rule(find)])


class Counting(Loose):
    """A store that counts what is asked for by digest."""

    def __init__(self):
        super().__init__("counted")
        self.asked = []

    def get_manifest(self, name, **more):
        self.asked.append(name)
        return super().get_manifest(name, **more)

    def open_blob(self, descriptor, offset=0):
        self.asked.append(str(descriptor.digest))
        return super().open_blob(descriptor, offset)


def test_shared_children_are_fetched_once():
    store = Counting()
    ward = Ward(store)
    one, other = ward.image(), ward.image("linux/arm64")
    for tag in "123456":
        ward.index(one, other, tag=tag, annotations={"tag": tag})
    ward.index(one, other, tag="latest", annotations={"tag": "6"})

    done = check_tags([(store, "", "")], scope=Scope())

    assert () == done.findings
    assert sorted(set(store.asked)) == sorted(store.asked)
    assert 6 + 2 + 2 == len(store.asked)


def test_a_single_image_among_indexes():
    ward = Ward(Loose())
    for tag in "123":
        ward.index(ward.image(), tag=tag, annotations={"tag": tag})
    ward.image(tag="4")

    done = check_tags([(ward.store, "", "")], scope=Scope())

    assert [("tag/single-image", "4")] == [(f.rule, f.at.label) for f in done.findings]


def test_a_fallback_tag_of_nothing():
    ward = Ward(Loose())
    image = ward.image(tag="1")
    ward.index(tag=image["digest"].replace(":", "-"))
    ward.index(tag=str(Digest.of(b"gone")).replace(":", "-"))

    done = check_tags([(ward.store, "", "")], scope=Scope())

    assert [("tag/stale-fallback", f"sha256-{Digest.of(b'gone').hex}")] == [
        (f.rule, f.at.label) for f in done.findings
    ]


def test_a_deep_look_survives_a_layer_of_rubbish(ward, found):
    """What is no gzip, no tar and cut off is a finding and no error."""
    for data in (b"", b"\x1f\x8b\x08rubbish", tar(member("a"))[:700], b"BZh9"):
        layer = ward.blob(data, "application/vnd.oci.image.layer.v1.tar+gzip")
        ward.index(ward.image(manifest=lambda tree, layer=layer: tree["layers"].__setitem__(0, layer)), tag="r")

        assert {"layer/damaged", "layer/compression", "layer/diff-id"} & set(found("r")), data
