"""What a repository as a store does about registries that contradict themselves."""

import pytest

from ocitool import Client
from ocitool.errors import AuthError, DigestMismatch, Unsupported
from ocitool.model import compose
from ocitool.model.mediatype import OCI_LAYER, Family
from ocitool.model.platform import Platform
from ocitool.model.reference import referrers_tag
from ocitool.model.views import Descriptor
from ocitool.registry.repository import NOTHING, Registry
from ocitool.store.base import BytesSource, Put
from tests.fakes.images import put_image
from tests.fakes.registry import Fault, fake_registry
from tests.fault.conftest import content, named, put


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


def image(layer: Descriptor):
    config = compose.image_config(
        Family.OCI, Platform("linux", "amd64"), settings={}, diff_ids=[layer.digest], history=[], created=""
    )
    return config, compose.manifest(Family.OCI, Descriptor.of(config), [layer])


def test_a_blob_that_was_said_to_be_there_is_sent_when_the_manifest_needs_it(registry, opened):
    """K114: Artifactory answers 200 to HEAD for what it has not got."""
    data = content(1000)
    layer = Descriptor(OCI_LAYER, named(data).digest, len(data))
    config, manifest = image(layer)
    store = opened(registry)
    registry.faults = [Fault(f"HEAD */blobs/{layer.digest}", status=200)]
    assert Put.EXISTED == store.put_blob(layer, BytesSource(data))
    store.put_blob(Descriptor.of(config), BytesSource(config.raw))

    store.put_manifest(manifest, "v1")

    assert data == registry.blobs["app", str(layer.digest)]
    assert manifest.digest == store.head("v1").digest


def test_a_denied_overwrite_is_told_as_one(registry, opened):
    """K128: Artifactory wraps a 403 into MANIFEST_INVALID."""
    body = b'{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{"description":"HTTP 403 Forbidden"}}]}'
    registry.faults = [Fault("PUT */manifests/v1", status=403, body=body, times=-1)]

    with pytest.raises(AuthError) as caught:
        put_image(opened(registry), "v1", "linux/amd64")

    assert "may not overwrite the tag v1" in caught.value.hint
    assert "403" in caught.value.what
    assert "HTTP 403 Forbidden" in caught.value.what


def test_a_fallback_tag_that_answers_with_the_subject_lists_nothing(opened):
    """K132: GitLab takes sha256-<hex> for the digest."""
    with fake_registry(referrers=False) as registry:
        store = opened(registry)
        index = compose.index(Family.OCI, [])
        store.put_manifest(index)
        registry.tags["app", referrers_tag(index.digest)] = str(index.digest)

        assert [] == store.referrers(index.digest)


@pytest.mark.parametrize("status", [400, 405])
def test_deleting_that_is_switched_off_is_not_supported(registry, opened, status):
    """K129: and not tried again; a tag might be deleted with a placeholder, so a digest of nothing is asked about."""
    store = opened(registry)
    put_image(store, "v1", "linux/amd64")
    body = b'{"errors":[{"code":"UNSUPPORTED"}]}'
    registry.faults = [Fault("DELETE *", status=status, body=body, times=-1)]

    with pytest.raises(Unsupported, match="UNSUPPORTED"):
        store.delete("v1")
    assert ["v1", str(NOTHING)] == [request.path.rpartition("/")[2] for request in registry.asked("DELETE")]


@pytest.mark.parametrize("status", [400, 405])
def test_a_manifest_that_is_not_deleted_is_asked_for_once(registry, opened, status):
    """K129"""
    store = opened(registry)
    put_image(store, "v1", "linux/amd64")
    digest = str(store.head("v1").digest)
    registry.faults = [Fault("DELETE *", status=status, times=-1)]

    with pytest.raises(Unsupported, match="does not delete manifests"):
        store.delete(digest)
    assert [digest] == [request.path.rpartition("/")[2] for request in registry.asked("DELETE")]


