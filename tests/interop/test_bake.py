"""`bake --print` of ours and of buildx: the same bytes for files of the shapes that public repositories have."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.interop]

FILES = Path(__file__).parents[2] / "testdata" / "bake"
CASES = [
    (("plain.hcl",), (), {}),
    (("plain.hcl",), ("--push",), {"SOURCE_DATE_EPOCH": "7"}),
    (("variables.hcl",), (), {}),
    (("variables.hcl",), (), {"TAG": "", "DEBUG": "true", "WORKERS": "12", "EXTRA": "x y", "EXTRA_TAGS": "a,b"}),
    (("inherits.hcl",), (), {}),
    (("inherits.hcl",), ("release", "--set", "*.platform=linux/arm64", "--no-cache", "--pull"), {}),
    (("inherits.hcl",), ("--set", "server.tags=a", "--set", "server.tags=b", "--set", "*.args.X=1"), {}),
    (("inherits.hcl",), ("--set", "*.labels.l=v", "--set", "*.cache-from=", "--set", "*.output=type=registry"), {}),
    (("inherits.hcl", "metadata.json"), (), {}),
    (("matrix.hcl",), ("python",), {}),
    (("matrix.hcl",), ("python-3-1*", "--push"), {}),
    (("matrix-objects.hcl",), (), {}),
    (("functions.hcl",), (), {}),
    (("functions.hcl",), (), {"LATEST": "no"}),
    (("entries.hcl",), ("--provenance=false",), {}),
    (("entries.hcl",), ("--load", "--sbom=true"), {}),
    (("entries.hcl",), ("--set", "*.push=false"), {}),
    (("linked.hcl",), (), {}),
    (("linked.hcl",), ("app",), {}),
    (("plain.json",), (), {}),
    (("plain.json",), ("db",), {"TAG": "v2", "PLATFORMS": "linux/arm64,linux/s390x"}),
    (("metadata.json",), ("docker-metadata-action",), {}),
    (("plain.hcl", "override.hcl"), ("app", "--load"), {}),
    (("platforms.hcl",), (), {}),
    (("platforms.hcl",), ("all",), {"CI": "1"}),
]


@pytest.fixture
def folder(tmp_path):
    """The files, and what their targets name: a secret, and an agent's socket."""
    place = tmp_path / "files"
    shutil.copytree(FILES, place)
    (place / ".npmrc").write_text("secret")
    return place


@pytest.mark.parametrize(("files", "words", "environ"), CASES, ids=lambda value: " ".join(value) if value else "-")
def test_what_is_printed_is_what_buildx_prints(peer, run, folder, home, monkeypatch, files, words, environ):
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind("agent")
        for name, value in {**environ, "SSH_AUTH_SOCK": "agent"}.items():
            monkeypatch.setenv(name, value)
        argv = ["bake", "--print", *(word for name in files for word in ("-f", name)), *words]
        theirs = subprocess.run(
            [peer("buildx"), *argv], env=os.environ, capture_output=True, text=True, check=False
        )
        ours = run("buildx", *argv)

    assert 0 == theirs.returncode, theirs.stderr
    assert theirs.stdout == ours.stdout


def test_every_file_is_printed():
    assert {path.name for path in FILES.iterdir()} == {name for files, _, _ in CASES for name in files}


def test_a_validation_that_fails_is_told_in_its_own_words(peer, run, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LEVEL", "11")
    argv = ["bake", "--print", "-f", "platforms.hcl"]
    theirs = subprocess.run([peer("buildx"), *argv], env=os.environ, capture_output=True, text=True, check=False)
    ours = run("buildx", *argv)

    assert (1, 2) == (theirs.returncode, ours.exit_code)
    for said in (theirs.stderr, ours.stderr):
        assert "LEVEL is 1 to 9, and not 11." in said
