"""Builds where this machine's store cannot be written: `.cache` is a file, so that root cannot either."""

import json

import pytest

from ocitool.model.views import view
from ocitool.rootfs.tree import read_file, read_tree
from ocitool.store.layout import LayoutStore
from ocitool.tasks import Scope

NOTE = "note: cannot write this machine's store"


@pytest.fixture
def build(home, run, monkeypatch):
    """`build(*flags)`: a program made by a command that writes down where its caches are."""
    for name in ("GOPATH", "GOMODCACHE", "TMPDIR", "OCITOOL_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    (home / ".cache").touch()
    source = home / "source"
    source.mkdir()
    (source / "make.sh").write_text(
        f': > {home}/compiled; printf \'#!/bin/sh\\n%s\\n%s\\n\' "$XDG_CACHE_HOME" "$GOMODCACHE" > "$OCITOOL_OUTPUT"\n'
    )
    (source / "ocitool.toml").write_text(
        'toolchain = "command"\n[command]\nrun = ["sh", "make.sh"]\npass = ["GOMODCACHE"]\n'
    )

    def call(*flags):
        return run("build", source, "--platform", "linux/arm64", *flags)

    return call


def test_compilers_keep_their_caches_in_the_store_of_the_run(home, build):
    done = build("-o", f"oci:{home}/out:1")

    assert 0 == done.exit_code, done.stderr
    assert 1 == done.stderr.count(NOTE)
    assert (home / "compiled").exists()
    store = LayoutStore(home / "out")
    manifest = view(store.get_manifest("1"))
    tree = read_tree(store, manifest, None, scope=Scope())
    (path,) = [path for path, node in tree.walk() if path.startswith("bin/")]
    _, tools, modules = b"".join(read_file(store, manifest, tree, path, scope=Scope())).decode().splitlines()
    assert f"{tools.rpartition('/')[0]} is used until it ends" in done.stderr
    assert tools.rpartition("/")[0] == modules.rpartition("/")[0]


def test_a_result_that_would_stay_there_or_a_store_that_was_chosen_is_an_error(home, build):
    for flags in (
        (),
        ("--load", "-o", f"oci:{home}/out:1"),
        ("-o", f"oci:{home}/out:1", "--cache-dir", home / ".cache/x"),
    ):
        done = build(*flags)
        assert (10, 0) == (done.exit_code, done.stderr.count(NOTE)), flags
        assert "hint: choose another folder with --cache-dir" in done.stderr
    assert not (home / "out").exists()
    assert not (home / "compiled").exists()  # told before long work


def test_json_holds_no_note(home, build):
    done = build("-o", f"oci:{home}/out:1", "--json")

    assert json.loads(done.stdout)["ok"]
