"""Several images of one ocitool.toml: one command, one table, nothing tagged before all are built."""

import json
from contextlib import suppress

import pytest

from ocitool import Client
from tests.fakes.registry import Fault, fake_registry

SPEC = """\
platforms = ["linux/amd64", "linux/arm64"]
tags = ["HOST/{name}:v1"]
files = ["shared:/"]

[config]
user = "65532"

[[image]]
name = "api"
files = ["api:/bin/"]
entrypoint = ["/bin/api"]

[[image]]
name = "worker"
files = ["worker:/bin/"]
platforms = ["linux/arm64"]
"""


@pytest.fixture
def registry():
    with fake_registry() as registry:
        yield registry


@pytest.fixture
def folder(home, monkeypatch, registry):
    """A folder with three files and a spec of two images, and the current one."""
    for name in ("shared", "api", "worker"):
        (home / name).write_text(name)
    (home / "ocitool.toml").write_text(SPEC.replace("HOST", registry.host))
    monkeypatch.chdir(home)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    return home


def tags(registry) -> dict[str, str]:
    """What the tags of a registry hold, by REPOSITORY:TAG."""
    with Client() as client:
        found = {}
        for name in ("api", "worker"):
            with suppress(Exception):
                found |= {
                    f"{name}:{tag}": str(client.digest(f"{registry.host}/{name}:{tag}"))
                    for tag in client.tags(f"{registry.host}/{name}")
                }
        return found


def config(run, name):
    return json.loads(run("config", "get", name, "--platform", "linux/arm64").stdout)["config"]


def test_one_command_publishes_every_image(folder, registry, run):
    done = run("build", ".", "--push", "--metadata-file", "meta.json", "--json")

    assert 0 == done.exit_code, done.stderr
    held = tags(registry)
    assert {"api:v1", "worker:v1"} == held.keys()
    images = json.loads(done.stdout)["data"]["images"]
    assert [held["api:v1"], held["worker:v1"]] == [one["digest"] for one in images.values()]
    assert [2, 1] == [len(one["platforms"]) for one in images.values()]
    meta = json.loads((folder / "meta.json").read_text())
    assert {"api": held["api:v1"], "worker": held["worker:v1"]} == {
        name: one["containerimage.digest"] for name, one in meta.items()
    }
    assert f"{registry.host}/api:v1" == meta["api"]["image.name"]
    said = [config(run, f"{registry.host}/{name}:v1") for name in ("api", "worker")]
    assert [("65532", ["/bin/api"]), ("65532", None)] == [(one["User"], one.get("Entrypoint")) for one in said]


def test_a_line_for_each_tag_and_one_table(folder, registry, run, monkeypatch):
    monkeypatch.setenv("GITHUB_OUTPUT", str(folder / "outputs"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary"))

    done = run("build", ".", "--push")

    held = tags(registry)
    assert [
        f"{registry.host}/api:v1@{held['api:v1']}",
        f"{registry.host}/worker:v1@{held['worker:v1']}",
    ] == done.stdout.splitlines()
    rows = [line.split()[:2] for line in done.stderr.splitlines() if line.split()[:1] in (["api"], ["worker"])]
    assert [["api", "linux/amd64"], ["api", "linux/arm64"], ["worker", "linux/arm64"]] == rows
    assert 1 == done.stderr.count("PLATFORM")
    assert "2 images, " in done.stderr
    outputs = dict(line.split("=", 1) for line in (folder / "outputs").read_text().splitlines())
    assert {"api": held["api:v1"], "worker": held["worker:v1"]} == json.loads(outputs["digest"])
    assert 2 == (folder / "summary").read_text().count("### ")


def test_the_order_in_the_file_changes_nothing(folder, registry, run):
    first = run("build", ".", "--push")
    before = tags(registry)
    head, *images = (folder / "ocitool.toml").read_text().split("[[image]]")
    (folder / "ocitool.toml").write_text("[[image]]".join([head, *reversed([f"{one}\n" for one in images])]))

    second = run("build", ".", "--push")

    assert 0 == first.exit_code == second.exit_code
    assert before == tags(registry)


def test_one_of_them_is_built_as_an_image_alone(folder, registry, run):
    done = run("build", ".", "--image", "worker", "-t", f"{registry.host}/worker:other", "--push", "--json")

    assert {"worker:other"} == tags(registry).keys()
    assert tags(registry)["worker:other"] == json.loads(done.stdout)["data"]["digest"]
    run("build", ".", "--push")
    assert 1 == len({digest for tag, digest in tags(registry).items() if tag.startswith("worker")})


def test_a_tag_of_the_command_line_names_each(folder, registry, run):
    done = run("build", ".", "-t", f"{registry.host}/{{name}}:v2", "-o", "oci-archive:{name}.tar", "--push")

    assert 0 == done.exit_code, done.stderr
    assert {"api:v2", "worker:v2"} == tags(registry).keys()
    assert (folder / "api.tar").stat().st_size
    assert (folder / "worker.tar").stat().st_size


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-t", "HOST/app:v1", "--push"), "images api and worker would both be HOST/app:v1"),
        (("-o", "oci:out"), "images api and worker would both be oci:out"),
        (("-o", "oci-archive:-"), "one image, and these are api, worker"),
        (("--call", "outline"), "one image, and these are api, worker"),
        (("--iidfile", "id"), "--iidfile id is for one image"),
        (("--image", "apo"), "no image apo"),
    ],
)
def test_what_several_images_cannot_share(folder, registry, run, words, said):
    done = run("build", ".", *(word.replace("HOST", registry.host) for word in words))

    assert 2 == done.exit_code
    assert said.replace("HOST", registry.host) in done.stderr
    assert [] == registry.log


