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
    (("values.hcl",), (), {}),
    (
        ("values.hcl",),
        (),
        {
            "TENTH": "0.1",
            "LEVEL": "F",
            "PORTS": "9,10,9",
            "NAMES_JSON": '["x", 1.50]',
            "NAMES": "a",
            "BUILD": "a:b",
        },
    ),
    (("values.hcl",), (), {"PAIR": "x,1e3", "ENTRY_JSON": '{"name": "b", "size": 4}', "TENTH_JSON": "7"}),
    (("repeated.hcl",), ("second",), {"LEVEL": "3"}),
    (("library.hcl",), (), {}),
    (("library.hcl",), ("*",), {"VERSION": "12.0", "REF": "refs/tags/1.2"}),
    (("repeated.hcl",), ("[^a]*[^t]", "app-*-[1]"), {}),
    (("repeated.hcl",), ("first", "--set", "first.tags=a", "--set", "*.tags+=b"), {}),
    (("repeated.hcl",), ("first", "--set", "[^a]*.tags+=b", "--set", "first.tags=a", "--set", "f*.pull=T"), {}),
    (("repeated.hcl",), ("first", "--set", "first.cache-to=a/b,c/d", "--set", "first.secrets=ID=a,ENV=HOME"), {}),
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


REFUSED = [
    "1 && true",
    "1 ? 1 : 2",
    "true ? 1 : true",
    'true ? "a" : [1]',
    '{ for word in ["a", "a"] : word => word }["a"]',
    'contains(["a"], null)',
    'format("%d", "1.5")',
    'length("a")',
    'lookup({ a = "b" }, "a")',
    "own(null)",
    "target.other.args",
    '"e" + 1',
]


@pytest.mark.parametrize("expression", REFUSED)
def test_both_refuse_what_has_no_value(peer, run, tmp_path, monkeypatch, expression):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docker-bake.hcl").write_text(
        f'function "own" {{\n params = [a]\n result = a\n}}\ntarget "default" {{ args = {{ x = {expression} }} }}\n'
    )
    argv = ["bake", "--print"]
    theirs = subprocess.run([peer("buildx"), *argv], env=os.environ, capture_output=True, text=True, check=False)
    ours = run("buildx", *argv)

    assert (1, 2) == (theirs.returncode, ours.exit_code)


@pytest.mark.parametrize(
    ("definition", "environ"),
    [
        ('group "default" {}', {}),
        ('group "default" { targets = ["default"] }', {}),
        ('group "default" {\n targets = ["app"]\n matrix = { a = ["b"] }\n}\ntarget "app" {}', {}),
        ('target "default" {\n name = a\n matrix = { a = [] }\n}', {}),
        ('target "default" { cache-from = [1] }', {}),
        ('target "default" { output = ["a,b"] }', {}),
        ('target "default" { secret = ["id=a,type=b"] }', {}),
        ('target "default" { attest = ["type=sbom,disabled=maybe"] }', {}),
        ('variable "V" {\n type = list(number)\n default = ["a"]\n}\ntarget "default" { tags = V }', {}),
        ('variable "V" {\n type = list(string)\n}\ntarget "default" { tags = V }', {"V": 'a"b'}),
        ('variable "V" {\n type = list(string)\n}\ntarget "default" { tags = V }', {"V": ""}),
        ('variable "V" {\n type = bool\n}\ntarget "default" { pull = V }', {"V": "tRUE"}),
        ('variable "V" {\n type = number\n}\ntarget "default" { args = { v = V } }', {"V": "inf"}),
        ('variable "V" {\n type = text\n}\ntarget "default" { args = { v = V } }', {}),
    ],
)
def test_both_refuse_a_file_that_cannot_be_meant(peer, run, tmp_path, monkeypatch, definition, environ):
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "docker-bake.hcl").write_text(definition)
    argv = ["bake", "--print"]
    theirs = subprocess.run([peer("buildx"), *argv], env=os.environ, capture_output=True, text=True, check=False)
    ours = run("buildx", *argv)

    assert 1 == theirs.returncode
    assert ours.exit_code in {2, 3}


def test_a_validation_that_fails_is_told_in_its_own_words(peer, run, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LEVEL", "11")
    argv = ["bake", "--print", "-f", "platforms.hcl"]
    theirs = subprocess.run([peer("buildx"), *argv], env=os.environ, capture_output=True, text=True, check=False)
    ours = run("buildx", *argv)

    assert (1, 2) == (theirs.returncode, ours.exit_code)
    for said in (theirs.stderr, ours.stderr):
        assert "LEVEL is 1 to 9, and not 11." in said
