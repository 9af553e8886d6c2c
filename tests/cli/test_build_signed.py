"""`build --sign-key`: what is published is signed before a tag is written, the index and each image."""

import pytest

from ocitool.graph.signature_list import signature_tag
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from tests.fakes.registry import Fault


@pytest.fixture
def key(run, tmp_path):
    assert 0 == run("key", "generate", "-o", tmp_path / "a", "--unencrypted", "--type", "ed25519").exit_code
    return tmp_path / "a"


@pytest.fixture
def build(run, home, monkeypatch):
    """`build("--push", …)`: two images of one file each."""
    monkeypatch.chdir(home)
    (home / "data").mkdir()
    (home / "data" / "hello").write_text("hello")

    def call(*flags):
        words = ("--toolchain", "prebuilt", "--copy", "hello:/", "--platform", "linux/amd64,linux/arm64")
        return run("build", "data", *words, *flags)

    return call


def test_what_is_pushed_is_signed_before_its_tag(run, build, registry, app, name, key):
    done = build("-t", name, "--push", "--sign-key", f"{key}.key")

    assert 0 == done.exit_code, done.stderr
    puts = [request.path.rpartition("/")[2] for request in registry.asked("PUT", "*/manifests/*")]
    index = app.store.get_manifest("1")
    lists = {signature_tag(one) for one in (index.digest, *(entry.digest for entry in view(index).entries))}
    assert "1" == puts[-1]
    assert lists == {put for put in puts if put.endswith(".sig")}
    assert 0 == run("verify", name, "--key", f"{key}.pub", "--recursive").exit_code


def test_undo_takes_both_back(run, build, app, name, key):
    app.image(tag="1")
    before = app.store.head("1").digest
    assert 0 == build("-t", name, "--push", "--sign-key", f"{key}.key").exit_code
    new = app.store.head("1").digest

    done = run("undo", name)

    assert 0 == done.exit_code, done.stderr
    assert before == app.store.head("1").digest
    assert app.store.head(signature_tag(new)) is None


def test_again_nothing_is_signed_twice(run, build, registry, app, name, key):
    for _ in range(2):
        registry.log.clear()
        assert 0 == build("-t", name, "--push", "--sign-key", f"{key}.key").exit_code

    assert [] == registry.asked("PUT", "*/manifests/*.sig")


def test_a_layout_is_signed(run, build, key, home):
    done = build("-o", "oci:out:1", "--sign-key", f"{key}.key")

    assert 0 == done.exit_code, done.stderr
    assert LayoutStore(home / "out").head("1") is not None
    assert 0 == run("verify", "oci:out:1", "--key", f"{key}.pub", "--recursive").exit_code


def test_where_it_cannot_be_signed_no_tag_is_written(build, registry, app, name, key):
    registry.faults.append(Fault("PUT */manifests/*.sig", status=403, times=-1))

    done = build("-t", name, "--push", "--sign-key", f"{key}.key")

    assert done.exit_code in {4, 5}
    assert app.store.head("1") is None


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("-t", "app:1"), 2, "add --push"),
        (("-o", "oci-archive:a.tar"), 9, "no signatures in oci-archive:a.tar"),
    ],
)
def test_what_is_not_published_is_not_signed(build, home, key, flags, code, said):
    done = build(*flags, "--sign-key", f"{key}.key")

    assert (code, True) == (done.exit_code, said in done.stderr), done.stderr
    assert not (home / "a.tar").exists()


def test_a_key_that_does_not_open_is_told_before_anything_is_sent(
    run, build, registry, name, tmp_path, monkeypatch
):
    monkeypatch.setenv("RIGHT", "1")
    monkeypatch.setenv("WRONG", "2")
    assert 0 == run("key", "generate", "-o", tmp_path / "b", "--password-from", "env:RIGHT").exit_code

    done = build("-t", name, "--push", "--sign-key", tmp_path / "b.key", "--password-from", "env:WRONG")

    assert (4, []) == (done.exit_code, registry.asked("POST"))
