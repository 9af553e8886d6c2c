"""`sign`, `verify` and `key`: what is said of an image, and what is refused."""

import json
import os
import threading

import pytest

from ocitool.client import Client
from ocitool.errors import Conflict, NotVerified
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward

PASSWORD = "open sesame"


@pytest.fixture
def layout(tmp_path):
    """A layout whose tag `1` holds an index of two images."""
    ward = Ward(LayoutStore(tmp_path / "layout", create=True))
    ward.index(ward.image("linux/arm64"), ward.image())
    return ward.store


@pytest.fixture
def place(layout, tmp_path):
    return f"oci:{tmp_path / 'layout'}:1"


@pytest.fixture
def key(run, tmp_path):
    """`key("a")` makes `a.key`, which is not encrypted, and `a.pub`; gives the name without an ending."""

    def make(name):
        done = run("key", "generate", "-o", tmp_path / name, "--unencrypted", "--type", "ed25519")
        assert 0 == done.exit_code, done.stderr
        return tmp_path / name

    return make


@pytest.mark.parametrize("form", ["tag", "bundle", "both"])
def test_what_is_signed_is_verified_and_undone(run, layout, place, key, form):
    a, before = key("a"), sorted(layout.tags())
    digest = str(layout.head("1").digest)

    signed = run("sign", place, "--key", f"{a}.key", "--form", form)
    verified = run("verify", place, "--key", f"{a}.pub")
    undone = run("undo", place)

    assert 0 == signed.exit_code, signed.stderr
    assert (0, digest) == (verified.exit_code, verified.stdout.strip()), verified.stderr
    assert 0 == undone.exit_code, undone.stderr
    assert (before, []) == (sorted(layout.tags()), layout.referrers(digest))
    assert 1 == run("verify", place, "--key", f"{a}.pub").exit_code


def test_a_dry_run_writes_nothing(run, layout, place, key):
    before = sorted(layout.tags())

    done = run("sign", place, "--key", f"{key('a')}.key", "--dry-run")

    assert (0, before) == (done.exit_code, sorted(layout.tags()))
    assert "1 in the list sha256-" in done.stdout


class TestRegistry:
    """With the referrers API and without it."""

    @pytest.fixture(params=[True, False], ids=["referrers API", "fallback tag"])
    def registry(self, request):
        with fake_registry(referrers=request.param) as running:
            yield running

    @pytest.fixture
    def name(self, app, name):
        app.index(app.image("linux/arm64"), app.image())
        return name

    @pytest.mark.parametrize("form", ["tag", "bundle", "both"])
    def test_signed_verified_and_undone(self, run, app, name, key, form):
        a, b = key("a"), key("b")
        digest = str(app.store.head("1").digest)
        first = [run("sign", name, "--key", f"{one}.key", "--form", form, "--recursive") for one in (a, b)]
        both = run("verify", name, "--key", f"{a}.pub", "--key", f"{b}.pub", "--every-key", "--recursive")
        undone = run("undo", name)

        assert [0, 0] == [one.exit_code for one in first], [one.stderr for one in first]
        assert [f"{name}@{digest}"] * 2 == [one.stdout.strip() for one in first]
        assert (0, digest) == (both.exit_code, both.stdout.strip()), both.stderr
        assert both.stderr.startswith(f"{name}, and each of the 2 below it, is verified:\n")
        assert 0 == undone.exit_code, undone.stderr
        left = [run("verify", name, "--recursive", "--key", f"{one}.pub").exit_code for one in (a, b)]
        assert [0, 1] == left

    def test_signing_again_writes_nothing(self, run, registry, name, key):
        a = key("a")
        for form in ("both", "tag", "bundle"):
            assert 0 == run("sign", name, "--key", f"{a}.key", "--form", form).exit_code
            if form == "both":
                registry.log.clear()

        assert [] == registry.asked("PUT")
        assert [] == registry.asked("POST")

    @pytest.mark.parametrize("form", ["tag", "bundle"])
    def test_children_take_three_requests_each_at_most(self, run, registry, app, name, key, form):
        app.index(*(app.image(layers=[b"%d" % n]) for n in range(32)))
        a = key("a")
        assert 0 == run("sign", name, "--key", f"{a}.key", "--form", form, "--recursive").exit_code
        registry.log.clear()

        done = run("verify", name, "--key", f"{a}.pub", "--recursive")

        assert 0 == done.exit_code, done.stderr
        assert len(registry.log) <= 3 * 33 + 2  # the index, and once whether referrers are listed

    @pytest.mark.parametrize("form", ["tag", "bundle"])
    @pytest.mark.parametrize("count", [2, 8])
    def test_signers_at_once_are_all_there_or_were_told(self, tmp_path, app, name, key, form, count):
        keys = [key(f"k{number}") for number in range(count)]
        told, lost = [], []
        start = threading.Barrier(count)

        def sign(one):
            start.wait()
            with Client(cache_dir=tmp_path / one.name) as client:
                try:
                    client.sign(name, f"{one}.key", form=form)
                except Conflict:
                    lost.append(one)
                except Exception as error:
                    told.append(error)

        threads = [threading.Thread(target=sign, args=(one,)) for one in keys]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [] == told
        public = [f"{one}.pub" for one in keys if one not in lost]
        assert public
        with Client() as client:
            assert client.verify(name, *public, every_key=True).digest

    def test_the_repository_is_compared(self, run, registry, name, key):
        a = key("a")
        assert 0 == run("sign", name, "--key", f"{a}.key").exit_code
        mirror = f"{registry.host}/mirror"
        assert 0 == run("copy", name, f"{mirror}:1", "--referrers").exit_code

        refused = run("verify", f"{mirror}:1", "--key", f"{a}.pub")

        assert 1 == refused.exit_code
        assert f"it was made for {registry.host}/app, not for {mirror}" in refused.stderr
        assert f"if it is a copy of what stands there, --identity {registry.host}/app says so" in refused.stderr
        assert (
            0 == run("verify", f"{mirror}:1", "--key", f"{a}.pub", "--identity", f"{registry.host}/app").exit_code
        )

    def test_a_moved_tag_is_not_verified_by_the_old_signature(self, run, app, name, key):
        a = key("a")
        assert 0 == run("sign", name, "--key", f"{a}.key", "--form", "both").exit_code
        app.image(tag="1")

        done = run("verify", name, "--key", f"{a}.pub")

        assert (1, "") == (done.exit_code, done.stdout)
        assert "it has no signature" in done.stderr


