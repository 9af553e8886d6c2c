"""What a build leaves for the next step of a pipeline."""

import json

import pytest


@pytest.fixture
def project(tmp_path):
    for arch in ("amd64", "arm64"):
        (tmp_path / "project" / arch).mkdir(parents=True)
        (tmp_path / "project" / arch / "f").write_text(arch)
    return tmp_path / "project"


def build(run, project, *argv):
    flags = ("--toolchain", "prebuilt", "--copy", "{arch}:/srv/", "-t", "reg.test/app:1", "--no-git-labels")
    done = run("build", project, *flags, *argv)
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip().rpartition("@")[2]


def test_githubs_and_gitlabs_files_are_written_where_their_variables_say(run, project, tmp_path, monkeypatch):
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "OCITOOL_DOTENV"):
        (tmp_path / name).write_text("before\n")
        monkeypatch.setenv(name, str(tmp_path / name))

    digest = build(run, project, "--platform", "linux/amd64,linux/arm64")

    outputs = (tmp_path / "GITHUB_OUTPUT").read_text().splitlines()
    assert ["before", f"digest={digest}", f"imageid={digest}"] == outputs[:3]
    assert {"names=reg.test/app:1", "platforms=linux/amd64,linux/arm64"} <= set(outputs)
    assert f"OCITOOL_DIGEST={digest}" in (tmp_path / "OCITOOL_DOTENV").read_text().splitlines()
    assert "| linux/arm64 |" in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()


def test_metadata_has_buildx_keys_and_the_codec(run, project, tmp_path):
    digest = build(
        run, project, "--platform", "linux/amd64", "--metadata-file", tmp_path / "m", "--iidfile", tmp_path / "i"
    )

    tree = json.loads((tmp_path / "m").read_text())
    assert (digest, "reg.test/app:1") == (tree["containerimage.digest"], tree["image.name"])
    assert tree["containerimage.config.digest"] == (tmp_path / "i").read_text()
    assert {"name", "library", "version", "level", "block", "probe"} == set(tree["ocitool"]["layers"][0]["codec"])


def test_a_file_that_cannot_be_written_is_a_local_error(run, project, tmp_path):
    done = run(
        *("build", project, "--toolchain", "prebuilt", "--copy", "{arch}:/srv/", "--platform", "linux/amd64"),
        *("-t", "reg.test/app:1", "--metadata-file", tmp_path / "nowhere" / "m"),
    )

    assert 10 == done.exit_code
    assert "nowhere" in done.stderr
    assert "layer" not in done.stderr, "it is told before anything is packed or sent"


def test_files_of_an_earlier_build_are_gone_after_one_that_failed(run, project, tmp_path):
    """Or the next step of a pipeline publishes the image of another run."""
    (tmp_path / "m").write_text("old")
    (tmp_path / "i").write_text("old")
    (tmp_path / "linked").write_text("kept")
    (tmp_path / "l").symlink_to("linked")
    flags = ("--toolchain", "prebuilt", "--copy", "nothing:/x", "--platform", "linux/amd64")

    for name in "mil":
        done = run("build", project, *flags, "--metadata-file", tmp_path / name, "--iidfile", tmp_path / "i")
        assert 3 == done.exit_code, done.stderr

    assert ["l", "linked"] == sorted(path.name for path in tmp_path.iterdir() if path.is_file())
    assert "kept" == (tmp_path / "l").read_text()
