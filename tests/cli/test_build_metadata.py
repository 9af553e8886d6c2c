"""Tags, labels and annotations as docker/metadata-action prints them: a list of lines in one value."""

import pytest

from ocitool.model.views import view
from tests.fakes.built import built
from tests.fakes.registry import fake_registry

TITLE, CREATED = "org.opencontainers.image.title", "org.opencontainers.image.created"
LABELS = f"{TITLE}=an app = more\n{CREATED}=2026-01-02T03:04:05.678Z\n"


@pytest.fixture
def words(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    (home / "f").write_text("x")
    return ("build", ".", "--toolchain", "prebuilt", "--copy", "f:/f", "--platform", "linux/amd64")


def test_lines_of_a_metadata_action(words, home, run):
    annotations = f"manifest:{TITLE}=an app\nindex:{CREATED}=now\n"

    flags = (
        "--label",
        LABELS,
        "--annotation",
        annotations,
        "--format",
        "oci",
        "--index",
        "--no-git-labels",
        "--label",
        "",
    )

    found = built(home, run(*words, *flags, "-o", "oci:img:1"))

    assert {TITLE: "an app = more", CREATED: "2026-01-02T03:04:05.678Z"} == found.config["config"]["Labels"]
    assert {TITLE: "an app"} == found.manifest.annotations
    assert {CREATED: "now"} == view(found.store.get_manifest("1")).annotations


def test_every_line_of_a_tag_is_pushed(words, run):
    with fake_registry() as registry:
        tags = f"{registry.host}/app:v1\n  {registry.host}/app:latest\n\n"

        assert 0 == run(*words, "-t", tags, "--push").exit_code

        assert {"v1", "latest"} == set(run("tags", f"{registry.host}/app").stdout.split())


def test_labels_of_a_file_and_of_the_environment(words, home, run, monkeypatch):
    (home / "labels").write_text("# ours\na=file\nb=file\n")
    monkeypatch.setenv("OCITOOL_LABEL", "b=of the environment\nc=\n")

    from_environment = built(home, run(*words, "--label-file", "labels", "--no-git-labels", "-o", "oci:img:1"))
    from_flags = built(
        home, run(*words, "--label-file", "labels", "--label", "b=1", "--no-git-labels", "-o", "oci:img:1")
    )

    assert {"a": "file", "b": "of the environment", "c": ""} == from_environment.config["config"]["Labels"]
    assert {"a": "file", "b": "1"} == from_flags.config["config"]["Labels"]


def test_labels_and_annotations_of_what_is_published(words, run):
    """Wish 4: an index and its images get both in one command each."""
    with fake_registry() as registry:
        name = f"{registry.host}/app:v1"
        run(*words, "--platform", "linux/arm64", "--format", "oci", "-t", name, "--push")

        done = run(
            "config", "edit", name, "--label", LABELS, "--annotation", f"manifest:{TITLE}=x\nindex:{TITLE}=y"
        )

        assert 0 == done.exit_code, done.stderr
        config = run("inspect", name, "--config", "--json").stdout
        assert 2 == config.count('"an app = more"')
        assert f'"{TITLE}": "y"' in run("manifest", "get", name).stdout.replace('":"', '": "')
        for platform in ("linux/amd64", "linux/arm64"):
            manifest = run("manifest", "get", name, "--platform", platform).stdout
            assert f'"{TITLE}": "x"' in manifest.replace('":"', '": "')
