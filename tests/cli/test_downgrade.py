"""Who may write to the registry and has no key: signatures of something else, older ones, and none, put into its place.

Each is refused with its reason, by `verify`, by `copy --verify-key` and by a policy, and nothing is copied.
"""

from dataclasses import dataclass

import pytest

from ocitool.graph.referrers import drop_referrer, put_referrer
from ocitool.graph.signature_list import signature_tag
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, view
from ocitool.sign import bundle as bundles
from ocitool.store.base import BytesSource, Store
from ocitool.store.layout import LayoutStore
from ocitool.store.verify import read_blob
from ocitool.tasks import Scope
from tests.fakes.registry import fake_registry

FORMS = pytest.mark.parametrize("form", ["tag", "bundle"])


@pytest.fixture(params=[True, False], ids=["referrers API", "fallback tag"])
def registry(request):
    with fake_registry(referrers=request.param) as running:
        yield running


@pytest.fixture
def sign(run, tmp_path):
    """`sign(NAME, "a", …)`: with a key of that name, made where it is not there."""

    def call(place, key, *words):
        if not (tmp_path / f"{key}.key").exists():
            made = run("key", "generate", "-o", tmp_path / key, "--unencrypted", "--type", "ed25519")
            assert 0 == made.exit_code, made.stderr
        done = run("sign", place, "--key", tmp_path / f"{key}.key", *words)
        assert 0 == done.exit_code, done.stderr

    return call


@dataclass
class Attacker:
    """What somebody does who may write: copies of signatures, kept, taken away and put beside another image."""

    store: Store
    form: str

    def kept(self, digest: Digest) -> list[tuple[Document, bytes]]:
        """What is signed of an image: lists, or bundles with their bytes."""
        if self.form == "tag":
            return [(self.store.get_manifest(signature_tag(digest)), b"")]
        found = [self.store.get_manifest(str(one.digest)) for one in self.store.referrers(digest)]
        return [(one, read_blob(self.store, view(one).layers[0], bundles.BUNDLE_LIMIT)) for one in found]

    def remove(self, digest: Digest) -> None:
        """Take away what is signed of an image."""
        for document, _ in self.kept(digest):
            self.store.delete(str(document.digest))
            if self.form == "bundle":
                drop_referrer(self.store, digest, document.digest, scope=Scope())

    def put(self, kept: list[tuple[Document, bytes]], digest: Digest) -> None:
        """Put what was kept in the place of what is signed of an image; a bundle's manifest is let refer to that."""
        subject = self.store.head(str(digest)).to_tree()
        for document, _ in kept:
            if self.form == "tag":
                self.store.put_manifest(document, signature_tag(digest))
            else:
                put_referrer(self.store, document.edit(lambda tree: tree.update(subject=subject)), scope=Scope())


@pytest.fixture
def attacker(app, form):
    return Attacker(app.store, form)


@pytest.fixture
def refused(run, name, tmp_path):
    """`refused("said", …)`: by each command, with that reason; nothing is copied."""

    def call(said, *words, key="a"):
        pub, policy = tmp_path / f"{key}.pub", tmp_path / "policy.toml"
        policy.write_text(f'version = 1\n[[rule]]\nrepository = "*"\nkeys = ["{key}.pub"]\n')
        commands = [("verify", name, "--key", pub, *words)]
        if not words:
            commands += [
                ("verify", name, "--policy", policy),
                ("copy", name, f"oci:{tmp_path}/to:1", "--verify-key", pub),
                ("copy", name, f"oci:{tmp_path}/to:1", "--policy", policy),
            ]
        for command in commands:
            done = run(*command)
            assert (1, True) == (done.exit_code, said in done.stderr), (command[:2], done.stderr)
            assert "Traceback" not in done.stderr
        assert not (tmp_path / "to").exists() or LayoutStore(tmp_path / "to").head("1") is None

    return call


@FORMS
def test_the_signature_of_another_image(registry, app, name, sign, attacker, refused, form):
    app.image(tag="1")
    app.image("linux/arm64", tag="other")
    sign(f"{registry.host}/app:other", "a", "--form", form)

    attacker.put(attacker.kept(app.store.head("other").digest), app.store.head("1").digest)

    refused("it signs")


@FORMS
def test_the_signature_for_another_repository(run, registry, app, name, sign, refused, form):
    """The same image, signed where it is a test, taken along to where it is none."""
    app.image(tag="1")
    assert 0 == run("copy", name, f"{registry.host}/test:1").exit_code
    sign(f"{registry.host}/test:1", "a", "--form", form)

    assert 0 == run("copy", f"{registry.host}/test:1", name, "--referrers").exit_code

    refused(f"it was made for {registry.host}/test, not for {registry.host}/app")


