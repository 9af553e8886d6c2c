"""Plans as values: order, JSON, text."""

import pytest

from ocitool.change.plan import CopyFrom, Delete, Plan, PutBlob, PutManifest, PutSnapshot, Tag, replace
from ocitool.errors import UsageError
from ocitool.graph.walk import snapshot_of
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor
from ocitool.store.base import BytesSource
from ocitool.store.memory import MemoryStore


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


def test_every_step_has_a_line_and_a_name(make_note):
    child, old, new = make_note("c"), make_note("a"), make_note("b")
    blob = Descriptor("application/octet-stream", Digest.of(b"1"), 1)
    other = MemoryStore("reg.test/other")
    plan = Plan(
        "reg.test/app",
        (
            PutBlob(blob, BytesSource(b"1"), "config"),
            CopyFrom(other, Descriptor.of(child), "linux/amd64"),
            PutSnapshot(snapshot_of(child), lambda _blob: BytesSource(b""), "image"),
            PutManifest(child),
            Tag("v1", new),
            Delete("v0", old),
            Delete(str(child.digest), child),
        ),
    )

    assert [
        f"  put blob {blob.digest.short} (1 bytes) config",
        f"  bring {child.digest.short} from reg.test/other linux/amd64",
        f"  put {child.digest.short} and what it names image",
        f"  put manifest {child.digest.short} ({child.size} bytes)",
        f"  tag v1: nothing → {new.digest.short}",
        f"  delete v0 ({old.digest.short})",
        f"  delete {child.digest}",
    ] == plan.text().splitlines()[1:]
    assert ["put-blob", "bring", "put-image", "put-manifest", "tag", "delete", "delete"] == [
        s["step"] for s in plan.to_tree()["steps"]
    ]
    assert "reg.test/other" == plan.to_tree()["steps"][1]["from"]
