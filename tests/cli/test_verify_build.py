"""`ocitool verify-build`: built again, the published digest comes out, or what differs is named."""

import json
import re

import pytest

from ocitool import Client
from tests.cli.guides import consoles, follow
from tests.fakes.busybox import put_busybox
from tests.fakes.registry import fake_registry

GUIDE = "verify-build.md"
MAIN = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("WORD") }\n'


@pytest.fixture
def registry():
    with fake_registry() as registry:
        yield registry


@pytest.fixture
def folder(home, monkeypatch):
    """A folder `app` with a file for each of two platforms, in the current one."""
    (home / "app").mkdir()
    (home / "app" / "conf").write_text("a=b")
    monkeypatch.chdir(home)
    return home / "app"


WORDS = ("--toolchain", "prebuilt", "--copy", "conf:/etc/")
BOTH = ("--platform", "linux/amd64,linux/arm64")


@pytest.mark.slow  # two programs are compiled
def test_the_guide_with_a_go_program_and_a_dockerfile(run, registry, home, monkeypatch):
    monkeypatch.chdir(home)
    (home / "app").mkdir()
    (home / "app" / "go.mod").write_text("module example.com/app\n\ngo 1.21\n")
    (home / "app" / "main.go").write_text(MAIN)
    (home / "image").mkdir()
    (home / "image" / "conf").write_text("a=b")
    (home / "image" / "Dockerfile").write_text("FROM scratch\nCOPY conf /\nENV A=b\n")
    name = f"{registry.host}/demo/app"
    for folder, tag in (("app", "1"), ("image", "2")):
        assert 0 == run("build", folder, *BOTH, "-t", f"{name}:{tag}", "--push").exit_code
    written = len(registry.log)

    for line, printed in consoles(GUIDE):
        follow(run, line, printed, name, meanings={})
    (home / "app" / "main.go").write_text(MAIN.replace("WORD", "other"))
    changed = run("verify-build", f"{name}:1", "app")

    assert 1 == changed.exit_code
    assert re.search(r"\n    ~ /bin/app  \((?:size \d+ → \d+, )?content\)", changed.stdout), changed.stdout
    assert {"GET", "HEAD"} >= {asked.method for asked in registry.log[written:]}


def verify(run, *words):
    done = run("verify-build", *words, "--json")
    return done.exit_code, json.loads(done.stdout)["data"]


def test_the_page_shows_what_a_changed_file_looks_like(folder, registry, run):
    from tests.conftest import REPOSITORY

    name = f"{registry.host}/demo/app:1"
    words = ("--toolchain", "prebuilt", "--copy", "conf:/")
    run("build", "app", *words, "--platform", "linux/amd64", "-t", name, "--push")
    (folder / "conf").write_text("a=c")

    done = run("verify-build", name, "app", *words)

    assert 1 == done.exit_code
    page = (REPOSITORY / "docs" / "guides" / GUIDE).read_text()
    [block] = re.findall(r"```text\n(.*?)\n```", page, re.DOTALL)
    shown = [
        " ".join(line.partition("…")[0].replace("localhost:5000/demo/app:1", name).split())
        for line in block.split("\n")
    ]
    said = [" ".join(line.split()) for line in done.stdout.strip().split("\n")]
    assert len(shown) == len(said)
    assert [] == [
        (one, line)
        for one, line in zip(shown, said, strict=True)
        if not line.startswith(one.removesuffix("sha256:"))
    ]


def test_the_time_of_the_image_is_built_for(folder, registry, run, monkeypatch):
    name = f"{registry.host}/app:1"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    run("build", "app", *WORDS, *BOTH, "-t", name, "--push")
    monkeypatch.delenv("SOURCE_DATE_EPOCH")

    code, data = verify(run, name, "app", *WORDS)
    assert (0, True) == (code, data["equal"])
    assert {"time": "2023-11-14T22:13:20Z", "from": "the image"} == data["used"]["created"]
    assert ["linux/amd64", "linux/arm64"] == data["used"]["platforms"]

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    code, data = verify(run, name, "app", *WORDS)
    assert (1, "SOURCE_DATE_EPOCH") == (code, data["used"]["created"]["from"])
    fields = [one for pair in data["difference"]["platforms"] for one in pair["fields"]]
    assert {"/created"} <= {one["pointer"] for one in fields}


