"""Reads, logins and lists against a registry that misbehaves as real ones do."""

import base64
import gzip
import json

import pytest

from ocitool.errors import AuthError, DigestMismatch, MalformedDocument, NetworkError, NotFound, Unsupported
from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.mediatype import ACCEPT, DOCKER_LIST, OCI_INDEX, OCTETS, SCHEMA1_SIGNED
from ocitool.model.views import Descriptor, Opaque, view
from ocitool.registry.hosts import Access
from ocitool.store.base import BytesSource, Put, opened_range
from ocitool.store.locate import Opener
from ocitool.tasks import Retry, Scope
from tests.fakes.images import put_image
from tests.fakes.registry import Fault, fake_registry

QUICK = Retry(attempts=4, base_s=0.001, cap_s=0.002, total_s=30)
BLOB = b"a blob " * 5000
NAMED = Descriptor(OCTETS, Digest.of(BLOB), len(BLOB))


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


@pytest.fixture
def environ(tmp_path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


@pytest.fixture
def opener(environ):
    with Opener(Access(retry=QUICK, environ=environ), Scope()) as opened:
        yield opened


@pytest.fixture
def store(registry, opener):
    return opener.open(f"{registry.host}/app", write=True)[0]


def login(tmp_path, host: str, password: str = "hunter2") -> str:
    secret = base64.b64encode(f"u:{password}".encode()).decode()
    (tmp_path / ".docker").mkdir(exist_ok=True)
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"auths": {host: {"auth": secret}}}))
    return f"Basic {secret}"


def read(store) -> bytes:
    with store.open_blob(NAMED) as pieces:
        return b"".join(pieces)


# Reads


def part(store, offset: int, size: int) -> bytes:
    with opened_range(store, NAMED, offset, size) as pieces:
        return b"".join(pieces)


def test_a_part_asks_for_no_more_than_itself(registry, store):
    store.put_blob(NAMED, BytesSource(BLOB))

    assert BLOB[7:27] == part(store, 7, 20)
    assert ["bytes=7-26"] == [r.headers["range"] for r in registry.asked("GET", "*/blobs/*")]


def test_a_server_that_sends_whole_blobs_only_is_told(registry, store):
    store.put_blob(NAMED, BytesSource(BLOB))
    registry.faults = [Fault("GET */blobs/*", status=200, body=BLOB)]

    with pytest.raises(Unsupported, match="sends blobs as a whole only"):
        part(store, 100, 200)


def test_more_than_was_asked_for_is_left_alone(registry, store):
    store.put_blob(NAMED, BytesSource(BLOB))
    registry.faults = [
        Fault("GET */blobs/*", status=206, body=BLOB, headers={"Content-Range": f"bytes 0-{len(BLOB) - 1}/*"})
    ]

    assert BLOB[3:10] == part(store, 3, 7)


def test_the_whole_accept_list_is_sent_on_head_and_get(registry, store):
    """K119: in one header, for servers that read the first line alone."""
    digest = put_image(store, "v1", "linux/amd64")
    registry.log.clear()
    store.head("v1")
    store.get_manifest("v1")

    for request in registry.log:
        assert all(kind in request.headers["accept"] for kind in ACCEPT)
    assert digest == store.head("v1").digest


def test_no_compression_is_asked_for_or_undone(registry, store):
    """K121: a layer that is labelled as compressed on the wire keeps its bytes."""
    layer = gzip.compress(BLOB, mtime=0)
    descriptor = Descriptor(OCTETS, Digest.of(layer), len(layer))
    store.put_blob(descriptor, BytesSource(layer))
    registry.faults = [Fault("GET *", edit={"Content-Encoding": "gzip"})]

    with store.open_blob(descriptor) as pieces:
        assert layer == b"".join(pieces)
    assert {"identity"} == {request.headers["accept-encoding"] for request in registry.log}


def test_a_head_without_a_digest_is_followed_by_a_read(registry, store):
    """K122"""
    digest = put_image(store, "v1", "linux/amd64")
    registry.faults = [Fault("* */manifests/*", edit={"Docker-Content-Digest": None}, times=2)]

    assert digest == store.head("v1").digest