class TestUndoWithoutDeletes:
    def test_is_told(self, run, app, registry, name, key):
        from tests.fakes.registry import Fault

        app.image(tag="1")
        a = key("a")
        assert 0 == run("sign", name, "--key", f"{a}.key").exit_code
        registry.faults.append(Fault("DELETE *", status=405, times=-1))

        done = run("undo", name)

        assert 9 == done.exit_code
        assert "does not delete" in done.stderr
        registry.faults.clear()
        assert 0 == run("undo", name).exit_code
        assert 1 == run("verify", name, "--key", f"{a}.pub").exit_code


class TestKeys:
    def test_files_that_are_there_are_left_alone(self, run, key, tmp_path):
        a = key("a")
        before = (tmp_path / "a.key").read_bytes()

        done = run("key", "generate", "-o", a, "--unencrypted")

        assert (2, before) == (done.exit_code, (tmp_path / "a.key").read_bytes())

    @pytest.mark.parametrize("source", ["file", "env", "fd"])
    def test_a_password_comes_from_many_places(self, run, tmp_path, monkeypatch, source):
        (tmp_path / "password").write_text(PASSWORD + "\nmore\n")
        monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
        descriptor = os.open(tmp_path / "password", os.O_RDONLY)
        words = {"file": f"file:{tmp_path / 'password'}", "env": "env:KEY_PASSWORD", "fd": f"fd:{descriptor}"}
        assert 0 == run("key", "generate", "-o", tmp_path / "k", "--password-from", words["env"]).exit_code

        done = run("key", "public", tmp_path / "k.key", "--password-from", words[source])

        os.close(descriptor)
        assert (0, (tmp_path / "k.pub").read_text()) == (done.exit_code, done.stdout), done.stderr

    @pytest.mark.parametrize("source", [PASSWORD, f"pass:{PASSWORD}", "fd:x", "fd:99999999999", "env:", "file:"])
    def test_other_places_are_refused_without_repeating_them(self, run, tmp_path, source):
        done = run("key", "generate", "-o", tmp_path / "k", "--password-from", source)

        assert 2 == done.exit_code
        assert PASSWORD not in done.stderr
        assert not (tmp_path / "k.key").exists()

    def test_without_a_terminal_a_password_is_asked_for_in_vain(self, run, tmp_path):
        done = run("key", "generate", "-o", tmp_path / "k", stdin=b"x\n")

        assert 4 == done.exit_code
        assert "--password-from" in done.stderr

    def test_each_key_has_a_password_of_its_own(self, run, place, tmp_path, monkeypatch):
        monkeypatch.setenv("ONE", "1")
        monkeypatch.setenv("TWO", "2")
        for name, source in (("a", "env:ONE"), ("b", "env:TWO")):
            assert 0 == run("key", "generate", "-o", tmp_path / name, "--password-from", source).exit_code
        keys = ("--key", tmp_path / "a.key", "--key", tmp_path / "b.key")

        both = run("sign", place, *keys, "--password-from", "env:ONE", "--password-from", "env:TWO")
        one = run("sign", place, *keys, "--password-from", "env:ONE")

        assert (0, 4) == (both.exit_code, one.exit_code), both.stderr
        assert "the password does not open" in one.stderr

    def test_the_public_half_of_a_public_key_is_itself(self, run, key):
        a = key("a")

        assert (a.with_suffix(".pub")).read_text() == run("key", "public", f"{a}.pub").stdout


