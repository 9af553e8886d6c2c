"""Pushes through a registry that misbehaves as real ones do."""

import hashlib

import pytest

from ocitool.errors import AuthError, DigestMismatch, NetworkError, NotFound, OcitoolError, RegistryError
from ocitool.model.digest import Digest
from ocitool.model.mediatype import OCTETS
from ocitool.model.views import Descriptor
from ocitool.registry.hosts import Access
from ocitool.store.base import BytesSource, Put
from ocitool.store.locate import Opener
from ocitool.tasks import Retry, Scope
from tests.fakes.registry import Fault, fake_registry

SMALL = b"small " * 100
LARGE = hashlib.sha256(b"x").digest() * 200_000  # 6.4 MB: streamed, not sent in one closing request
QUICK = Retry(attempts=4, base_s=0.001, cap_s=0.002, total_s=30)


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


@pytest.fixture
def opener(tmp_path):
    with Opener(Access(retry=QUICK, environ={"HOME": str(tmp_path)}), Scope()) as opened:
        yield opened


@pytest.fixture
def store(registry, opener):
    return opener.open(f"{registry.host}/app", write=True)[0]


def put(store, data: bytes) -> Put:
    return store.put_blob(Descriptor(OCTETS, Digest.of(data), len(data)), BytesSource(data))


def holds(registry, data: bytes) -> bool:
    return registry.blobs.get(("app", str(Digest.of(data)))) == data


SURVIVED = {
    "K094 a relative Location": Fault("POST *", edit={"Location": "u1?x=1"}),
    "K112 reset on HEAD": Fault("HEAD *", reset=True),
    "K112 reset on POST": Fault("POST *", reset=True),
    "K112 reset on PATCH": Fault("PATCH *", reset=True),
    "K112 reset on PUT": Fault("PUT *", reset=True),
    "K112 502 on HEAD": Fault("HEAD *", status=502),
    "K112 502 on POST": Fault("POST *", status=502),
    "K112 503 on PATCH": Fault("PATCH *", status=503),
    "K112 504 on PUT": Fault("PUT *", status=504),
    "429 on POST with Retry-After": Fault("POST *", status=429, headers={"Retry-After": "0"}, times=2),
    "K104 the connection breaks in the middle": Fault("PATCH *", reset=True, after=3_000_000),
    "K104 twice": Fault("PATCH *", reset=True, after=1_000_000, times=2),
    "K106 the commit is stored, its answer lost": Fault("PUT *", reset=True, then=True),
    "K106 the commit is stored, the answer is 504": Fault("PUT *", status=504, then=True),
    "K107 the session is gone": Fault("PATCH *", status=404, body=b'{"errors":[{"code":"BLOB_UPLOAD_INVALID"}]}'),
    "K103 no PUT with a body": Fault("PUT *", status=404, body=b'{"errors":[{"code":"BLOB_UNKNOWN"}]}'),
    "K101 the body is too large for one request": Fault("PUT *", status=413),
    "K102 PATCH is answered with 201": Fault("PATCH *", edit={"X-Odd": "1"}),
}


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("fault", SURVIVED.values(), ids=SURVIVED)
def test_a_push_survives(registry, store, fault, data):
    """K094, K101, K102, K103, K104, K106, K107, K112"""
    if fault.edit.get("Location"):
        registry.uploads["u1"] = bytearray()
    registry.faults = [Fault(**vars(fault))]

    put(store, data)

    assert holds(registry, data)


def test_a_cut_upload_goes_on_where_the_server_is(registry, store):
    """K104, K109: never from byte 0 in the old session."""
    registry.faults = [Fault("PATCH *", reset=True, after=3_000_000)]

    put(store, LARGE)

    sent = [request.size for request in registry.asked("PATCH")]
    assert holds(registry, LARGE)
    assert 1 == len(registry.asked("POST"))
    assert len(LARGE) == sum(sent)