@pytest.mark.parametrize("status", [405, 501])
def test_a_registry_without_head_is_read(registry, store, status):
    """K123"""
    digest = put_image(store, "v1", "linux/amd64")
    registry.faults = [Fault("HEAD *", status=status)]

    assert digest == store.head("v1").digest


def test_a_wrong_digest_header_is_an_error(registry, store):
    """K122"""
    put_image(store, "v1", "linux/amd64")
    registry.faults = [Fault("GET *", edit={"Docker-Content-Digest": str(Digest.of(b"other"))})]

    with pytest.raises(DigestMismatch):
        store.get_manifest("v1")


def test_other_bytes_under_a_digest_are_an_error(registry, store):
    digest = put_image(store, "v1", "linux/amd64")
    registry.faults = [Fault("GET *", corrupt=True, edit={"Docker-Content-Digest": None})]

    with pytest.raises(DigestMismatch):
        store.get_manifest(str(digest))


@pytest.mark.parametrize("fault", [Fault("GET *", corrupt=True), Fault("GET *", body=b"short", status=200)])
def test_a_spoiled_blob_is_never_taken(registry, store, fault):
    store.put_blob(NAMED, BytesSource(BLOB))
    registry.faults = [Fault(**vars(fault))]

    with pytest.raises(DigestMismatch):
        read(store)


def test_a_manifest_stored_without_location_is_stored(registry, store):
    """K124"""
    registry.faults = [Fault("PUT */manifests/*", edit={"Location": None, "Docker-Content-Digest": None})]

    assert put_image(store, "v1", "linux/amd64") == store.head("v1").digest


def test_schema_1_is_told_as_what_it_is(registry, store):
    """K125: never an image without layers."""
    body = json.dumps(
        {"schemaVersion": 1, "name": "app", "tag": "t", "fsLayers": [], "history": [], "signatures": []}
    )
    registry.faults = [Fault("GET *", status=200, body=body.encode(), headers={"Content-Type": SCHEMA1_SIGNED})]

    seen = view(store.get_manifest("v1"))

    assert isinstance(seen, Opaque)
    assert "schema 1" in seen.why


def test_a_manifest_without_an_end_is_not_read(registry, store):
    registry.faults = [Fault("GET *", status=200, body=bytes(5_000_000), headers={"Content-Type": OCI_INDEX})]

    with pytest.raises(MalformedDocument, match="more than"):
        store.get_manifest("v1")


@pytest.mark.parametrize("kind", ["HEAD", "GET"])
def test_reads_are_tried_again(registry, store, kind):
    """K112"""
    put_image(store, "v1", "linux/amd64")
    registry.faults = [Fault(f"{kind} *", reset=True), Fault(f"{kind} *", status=502)]

    assert store.head("v1").digest == store.get_manifest("v1").digest


def test_an_immutable_tag_with_the_same_content_is_there_already(registry, store):
    """K127"""
    from ocitool.errors import OcitoolError

    put_image(store, "v1", "linux/amd64")
    refusal = b'{"errors":[{"code":"TAG_INVALID","message":"tag is immutable"}]}'
    registry.faults = [Fault("PUT */manifests/v1", status=400, body=refusal, times=-1)]

    put_image(store, "v1", "linux/amd64")
    with pytest.raises(OcitoolError) as caught:
        put_image(store, "v1", "linux/arm64")
    assert "immutable" in caught.value.hint


def test_a_redirected_blob_takes_no_credentials_to_another_host(registry, opener, tmp_path):
    """K087"""
    registry.basic = login(tmp_path, registry.host)
    with fake_registry() as storage:
        storage.faults = [Fault("GET *", status=200, body=BLOB)]
        registry.faults = [
            Fault("GET *", skip=1, status=307, headers={"Location": f"http://{storage.host}/signed?x=1"})
        ]
        store, _ = opener.open(f"{registry.host}/app")
        store.has_blob(NAMED)
        registry.faults[0].skip = 0

        assert BLOB == read(store)
        assert [{}] == [{k: v for k, v in r.headers.items() if k == "authorization"} for r in storage.log]


def test_redirects_in_a_circle_end(registry, store):
    registry.faults = [Fault("GET *", status=307, headers={"Location": "/v2/app/manifests/v1"}, times=-1)]

    with pytest.raises(NetworkError, match="circle"):
        store.get_manifest("v1")


