"""Signing: what is written, what is left as it is, and what others wrote meanwhile."""

import json

import pytest

from ocitool.change.apply import apply
from ocitool.change.plan import Plan
from ocitool.change.undo import plan_undo, taking_back
from ocitool.errors import Conflict, MalformedDocument, Unsupported, UsageError
from ocitool.graph.signature_list import entries
from ocitool.model.document import Document
from ocitool.model.views import Descriptor, Manifest, view
from ocitool.sign import bundle as bundles
from ocitool.sign.claim import Claim
from ocitool.sign.run import ATTEMPTS, patiently
from ocitool.sign.signing import (
    MadeElsewhere,
    SignOptions,
    plan_sign,
    subjects_of,
    to_be_signed,
    with_signatures,
)
from ocitool.sign.simple_signing import SIGNATURE, compose_payload, read_payload
from ocitool.store.verify import read_blob
from ocitool.tasks import Scope

NAME = "registry.test/app"


@pytest.fixture
def digest(store):
    return store.head("1").digest


@pytest.fixture
def tag(digest):
    return f"sha256-{digest.hex}.sig"


@pytest.fixture
def undo(store, journal):
    def call(name="1"):
        plan = plan_undo(store, name, journal)
        with taking_back(plan, store, journal):
            return apply(plan, store, journal, Scope())

    return call


def all_names(store):
    return {name: store.head(name).digest for name in store.tags()}


class TestPayload:
    def test_is_byte_for_byte_what_cosign_signs(self, digest):
        claim = Claim(digest, "localhost:5000/a/b", {"b": "<&>\u2028", "a": "é"})

        assert (
            f'{{"critical":{{"identity":{{"docker-reference":"localhost:5000/a/b"}},'
            f'"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},'
            '"optional":{"a":"é","b":"\\u003c\\u0026\\u003e\\u2028"}}'
        ).encode() == compose_payload(claim)

    def test_without_annotations_says_null(self, digest):
        assert compose_payload(Claim(digest, "a/b")).endswith(b'"optional":null}')

    def test_is_read_again(self, digest):
        claim = Claim(digest, "a/b", {"x": "y"})

        assert claim == read_payload(compose_payload(claim))

    def test_pae_is_that_of_the_specification(self):
        assert b"DSSEv1 29 http://example.com/HelloWorld 11 hello world" == bundles.pae(
            b"hello world", "http://example.com/HelloWorld"
        )


class TestList:
    def test_holds_the_payload_and_the_signature(self, sign, store, tag, digest, keys):
        sign(keys[0])

        seen = view(store.get_manifest(tag))
        config = json.loads(read_blob(store, seen.config, 10_000))
        [layer] = seen.layers
        assert compose_payload(Claim(digest, NAME)) == read_blob(store, layer, 10_000)
        assert [SIGNATURE] == list(layer.annotations)
        assert [str(layer.digest)] == config["rootfs"]["diff_ids"]
        assert "application/vnd.oci.image.config.v1+json" == seen.config.media_type

    def test_a_config_has_233_bytes_as_cosigns(self, sign, store, tag, keys):
        sign(keys[0])

        assert 233 == view(store.get_manifest(tag)).config.size

    def test_again_nothing_is_written(self, sign, store, keys):
        sign(keys[0])
        before = all_names(store)

        report = sign(keys[0])

        assert (before, 0, False) == (all_names(store), report.stored, report.changed)

    def test_a_second_signer_keeps_the_first(self, sign, store, tag, keys):
        sign(keys[0])
        first = view(store.get_manifest(tag)).layers
        sign(keys[1])

        assert first == view(store.get_manifest(tag)).layers[:1]
        assert 2 == len(view(store.get_manifest(tag)).layers)

    def test_other_annotations_are_another_signature(self, sign, store, tag, keys):
        sign(keys[0])
        sign(keys[0], annotations={"a": "b"})

        assert 2 == len({layer.digest for layer in view(store.get_manifest(tag)).layers})

    def test_two_keys_at_once_share_a_payload(self, sign, store, tag, keys):
        sign(keys[0], keys[1], keys[0])

        layers = view(store.get_manifest(tag)).layers
        assert (2, 1) == (len(layers), len({layer.digest for layer in layers}))

    def test_what_others_put_into_it_stays(self, sign, store, tag, keys):
        """Fields and entries that are not ours."""
        sign(keys[0])
        odd = store.get_manifest(tag).edit(
            lambda tree: tree.update(annotations={"x": "y"}) or tree["layers"][0]["annotations"].update(z="1")
        )
        store.put_manifest(odd, tag)

        sign(keys[1])

        after = view(store.get_manifest(tag))
        assert (("y", "1"), 2) == ((after.annotations["x"], after.layers[0].annotations["z"]), len(after.layers))

    def test_a_tag_that_holds_something_else_is_left_alone(self, sign, store, tag, keys):
        store.put_manifest(store.get_manifest("1"), tag)

        with pytest.raises(MalformedDocument, match="holds no list of signatures"):
            sign(keys[0])

    def test_a_full_list_is_refused(self, sign, store, tag, keys):
        sign(keys[0])
        store.put_manifest(
            store.get_manifest(tag).edit(lambda tree: tree.update(layers=tree["layers"] * 1000)), tag
        )

        with pytest.raises(Unsupported, match="1000 signatures"):
            sign(keys[1])

    def test_a_signer_between_look_and_write_is_not_lost(self, sign, store, journal, tag, keys):
        plan = plan_sign(store, "1", store.get_manifest("1"), [keys[0]], SignOptions(identity=NAME), scope=Scope())
        sign(keys[1])

        with pytest.raises(Conflict):
            apply(plan, store, journal, Scope())
        assert 1 == len(view(store.get_manifest(tag)).layers)


