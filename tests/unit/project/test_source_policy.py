"""Source policies: which image is taken for one that is named, and what is refused with its place."""

import json
import random

import pytest

from ocitool.errors import NotVerified, OcitoolError, Unsupported, UsageError
from ocitool.model.reference import Reference
from ocitool.project.source_policy import SourcePolicy, read_source_policy

ALPINE = "docker-image://docker.io/library/alpine:3.18"
OLD, NEW = (f"sha256:{letter * 64}" for letter in "ab")


@pytest.fixture
def read(tmp_path):
    def call(tree):
        file = tmp_path / "policy.json"
        file.write_bytes(tree if isinstance(tree, bytes) else json.dumps(tree).encode())
        return read_source_policy(file)

    return call


def rule(action, identifier, target=None, **selector):
    updates = {} if target is None else {"updates": {"identifier": target}}
    return {"action": action, "selector": {"identifier": identifier, **selector}, **updates}


def taken(policy, name):
    return policy.image(Reference.parse(name)).familiar


def test_a_tag_is_taken_for_its_digest_and_nothing_else_is(read):
    policy = read({"rules": [rule("CONVERT", ALPINE, f"{ALPINE}@{OLD}")]})

    assert f"alpine:3.18@{OLD}" == taken(policy, "alpine:3.18") == taken(policy, "docker.io/library/alpine:3.18")
    for other in ("alpine:3.19", "alpine:latest", f"alpine:3.18@{NEW}", "localhost:5000/library/alpine:3.18"):
        assert other == taken(policy, other)


@pytest.mark.parametrize("key", ["matchType", "match_type"])
def test_star_stands_for_any_characters_and_nothing_else_is_special(read, key):
    everything = rule("CONVERT", "docker-image://docker.io/*pine:*", "docker-image://localhost:5000/a:1")
    exact = rule("CONVERT", ALPINE, "docker-image://localhost:5000/b:1", **{key: "EXACT"})
    odd = rule("DENY", "docker-image://docker.io/library/[a-z]?*", **{key: "WILDCARD"})

    assert "localhost:5000/a:1" == taken(read({"rules": [everything]}), "alpine:3.18")
    assert "localhost:5000/b:1" == taken(read({"version": 1, "rules": [exact]}), "alpine:3.18")
    assert "debian:12" == taken(read({"rules": [everything, odd]}), "debian:12")


def test_of_allow_and_deny_the_last_that_fits_counts(read):
    deny, allow = rule("DENY", "docker-image://docker.io/*"), rule("ALLOW", ALPINE)
    policy = read({"rules": [deny, allow]})

    assert "alpine:3.18" == taken(policy, "alpine:3.18")
    assert "localhost:5000/x:1" == taken(policy, "localhost:5000/x:1")
    with pytest.raises(NotVerified, match=r"library/alpine:3.19 is denied by rules\[0\] of .*policy.json"):
        taken(policy, "alpine:3.19")
    with pytest.raises(NotVerified, match=r"rules\[1\]"):
        taken(read({"rules": [allow, deny]}), "alpine:3.18")


def test_what_is_converted_is_judged_again(read):
    steps = [
        rule("CONVERT", ALPINE, "docker-image://docker.io/library/debian:12"),
        rule("CONVERT", "docker-image://docker.io/library/debian:12", "docker-image://localhost:5000/debian:12"),
    ]
    last = "docker-image://localhost:5000/*"

    assert "localhost:5000/debian:12" == taken(read({"rules": [*steps, rule("ALLOW", last)]}), "alpine:3.18")
    with pytest.raises(NotVerified, match="localhost:5000/debian:12 is denied"):
        taken(read({"rules": [rule("DENY", last), *steps]}), "alpine:3.18")


def test_a_pattern_that_fits_its_own_conversion_ends(read):
    pattern = "docker-image://docker.io/library/alpine:*"

    assert f"alpine:3.18@{OLD}" == taken(read({"rules": [rule("CONVERT", pattern, f"{ALPINE}@{OLD}")]}), "alpine")


def test_conversions_in_a_circle_end_with_what_to_do(read):
    other = "docker-image://docker.io/library/debian:12"
    policy = read({"rules": [rule("CONVERT", ALPINE, other), rule("CONVERT", other, ALPINE)]})

    with pytest.raises(UsageError, match="converted more than 20 times") as caught:
        taken(policy, "alpine:3.18")
    assert "selector" in caught.value.hint