# Logging in


def test_basic_goes_with_every_request_whatever_the_case_of_the_challenge(registry, opener, tmp_path):
    """K077, K080"""
    registry.basic = login(tmp_path, registry.host)
    store, _ = opener.open(f"{registry.host}/app", write=True)
    put_image(store, "v1", "linux/amd64", layers=[b"x" * 5_000_000])

    first, *others = registry.log
    assert "authorization" not in first.headers
    assert {registry.basic} == {request.headers.get("authorization") for request in others}


def test_a_wrong_password_is_tried_once_and_its_source_named(registry, opener, tmp_path):
    """K088"""
    login(tmp_path, registry.host, "hunter3")
    registry.basic = "Basic right"
    store, _ = opener.open(f"{registry.host}/app")

    with pytest.raises(AuthError) as caught:
        store.get_manifest("v1")
    assert 2 == len(registry.log)
    assert "config.json" in caught.value.source
    assert "hunter3" not in str(vars(caught.value))


def test_a_token_that_ends_in_mid_push_is_renewed_and_only_that_request_repeated(registry, opener):
    """K082"""
    registry.tokens = set()
    store, _ = opener.open(f"{registry.host}/app", write=True)
    store.has_blob(NAMED)
    large = bytes(6_000_000)
    descriptor = Descriptor(OCTETS, Digest.of(large), len(large))
    registry.faults = [Fault("PUT *", status=401, headers=challenge(registry))]

    assert Put.STORED == store.put_blob(descriptor, BytesSource(large))
    assert 1 == len(registry.asked("PATCH"))
    assert 2 == registry.issued


def challenge(registry) -> dict[str, str]:
    realm = f"http://{registry.host}/token"
    return {"WWW-Authenticate": f'Bearer realm="{realm}",service="fake",error="invalid_token"'}


def test_a_token_is_asked_for_once_by_many_requests(registry, opener):
    registry.tokens = set()
    store, _ = opener.open(f"{registry.host}/app", write=True)
    put_image(store, "v1", "linux/amd64", layers=[b"x", b"y"])

    assert 1 == registry.issued
    (request,) = registry.asked("GET", "/token*")
    assert "scope=repository%3Aapp%3Apull%2Cpush" in request.path


def test_a_fresh_token_that_is_refused_ends_it(registry, opener):
    registry.tokens = set()
    registry.token_answer = {"token": "useless"}
    store, _ = opener.open(f"{registry.host}/app")

    with pytest.raises(AuthError):
        store.get_manifest("v1")
    assert registry.issued <= 2


@pytest.mark.parametrize("answer", [{}, {"token": ""}])
def test_a_token_answer_without_a_token_names_the_server(registry, opener, answer):
    """K076"""
    registry.tokens = set()
    registry.token_answer = answer
    store, _ = opener.open(f"{registry.host}/app")

    with pytest.raises(AuthError, match="/token"):
        store.get_manifest("v1")


def test_the_token_server_may_fail_for_a_moment(registry, opener):
    """K112"""
    registry.tokens = set()
    registry.faults = [Fault("GET /token", reset=True), Fault("GET /token", status=503)]
    store, _ = opener.open(f"{registry.host}/app")

    with pytest.raises(NotFound):
        store.get_manifest("nothing")


def test_a_body_is_not_sent_before_the_login(registry, opener):
    """K086"""
    registry.tokens = set()
    store, _ = opener.open(f"{registry.host}/app", write=True)
    store.put_blob(NAMED, BytesSource(BLOB))

    assert [len(BLOB)] == [request.size for request in registry.log if request.size]


# Lists


@pytest.mark.parametrize("count", [0, 1, 3, 4, 10])
def test_every_page_of_tags_is_read(registry, store, count):
    """K130"""
    names = [f"t{number:02}" for number in range(count)]
    for name in names:
        put_image(store, name, "linux/amd64")

    assert names == sorted(store.tags())