def test_nothing_is_tagged_where_one_cannot_be_built(folder, registry, run):
    (folder / "worker").unlink()

    done = run("build", ".", "--push")

    assert 3 == done.exit_code
    assert {} == tags(registry)


def test_nothing_is_tagged_where_the_layer_of_one_is_refused(folder, registry, run):
    registry.faults = [
        Fault("POST /v2/worker/*", status=507, times=-1),
        Fault("PUT /v2/worker/*", status=507, times=-1),
    ]

    done = run("build", ".", "--push")

    assert 5 == done.exit_code
    registry.faults = []
    assert {} == tags(registry)
    assert "published before that" not in done.stderr


def test_what_was_tagged_before_an_error_is_named(folder, registry, run):
    registry.faults = [Fault("PUT /v2/worker/manifests/v1", status=403, times=-1)]

    done = run("build", ".", "--push")

    assert 4 == done.exit_code
    assert {"api:v1"} == tags(registry).keys()
    assert f"published before that: {registry.host}/api:v1@{tags(registry)['api:v1']}" in done.stderr


def test_a_program_that_several_need_is_compiled_once(home, run, monkeypatch):
    monkeypatch.chdir(home)
    compile_ = 'run = ["sh", "-c", "echo run >> log; printf \\"#!/bin/sh\\\\n\\" > $OCITOOL_OUTPUT"]'
    shared = f'name = "tool"\nplatforms = ["linux/amd64"]\n[command]\n{compile_}\n'
    images = '[[image]]\nname = "a"\n[[image]]\nname = "b"\nfiles = ["f:/"]\n'
    (home / "f").write_text("f")
    (home / "ocitool.toml").write_text(shared + images)

    done = run("build", ".", "--no-cache", "-o", "oci:{name}:1", "--allow-foreign-arch")

    assert 0 == done.exit_code, done.stderr
    assert "run\n" == (home / "log").read_text()
    paths = [
        [one["path"] for one in json.loads(run("files", f"oci:{x}:1", "--json").stdout)["data"]["files"]]
        for x in "ab"
    ]
    assert "f" in set(paths[1]) - set(paths[0])
    assert "bin/tool" in set(paths[0]) & set(paths[1])


def test_a_dockerfile_with_stages_is_several_images(home, run, monkeypatch):
    monkeypatch.chdir(home)
    (home / "f").write_text("f")
    (home / "Dockerfile").write_text(
        "FROM scratch AS base\nCOPY f /\nFROM base AS api\nARG WHO\nLABEL who=$WHO\nFROM base AS worker\n"
    )
    (home / "ocitool.toml").write_text(
        'dockerfile = "Dockerfile"\nplatforms = ["linux/arm64"]\ntarget = "{name}"\n[build-args]\nWHO = "{name}"\n'
        '[[image]]\nname = "api"\n[[image]]\nname = "worker"\n'
    )

    done = run("build", ".", "-o", "oci:out:{name}")

    assert 0 == done.exit_code, done.stderr
    assert {"who": "api"} == config(run, "oci:out:api")["Labels"]
    assert "Labels" not in config(run, "oci:out:worker")


def test_a_dry_run_shows_every_image_and_does_nothing(folder, registry, run):
    text = run("build", ".", "--push", "--dry-run").stdout
    tree = json.loads(run("build", ".", "--push", "--dry-run", "--json").stdout)["data"]

    assert ["image api", "image worker"] == [line for line in text.splitlines() if line.startswith("image")]
    assert f"send docker index to {registry.host}/api:v1" in text
    assert [["linux/amd64", "linux/arm64"], ["linux/arm64"]] == [
        one["platforms"] for one in tree["images"].values()
    ]
    assert [] == registry.log


def test_a_program_asks_for_each_image(folder, registry):
    with Client() as client:
        names = client.images_of(".")
        for name in names:
            client.push(client.build(".", image=name), f"{registry.host}/{name}:v1")

    assert ("api", "worker") == names
    assert {"api:v1", "worker:v1"} == tags(registry).keys()


def test_undo_knows_each_tag(folder, registry, run):
    run("build", ".", "--push")
    before = tags(registry)
    (folder / "shared").write_text("changed")
    done = run("build", ".", "--push")

    assert 2 == done.stderr.count("brings it back")
    assert 0 == run("undo", f"{registry.host}/api:v1").exit_code
    assert before["api:v1"] == tags(registry)["api:v1"]
    assert before["worker:v1"] != tags(registry)["worker:v1"]