def test_the_closing_request_is_empty_after_a_stream(registry, store):
    """K110"""
    put(store, LARGE)

    assert [0] == [request.size for request in registry.asked("PUT")]
    assert all("content-range" not in request.headers for request in registry.asked("PUT"))


def test_every_write_says_its_length(registry, store):
    """K100: some registries answer 411 to a POST without one."""
    put(store, SMALL)

    assert ["0"] == [request.headers["content-length"] for request in registry.asked("POST")]


def test_a_session_on_a_path_of_its_own_is_used_as_given(registry, store):
    """K098, K096: opaque, with its query."""
    odd = "/artifacts-uploads/namespaces/p/uploads/AbC-_~9"
    registry.faults = [
        Fault("POST *", edit={"Location": f"{odd}?_state=a%2Fb"}),
        Fault(f"PUT {odd}", status=201),
    ]

    put(store, SMALL)

    (request,) = registry.asked("PUT")
    assert f"{odd}?_state=a%2Fb&digest={Digest.of(SMALL)}" == request.path


def test_bytes_that_change_under_way_are_not_stored(registry, store):
    wrong = Descriptor(OCTETS, Digest.of(b"promised"), 8)

    with pytest.raises(DigestMismatch):
        store.put_blob(wrong, BytesSource(b"8 others"))
    assert {} == registry.blobs


def test_an_upload_that_never_works_ends(registry, store):
    registry.faults = [Fault("PATCH *", status=404, times=-1, body=b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')]

    with pytest.raises(OcitoolError):
        put(store, LARGE)
    assert len(registry.asked("POST")) <= 6


def test_a_registry_that_is_gone_is_a_network_error(registry, store):
    registry.faults = [Fault("*", times=-1, reset=True), Fault("* *", times=-1, reset=True)]

    with pytest.raises(NetworkError) as caught:
        put(store, SMALL)
    assert 5 == caught.value.exit_code
    assert registry.host in caught.value.what


MOUNT_REFUSALS = [200, 400, 401, 403, 404, 405, 409, 422, 501]


@pytest.mark.parametrize("status", MOUNT_REFUSALS)
def test_a_refused_mount_becomes_an_upload(registry, opener, store, status):
    """K116"""
    source, _ = opener.open(f"{registry.host}/base", write=True)
    descriptor = Descriptor(OCTETS, Digest.of(SMALL), len(SMALL))
    source.put_blob(descriptor, BytesSource(SMALL))
    registry.faults = [Fault("POST /v2/app/*", status=status)]

    from ocitool.store.base import StoreSource

    assert Put.STORED == store.put_blob(descriptor, StoreSource(descriptor, source))
    assert holds(registry, SMALL)


@pytest.mark.parametrize("size", [len(SMALL), len(LARGE)], ids=["whole", "streamed"])
def test_what_the_source_lost_is_no_session_that_is_gone(registry, opener, store, size):
    """K034, K107: one session, not a new one for each try."""
    from ocitool.store.base import StoreSource

    source, _ = opener.open(f"{registry.host}/base")
    descriptor = Descriptor(OCTETS, Digest.of(b"lost"), size)

    with pytest.raises(NotFound, match="base"):
        store.put_blob(descriptor, StoreSource(descriptor, source))
    assert 1 == len(registry.asked("POST"))  # the mount that was refused opened it


def test_a_mount_sends_no_byte(registry, opener, store):
    from ocitool.store.base import StoreSource

    source, _ = opener.open(f"{registry.host}/base", write=True)
    descriptor = Descriptor(OCTETS, Digest.of(SMALL), len(SMALL))
    source.put_blob(descriptor, BytesSource(SMALL))
    registry.log.clear()

    assert Put.MOUNTED == store.put_blob(descriptor, StoreSource(descriptor, source))
    assert ["POST"] == [request.method for request in registry.log]


def test_nothing_is_mounted_from_another_registry(registry, opener, store):
    """K118"""
    from ocitool.store.base import StoreSource

    with fake_registry() as other:
        source, _ = opener.open(f"{other.host}/base", write=True)
        descriptor = Descriptor(OCTETS, Digest.of(SMALL), len(SMALL))
        source.put_blob(descriptor, BytesSource(SMALL))

        assert Put.STORED == store.put_blob(descriptor, StoreSource(descriptor, source))
    assert [] == [request.path for request in registry.log if "from=" in request.path]


def test_a_mount_that_opens_a_broken_session_starts_anew(registry, opener, store):
    """K097: the Location of a refused mount may be useless."""
    from ocitool.store.base import StoreSource

    source, _ = opener.open(f"{registry.host}/base", write=True)
    descriptor = Descriptor(OCTETS, Digest.of(SMALL), len(SMALL))
    source.put_blob(descriptor, BytesSource(SMALL))
    echoed = {"Location": f"/v2/app/blobs/uploads/?mount={Digest.of(SMALL)}/u1"}
    registry.faults = [Fault("POST /v2/app/*", status=202, headers=echoed)]

    assert Put.STORED == store.put_blob(descriptor, StoreSource(descriptor, source))
    assert holds(registry, SMALL)


def test_an_upload_that_moves_to_another_host_takes_no_credentials_along(tmp_path):
    """K095: B's relative Location is B's; A's password stays with A."""
    import base64
    import json

    secret = base64.b64encode(b"u:hunter2").decode()
    with fake_registry() as a, fake_registry() as b:
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {a.host: {"auth": secret}}}))
        a.basic = f"Basic {secret}"
        a.faults = [
            Fault("POST *", status=307, headers={"Location": f"http://{b.host}/v2/app/blobs/uploads/"}, skip=1)
        ]
        with Opener(Access(retry=QUICK, environ={"HOME": str(tmp_path)}), Scope()) as opener:
            store, _ = opener.open(f"{a.host}/app", write=True)
            store.has_blob(Descriptor(OCTETS, Digest.of(b"x"), 1))
            a.faults[0].skip = 0
            put(store, SMALL)

        assert holds(b, SMALL)
        assert [] == [r for r in b.log if "authorization" in r.headers]
        assert len([r for r in a.log if "authorization" in r.headers]) >= 2