@pytest.mark.parametrize(
    "link",
    [
        '</v2/app/tags/list?next_page=gAAA%3D&n=50>; rel="next"',
        "</v2/app/tags/list?next_page=gAAA%3D&n=50>; rel=next",
        '<http://{host}/v2/app/tags/list?next_page=gAAA%3D&n=50>;rel="next"',
        '</other>; rel="prev", </v2/app/tags/list?next_page=gAAA%3D&n=50>; rel="next"',
        '<list?next_page=gAAA%3D&n=50>; rel="next"',
    ],
)
def test_a_link_is_followed_as_it_is_given(registry, store, link):
    """K130"""
    registry.faults = [
        Fault(
            "GET */tags/list",
            status=200,
            body=b'{"tags":["a"]}',
            headers={"Link": link.replace("{host}", registry.host)},
        ),
        Fault("GET */tags/list", status=200, body=b'{"tags":["b"]}'),
    ]

    assert ["a", "b"] == list(store.tags())
    assert registry.log[-1].path == "/v2/app/tags/list?next_page=gAAA%3D&n=50"


@pytest.mark.parametrize("more", [0, 1])
def test_a_page_has_a_size(registry, store, more):
    """K236, K254: 32 MiB are read, one byte more is not."""
    text = b'{"name":"app","tags":["a"]}'
    registry.faults.append(Fault("GET /v2/app/tags/list", status=200, body=text.ljust(32 * 1024 * 1024 + more)))

    if more:
        with pytest.raises(MalformedDocument, match="more than 33554432 bytes"):
            list(store.tags())
    else:
        assert ["a"] == list(store.tags())


def test_pages_in_a_circle_end(registry, store):
    """K130"""
    here = {"Link": '</v2/app/tags/list>; rel="next"'}
    registry.faults = [Fault("GET */tags/list", status=200, body=b'{"tags":["a"]}', headers=here, times=-1)]

    with pytest.raises(NetworkError, match="circle"):
        list(store.tags())


def test_pages_that_overlap_tell_each_tag_once(registry, store):
    """K130: tags are written between two pages, or a registry counts from another place than it said."""
    link = {"Link": '</v2/app/tags/list?n=9>; rel="next"'}
    registry.faults = [
        Fault("GET */tags/list", status=200, body=b'{"tags":["a","b","b"]}', headers=link),
        Fault("GET */tags/list", status=200, body=b'{"tags":["b","c"]}'),
    ]

    assert ["a", "b", "c"] == list(store.tags())


def test_no_tags_may_be_null(registry, store):
    """K130"""
    registry.faults = [Fault("GET */tags/list", status=200, body=b'{"name":"app","tags":null}')]

    assert [] == list(store.tags())


@pytest.mark.parametrize("status", [400, 404, 405, 406])
def test_referrers_fall_back_to_the_tag(registry, store, status):
    """K131"""
    subject = Digest.of(b"subject")
    put_image(store, "signature", "linux/amd64")
    entry = store.head("signature")
    store.put_manifest(compose.index(compose.Family.OCI, [entry]), f"sha256-{subject.hex}")
    registry.faults = [Fault("GET */referrers/*", status=status)]

    assert [entry.digest] == [found.digest for found in store.referrers(subject)]
    assert 1 == len(registry.asked("GET", "*/manifests/sha256-*"))


def test_a_registry_without_referrers_is_asked_once(registry, store):
    """What got 404 is there; of a manifest that may be absent nothing is learned."""
    registry.referrers = False
    put_image(store, "one", "linux/amd64")
    put_image(store, "two", "linux/arm64")
    digests = [store.head(name).digest for name in ("one", "two")]
    store.referrers(Digest.of(b"absent"))
    store.referrers(digests[0])
    asked = len(registry.asked("GET", "*/referrers/*"))

    store.referrers(digests[1])

    assert (2, 2) == (asked, len(registry.asked("GET", "*/referrers/*")))


def test_referrers_that_are_html_are_no_referrers(registry, store):
    """K131"""
    registry.faults = [
        Fault("GET */referrers/*", status=200, body=b"<html>", headers={"Content-Type": "text/html"})
    ]

    assert [] == store.referrers(Digest.of(b"x"))


def test_a_list_of_dockers_is_read_with_its_type(registry, store):
    raw = json.dumps({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": []}).encode()
    registry.faults = [
        Fault("GET *", status=200, body=raw, headers={"Content-Type": f"{DOCKER_LIST}; charset=utf-8"})
    ]

    assert DOCKER_LIST == store.get_manifest("v1").media_type
