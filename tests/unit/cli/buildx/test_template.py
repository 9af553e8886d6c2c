"""Templates of Go: what they find, and what is refused."""

import pytest

from ocitool.cli.buildx.template import fill
from ocitool.errors import Unsupported, UsageError

TREE = {
    "name": "app",
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
