"""Edits of configs over random ones: what is asked for holds, the rest keeps its bytes, and twice is once."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ocitool.image.config_edit import ConfigChanges, edit_config
from ocitool.image.options import env_of
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_CONFIG
from ocitool.model.views import ImageConfig

NAMES = st.sampled_from(["PATH", "A", "B", "É", "a b"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
ITEMS = st.lists(st.one_of(NAMES, st.builds(lambda name, value: f"{name}={value}", NAMES, TEXTS)), max_size=6)
CHANGES = st.dictionaries(NAMES, st.none() | TEXTS, max_size=4)
LABELS = st.dictionaries(NAMES, TEXTS, max_size=4)


def config_of(items, labels, indent):
    tree = {
        "own": [1.0, {"x": None}],
        "architecture": "amd64",
        "config": {"Env": items, "Labels": labels, "Z": 1e2},
    }
    tree["rootfs"] = {"type": "layers", "diff_ids": []}
    return ImageConfig.of(Document(json.dumps(tree, indent=indent).encode(), OCI_CONFIG))


@given(ITEMS, LABELS, CHANGES, CHANGES, st.sampled_from([None, 3]))
def test_what_is_asked_for_holds_and_nothing_else_changes(items, labels, env, said, indent):
    before = config_of(items, labels, indent)
    changes = ConfigChanges(env=env, labels=said)

    once = edit_config(before, changes)
    after = ImageConfig.of(once)

    wanted = env_of({"Env": items}) | env
    assert {name: value for name, value in wanted.items() if value is not None} == env_of(after.settings)
    rest = [item for item in items if item.partition("=")[0] not in env]
    assert rest == [item for item in after.settings.get("Env", []) if item.partition("=")[0] not in env]
    kept = {name: value for name, value in {**labels, **said}.items() if value is not None}
    assert kept == after.settings.get("Labels", {})
    assert b'[1.0, {"x": null}]' in once.raw or indent
    assert b"100.0" in once.raw
    assert edit_config(after, changes) is once