@FORMS
def test_the_old_signature_over_the_newer_one(app, name, sign, attacker, refused, form):
    """Of what the tag held before."""
    app.image(layers=[b"old"], tag="1")
    old = app.store.head("1").digest
    sign(name, "a", "--form", form)
    app.image(layers=[b"new"], tag="1")
    new = app.store.head("1").digest
    sign(name, "a", "--form", form)
    kept = attacker.kept(old)

    attacker.remove(new)
    attacker.put(kept, new)

    refused("it signs")


@FORMS
def test_the_old_signature_of_a_key_that_is_given_up(app, name, sign, attacker, refused, form):
    app.image(tag="1")
    digest = app.store.head("1").digest
    sign(name, "old", "--form", form)
    kept = attacker.kept(digest)
    sign(name, "a", "--form", form)

    attacker.remove(digest)
    attacker.put(kept, digest)

    refused("no given key made it")


@FORMS
def test_the_old_signature_that_says_something_else(app, name, sign, attacker, refused, form):
    app.image(tag="1")
    digest = app.store.head("1").digest
    sign(name, "a", "--form", form, "-a", "stage=test")
    kept = attacker.kept(digest)
    sign(name, "a", "--form", form, "-a", "stage=release")

    attacker.remove(digest)
    attacker.put(kept, digest)

    refused("it says 'test' in stage, not 'release'", "-a", "stage=release")


@pytest.mark.parametrize("form", ["bundle"])
@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_a_bundle_of_an_older_format(app, name, sign, attacker, refused, version):
    app.image(tag="1")
    digest = app.store.head("1").digest
    sign(name, "a", "--form", "bundle")
    [(manifest, bundle)] = attacker.kept(digest)
    old = f"{bundles.FAMILY}+json;version={version}"
    older = Document(bundle, "").edit(lambda tree: tree.update(mediaType=old)).raw
    layer = Descriptor(old, Digest.of(older), len(older))
    app.store.put_blob(layer, BytesSource(older))

    attacker.remove(digest)
    attacker.put([(manifest.edit(lambda tree: tree.update(layers=[layer.to_tree()])), older)], digest)

    refused("no bundle of version 0.3")


@pytest.mark.parametrize("form", ["tag"])
def test_the_empty_list(app, name, sign, attacker, refused):
    app.image(tag="1")
    digest = app.store.head("1").digest
    sign(name, "a")
    [(held, _)] = attacker.kept(digest)

    app.store.put_manifest(held.edit(lambda tree: tree.update(layers=[])), signature_tag(digest))

    refused("lists no signature")


@FORMS
def test_nothing_where_something_was(app, name, sign, attacker, refused, form):
    app.image(tag="1")
    sign(name, "a", "--form", form)

    attacker.remove(app.store.head("1").digest)

    refused("no signature")


def swapped(tree):
    first, second = tree["manifests"]
    first["platform"], second["platform"] = second["platform"], first["platform"]


def replaced(tree, other):
    tree["manifests"][0].update({key: other[key] for key in ("digest", "size")})


@FORMS
@pytest.mark.parametrize("what", ["platforms change places", "a child of another index", "one child is left out"])
def test_children_of_an_index_that_was_signed(app, name, sign, attacker, refused, form, what):
    """All of them are signed by the key, each by itself, and the index that lists them was signed too."""
    app.index(app.image("linux/arm64"), app.image())
    signed = app.store.get_manifest("1")
    sign(name, "a", "--form", form, "--recursive")
    other = app.image("linux/arm64", layers=[b"old"], tag="old")
    sign(name.replace(":1", ":old"), "a", "--form", form)
    changes = {
        "platforms change places": swapped,
        "a child of another index": lambda tree: replaced(tree, other),
        "one child is left out": lambda tree: tree["manifests"].pop(),
    }
    forged = signed.edit(changes[what])

    app.store.put_manifest(forged, "1")

    refused("no signature")
    attacker.put(attacker.kept(signed.digest), forged.digest)
    refused("it signs")
    refused("it signs", "--recursive")


@FORMS
def test_a_child_that_nobody_signed_below_an_index_that_is(run, app, name, sign, attacker, tmp_path, form):
    app.index(app.image("linux/arm64"), app.image())
    sign(name, "a", "--form", form, "--recursive")

    attacker.remove(view(app.store.get_manifest("1")).entries[0].digest)
    index = run("verify", name, "--key", tmp_path / "a.pub")
    done = run("verify", name, "--key", tmp_path / "a.pub", "--recursive")

    assert 0 == index.exit_code, index.stderr
    assert (1, True) == (done.exit_code, "no signature" in done.stderr), done.stderr
