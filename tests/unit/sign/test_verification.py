"""Whatever is not what was signed does not hold, and the reason is told."""

import base64
import json

import pytest

from ocitool.errors import NotVerified, Unsupported
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import view
from ocitool.sign import bundle as bundles
from ocitool.sign.claim import Claim
from ocitool.sign.simple_signing import CERTIFICATE, PAYLOAD, SIGNATURE, compose_payload
from ocitool.sign.verification import READ_LIMIT, Demand, Verification, verify_manifests
from ocitool.tasks import Scope

CRITICAL = {
    "type": "cosign container image signature",
    "image": {"docker-manifest-digest": f"sha256:{'0' * 64}"},
    "identity": {"docker-reference": "a"},
}
FORMS = pytest.mark.parametrize("form", ["tag", "bundle"])


@pytest.fixture
def digest(store):
    return store.head("1").digest


@pytest.fixture
def tag(digest):
    return f"sha256-{digest.hex}.sig"


@pytest.fixture
def listed(ward, tag, store):
    """`listed(payload, signature)`: the list of the image holds just that, whatever it is."""

    def put(payload, signature, media_type=PAYLOAD, **annotations):
        text = signature if isinstance(signature, str) else base64.b64encode(signature).decode()
        layer = ward.blob(payload, media_type) | {"annotations": {SIGNATURE: text} | annotations}
        config = ward.blob(b"{}", "application/vnd.oci.image.config.v1+json")
        ward.manifest({"schemaVersion": 2, "config": config, "layers": [layer]}, tag=tag)

    return put


@pytest.fixture
def bundled(ward, store):
    """`bundled(bundle)`: these bytes refer to the image, as a bundle does; `change` gets the manifest's tree."""

    def put(data, change=lambda tree: None, subject="1"):
        ward.blob(data, bundles.BUNDLE)
        ward.blob(b"{}", "application/vnd.oci.empty.v1+json")
        document = bundles.compose_manifest(store.head(subject), data).edit(change)
        store.put_manifest(document)
        return document.digest

    return put


def bundle_of(key, statement, change=lambda tree: None):
    raw = bundles.compose_bundle(statement, key.sign(bundles.pae(statement)), key.public.hint)
    return Document(raw, "").edit(change).raw


def reason(found):
    [one] = found.found
    assert not found.holds
    return one.reason


@FORMS
def test_a_signature_holds_with_its_key(sign, look, keys, form):
    sign(keys[0], form=form)

    found = look(keys[0])

    assert (True, [(form, keys[0].public)]) == (found.holds, [(one.form, one.key) for one in found.found])


@FORMS
def test_another_key_did_not_make_it(sign, look, keys, form):
    sign(keys[0], form=form)

    assert reason(look(keys[1])).startswith("no given key made it")


def test_nothing_is_found_where_nothing_is_signed(look, keys):
    found = look(keys[0])

    assert (False, ()) == (found.holds, found.found)


def test_no_keys_match_nothing(sign, look, keys):
    sign(keys[0])

    assert not look().holds


@FORMS
def test_any_key_is_enough_unless_every_key_is_wanted(sign, look, keys, form):
    sign(keys[0], form=form)

    assert look(keys[1], keys[0]).holds
    refused = look(keys[1], keys[0], every_key=True)
    assert (False, (keys[1].public,)) == (refused.holds, refused.missing)
    sign(keys[1], form=form)
    assert look(keys[1], keys[0], every_key=True).holds
    assert 1 == len(look(keys[1], keys[0]).found)  # nothing is read after what is enough


def test_every_key_may_have_signed_in_a_form_of_its_own(sign, look, keys):
    sign(keys[0], form="tag")
    sign(keys[1], form="bundle")

    assert look(keys[0], keys[1], every_key=True).holds


@FORMS
def test_one_key_given_twice_counts_once(sign, look, keys, form):
    sign(keys[0], form=form)

    assert not look(keys[0], keys[0], keys[1], every_key=True).holds


