"""Index spec files: YAML of manifest-tool, our TOML, and what is refused."""

import pytest

from ocitool.errors import LocalIOError, UsageError
from ocitool.index.spec import IndexSpec, SpecSource, read_spec
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform

YAML = """\
image: reg.test:5000/app:1.10
tags: [1.10, '1', latest]
manifests:
  - image: reg.test:5000/app:amd64
    platform:
      architecture: amd64
      os: linux
  - image: reg.test:5000/app:armv6
    platform:
      architecture: arm
      os: linux
      variant: v6
  - image: reg.test:5000/app:windows
    platform:
      architecture: amd64
      os: windows
      os.version: 10.0
      os.features: [win32k]
  - image: reg.test:5000/app:s390x
"""


@pytest.fixture
def spec(tmp_path):
    def read(text, name="spec.toml"):
        (tmp_path / name).write_text(text)
        return read_spec(tmp_path / name)

    return read


def test_manifest_tool_yaml(spec):
    expected = IndexSpec(
        image="reg.test:5000/app:1.10",
        tags=("1.10", "1", "latest"),
        sources=(
            SpecSource("reg.test:5000/app:amd64", Platform("linux", "amd64")),
            SpecSource("reg.test:5000/app:armv6", Platform("linux", "arm", "v6")),
            SpecSource("reg.test:5000/app:windows", Platform("windows", "amd64", "", "10.0", ("win32k",))),
            SpecSource("reg.test:5000/app:s390x"),
        ),
    )

    assert expected == spec(YAML, "spec.yaml")


def test_toml_with_templates_and_annotations(spec):
    read = spec("""
        image = "reg.test/app:1"
        format = "oci"
        annotations = { "org.example.a" = "b" }
        [[manifests]]
        image = "reg.test/app:1-{os}-{arch}{variant}"
        platforms = ["linux/amd64", "linux/arm/v7"]
        [[manifests]]
        image = "reg.test/app:win"
        platform = { os = "windows", architecture = "amd64", "os.version" = "10.0.1" }
    """)

    assert (
        SpecSource("reg.test/app:1-linux-amd64", Platform("linux", "amd64")),
        SpecSource("reg.test/app:1-linux-armv7", Platform("linux", "arm", "v7")),
        SpecSource("reg.test/app:win", Platform("windows", "amd64", "", "10.0.1")),
    ) == read.sources
    assert (Family.OCI, {"org.example.a": "b"}) == (read.family, dict(read.annotations))


def test_yaml_knows_templates_too(spec):
    text = "image: r.test/app:1\nmanifests:\n- image: r.test/app:{arch}\n  platforms: [linux/arm64]\n"

    assert (SpecSource("r.test/app:arm64", Platform("linux", "arm64")),) == spec(text, "s.yml").sources


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('image = "a"', "manifests is a list"),
        ("manifests = []", "manifests is a list"),
        ('manifests = [{ image = "a", platfrom = "linux/amd64" }]', "unknown key 'platfrom'"),
        ('tag = "x"\nmanifests = [{ image = "a" }]', "unknown key 'tag'"),
        ("manifests = [{ }]", "image is missing"),
        ('manifests = [{ image = "a-{arch}" }]', "no platform to fill"),
        ('manifests = [{ image = "a-{cpu}", platform = "linux/amd64" }]', "unknown place holder"),
        ('manifests = [{ image = "a", platform = { os = "linux" } }]', "needs os and architecture"),
        ('manifests = [{ image = "a", platform = "linux/amd46" }]', "unknown platform"),
        ('manifests = [{ image = "a", platform = "linux/arm", platforms = [] }]', "both"),
        ('manifests = [{ image = "a", platforms = [] }]', "is empty"),
        ("manifests = [{ image = 1 }]", "is not text"),
        ('tags = [1]\nmanifests = [{ image = "a" }]', "is not a list of texts"),
        ('format = "v1"\nmanifests = [{ image = "a" }]', "docker or oci"),
        ('annotations = { a = 1 }\nmanifests = [{ image = "a" }]', "annotations.a"),
        ("manifests = [3]", "is not a table"),
        ("image = ", "invalid value"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(spec, text, says):
    with pytest.raises(UsageError, match=says.replace("[", r"\[")):
        spec(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x [1]\nmanifests: [*x]", "aliases"),
        ("image: a\nimage: b\nmanifests: []", "stands twice, again in line 2"),
        ("a: [", "not YAML"),
        ("--- 1\n--- 2", "not YAML"),
        ("manifests: !!python/object:os.system x", "manifests is a list"),
        ("[" * 500, "recursion|not YAML"),
        ("{}: 1", "not YAML|not a table"),
    ],
)
def test_hostile_yaml_is_an_error_like_any_other(spec, text, says):
    with pytest.raises(UsageError, match=says):
        spec(text, "spec.yaml")


def test_errors_say_which_file(spec, tmp_path):
    with pytest.raises(UsageError) as caught:
        spec("manifests = []")

    assert [f"in {tmp_path / 'spec.toml'}"] == caught.value.__notes__


def test_unreadable_files(tmp_path):
    (tmp_path / "big.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    (tmp_path / "latin.toml").write_bytes(b"image = '\xe9'")

    with pytest.raises(LocalIOError):
        read_spec(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="larger"):
        read_spec(tmp_path / "big.toml")
    with pytest.raises(UsageError, match="UTF-8"):
        read_spec(tmp_path / "latin.toml")