def test_only_manifests_are_asked_with_accept(registry, opened):
    """K120: Artifactory answers 406 to uploads that accept manifests."""
    put_image(opened(registry), "v1", "linux/amd64", layers=[content(5_000_000)])

    accepts = {request.headers.get("accept") for request in registry.log if "/manifests/" not in request.path}
    assert {"*/*"} == accepts


def test_a_head_by_digest_that_names_another_is_checked(registry, opened):
    store = opened(registry)
    digest = put_image(store, "v1", "linux/amd64")
    registry.faults = [Fault("HEAD *", edit={"Docker-Content-Digest": str(named(b"x").digest)}, times=-1)]

    assert digest == store.head(str(digest)).digest


def test_a_manifest_stored_as_another_is_found_out(registry, opened):
    registry.faults = [Fault("PUT */manifests/*", edit={"Docker-Content-Digest": str(named(b"x").digest)})]

    with pytest.raises(DigestMismatch, match="stored"):
        put_image(opened(registry), "v1", "linux/amd64")


def test_a_registry_without_head_for_blobs_is_read(registry, opened):
    """K123"""
    store = opened(registry)
    put(store, b"x")
    registry.faults = [Fault("HEAD */blobs/*", status=405, times=-1)]
    other = opened(registry)

    assert other.has_blob(named(b"x"))
    assert not other.has_blob(named(b"y"))


# Endpoints that no store needs


def test_the_catalog_is_read_page_by_page(registry, opened):
    session = opened(registry).repository.session
    registry.faults = [
        Fault(
            "GET /v2/_catalog",
            status=200,
            body=b'{"repositories":["a"]}',
            headers={"Link": '</v2/_catalog?last=a>; rel="next"'},
        ),
        Fault("GET /v2/_catalog", status=200, body=b'{"repositories":["b"]}'),
    ]

    assert ["a", "b"] == list(Registry(session, registry.host).catalog(1))
    assert "/v2/_catalog?n=1" == registry.log[0].path


def test_a_client_lists_every_repository_unless_a_limit_is_said(registry):
    registry.faults = [Fault("GET /v2/_catalog*", status=200, body=b'{"repositories":["a","b"]}', times=2)]

    with Client() as client:
        assert (("a", "b"), ("a",)) == (client.catalog(registry.host), client.catalog(registry.host, limit=1))


def test_extensions_are_named_and_may_be_missing(registry, opened):
    session = opened(registry).repository.session
    body = b'{"extensions":[{"name":"_oci"},{"name":"_zot"},5]}'
    registry.faults = [Fault("GET /v2/_oci/ext/discover", status=200, body=body)]

    assert ("_oci", "_zot") == Registry(session, registry.host).extensions()
    assert () == Registry(session, registry.host).extensions()


def test_tags_go_along_with_a_digest(registry, opened):
    """end-7b"""
    store = opened(registry)
    put_image(store, "v1", "linux/amd64")
    document = store.get_manifest("v1")

    store.repository.put_manifest(str(document.digest), document, document.media_type, tags=("a", "b"))

    assert registry.log[-1].path.endswith("?tag=a&tag=b")


def test_tags_begin_where_one_wants(registry, opened):
    store = opened(registry)
    for name in "abcd":
        put_image(store, name, "linux/amd64")

    assert ["c", "d"] == list(store.repository.tags(page=1, last="b"))


def test_referrers_of_one_kind(registry, opened):
    """Filtered here where the registry does not filter."""
    store = opened(registry)
    subject = Descriptor.of(store.get_manifest(str(put_image(store, "v1", "linux/amd64"))))
    base = store.get_manifest("v1")
    for kind in ("text/a", "text/b+x"):
        store.put_manifest(
            base.edit(lambda tree, kind=kind: tree.update(subject=subject.to_tree(), artifactType=kind))
        )

    found = store.repository.referrers(subject.digest, "text/b+x")

    assert ["text/b+x"] == [entry.artifact_type for entry in found]
    assert registry.log[-1].path.endswith("?artifactType=text%2Fb%2Bx")
