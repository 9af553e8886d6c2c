"""`ocitool.repository.plan_file`: a file that people changed."""

import json

import pytest

from ocitool.errors import MalformedDocument
from ocitool.model.digest import Digest
from ocitool.repository.plan_file import FORM, read_plan

DIGEST = Digest.of(b"")


@pytest.fixture
def read(tmp_path):
    """`read(delete=["a"], keep=["b"])`: what a file with these tags says."""

    def call(**words):
        lists = {"delete": [], "keep": [], "others": []} | words
        rows = {
            key: [{"tag": tag, "digest": DIGEST} for tag in value] if isinstance(value, list) else value
            for key, value in lists.items()
        }
        (tmp_path / "plan.json").write_text(json.dumps({"form": FORM, "repository": "reg.test/app"} | rows))
        return read_plan(tmp_path / "plan.json")

    return call


def test_an_entry_goes_by_the_list_it_stands_in(read):
    found = read(delete=["a"], keep=["b"], others=["c"])

    assert [("a", True), ("b", False)] == [(one.tag, one.goes) for one in found.decisions]
    assert ({"c": DIGEST}, "reg.test/app") == (found.others, found.repository)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"delete": ["a"], "keep": ["a"]}, "a stands there twice"),
        ({"keep": ["a"], "others": ["a"]}, "a stands there twice"),
        ({"delete": [f"sha256-{'0' * 64}.sig"]}, "belongs to a manifest, and goes and stays with it"),
        ({"form": "other"}, "is of the form 'other'"),
        ({"delete": ["a"], "keep": None}, "is no plan of a prune"),
    ],
)
def test_what_is_no_plan_is_refused(read, words, said):
    with pytest.raises(MalformedDocument, match=said):
        read(**words)