def test_pins_are_sorted_and_read_back(read):
    pins = [Reference.parse(f"{name}@{OLD}") for name in ("localhost:5000/b:2", "alpine:3.18")]
    raw = SourcePolicy.pinning(pins).raw
    policy = read(raw)

    assert raw == SourcePolicy.pinning([*pins, *reversed(pins)]).raw
    assert [ALPINE, "docker-image://localhost:5000/b:2"] == [one.identifier for one in policy.rules]
    assert f"localhost:5000/b:2@{OLD}" == taken(policy, "localhost:5000/b:2")
    assert json.loads(raw)["rules"][0] == rule("CONVERT", ALPINE, f"{ALPINE}@{OLD}")


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ([], "is no JSON object"),
        ({"version": 2}, "version is 2"),
        ({"rule": []}, "has 'rule'"),
        ({"rules": {"0": 1}}, "rules is no list"),
        ({"rules": [rule("ALLOW", ALPINE)] * 2001}, "rules is no list of at most 2000"),
        ({"rules": [rule("ALLOW", ALPINE), 1]}, r"rules\[1\] is no JSON object"),
        ({"rules": [{"selector": {"identifier": ALPINE}}]}, r"rules\[0\].action is None"),
        ({"rules": [rule(["DENY"], ALPINE)]}, r"rules\[0\].action is \['DENY'\]"),
        ({"rules": [{"action": "DENY"}]}, r"rules\[0\].selector is no JSON object"),
        ({"rules": [rule("DENY", "https://x.example/y")]}, "selector.identifier is 'https://x.example/y'"),
        ({"rules": [rule("DENY", "*")]}, r"selector.identifier is '\*'"),
        ({"rules": [rule("DENY", "docker-image://" + "a" * 2000)]}, "selector.identifier is 'docker-image://aaa"),
        ({"rules": [rule("DENY", "docker-image://a/**")]}, r"holds \*\*"),
        ({"rules": [rule("DENY", "docker-image://alpine:3.18")]}, "fits no image"),
        ({"rules": [rule("DENY", "docker-image://docker.io/library/alpine")]}, "fits no image"),
        ({"rules": [rule("DENY", "docker-image://A b")]}, "is no image"),
        ({"rules": [rule("DENY", ALPINE, matchType="REGEX")]}, "matchType is 'REGEX'"),
        ({"rules": [rule("DENY", ALPINE, matchType="EXACT", match_type="WILDCARD")]}, "matchType is 'WILDCARD'"),
        ({"rules": [rule("DENY", ALPINE, constraints=[{"key": "a"}])]}, "selector.constraints"),
        ({"rules": [rule("DENY", ALPINE, ALPINE)]}, "updates is for CONVERT alone"),
        ({"rules": [rule("CONVERT", ALPINE)]}, "updates is no JSON object"),
        ({"rules": [rule("CONVERT", ALPINE, "git://x")]}, "updates.identifier is 'git://x'"),
        ({"rules": [rule("CONVERT", "docker-image://d/*", "docker-image://e/${1}")]}, "takes over parts"),
        ({"rules": [{**rule("CONVERT", ALPINE), "updates": {"attrs": {"a": "b"}}}]}, "updates.attrs"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_with_its_place(read, tree, words):
    with pytest.raises(Unsupported, match=words) as caught:
        read(tree)
    assert "policy.json: " in str(caught.value)


def test_what_is_no_json_and_too_much_are_refused(read, tmp_path):
    for data in (b"{", b"\xff", b'{"rules": [], "rules": []}', b" " * (1 << 20) + b"{}"):
        with pytest.raises(UsageError, match=r"policy\.json"):
            read(data)
    with pytest.raises(OcitoolError) as caught:
        read_source_policy(tmp_path / "none.json")
    assert 10 == caught.value.exit_code


def test_broken_policies_are_refused_or_read(read):
    whole = json.dumps({"version": 1, "rules": [rule("CONVERT", ALPINE, f"{ALPINE}@{OLD}", matchType="EXACT")]})
    chance, codes = random.Random(24), []
    for _ in range(100):
        data = bytearray(whole.encode())
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.choice(b'{}[]",:\\0*$@ \xffnt')
        try:
            read(bytes(data))
        except OcitoolError as error:
            codes.append(error.exit_code)

    assert {2, 9} == set(codes)
    assert len(codes) > 50