@FORMS
def test_the_repository_is_compared(sign, look, keys, form):
    sign(keys[0], form=form, identity="registry.test/other")

    assert "it was made for registry.test/other, not for registry.test/app" == reason(look(keys[0]))
    assert look(keys[0], identities=("registry.test/other",)).holds
    assert look(keys[0], identities=()).holds


@pytest.mark.parametrize("signed", ["docker.io/library/app", "index.docker.io/library/app", "app", "app:3"])
def test_names_of_docker_hub_are_one(sign, look, keys, signed):
    sign(keys[0], identity=signed)

    assert look(keys[0], identities=("docker.io/library/app",)).holds


def test_a_list_that_names_no_repository_does_not_count(sign, look, keys):
    sign(keys[0], identity="")

    assert "it was made for no repository, and not for registry.test/app" == reason(look(keys[0]))


def test_a_bundle_may_name_none_unless_one_is_asked_for(sign, look, keys):
    """cosign's name none."""
    sign(keys[0], form="bundle", identity="")

    assert look(keys[0]).holds
    assert "no repository" in reason(look(keys[0], is_strict=True))


@FORMS
def test_annotations_are_what_was_signed(sign, look, keys, form):
    sign(keys[0], form=form, annotations={"commit": "abc", "a": "<&>"})

    assert look(keys[0], annotations={"commit": "abc", "a": "<&>"}).holds
    assert "it says 'abc' in commit, not 'xyz'" == reason(look(keys[0], annotations={"commit": "xyz"}))
    assert "it has no annotation stage, not 'x'" == reason(look(keys[0], annotations={"stage": "x"}))


class TestTampering:
    """Each part of what a signer wrote, changed."""

    def test_every_byte_of_a_payload(self, keys, digest, look, listed):
        payload = compose_payload(Claim(digest, "registry.test/app"))
        signature = keys[1].sign(payload)
        for at in range(0, len(payload), 7):
            listed(payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :], signature)

            assert reason(look(keys[1])).startswith("no given key made it")

    def test_every_byte_of_a_signature(self, keys, digest, look, listed):
        payload = compose_payload(Claim(digest, "registry.test/app"))
        signature = keys[1].sign(payload)
        listed(payload, signature)
        assert look(keys[1]).holds
        for at in range(len(signature)):
            listed(payload, signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :])

            assert reason(look(keys[1])).startswith("no given key made it")

    @pytest.mark.parametrize("text", ["", "!", "AAA", "é"])
    def test_a_signature_that_is_none(self, keys, digest, look, listed, text):
        listed(compose_payload(Claim(digest, "registry.test/app")), text)

        assert "signature" in reason(look(keys[1]))

    def test_the_signature_of_another_image(self, store, sign, keys, look, tag, ward):
        ward.image("linux/arm64", layers=[b"other"], tag="other")
        sign(keys[0], name="other")
        other = store.head("other").digest
        store.put_manifest(store.get_manifest(f"sha256-{other.hex}.sig"), tag)

        assert f"it signs another image, {other}" == reason(look(keys[0]))

    def test_other_bytes_under_the_digest_of_a_payload(self, sign, store, keys, look, tag):
        sign(keys[0])
        layer = view(store.get_manifest(tag)).layers[0]
        store._blobs[layer.digest] = b"x" * layer.size

        assert "hashes to" in reason(look(keys[0]))

    def test_a_payload_that_is_gone(self, sign, store, keys, look, tag):
        sign(keys[0])
        del store._blobs[view(store.get_manifest(tag)).layers[0].digest]

        assert not look(keys[0]).holds

    def test_a_list_with_no_entry(self, keys, look, ward, tag):
        config = ward.blob(b"{}", "application/vnd.oci.image.config.v1+json")
        ward.manifest({"schemaVersion": 2, "config": config, "layers": []}, tag=tag)

        assert f"{tag} lists no signature" == reason(look(keys[0]))

    def test_an_index_where_a_list_belongs(self, keys, look, store, tag):
        store.put_manifest(store.get_manifest("1"), tag)

        assert "holds no list of signatures" in reason(look(keys[0]))

    def test_a_manifest_that_is_none(self, keys, look, store, tag):
        store.plant(Document(b'{"layers": 3, "config": {}}', "application/vnd.oci.image.manifest.v1+json"), tag)

        found = look(keys[0])
        assert (False, True) == (found.holds, f"{tag}: a manifest needs a list of layers" in found.found[-1].reason)

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"{}",
            b"[]",
            b"null",
            b'{"critical": 1}',
            b'{"critical":{"type":"atomic container signature"}}',
            b'{"critical":{"type":"cosign container image signature","image":{},"identity":{}}}',
            b'{"critical":{"type":"cosign container image signature","image":[],"identity":{}}}',
            b'{"critical":{"type":"cosign container image signature","image":{"docker-manifest-digest":"x"}}}',
            json.dumps({"critical": CRITICAL | {"image": {"docker-manifest-digest": "x"}}}).encode(),
            json.dumps({"critical": CRITICAL | {"identity": {"docker-reference": None}}}).encode(),
            b"[" * 100,
            b'{"a":1,"a":2}',
            b"\xff",
        ],
    )
    def test_a_payload_that_is_signed_and_says_nothing(self, keys, look, listed, payload):
        listed(payload, keys[1].sign(payload))

        assert reason(look(keys[1]))

    def test_a_payload_that_is_too_large(self, keys, look, listed):
        listed(b" " * (1024 * 1024 + 1), keys[1].sign(b""))

        assert "we read" in reason(look(keys[1]))

    def test_a_good_entry_among_bad_ones(self, keys, look, sign):
        sign(keys[1])
        sign(keys[0])

        found = look(keys[0])

        assert (True, ["no given key made it", ""]) == (found.holds, [one.reason for one in found.found])


