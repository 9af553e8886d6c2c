"""Nothing that this program wrote is its input: outputs, stores and temporary files (K210)."""

import json
import os

import pytest

from ocitool.model.files import temporary_beside
from tests.conftest import Outcome


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (folder / "app").write_text("x")
    return folder


@pytest.fixture
def call(run, project, monkeypatch):
    """`call(*words, **environ)`: a command in the project's folder; gives what it did."""

    def begin(*words: str, **environ: str) -> Outcome:
        with monkeypatch.context() as here:
            here.chdir(project)
            for name, value in environ.items():
                here.setenv(name, value)
            return run(*words)

    return begin


def names(call, place: str) -> list[str]:
    done = call("files", place)
    assert 0 == done.exit_code, done.stderr
    return done.stdout.split()


FRONT_ENDS = {"dockerfile": (), "copy": ("--toolchain", "prebuilt", "--copy", ".:/")}
OUTPUTS = {
    "archive": ("-o", "oci-archive:i.tar"),
    "archive in a folder": ("-o", "oci-archive:sub/i.tar"),
    "docker's archive": ("-o", "docker-archive:i.tar"),
    "layout": ("-o", "oci:layout"),
    "the project as layout": ("-o", "oci:."),  # which it is already
    "folder": ("-o", "type=local,dest=out"),
    "tar": ("-o", "type=tar,dest=root.tar"),
    "files about it": ("-o", "oci-archive:i.tar", "--metadata-file", "meta.json", "--iidfile", "id.txt"),
}


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("output", OUTPUTS)
def test_k210_outputs_are_no_input(call, project, tmp_path, front_end, output):
    """The second build, beside what the first one wrote, is the first one."""
    (project / "sub").mkdir()
    (project / "sub" / "data").write_text("y")
    words = ("build", ".", "--platform", "linux/amd64", *FRONT_ENDS[front_end], *OUTPUTS[output], "--json")
    if front_end == "copy":
        (project / "Dockerfile").unlink()
    if output == "the project as layout":
        (project / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    digests = []
    for _ in range(2):
        done = call(*words, OCITOOL_DOTENV="ci.env")
        assert 0 == done.exit_code, done.stderr
        digests.append(json.loads(done.stdout)["data"]["digest"])
        if output == "folder":
            (project / "out").rename(tmp_path / f"out-{len(digests)}")

    assert 1 == len(set(digests)), done.stderr
    if output != "folder":
        assert "left out of the image, for ocitool wrote it" in done.stderr


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_k210_a_store_inside_the_project(call, project, front_end):
    """As the recipe for GitLab has it; another store that was there before counts too."""
    if front_end == "copy":
        (project / "Dockerfile").unlink()
    for number, cache in enumerate(("cache/one", "cache/one", "cache/two")):
        words = (
            "build",
            ".",
            "--platform",
            "linux/amd64",
            *FRONT_ENDS[front_end],
            "-o",
            f"oci-archive:../{number}.tar",
        )
        assert 0 == call(*words, OCITOOL_CACHE_DIR=cache).exit_code

        found = set(names(call, f"oci-archive:../{number}.tar"))
        assert {"app", "cache"} == found - {"Dockerfile"}


def test_k210_what_a_killed_run_left(call, project):
    for name in ("i.tar", "other.tar", "\n"):
        temporary_beside(project / name).write_text("half")
    (project / ".ingest-0123456789abcdef").write_text("half")
    (project / ".i.tar-notes").write_text("the user's")

    assert 0 == call("build", ".", "-o", "oci-archive:../i.tar").exit_code
    assert {".i.tar-notes", "app", "Dockerfile"} == set(names(call, "oci-archive:../i.tar"))


def test_k210_an_earlier_output_is_taken_only_where_it_is_named(call, project):
    for number, place in enumerate(("a.tar", "b.tar", "c.tar")):
        done = call("build", ".", "-o", f"oci-archive:{place}")
        assert 0 == done.exit_code
        assert number == done.stderr.count("is left out of the image")
    assert {"app", "Dockerfile"} == set(names(call, "oci-archive:c.tar"))

    (project / "Dockerfile").write_text("FROM scratch\nCOPY a.tar /inner.tar\nCOPY *.tar app /all/\n")
    assert 0 == call("build", ".", "-o", "oci-archive:d.tar").exit_code
    assert {"inner.tar", "all", "all/app"} == set(names(call, "oci-archive:d.tar"))

    (project / "a.tar").write_text("the user's own by now")
    (project / "Dockerfile").write_text("FROM scratch\nCOPY *.tar /\n")
    assert 0 == call("build", ".", "-o", "oci-archive:e.tar").exit_code
    assert {"a.tar"} == set(names(call, "oci-archive:e.tar"))


@pytest.mark.parametrize(
    ("dockerfile", "flags"),
    [("FROM scratch\nCOPY i.tar /\n", ()), ("", ("--toolchain", "prebuilt", "--copy", "i.tar:/x"))],
)
def test_k210_an_output_that_is_named_as_input_is_told(call, project, dockerfile, flags):
    (project / "i.tar").write_text("of yesterday")
    (project / "Dockerfile").write_text(dockerfile) if dockerfile else (project / "Dockerfile").unlink()
    done = call("build", ".", *flags, "-o", "oci-archive:i.tar")

    assert done.exit_code in {2, 3}
    assert "ocitool writes it" in done.stderr.replace("what ocitool writes", "ocitool writes it")


def test_k210_it_is_told_once(call, project):
    (project / "Dockerfile").write_text("FROM scratch\nCOPY . /a/\nCOPY . /b/\n")
    words = ("build", ".", "--platform", "linux/amd64,linux/arm64", "-o", "oci-archive:i.tar")
    call(*words)

    assert 1 == call(*words).stderr.count("is left out of the image")


def test_k210_a_dry_run_counts_as_the_build_does(call, project):
    (project / "Dockerfile").unlink()
    words = ("build", ".", "--toolchain", "prebuilt", "--copy", ".:/", "-o", "oci-archive:i.tar")
    assert 0 == call(*words).exit_code
    tree = json.loads(call(*words, "--dry-run", "--json").stdout)["data"]

    assert 1 == tree["pack"][0]["copy"][0]["files"]


def test_k210_a_folder_that_an_earlier_run_exported(call, project):
    assert 0 == call("build", ".", "-o", "type=local,dest=one").exit_code
    assert 0 == call("build", ".", "-o", "type=local,dest=two").exit_code

    assert {"app", "Dockerfile"} == set(os.listdir(project / "two"))
    (project / "Dockerfile").write_text("FROM scratch\nCOPY one /named/\n")
    assert 0 == call("build", ".", "-o", "type=local,dest=three").exit_code
    assert {"app", "Dockerfile"} == set(os.listdir(project / "three" / "named"))


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("link", [False, True], ids=["itself", "through a link"])
def test_the_key_that_signs_is_no_input(call, project, tmp_path, front_end, link):
    """Nor is the file with its password, whatever names lead there."""
    (project / "secret").write_text("open sesame\n")
    assert 0 == call("key", "generate", "-o", "sub-key", "--password-from", "file:secret").exit_code
    key, secret = "sub-key.key", "file:secret"
    if link:
        (tmp_path / "key").symlink_to(project / "sub-key.key")
        (tmp_path / "secret").symlink_to(project / "secret")
        key, secret = f"{tmp_path}/key", f"file:{tmp_path}/secret"
    words = ("--platform", "linux/amd64", *FRONT_ENDS[front_end], "-o", f"oci:{tmp_path}/out:1")

    done = call("build", ".", *words, "--sign-key", key, "--password-from", secret)

    assert 0 == done.exit_code, done.stderr
    assert {"app", "sub-key.pub"} == {name.strip("/") for name in names(call, f"oci:{tmp_path}/out:1")} - {
        "Dockerfile"
    }
    assert 2 == done.stderr.count("is left out of the image")


@pytest.mark.parametrize("text", ["FROM scratch\nCOPY key.key /\n", "FROM scratch\nADD key.key app /to/\n"])
def test_a_key_that_is_copied_by_name_is_refused(call, project, tmp_path, text):
    (project / "Dockerfile").write_text(text)
    assert 0 == call("key", "generate", "-o", "key", "--unencrypted").exit_code
    words = ("--platform", "linux/amd64", "-o", f"oci:{tmp_path}/out:1", "--sign-key", "key.key")

    done = call("build", ".", *words)

    assert 3 == done.exit_code
    assert 0 != call("inspect", f"oci:{tmp_path}/out:1").exit_code
    assert "key.key" in done.stderr