class TestBundle:
    def test_refers_to_the_image_and_tells_what_it_is(self, sign, store, digest, keys):
        sign(keys[0], form="bundle")

        [entry] = store.referrers(digest)
        seen = view(store.get_manifest(str(entry.digest)))
        assert isinstance(seen, Manifest)
        assert (bundles.BUNDLE, digest) == (seen.artifact_type, seen.subject.digest)
        assert ("dsse-envelope", bundles.PREDICATE) == (
            seen.annotations["dev.sigstore.bundle.content"],
            seen.annotations["dev.sigstore.bundle.predicateType"],
        )
        tree = json.loads(read_blob(store, seen.layers[0], 10_000))
        assert {"hint": keys[0].public.hint} == tree["verificationMaterial"]["publicKey"]
        assert ["sig"] == list(tree["dsseEnvelope"]["signatures"][0])

    def test_again_nothing_is_written(self, sign, store, digest, keys):
        sign(keys[0], form="bundle")
        sign(keys[0], form="bundle")

        assert 1 == len(store.referrers(digest))

    def test_each_signer_has_one(self, sign, store, digest, keys):
        sign(keys[0], form="bundle")
        sign(keys[1], form="bundle")

        assert 2 == len(store.referrers(digest))


class TestRecursive:
    def test_signs_every_child_once(self, ward, store, sign, keys):
        child = ward.image("linux/arm64")
        ward.index(ward.index(child, tag="inner"), child, ward.image())

        sign(keys[0], recursive=True)

        signed = {name for name in store.tags() if name.endswith(".sig")}
        found = subjects_of(store, store.get_manifest("1"), recursive=True, scope=Scope())
        assert {f"sha256-{one.digest.hex}.sig" for one in found} == signed
        assert 4 == len(found)

    def test_an_image_has_no_children(self, store):
        child = view(store.get_manifest("1")).entries[0]

        assert 1 == len(subjects_of(store, store.get_manifest(str(child.digest)), recursive=True, scope=Scope()))


class TestElsewhere:
    """A device signs; its signature comes back."""

    @pytest.mark.parametrize("form", ["tag", "bundle"])
    def test_what_a_device_signs_holds(self, store, sign, look, keys, form):
        options = SignOptions(form, identity=NAME, annotations={"a": "b"})
        data = to_be_signed(store.get_manifest("1"), options)

        sign(MadeElsewhere(keys[0].public, keys[0].sign(data)), form=form, annotations={"a": "b"})

        assert look(keys[0], annotations={"a": "b"}).holds

    def test_a_signature_of_something_else_is_refused_before_anything_is_written(self, store, sign, keys, tag):
        with pytest.raises(MalformedDocument, match="does not hold"):
            sign(MadeElsewhere(keys[0].public, keys[0].sign(b"something else")))
        assert store.head(tag) is None

    @pytest.mark.parametrize("options", [SignOptions("both"), SignOptions(recursive=True)])
    def test_is_one_payload(self, store, options):
        with pytest.raises(UsageError, match="one payload"):
            to_be_signed(store.get_manifest("1"), options)

    def test_is_of_one_manifest(self, store, sign, keys):
        with pytest.raises(UsageError, match="of one manifest"):
            sign(MadeElsewhere(keys[0].public, b"x"), recursive=True)


