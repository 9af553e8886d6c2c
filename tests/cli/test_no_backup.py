"""Where old bytes cannot be kept on this machine: what publishes warns once and goes on, what edits refuses."""

import json

import pytest

from ocitool.model.digest import Digest

WARNING = "which is not kept here"


@pytest.fixture
def held(app):
    """What the tag `1` holds: an index that every command below would change. `extra` is an image beside it."""
    held = app.index(app.image("linux/arm64"), app.image() | {"size": 9})["digest"]
    app.image("linux/arm64", layers=[b"extra"], tag="extra")
    return held


@pytest.fixture
def cache(tmp_path):
    """A store of this machine in whose backup nothing can be written."""
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "backup").touch()
    return cache


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "file").write_text("new")
    return folder


@pytest.fixture
def build(run, project, name):
    def call(*flags, tag=name):
        argv = ("--toolchain", "prebuilt", "--copy", "file:/srv/", "--platform", "linux/amd64", "-t", tag)
        return run("build", project, *argv, *flags)

    return call


def pushed(build, run, name, cache):
    build("--cache-dir", cache)
    return run("push", name, "--cache-dir", cache)


PUBLISHING = {
    "build --push": lambda build, run, name, cache: build("--push", "--cache-dir", cache),
    "push": pushed,
    "copy": lambda build, run, name, cache: run(
        "copy", name.replace(":1", ":extra"), name, "--replace", "--cache-dir", cache
    ),
}


@pytest.mark.parametrize("publish", PUBLISHING.values(), ids=PUBLISHING)
def test_what_publishes_warns_once_and_goes_on(publish, app, held, build, run, name, cache):
    done = publish(build, run, name, cache)

    assert (0, 1) == (done.exit_code, done.stderr.count(WARNING)), done.stderr
    assert held != app.store.head("1").digest
    assert f"ocitool undo {name} --to {held}" in done.stderr


def test_what_it_printed_can_be_brought_back(app, held, build, run, name, cache):
    build("--push", "--cache-dir", cache)

    done = run("undo", name, "--to", held, "--cache-dir", cache)

    assert (0, 1) == (done.exit_code, done.stderr.count(WARNING)), done.stderr
    assert held == app.store.head("1").digest


def test_a_new_tag_is_no_reason_to_warn(build, held, name, cache):
    done = build("--push", "--cache-dir", cache, tag=name.replace(":1", ":new"))

    assert (0, 0) == (done.exit_code, done.stderr.count("warning"))


def test_several_tags_are_warned_of_once(app, held, build, name, cache):
    app.index(app.image("linux/arm64"), tag="2")

    done = build("--push", "-t", name.replace(":1", ":2"), "--cache-dir", cache)

    assert (0, 1) == (done.exit_code, done.stderr.count(WARNING))


def test_an_unchanged_push_has_nothing_to_warn_of(held, build, name, cache):
    build("--push", "--cache-dir", cache)

    done = build("--push", "--cache-dir", cache)

    assert (0, 0) == (done.exit_code, done.stderr.count(WARNING))


@pytest.mark.parametrize(
    "argv",
    [
        ("index", "annotate", "REF", "--annotation", "a=b"),
        ("index", "remove", "REF", "--platform", "linux/arm64"),
        ("tag", "EXTRA", "1"),
        ("repair", "REF", "--apply"),
    ],
    ids=lambda argv: " ".join(argv[:2]),
)
def test_what_edits_refuses(app, held, run, registry, name, cache, argv):
    words, writes = {"REF": name, "EXTRA": name.replace(":1", ":extra")}, len(registry.asked("PUT"))

    done = run(*(words.get(word, word) for word in argv), "--cache-dir", cache)

    assert (10, held) == (done.exit_code, app.store.head("1").digest), done.stderr
    assert writes == len(registry.asked("PUT"))


def test_a_store_that_is_borrowed_for_one_run_keeps_nothing(home, app, held, build, name, monkeypatch):
    """`.cache` is a file, so that root cannot write there either."""
    monkeypatch.delenv("OCITOOL_CACHE_DIR", raising=False)
    (home / ".cache").touch()

    done = build("--push")

    assert (0, 1) == (done.exit_code, done.stderr.count(WARNING)), done.stderr
    assert held != app.store.head("1").digest


def test_the_replaced_digest_stands_in_what_machines_read(app, held, build, name, tmp_path):
    done = build("--push", "--json", "--metadata-file", tmp_path / "metadata.json")

    replaced = [{"name": name, "digest": held}]
    assert replaced == json.loads(done.stdout)["data"]["replaced"]
    assert replaced == json.loads((tmp_path / "metadata.json").read_text())["ocitool"]["replaced"]
    assert Digest(held) != app.store.head("1").digest


def test_the_replaced_digest_is_printed(held, build, name):
    assert f"{name} held {held}; ocitool undo {name} --to {held} brings it back" in build("--push").stderr


def test_a_digest_that_cannot_be_kept_since_it_cannot_be_read_is_told(registry, app, held, build, name):
    """A token that may push and not pull, or bytes that are no manifest: the push goes on as before."""
    registry.guard = lambda r: (403, {}, b"") if r.method == "GET" and "/manifests/" in r.path else None

    done = build("--push")

    assert (0, 1) == (done.exit_code, done.stderr.count(WARNING)), done.stderr
    assert held != app.store.head("1").digest
