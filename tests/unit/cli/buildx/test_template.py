"""Templates of Go: what they find, and what is refused."""

import pytest

from ocitool.cli.buildx.template import fill
from ocitool.errors import Unsupported, UsageError

TREE = {
    "name": "app",
    "none": [],
    "manifest": {"mediaType": "m", "size": 3, "manifests": [{"digest": "a"}, {"digest": "b"}]},
    "image": {"linux/amd64": {"os.version": "1", "config": {"Labels": {"a.b": "c"}}}},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("x {{.Name}} y", "x app y"),
        ("{{ .Manifest.MediaType }}", "m"),
        ("a {{- .Manifest.Size -}} b", "a3b"),
        ("{{range .Manifest.Manifests}}[{{.Digest}}]{{end}}!", "[a][b]!"),
        ("{{range .None}}{{range .Layers}}x{{end}}{{end}}!", "!"),
        ('{{index .Manifest.Manifests 1 "digest"}}', "b"),
        ('{{json (index .Image "linux/amd64").Config.Labels}}', '{\n  "a.b": "c"\n}'),
        ('{{index .Image "linux/amd64" "config" "Labels" "a.b"}}', "c"),
    ],
)
def test_what_a_template_gives(template, expected):
    assert expected == fill(template, TREE)


@pytest.mark.parametrize(
    "template", ["{{.Nothing}}", "{{.Manifest}}", "{{end}}", "{{json}}", "{{(.Name}}", "{{index .Name 9}}"]
)
def test_what_is_not_there_is_refused_in_words(template):
    with pytest.raises(UsageError):
        fill(template, TREE)


@pytest.mark.parametrize(
    "template", ["{{printf .Name}}", "{{if .Name}}x{{end}}", "{{.Name | upper}}", "{{$x := .Name}}"]
)
def test_other_actions_are_not_supported(template):
    with pytest.raises(Unsupported):
        fill(template, TREE)


@pytest.mark.parametrize("template", ["{{range .Manifest.Manifests}}x", "{{range .None}}{{range .Nothing}}{{end}}"])
def test_a_range_without_an_end_is_what_is_named(template):
    with pytest.raises(UsageError, match=r"\{\{range .*\}\} has no \{\{end\}\}"):
        fill(template, TREE)


@pytest.mark.parametrize("template", ["{{.Manifest}}", "{{index .Manifest.Manifests 0}}"])
def test_what_is_more_than_a_text_is_given_as_its_hint_says(template):
    with pytest.raises(UsageError) as refused:
        fill(template, TREE)

    assert fill(refused.value.hint.removeprefix("write "), TREE).startswith("{")