class TestBundles:
    """Each part of a bundle, changed."""

    @pytest.fixture
    def statement(self, digest):
        return bundles.compose_statement(Claim(digest, "registry.test/app"))

    def test_a_bundle_of_a_statement(self, keys, look, bundled, statement):
        bundled(bundle_of(keys[1], statement))

        assert look(keys[1]).holds

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda t: t.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1"), "version 0.3"),
            (lambda t: t.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.2"), "version 0.3"),
            (lambda t: t.pop("mediaType"), "version 0.3"),
            (lambda t: t["dsseEnvelope"].update(signatures=[]), "0 signatures"),
            (lambda t: t["dsseEnvelope"].update(signatures=[{"sig": "AA=="}] * 2), "2 signatures"),
            (lambda t: t["dsseEnvelope"].update(signatures=[7]), "signatures"),
            (lambda t: t["dsseEnvelope"].update(signatures={}), "0 signatures"),
            (lambda t: t["dsseEnvelope"]["signatures"][0].update(sig=""), "no signature"),
            (lambda t: t["dsseEnvelope"].update(payload="!"), "not base64"),
            (lambda t: t["dsseEnvelope"].update(payload="e30="), "no given key"),
            (lambda t: t["dsseEnvelope"].update(payloadType="text/plain"), "no statement"),
            (lambda t: t.pop("dsseEnvelope"), "dsseEnvelope"),
            (lambda t: t.update(dsseEnvelope=[]), "dsseEnvelope"),
            (lambda t: t.update(verificationMaterial=None), "verificationMaterial"),
        ],
    )
    def test_a_part_that_is_another(self, keys, look, bundled, statement, change, said):
        bundled(bundle_of(keys[1], statement, change))

        assert said in reason(look(keys[1]))

    @pytest.mark.parametrize("hint", ["", "x", "AAAA"])
    def test_the_hint_proves_nothing_and_forbids_nothing(self, keys, look, bundled, statement, hint):
        change = lambda tree: tree["verificationMaterial"]["publicKey"].update(hint=hint)  # noqa: E731
        bundled(bundle_of(keys[1], statement, change))

        assert look(keys[1]).holds
        assert not look(keys[0]).holds

    @pytest.mark.parametrize("keyid", ["", "x"])
    def test_a_keyid_is_passed_over(self, keys, look, bundled, statement, keyid):
        change = lambda tree: tree["dsseEnvelope"]["signatures"][0].update(keyid=keyid)  # noqa: E731
        bundled(bundle_of(keys[1], statement, change))

        assert look(keys[1]).holds

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda t: t.update(predicateType="https://slsa.dev/provenance/v1"), "is no signature"),
            (lambda t: t.update(_type="x"), "its statement is 'x'"),
            (lambda t: t.update(subject=[]), "signs"),
            (lambda t: t.update(subject=[1]), "about nothing"),
            (lambda t: t.update(subject=[{"digest": {"sha256": "00"}}]), "signs"),
            (lambda t: t.update(subject=[{"digest": {"sha512": t["subject"][0]["digest"]["sha256"]}}]), "signs"),
            (lambda t: t["subject"][0].update(digest=None), "digest"),
            (lambda t: t["subject"][0].update(name=5), "malformed"),
            (lambda t: t["subject"][0].update(name="registry.test/other"), "registry.test/other"),
        ],
    )
    def test_a_statement_that_says_something_else(self, keys, look, bundled, statement, change, said):
        """Signed with the right key all the same."""
        bundled(bundle_of(keys[1], Document(statement, "").edit(change).raw))

        assert said in reason(look(keys[1]))

    def test_the_bundle_of_another_image(self, keys, look, bundled, ward, store):
        ward.image("linux/arm64", layers=[b"other"], tag="other")
        other = bundles.compose_statement(Claim(store.head("other").digest, "registry.test/app"))
        bundled(bundle_of(keys[1], other))

        assert "it signs sha256:" in reason(look(keys[1]))

    def test_a_manifest_of_another_image_in_the_list(
        self, keys, look, bundled, statement, ward, store, monkeypatch
    ):
        """What a registry lists as a referrer, and is about something else."""
        ward.image("linux/arm64", layers=[b"other"], tag="other")
        bundled(bundle_of(keys[1], statement), subject="other")
        entries = store.referrers(store.head("other").digest)
        store.referrers = lambda digest: entries

        assert "its manifest refers to another image" == reason(look(keys[1]))

    def test_two_layers(self, keys, look, bundled, statement):
        bundled(bundle_of(keys[1], statement), lambda tree: tree["layers"].append(tree["layers"][0]))

        assert "2 layers" in reason(look(keys[1]))

    def test_other_bytes(self, keys, look, bundled, statement, store):
        data = bundle_of(keys[1], statement)
        bundled(data)
        store._blobs[Digest.of(data)] = b"x" * len(data)

        assert "hashes to" in reason(look(keys[1]))

    def test_attestations_are_passed_over_unread(self, keys, look, bundled, statement, store):
        data = bundle_of(keys[1], statement)
        bundled(
            data, lambda tree: tree["annotations"].update({bundles.PREDICATE_TYPE: "https://spdx.dev/Document"})
        )
        store.open_blob = None

        assert () == look(keys[1]).found


