"""A registry that answers whatever it likes to whoever looks for signatures: refused or passed over, never believed.

What is signed in the list stays verified where the referrers are rubbish, and what is not signed never is; each
answer ends with an error of ours, after few requests.
"""

import json

import pytest

from ocitool.graph.signature_list import signature_tag
from ocitool.model.mediatype import OCI_INDEX
from ocitool.model.reference import referrers_tag
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.sick import Ward

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
ENTRY = {
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "digest": f"sha256:{'a' * 64}",
    "size": 900,
    "artifactType": BUNDLE,
}


def index(*entries, **more):
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries} | more).encode()


ANSWERS = {
    "nothing": b"",
    "html": b"<html>hello</html>",
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "deep": b'{"manifests":' * 20_000 + b"[]" + b"}" * 20_000,
    "not UTF-8": b'{"manifests": "\xff"}',
    "no manifests": b'{"schemaVersion": 2}',
    "a number of manifests": index().replace(b"[]", b"5"),
    "a text of manifests": index().replace(b"[]", b'"abc"'),
    "manifests by name": index().replace(b"[]", b'{"a": 1}'),
    "true": index().replace(b"[]", b"true"),
    "numbers": index(1, 2),
    "nulls": index(None, None),
    "no digest": index({key: ENTRY[key] for key in ENTRY if key != "digest"}),
    "a digest that leads out": index(ENTRY | {"digest": "sha256:../../../etc/passwd"}),
    "a digest of another kind": index(ENTRY | {"digest": "md5:abc"}),
    "a negative size": index(ENTRY | {"size": -1}),
    "a size in words": index(ENTRY | {"size": "900"}),
    "a size without end": index(ENTRY | {"size": 10**400}),
    "an artifact type that is none": index(ENTRY | {"artifactType": {"a": 1}}),
    "annotations that are none": index(ENTRY | {"annotations": ["a"]}),
    "annotations of numbers": index(ENTRY | {"annotations": {"dev.sigstore.bundle.predicateType": 1}}),
    "what is not there": index(ENTRY),
    "very many": index(*(ENTRY | {"digest": f"sha256:{n:064x}"} for n in range(5_000))),
    "control characters": index(ENTRY | {"artifactType": f"{BUNDLE}\x1b[2J", "annotations": {"\x1b": "\x07"}}),
    "too large": b" " * (5 * 1024 * 1024) + index(),
}


@pytest.fixture
def signed_by_nobody(run, tmp_path):
    """A registry with an image, what fills it, and the image's digest; the key beside it has signed nothing yet."""
    with fake_registry() as registry, Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(f"{registry.host}/app", write=True)[0])
        ward.image(tag="1")
        assert 0 == run("key", "generate", "-o", tmp_path / "a", "--unencrypted", "--type", "ed25519").exit_code
        yield registry, ward, ward.store.head("1").digest


def looked(run, registry, tmp_path, *words):
    registry.log.clear()
    done = run("verify", f"{registry.host}/app:1", "--key", tmp_path / "a.pub", *words)
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    return done, len(registry.log)


@pytest.mark.parametrize("how", ["API", "fallback tag"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_about_referrers(run, signed_by_nobody, tmp_path, answer, how):
    registry, _, digest = signed_by_nobody
    body = ANSWERS[answer]
    if how == "API":
        fault = Fault("GET */referrers/*", status=200, headers={"Content-Type": OCI_INDEX}, body=body, times=-1)
    else:
        registry.referrers = False
        tag = referrers_tag(digest)
        fault = Fault(
            f"GET */manifests/{tag}", status=200, headers={"Content-Type": OCI_INDEX}, body=body, times=-1
        )
    registry.faults.append(fault)

    unsigned, asked = looked(run, registry, tmp_path)
    assert 0 == run("sign", f"{registry.host}/app:1", "--key", tmp_path / "a.key").exit_code
    done, _ = looked(run, registry, tmp_path)

    assert unsigned.exit_code in {1, 6, 9}
    assert asked < 230
    assert done.exit_code in {0, 6}, done.stderr


@pytest.mark.parametrize("answer", [name for name in ANSWERS if name != "very many"])
@pytest.mark.parametrize("kind", [OCI_INDEX, "application/vnd.oci.image.manifest.v1+json", "text/html"])
def test_an_answer_where_the_list_of_signatures_is(run, signed_by_nobody, tmp_path, answer, kind):
    registry, _, digest = signed_by_nobody
    registry.faults.append(
        Fault(
            f"GET */manifests/{signature_tag(digest)}",
            status=200,
            headers={"Content-Type": kind},
            body=ANSWERS[answer],
            times=-1,
        )
    )

    done, asked = looked(run, registry, tmp_path)

    assert done.exit_code in {1, 6}, done.stderr
    assert asked < 20


def test_pages_without_end(run, signed_by_nobody, tmp_path):
    registry, _, digest = signed_by_nobody
    headers = {"Content-Type": OCI_INDEX, "Link": f'</v2/app/referrers/{digest}?next=1>; rel="next"'}
    registry.faults.append(Fault("GET */referrers/*", status=200, headers=headers, body=index(), times=-1))

    done, asked = looked(run, registry, tmp_path)

    assert (5, True) == (done.exit_code, "in a circle" in done.stderr)
    assert asked < 10


@pytest.mark.parametrize("status", [403, 418, 500])
def test_what_is_not_answered_is_no_signature_and_no_end_of_the_search(run, signed_by_nobody, tmp_path, status):
    """An error is told, and nothing is taken for signed or unsigned by it."""
    registry, _, _ = signed_by_nobody
    headers = {"Location": "http://127.0.0.2:9/x", "Retry-After": "0"}
    registry.faults.append(Fault("GET */referrers/*", status=status, headers=headers, body=b"{}", times=-1))

    done, asked = looked(run, registry, tmp_path)

    assert done.exit_code in {1, 4, 5, 6}, done.stderr
    assert asked < 40