@pytest.mark.parametrize("form", ["docker", "oci"])
@pytest.mark.parametrize("index", [(), ("--index",), ("--no-index",)])
def test_the_form_of_the_image_is_taken_from_it(folder, registry, run, form, index):
    name = f"{registry.host}/app:1"
    run("build", "app", *WORDS, "--platform", "linux/arm/v7", "--format", form, *index, "-t", name, "--push")

    assert 0 == verify(run, name, "app", *WORDS)[0]


def test_attestations_are_set_aside(folder, registry, run):
    name = f"{registry.host}/app:1"
    run("build", "app", *WORDS, *BOTH, "-t", name, "--push", "--sbom", "true", "--provenance", "true")

    code, data = verify(run, name, "app", *WORDS)
    assert (0, 2) == (code, data["attestations"])
    assert data["published"] != data["expected"] == data["built"]
    assert f"{name} is what app gives: {data['published']}\n" == run("verify-build", name, "app", *WORDS).stdout


def test_one_platform_of_several(folder, registry, run):
    name = f"{registry.host}/app:1"
    run("build", "app", *WORDS, *BOTH, "-t", name, "--push")

    code, data = verify(run, name, "app", *WORDS, "--platform", "linux/arm64")
    told = run("verify-build", name, "app", *WORDS, "--platform", "linux/arm64")

    assert (0, ["linux/amd64"]) == (code, data["left_out"])
    assert f"for linux/arm64 {name} is what app gives: {registry.tags['app', '1']}\n" == told.stdout
    assert "not built, and not compared: linux/amd64\n" in told.stderr
    done = run("verify-build", name, "app", *WORDS, "--platform", "linux/s390x")
    assert 3 == done.exit_code
    assert "linux/amd64, linux/arm64" in done.stderr


@pytest.mark.parametrize("dockerfile", [False, True])
def test_a_base_that_moved_since_does_not_matter(folder, registry, run, dockerfile):
    name, base = f"{registry.host}/app:1", f"{registry.host}/base:1"
    if dockerfile:
        (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY conf /\n")
    words = () if dockerfile else (*WORDS, "--base", base)
    with Client() as client:
        store, tag = client.open(base, write=True)
        put_busybox(store, tag, Env=["A=1"])
        old = client.digest(base)
        built = run("build", "app", *words, "--format", "oci", "-t", name, "--push")
        put_busybox(store, tag, Env=["A=2"])
        new = client.digest(base)
    assert 0 == built.exit_code, built.stderr

    code, data = verify(run, name, "app", *words)

    assert old != new
    assert 0 == code, data
    assert [{"name": base, "digest": str(old), "from": "annotations"}] == data["used"]["bases"]


def test_a_base_that_nothing_names_is_read_by_its_tag(folder, registry, run):
    name, base = f"{registry.host}/app:1", f"{registry.host}/base:1"
    with Client() as client:
        store, tag = client.open(base, write=True)
        put_busybox(store, tag)
    words = (*WORDS, "--base", base)
    run("build", "app", *words, "--format", "docker", "-t", name, "--push")

    code, data = verify(run, name, "app", *words)
    assert (0, ["its tag as it is now"]) == (code, [one["from"] for one in data["used"]["bases"]])

    with Client() as client:
        put_busybox(client.open(base, write=True)[0], tag, Env=["A=2"])
    code, data = verify(run, name, "app", *words)
    assert 1 == code
    pointers = {one["pointer"][:11] for pair in data["difference"]["platforms"] for one in pair["fields"]}
    assert {"/config/Env"} == pointers


def test_another_compression_is_called_that(folder, registry, run):
    name = f"{registry.host}/app:1"
    run("build", "app", *WORDS, "--compression", "gzip:1", "--platform", "linux/amd64", "-t", name, "--push")

    code, data = verify(run, name, "app", *WORDS, "--compression", "none")

    assert 1 == code
    [pair] = data["difference"]["platforms"]
    assert {True} == {layer["sameTar"] for layer in pair["layers"]}
    assert "none" == data["used"]["compression"]["name"]


def test_what_is_no_image(folder, registry, run):
    (folder / "conf").write_text("x")
    run("artifact", "push", f"{registry.host}/files:1", "app/conf")

    done = run("verify-build", f"{registry.host}/files:1", "app", *WORDS)

    assert 2 == done.exit_code
    assert "is no image that was built for a platform" in done.stderr
    assert 3 == run("verify-build", f"{registry.host}/app:absent", "app", *WORDS).exit_code