class TestUndo:
    """The last change made for a name, taken back without what others did."""

    @pytest.mark.parametrize("form", ["tag", "bundle", "both"])
    @pytest.mark.parametrize("recursive", [False, True])
    def test_leaves_nothing(self, store, sign, undo, keys, digest, form, recursive):
        before = all_names(store)
        sign(keys[0], form=form, recursive=recursive)
        assert before != all_names(store) or store.referrers(digest)

        undo()

        assert (before, []) == (all_names(store), store.referrers(digest))

    def test_brings_the_same_list_back(self, store, sign, undo, keys):
        sign(keys[0])
        before = all_names(store)
        sign(keys[1])

        undo()

        assert before == all_names(store)

    def test_leaves_the_entries_of_others(self, store, sign, undo, keys, tag, look, journal, tmp_path):
        sign(keys[0])
        mine = entries(store.get_manifest(tag), tag)
        other = plan_sign(store, "1", store.get_manifest("1"), [keys[1]], SignOptions(identity=NAME), scope=Scope())
        apply(other, store, type(journal)(tmp_path / "another machine"), Scope())

        undo()

        left = entries(store.get_manifest(tag), tag)
        assert (1, False) == (len(left), left == mine)
        assert (False, True) == (look(keys[0]).holds, look(keys[1]).holds)
        config = json.loads(read_blob(store, view(store.get_manifest(tag)).config, 10_000))
        assert [str(left[0].digest)] == config["rootfs"]["diff_ids"]

    def test_goes_one_step_at_a_time(self, store, sign, undo, keys):
        states = [all_names(store)]
        for key in keys:
            sign(key)
            states.append(all_names(store))

        for state in reversed(states[:-1]):
            undo()
            assert state == all_names(store)

    def test_is_nothing_where_somebody_took_it_away(self, store, sign, undo, keys, tag):
        sign(keys[0])
        store.delete(tag)
        before = all_names(store)

        report = undo()

        assert (before, False) == (all_names(store), report.changed)

    def test_does_not_touch_the_image(self, store, sign, undo, keys, digest):
        sign(keys[0])
        undo()

        assert digest == store.head("1").digest

    def test_brings_the_tag_back_where_it_was_lost(self, store, sign, undo, keys, digest, tag):
        sign(keys[0])
        del store._tags["1"]

        undo()

        assert (digest, None) == (store.head("1").digest, store.head(tag))


def test_other_digests_than_sha256_are_refused(store, keys):
    document = Document(store.get_manifest("1").raw, "application/vnd.oci.image.index.v1+json", algorithm="sha512")

    with pytest.raises(Unsupported, match="sha256 digests"):
        plan_sign(store, "1", document, [keys[0]], SignOptions(), scope=Scope())


def test_no_key_signs_nothing(store):
    with pytest.raises(UsageError, match="which key"):
        plan_sign(store, "1", store.get_manifest("1"), [], SignOptions(), scope=Scope())


def test_forms_are_three():
    with pytest.raises(UsageError):
        SignOptions("triangle")


def test_a_plan_tells_what_it_signs(store, keys):
    options = SignOptions("both", identity=NAME)

    plan = plan_sign(store, "1", store.get_manifest("1"), [keys[0]], options, scope=Scope())

    assert "1 in the list sha256-" in plan.text()
    assert "1 as bundle" in plan.text()
    assert Descriptor.of(store.get_manifest("1")).digest == plan.base


def test_a_plan_that_writes_nothing_is_not_signed(store, keys):
    plan = Plan("app")

    assert plan is with_signatures(plan, store, [keys[0]], SignOptions("tag"), scope=Scope())
    assert plan is with_signatures(plan, store, [], SignOptions("tag"), scope=Scope())


class Unhurried:
    """A scope that remembers how long it would have waited."""

    def __init__(self):
        self.waits = []

    def sleep(self, seconds):
        self.waits.append(seconds)


@pytest.mark.parametrize("failures", [0, 3, ATTEMPTS - 1, ATTEMPTS])
def test_another_signers_write_is_waited_for_so_many_times(failures):
    scope, calls = Unhurried(), []

    def write():
        calls.append(1)
        if len(calls) <= failures:
            raise Conflict("changed")
        return "done"

    if failures == ATTEMPTS:
        with pytest.raises(Conflict):
            patiently(write, scope)
    else:
        assert "done" == patiently(write, scope)

    assert min(failures, ATTEMPTS - 1) == len(scope.waits)
    assert min(failures + 1, ATTEMPTS) == len(calls)
