"""Plans as values: order, JSON, text."""

import pytest

from ocitool.change.plan import Plan, PutManifest, Tag, replace
from ocitool.errors import UsageError


def test_same_bytes_make_an_empty_plan(make_note):
    plan = replace("reg.test/app", ["v1"], make_note("a"), make_note("a"))

    assert plan.is_empty
    assert "reg.test/app: nothing to change" == plan.text()


def test_tag_before_its_content_is_refused(make_note):
    with pytest.raises(UsageError):
        Plan("reg.test/app", (Tag("v1", make_note("a")), PutManifest(make_note("b"))))


def test_json_names_base_result_and_every_step(make_note):
    old, new, child = make_note("a"), make_note("b"), make_note("c")

    tree = replace("reg.test/app", ["v1"], old, new, content=[PutManifest(child, "linux/amd64")]).to_tree()

    assert (str(old.digest), str(new.digest)) == (tree["base"], tree["result"])
    assert ["put-manifest", "tag"] == [step["step"] for step in tree["steps"]]
    assert "linux/amd64" == tree["steps"][0]["label"]
    assert [{"kind": "changed", "pointer": "/annotations/note", "before": "a", "after": "b"}] == tree["changes"]


def test_text_shows_differences_then_steps(make_note):
    old, new = make_note("a"), make_note("b")

    text = replace("reg.test/app", ["v1"], old, new, notes=["mind the gap"]).text()

    assert [
        "reg.test/app",
        "  mind the gap",
        "  ~ annotations/note  a → b",
        f"  tag v1: {old.digest.short} → {new.digest.short}",
    ] == text.splitlines()
