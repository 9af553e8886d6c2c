"""Templates: fields of the answer and nothing else."""

import pytest

from ocitool.errors import UsageError
from ocitool.report.template import render

ANSWER = {
    "digest": "sha256:1",
    "size": 3,
    "annotations": {"org.example.a": "b", "a[]": "c"},
    "platforms": [
        {"platform": "linux/amd64", "layers": [{"size": 1}, {"size": 2}], "annotations": {"x": "y"}},
        {"platform": "linux/arm64", "layers": [{"size": 5}]},
    ],
    "none": [],
    "other": [1],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{digest}", "sha256:1"),
        ("{digest} {size}", "sha256:1 3"),
        ("{{{size}}}", "{3}"),
        (r"{size}\t{size}\n", "3\t3\n"),
        ("{platforms[].platform}", "linux/amd64\nlinux/arm64"),
        ("{digest} {platforms[].platform}", "sha256:1 linux/amd64\nsha256:1 linux/arm64"),
        ("{platforms[1].platform}", "linux/arm64"),
        ("{platforms[].platform} {platforms[].layers[].size}", "linux/amd64 1\nlinux/amd64 2\nlinux/arm64 5"),
        ('{annotations["org.example.a"]}', "b"),
        ('{annotations["a[]"]}', "c"),
        ("{platforms[].annotations}", '{"x": "y"}\n'),
        ("{platforms[].annotations[].x}", None),
        ("{none[].x}", ""),
        ("{platforms[0].layers}", '[{"size": 1}, {"size": 2}]'),
        ("no fields", "no fields"),
    ],
)
def test_fields(template, text):
    if text is None:
        with pytest.raises(UsageError, match="no list"):
            render(template, ANSWER)
    else:
        assert text == render(template, ANSWER)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{nothing}", "no field 'nothing'"),
        ("{platforms[].nope}", "no field 'nope'"),
        ("{platforms[0].nope}", "no field 'nope'"),
        ("{platforms[].layers[].nope}", "no field 'nope'"),
        ("{digest.x}", "has no fields"),
        ("{platforms[9].platform}", "no item 9"),
        ("{size", "single brace"),
        ("}", "single brace"),
        ("{}", "not a field"),
        ("{platforms[x]}", "not a field"),
        ("{[]}", "not a field: '\\[]'"),
        ("{[].digest}", "not a field"),
        ("{platforms[].platform}{other[]}", "do not go together"),
        ("{digest.__class__}", "has no fields"),
        ("{annotations.__class__}", "no field"),
    ],
)
def test_what_cannot_be_answered_is_an_error(template, says):
    with pytest.raises(UsageError, match=says):
        render(template, ANSWER)


def test_an_item_without_the_list_gives_no_line_unless_no_item_has_it():
    answer = {"platforms": [{"name": "a", "tags": [{"x": 1}, {"x": 2}]}, {"name": "b"}, {"name": "c", "tags": []}]}

    assert "a 1\na 2" == render("{platforms[].name} {platforms[].tags[].x}", answer)
    with pytest.raises(UsageError, match="no field 'notes'"):
        render("{platforms[].notes[].x}", answer)
