"""Edits of what is signed: which signatures stop fitting is said, and --resign signs the result before the tag."""

import json

import pytest

from ocitool.graph.signature_list import signature_tag
from ocitool.model.reference import subject_of
from ocitool.model.views import view
from tests.fakes.registry import Fault, fake_registry

EDITS = {
    "remove": ("index", "remove", "{}", "--platform", "linux/arm64"),
    "annotate": ("index", "annotate", "{}", "--annotation", "a=b"),
    "order": ("index", "order", "{}", "--platform", "linux/amd64"),
    "filter": ("index", "filter", "{}", "--platform", "linux/amd64"),
    "convert": ("index", "convert", "{}", "--format", "docker"),
    "add": ("index", "add", "{}", "{}-new"),
    "config": ("config", "edit", "{}", "--label", "a=b"),
}


@pytest.fixture(params=[True, False], ids=["referrers API", "fallback tag"])
def registry(request):
    with fake_registry(referrers=request.param) as running:
        yield running


@pytest.fixture
def key(run, tmp_path):
    assert 0 == run("key", "generate", "-o", tmp_path / "a", "--unencrypted", "--type", "ed25519").exit_code
    return tmp_path / "a"


@pytest.fixture
def name(app, name):
    app.index(app.image("linux/arm64"), app.image())
    app.image(layers=[b"new"], tag="1-new")
    return name


def words(edit, name):
    return [word.replace("{}", name) for word in EDITS[edit]]


@pytest.mark.parametrize("edit", EDITS)
def test_every_edit_says_what_stops_fitting(run, app, name, key, edit):
    old = app.store.head("1").digest
    assert 0 == run("sign", name, "--key", f"{key}.key").exit_code

    done = run(*words(edit, name))

    assert 0 == done.exit_code, done.stderr
    assert f"{signature_tag(old)} will not be of what takes the place of {old.short}" in done.stderr
    assert 1 == run("verify", name, "--key", f"{key}.pub").exit_code


@pytest.mark.parametrize("form", ["tag", "bundle", "both"])
@pytest.mark.parametrize("edit", ["remove", "convert", "add"])
def test_what_is_signed_anew_is_verified_and_undone(run, app, name, key, edit, form):
    assert 0 == run("sign", name, "--key", f"{key}.key", "--form", form).exit_code
    old, before = app.store.head("1").digest, set(app.store.tags())

    done = run(*words(edit, name), "--resign", f"{key}.key")
    new = app.store.head("1").digest
    verified = run("verify", name, "--key", f"{key}.pub")
    forms = (app.store.head(signature_tag(new)) is not None, bool(app.store.referrers(new)))
    undone = run("undo", name)

    assert 0 == done.exit_code, done.stderr
    assert old != new
    assert (0, str(new)) == (verified.exit_code, verified.stdout.strip()), verified.stderr
    assert (form != "bundle", form != "tag") == forms
    assert 0 == undone.exit_code, undone.stderr
    assert old == app.store.head("1").digest
    assert [] == app.store.referrers(new)
    lists = {tag for tag in app.store.tags() if subject_of(tag) is None or tag.endswith(".sig")}
    assert before & lists == {tag for tag in lists if app.store.head(tag) is not None}
    assert 0 == run("verify", name, "--key", f"{key}.pub").exit_code


def test_children_that_change_are_signed_too(run, app, name, key):
    done = run(*words("convert", name), "--resign", f"{key}.key")
    children = [one.digest for one in view(app.store.get_manifest("1")).entries]

    assert 0 == done.exit_code, done.stderr
    assert all(app.store.head(signature_tag(child)) is not None for child in children)
    assert 0 == run("verify", name, "--key", f"{key}.pub", "--recursive").exit_code


def test_the_tag_is_written_last(run, registry, app, name, key):
    registry.log.clear()

    assert 0 == run(*words("remove", name), "--resign", f"{key}.key").exit_code

    puts = [request.path.rpartition("/")[2] for request in registry.asked("PUT", "*/manifests/*")]
    assert puts[-1] == "1"
    assert signature_tag(app.store.head("1").digest) in puts


def test_a_repair_is_signed_anew(run, app, name, key):
    good = app.image("linux/arm64")
    app.index({**good, "platform": {"os": "linux", "architecture": "s390x"}}, app.image(), tag="1")
    assert 0 == run("sign", name, "--key", f"{key}.key").exit_code

    shown = run("repair", name, "--resign", f"{key}.key")
    done = run("repair", name, "--apply", "--resign", f"{key}.key")

    assert 1 == shown.exit_code
    assert "1 in the list" in shown.stdout
    assert "will not be of what takes the place of" in done.stderr
    assert 0 == done.exit_code, done.stderr
    assert 0 == run("verify", name, "--key", f"{key}.pub").exit_code


def test_an_edit_elsewhere_is_signed_there(run, registry, name, key):
    done = run(*words("remove", name), "-t", f"{registry.host}/app:2", "--resign", f"{key}.key")

    assert 0 == done.exit_code, done.stderr
    assert "will not be of" not in done.stderr
    assert 0 == run("verify", f"{registry.host}/app:2", "--key", f"{key}.pub").exit_code
    assert 1 == run("verify", name, "--key", f"{key}.pub").exit_code


def test_a_dry_run_signs_nothing(run, app, name, key):
    before = set(app.store.tags())

    done = run(*words("remove", name), "--resign", f"{key}.key", "--dry-run", "--json")

    steps = json.loads(done.stdout)["data"]["steps"]
    assert (0, before) == (done.exit_code, set(app.store.tags()))
    assert ["1", True] == [steps[-2]["tag"], steps[-1]["tag"].endswith(".sig")]


def test_an_edit_that_changes_nothing_signs_nothing(run, app, name, key):
    assert 0 == run(*words("order", name)).exit_code

    assert 0 == run(*words("order", name), "--resign", f"{key}.key").exit_code
    assert app.store.head(signature_tag(app.store.head("1").digest)) is None


def test_a_key_that_does_not_open_changes_nothing(run, registry, app, name, tmp_path, monkeypatch):
    monkeypatch.setenv("RIGHT", "1")
    monkeypatch.setenv("WRONG", "2")
    assert 0 == run("key", "generate", "-o", tmp_path / "b", "--password-from", "env:RIGHT").exit_code
    before = app.store.head("1").digest

    done = run(*words("remove", name), "--resign", tmp_path / "b.key", "--password-from", "env:WRONG")

    assert (4, before) == (done.exit_code, app.store.head("1").digest)


def test_a_password_goes_with_a_key(run, name):
    done = run(*words("remove", name), "--password-from", "env:HOME")

    assert (2, True) == (done.exit_code, "--resign FILE" in done.stderr)


def test_where_the_signature_cannot_be_written_the_tag_is_not(run, registry, app, name, key):
    before = app.store.head("1").digest
    registry.faults.append(Fault("PUT */manifests/*.sig", status=403, times=-1))

    done = run(*words("remove", name), "--resign", f"{key}.key")

    assert done.exit_code in {4, 5}
    assert before == app.store.head("1").digest
