"""`artifact push`, `pull` and `list`: through plans, undone, told in text and JSON."""

import json

import pytest

from tests.fakes.registry import fake_registry


@pytest.fixture
def registry():
    with fake_registry() as running:
        yield running


@pytest.fixture
def folder(tmp_path, monkeypatch):
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    (here / "a.txt").write_text("a")
    (here / "sub" / "b.bin").write_bytes(b"b" * 2000)
    monkeypatch.chdir(here)
    return here


def test_push_list_pull_and_undo(run, registry, folder, tmp_path):
    name = f"{registry.host}/app:1"
    first = run("artifact", "push", name, "a.txt:text/plain")
    before = registry.tags["app", "1"]

    pushed = run("artifact", "push", name, "a.txt:text/plain", "sub", "--type", "x/y", "-a", "k=v")
    listed = run("artifact", "list", name)
    pulled = run("artifact", "pull", name, "-o", tmp_path / "out")
    undone = run("undo", name)

    assert [0] * 5 == [done.exit_code for done in (first, pushed, listed, pulled, undone)], pushed.stderr
    assert f"{name} held {before}" in pushed.stderr
    assert [["1", "B", "text/plain", "a.txt"], "sub/"] == [
        listed.stdout.splitlines()[0].split(),
        listed.stdout.split()[-1],
    ]
    assert "x/y" in listed.stderr
    assert [str(tmp_path / "out" / "a.txt"), str(tmp_path / "out" / "sub")] == pulled.stdout.splitlines()
    assert b"b" * 2000 == (tmp_path / "out" / "sub" / "b.bin").read_bytes()
    assert before == registry.tags["app", "1"]


def test_a_dry_run_sends_nothing(run, registry, folder):
    done = run("artifact", "push", f"{registry.host}/app:1", "a.txt", "--dry-run")

    assert (0, {}) == (done.exit_code, registry.tags)
    assert "a.txt" in done.stdout
    assert [] == registry.asked("POST") + registry.asked("PUT")


def test_json_says_what_was_pulled_and_what_was_kept(run, folder):
    run("artifact", "push", "oci:out:1", "a.txt")
    (folder / "in").mkdir()
    (folder / "in" / "a.txt").write_text("old")

    kept = run("artifact", "pull", "oci:out:1", "-o", "in", "--keep-old-files", "--json")
    listed = run("artifact", "list", "oci:out:1", "--json")

    assert ([], ["a.txt"]) == (json.loads(kept.stdout)["data"]["written"], json.loads(kept.stdout)["data"]["kept"])
    assert "old" == (folder / "in" / "a.txt").read_text()
    assert ["a.txt"] == [file["title"] for file in json.loads(listed.stdout)["data"]["files"]]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["push", "oci:out:1", "none"], 3, "no file none"),
        (["push", "oci:out:1", "a.txt", "--type", "word"], 2, "not an artifact type"),
        (["list", "oci:out:2"], 3, "it holds 1"),
        (["pull", "oci:out:1", "--only", "b.txt"], 3, "there are a.txt"),
        (["pull", "oci:out:1", "-o", "a.txt/x"], 10, "cannot write into"),
    ],
)
def test_what_does_not_work_is_told_with_its_code(run, folder, words, code, said):
    run("artifact", "push", "oci:out:1", "a.txt")

    done = run("artifact", *words)

    assert code == done.exit_code, done.stderr
    assert said in done.stderr


def test_an_archive_is_written_and_read(run, folder, tmp_path):
    pushed = run("artifact", "push", "oci-archive:x.tar:1", "a.txt")
    pulled = run("artifact", "pull", "oci-archive:x.tar:1", "-o", tmp_path / "out")

    assert (0, 0) == (pushed.exit_code, pulled.exit_code), pushed.stderr + pulled.stderr
    assert "a" == (tmp_path / "out" / "a.txt").read_text()
