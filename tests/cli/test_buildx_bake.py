"""`ocitool buildx bake`: targets built in their order, linked ones first; what a file may not do by itself."""

import json

import pytest

from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from ocitool.store.verify import read_blob
from tests.fakes.registry import fake_registry

pytestmark = pytest.mark.slow  # the grammar of HCL is read


@pytest.fixture
def bake(home, run, monkeypatch):
    """`bake(text, *words)`: a bake file in the current folder, which has a Dockerfile, carried out."""
    monkeypatch.chdir(home)
    (home / "Dockerfile").write_text("FROM scratch\nARG A=none\nLABEL arg=$A\nCOPY Dockerfile /\n")

    def call(text, *words):
        (home / "docker-bake.hcl").write_text(text)
        return run("buildx", "bake", *words)

    return call


def configs(folder, name="1"):
    """The labels of the images in a layout by their architecture, and the count of their layers."""
    store = LayoutStore(folder)
    root = store.get_manifest(name)
    digests = [one["digest"] for one in root.tree().get("manifests", ())] or [str(root.digest)]
    trees = [json.loads(read_blob(store, view(store.get_manifest(one)).config, 1 << 20)) for one in digests]
    return {one["architecture"]: (one["config"]["Labels"], len(one["rootfs"]["diff_ids"])) for one in trees}


def test_a_target_is_built_as_buildx_build_would(home, bake, run):
    text = """
    target "default" {
      platforms = ["linux/amd64", "linux/arm64"]
      args = { A = "x" }
      labels = { l = "m" }
      annotations = ["index:a=b"]
      output = ["type=oci,tar=false,dest=out,name=1"]
    }
    """
    done = bake(text, "--metadata-file", "meta.json")
    run("buildx", "build", ".", "--platform", "linux/amd64,linux/arm64", "--build-arg", "A=x", "--label", "l=m",
        "--annotation", "index:a=b", "-o", "oci:other:1")  # fmt: skip

    assert 0 == done.exit_code, done.stderr
    digest = LayoutStore(home / "other").head("1").digest
    assert digest == LayoutStore(home / "out").head("1").digest
    assert str(digest) == json.loads((home / "meta.json").read_text())["default"]["containerimage.digest"]


def test_a_linked_target_is_built_first_and_for_the_platforms_of_what_stands_on_it(home, bake):
    text = """
    target "base" { dockerfile-inline = "FROM scratch\\nCOPY Dockerfile /base\\nLABEL from=base" }
    target "default" {
      contexts = { base = "target:base" }
      dockerfile-inline = "FROM base\\nCOPY Dockerfile /top\\nCOPY --from=base /base /again"
      platforms = ["linux/amd64", "linux/arm64"]
      output = ["type=oci,tar=false,dest=out,name=1"]
    }
    """
    done = bake(text, "--metadata-file", "meta.json")

    assert 0 == done.exit_code, done.stderr
    assert {"amd64": ({"from": "base"}, 3), "arm64": ({"from": "base"}, 3)} == configs(home / "out")
    assert {"base", "default"} == set(json.loads((home / "meta.json").read_text()))


def test_push_publishes_every_target_under_its_tags(bake):
    with fake_registry() as registry:
        text = f"""
        group "default" {{ targets = ["a", "b"] }}
        target "a" {{ tags = ["{registry.host}/a:1", "{registry.host}/a:2"] }}
        target "b" {{
          tags = ["{registry.host}/b:1"]
          args = {{ A = "b" }}
        }}
        """
        done = bake(text, "--push", "--set", "*.platform=linux/arm64")

        assert 0 == done.exit_code, done.stderr
        names = [line.partition("@")[0] for line in done.stdout.splitlines()]
        assert [f"{registry.host}/{name}" for name in ("a:1", "a:2", "b:1")] == names


@pytest.mark.parametrize(
    ("target", "flag"),
    [
        ('context = "/etc"', "--allow fs.read=/etc"),
        ('context = ".."', "--allow fs.read=.."),
        ('secret = ["id=k,src=/root/key"]', "--allow fs.read=/root/key"),
        ('output = ["type=local,dest=../out"]', "--allow fs.write=../out"),
        ('contexts = { x = "/srv" }', "--allow fs.read=/srv"),
        ('network = "host"', "--allow network.host"),
    ],
)
def test_what_stands_outside_the_folder_has_to_be_allowed(home, bake, target, flag):
    done = bake(f'target "default" {{ {target} }}')

    assert 2 == done.exit_code
    assert flag in done.stderr


def test_a_link_out_of_the_folder_is_outside_too(home, bake):
    (home / "up").symlink_to(home.parent)

    done = bake('target "default" { context = "up" }')

    assert (2, True) == (done.exit_code, "--allow fs.read=up" in done.stderr)


def test_what_is_allowed_is_done(home, bake):
    (home.parent / "beside").mkdir()
    (home.parent / "beside" / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")

    done = bake(
        'target "default" { context = "../beside" }',
        "--allow",
        "fs.read=../beside",
        "--set",
        "*.output=type=oci,tar=false,dest=out",
    )

    assert 0 == done.exit_code, done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-f", "absent.hcl"), 3, "no file absent.hcl"),
        (("https://example.test/repo.git",), 9, "would have to be cloned"),
        (("-f", "compose.yaml"), 9, "is a compose file"),
        (("nothing",), 3, "no target nothing"),
        (("--set", "x"), 2, "is not TARGET.KEY=VALUE"),
        (("--set", "*.plattform=x"), 2, "did you mean platform?"),
    ],
)
def test_what_cannot_be_done_has_its_code(bake, words, code, said):
    done = bake('target "default" {}', *words)

    assert (code, True) == (done.exit_code, said in done.stderr)


def test_a_failure_names_its_target(home, bake):
    done = bake('target "default" { dockerfile = "absent" }')

    assert 3 == done.exit_code
    assert "target default" in done.stderr


def test_a_compose_file_beside_it_is_told(home, bake):
    (home / "compose.yaml").write_text("services: {}\n")

    done = bake('target "default" {}', "--print")

    assert "compose.yaml is not read" in done.stderr


def test_a_bake_file_on_standard_input(home, run):
    done = run("buildx", "bake", "-f", "-", "--print", stdin=b'{"target": {"default": {"tags": ["a"]}}}')

    assert ["a"] == json.loads(done.stdout)["target"]["default"]["tags"]


def test_targets_are_listed_but_those_for_others_alone(bake):
    done = bake('target "_base" {}\ntarget "app" {}\ngroup "all" { targets = ["app"] }', "--list", "targets")

    assert "all\napp\n" == done.stdout