def test_refusals_are_not_tried_again(registry, store):
    registry.faults = [
        Fault("POST *", status=403, times=-1, body=b'{"errors":[{"code":"DENIED","message":"quota"}]}')
    ]

    with pytest.raises(AuthError, match="quota"):
        put(store, SMALL)
    assert 1 == len(registry.asked("POST"))


def test_a_denial_of_head_is_explained_by_a_get(registry, store):
    """K089"""
    why = b'{"errors":[{"code":"DENIED","message":"permission_denied: write_package"}]}'
    registry.faults = [Fault("HEAD *", status=403), Fault("GET *", status=403, body=why)]

    with pytest.raises(AuthError, match="write_package"):
        put(store, SMALL)


def test_manifest_that_the_registry_does_not_know_yet_is_tried_again(registry, store):
    """K115: seconds after its children were accepted."""
    from tests.fakes.images import put_image

    registry.faults = [
        Fault(
            "PUT /v2/app/manifests/*",
            status=404,
            times=2,
            skip=1,
            body=b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}',
        )
    ]
    put_image(store, "one", "linux/amd64", layers=[b"x"])
    put_image(store, "two", "linux/arm64", layers=[b"y"])

    assert {"one", "two"} == {tag for _, tag in registry.tags}


def test_children_that_never_come_are_an_error_at_once(registry, store):
    """K115"""
    from ocitool.model import compose
    from ocitool.model.mediatype import OCI_MANIFEST, Family

    index = compose.index(Family.OCI, [Descriptor(OCI_MANIFEST, Digest.of(b"nowhere"), 7)])

    with pytest.raises(RegistryError) as caught:
        store.put_manifest(index, "v1")
    assert caught.value.has("MANIFEST_BLOB_UNKNOWN")
    assert 1 == len(registry.asked("PUT"))