class TestDevice:
    @pytest.mark.parametrize("form", ["tag", "bundle"])
    def test_signs_what_is_written(self, run, place, key, tmp_path, form):
        from ocitool.sign.keys import read_private

        a, payload = key("a"), tmp_path / "payload"
        options = ("--form", form, "-a", "x=y", "--identity", "registry.test/app")
        assert 0 == run("sign", place, "--payload-only", payload, *options).exit_code
        secret = read_private((tmp_path / "a.key").read_bytes(), None, "a")
        (tmp_path / "signature").write_bytes(secret.sign(payload.read_bytes()))

        wrong = run("sign", place, "--key", f"{a}.pub", "--signature", tmp_path / "signature", "--form", form)
        done = run("sign", place, "--key", f"{a}.pub", "--signature", tmp_path / "signature", *options)

        assert (6, 0) == (wrong.exit_code, done.exit_code), done.stderr
        assert 0 == run("verify", place, "--key", f"{a}.pub", "-a", "x=y").exit_code

    def test_needs_its_public_key(self, run, place, key, tmp_path):
        (tmp_path / "signature").write_bytes(b"x")

        done = run("sign", place, "--signature", tmp_path / "signature")

        assert (2, True) == (done.exit_code, "the public key" in done.stderr)


class TestVerify:
    def test_wants_a_key(self, run, place):
        done = run("verify", place)

        assert (2, True) == (done.exit_code, "--key" in done.stderr)

    def test_as_data(self, run, layout, place, key):
        a, b = key("a"), key("b")
        assert 0 == run("sign", place, "--key", f"{a}.key", "-a", "commit=1").exit_code

        good = json.loads(run("verify", place, "--key", f"{a}.pub", "--json").stdout)
        bad = json.loads(run("verify", place, "--key", f"{b}.pub", "--json").stdout)

        digest = str(layout.head("1").digest)
        assert (0, True, digest) == (good["exit_code"], good["data"]["verified"], good["data"]["digest"])
        [signature] = good["data"]["manifests"][0]["signatures"]
        assert ("tag", {"commit": "1"}, f"{a}.pub") == (
            signature["form"],
            signature["annotations"],
            signature["key"]["file"],
        )
        assert (1, False) == (bad["exit_code"], bad["data"]["verified"])
        assert "no given key made it" in bad["data"]["manifests"][0]["signatures"][0]["reason"]
        assert "not-verified" == bad["errors"][0]["code"]

    def test_says_what_was_checked(self, run, place, key):
        a = key("a")
        words = ("-a", "commit=1", "--identity", "registry.test/app")
        assert 0 == run("sign", place, "--key", f"{a}.key", *words).exit_code

        told = run("verify", place, "--key", f"{a}.pub", *words).stderr

        assert "signed with" in told
        assert "for registry.test/app" in told
        assert "with commit=1" in told
        assert "its repository was not compared" in run("verify", place, "--key", f"{a}.pub").stderr

    def test_a_program_cannot_overlook_it(self, place, key):
        a, b = key("a"), key("b")
        with Client() as client:
            client.sign(place, f"{a}.key")
            with pytest.raises(NotVerified):
                client.verify(place, f"{b}.pub")

    def test_what_is_not_there_is_not_unsigned(self, run, tmp_path, layout, key):
        assert 3 == run("verify", f"oci:{tmp_path / 'layout'}:2", "--key", f"{key('a')}.pub").exit_code

    def test_an_image_below_that_is_not_signed(self, run, layout, place, key):
        a = key("a")
        assert 0 == run("sign", place, "--key", f"{a}.key").exit_code

        done = run("verify", place, "--key", f"{a}.pub", "--recursive")

        children = [entry.digest.short for entry in view(layout.get_manifest("1")).entries]
        assert 1 == done.exit_code
        assert all(f"{child}: no signature" in done.stderr for child in children)


def test_the_annotations_of_a_signer_are_pairs(run, place, key):
    done = run("sign", place, "--key", f"{key('a')}.key", "-a", "x")

    assert (2, True) == (done.exit_code, "KEY=VALUE" in done.stderr)


def test_archives_are_not_signed(run, place, key, tmp_path):
    archive = f"oci-archive:{tmp_path / 'a.tar'}"
    assert 0 == run("copy", place, archive).exit_code

    assert 9 == run("sign", archive, "--key", f"{key('a')}.key").exit_code