class TestKeyless:
    """A certificate in the place of a key: nothing here can say whom it is for."""

    def required(self, look, store, keys):
        return Verification("app:1", store.head("1").digest, (look(*keys),), Demand(())).required()

    def test_in_a_bundle(self, keys, look, bundled, digest, store):
        statement = bundles.compose_statement(Claim(digest))
        material = {"certificate": {"rawBytes": "AA=="}}
        bundled(bundle_of(keys[2], statement, lambda tree: tree.update(verificationMaterial=material)))

        with pytest.raises(Unsupported, match="cannot be checked without a trust root") as refused:
            self.required(look, store, keys[:1])
        assert 9 == refused.value.exit_code

    def test_in_a_list(self, keys, look, listed, digest, store):
        payload = compose_payload(Claim(digest, "registry.test/app"))
        listed(payload, keys[2].sign(payload), **{CERTIFICATE: "-----BEGIN CERTIFICATE-----"})

        with pytest.raises(Unsupported, match="keyless"):
            self.required(look, store, keys[:1])

    def test_beside_a_signature_with_the_key(self, keys, look, sign, bundled, digest, store):
        statement = bundles.compose_statement(Claim(digest))
        material = {"x509CertificateChain": {"certificates": []}}
        bundled(bundle_of(keys[2], statement, lambda tree: tree.update(verificationMaterial=material)))
        sign(keys[0])

        assert self.required(look, store, keys[:1]).holds


def test_what_does_not_hold_is_raised_with_every_reason(sign, look, keys, store, digest):
    sign(keys[0])
    sign(keys[1])

    with pytest.raises(NotVerified, match="app:1 is not verified: no signature counts") as refused:
        Verification("app:1", digest, (look(keys[2]),), Demand((keys[2].public,))).required()

    assert 1 == refused.value.exit_code
    assert "no given key made it" in "\n".join(refused.value.__notes__)
    assert not refused.value.verification.holds


def test_a_long_list_is_not_read_to_its_end(keys, look, ward, tag, store):
    layer = ward.blob(b"x", PAYLOAD) | {"annotations": {SIGNATURE: "AAAA"}}
    config = ward.blob(b"{}", "application/vnd.oci.image.config.v1+json")
    ward.manifest({"schemaVersion": 2, "config": config, "layers": [layer] * 2000}, tag=tag)

    found = look(keys[0])

    assert (101, "the first 100 were looked at") == (len(found.found), found.found[-1].reason.partition("; ")[2])


@pytest.mark.parametrize("form", ["tag", "bundle"])
def test_large_signatures_are_not_all_read(keys, look, ward, tag, store, monkeypatch, form):
    """What is read beside one image has a bound, however much each of them may have."""
    size, opened = 1024 * 1024, []
    config = ward.blob(b"{}", "application/vnd.oci.empty.v1+json")
    layers = [
        ward.blob(bytes([n]) * size, PAYLOAD if form == "tag" else bundles.BUNDLE)
        | {"annotations": {SIGNATURE: "AAAA"}}
        for n in range(20)
    ]
    if form == "tag":
        ward.manifest({"schemaVersion": 2, "config": config, "layers": layers}, tag=tag)
    else:
        subject = store.head("1").to_tree()
        for layer in layers:
            tree = {"artifactType": bundles.BUNDLE, "config": config, "layers": [layer], "subject": subject}
            ward.manifest({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"} | tree)
    read = store.open_blob
    monkeypatch.setattr(store, "open_blob", lambda one, offset=0: opened.append(one.size) or read(one, offset))

    found = look(keys[0])

    assert (20, READ_LIMIT) == (len(found.found), sum(opened))
    assert not found.holds
    assert "we read 0" in found.found[-1].reason


def test_children_are_looked_at_each(sign, store, keys):
    sign(keys[0], recursive=True)
    index = view(store.get_manifest("1"))
    demand = Demand((keys[0].public,))

    found = verify_manifests(store, index.entries, demand, scope=Scope(), width=2)

    assert [True, True] == [one.holds for one in found]
    assert [entry.digest for entry in index.entries] == [one.digest for one in found]


def test_every_key_that_is_missing_is_named(sign, look, keys, digest):
    sign(keys[0])
    demand = Demand((keys[0].public, keys[1].public), every_key=True)

    with pytest.raises(NotVerified, match="app:1 is not verified: not signed with SHA256:") as refused:
        Verification("app:1", digest, (look(keys[0], keys[1], every_key=True),), demand).required()

    lines = [line for line in refused.value.__notes__ if "not signed with" in line]
    assert [keys[1].public.fingerprint] == [line.rpartition(" ")[2] for line in lines]


def test_what_is_no_signature_in_the_list_is_told(listed, look, keys):
    listed(b"x", b"x", media_type="text/plain")

    assert "it is text/plain, no signature" == reason(look(keys[0]))


def test_what_only_the_list_calls_a_bundle_is_none(bundled, look, keys, store):
    def change(tree):
        tree["layers"][0]["mediaType"] = "text/plain"

    bundled(b"{}", change)

    assert () == look(keys[0]).found
