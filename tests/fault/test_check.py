"""What check makes of registries that say odd things beside the right bytes, and of those that say nothing."""

import pytest

from ocitool.check.engine import exit_code
from ocitool.check.runner import CheckOptions, check_names, check_tags
from ocitool.errors import DigestMismatch
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.tasks import Retry, Scope
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.sick import Ward, member, program, tar

ROOT, CHILD = "GET */manifests/1", "GET */manifests/sha256:*"
HEAD = "HEAD */manifests/*"
HASTY = Retry(attempts=2, base_s=0.001, cap_s=0.002, total_s=0.1)


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


@pytest.fixture
def ward(registry, opened):
    """An index of two images under the tags 1 to 4; what was asked for until then is forgotten."""
    ward = Ward(opened(registry))
    one, other = ward.image(), ward.image("linux/arm64")
    for tag in "1234":
        ward.index(one, other, tag=tag, annotations={"tag": tag})
    registry.log.clear()
    return ward


@pytest.fixture
def check(registry, ward, opened):
    """`check(fault, …)`: what is found in tag 1, or with all_tags in all of them."""

    def call(*faults, all_tags=False):
        registry.faults = list(faults)
        places = [(opened(registry, write=False, retry=HASTY), "1", "app:1")]
        return (check_tags if all_tags else check_names)(places, scope=Scope())

    return call


def told(done):
    return [(one.rule, one.at.label, one.message) for one in done.findings]


def edited(on, **headers):
    return Fault(on, edit={key.replace("_", "-"): value for key, value in headers.items()}, times=-1)


def test_a_right_registry_is_asked_for_each_thing_once(registry, check):
    """The root, two manifests, two configs, two layers by HEAD; the rules about the registry cost nothing."""
    done = check()

    assert ([], ()) == (told(done), done.unanswered)
    assert ["GET"] * 5 + ["HEAD"] * 2 == [request.method for request in registry.log]


def test_requests_of_a_check(registry, opened):
    """K227: manifests, configs and distinct blobs, each once, however many images share them; 2 are to spare."""
    ward = Ward(opened(registry))
    base = program("amd64")
    images = [
        ward.image(f"linux/{name}", layers=[base, program("arm64"), tar(member(name))])
        for name in ("amd64", "arm64", "s390x", "riscv64")
    ]
    ward.index(*images, *(ward.provenance(image["digest"]) for image in images))
    manifests, configs, blobs = 1 + 8, 4, 2 + 4 + 4 + 4
    registry.log.clear()

    for more, expected in (({}, manifests + configs + blobs), ({"blobs": False}, manifests + configs)):
        registry.log.clear()
        done = check_names([(opened(registry, write=False), "1", "app:1")], CheckOptions(**more), scope=Scope())
        assert ((), (), ("app:1",)) == (done.unanswered, done.failed, done.names)
        assert expected <= len(registry.log) <= expected + 2
        assert len(registry.log) == len({(one.method, one.path) for one in registry.log})


def test_a_layer_that_is_gone_is_found_without_reading_any(registry, ward, check):
    """K227, and K217's sibling: a HEAD alone does not say that a blob is missing."""
    assert [] == told(check(Fault("HEAD */blobs/*", status=404, times=-1)))
    gone = check(Fault("* */blobs/*", status=404, times=-1))

    assert {"config/missing", "layer/missing"} == {rule for rule, *_ in told(gone)}


def test_a_blob_that_nobody_answers_for_is_no_missing_one(check):
    """K034."""
    done = check(Fault("HEAD */blobs/*", status=503, times=-1))

    assert [] == told(done)
    assert 5 == done.exit_code


@pytest.mark.parametrize(
    ("said", "served"),
    [
        ("application/json", "served as application/json"),
        ("text/plain; charset=utf-8", "served as text/plain"),
        (None, "served without a Content-Type"),
    ],
)
def test_a_root_that_is_served_as_something_else(check, said, served):
    """K044, K043: the rest is looked at all the same."""
    done = check(edited(ROOT, Content_Type=said))

    assert [("registry/content-type", "", f"{served}, and it is {mediatype.OCI_INDEX}")] == told(done)


@pytest.mark.parametrize("said", [mediatype.DOCKER_LIST, mediatype.OCI_MANIFEST])
def test_a_root_that_is_served_as_another_kind_of_manifest(registry, check, said):
    """K043: to one reader it is the one, to the next the other, so nothing below it is looked at."""
    done = check(edited(ROOT, Content_Type=said))

    assert [("registry/content-type", "", f"served as {said}, and it is {mediatype.OCI_INDEX}")] == told(done)
    assert 1 == exit_code(done.findings, done.unanswered)
    assert 1 == len(registry.log)


def test_a_child_that_is_served_as_another_kind_of_manifest(check, ward):
    """K043."""
    child = f"GET */manifests/{ward.image('linux/arm64')['digest']}"
    done = check(edited(child, Content_Type=mediatype.DOCKER_MANIFEST))

    message = f"served as {mediatype.DOCKER_MANIFEST}, and it is {mediatype.OCI_MANIFEST}"
    assert [("registry/content-type", "linux/arm64", message)] == told(done)


@pytest.mark.parametrize("said", [str(Digest.of(b"other")), "sha256:abc", "none"])
def test_a_root_under_the_digest_of_another(check, ward, said):
    """K122: what a header says that is wrong, or no digest at all."""
    done = check(edited(ROOT, Docker_Content_Digest=said))

    got = str(ward.store.head("1").digest)[:19]
    message = f"served with Docker-Content-Digest {said[:19]}, and its bytes are {got}"
    assert [("registry/wrong-digest", "", message)] == told(done)


def test_a_child_under_the_digest_of_another(check, ward):
    """K122: its bytes are those that were asked for."""
    child = ward.image("linux/arm64")["digest"]
    done = check(edited(f"GET */manifests/{child}", Docker_Content_Digest=str(Digest.of(b"other"))))

    message = f"served with Docker-Content-Digest {str(Digest.of(b'other'))[:19]}, and its bytes are {child[:19]}"
    assert [("registry/wrong-digest", "linux/arm64", message)] == told(done)
    assert () == done.unanswered


def test_other_bytes_under_a_childs_digest(check):
    done = check(Fault(CHILD, corrupt=True, times=1))

    assert ["index/child-digest"] == [one.rule for one in done.findings]
    assert () == done.unanswered


def test_a_tag_whose_bytes_were_changed_on_the_way_is_an_error(registry, ward, opened):
    """Nothing that was asked for by digest and is not it can be looked at."""
    digest = str(ward.store.head("1").digest)
    registry.faults = [Fault(f"GET */manifests/{digest}", corrupt=True, times=-1)]

    done = check_names([(opened(registry, write=False), digest, "app")], scope=Scope())

    ((name, error),) = done.failed
    assert ("app", DigestMismatch, 6) == (name, type(error), done.exit_code)


def test_other_malformed_roots_are_errors(check):
    done = check(Fault(ROOT, status=200, body=b"<html>", headers={"Content-Type": "text/html"}))

    ((_, error),) = done.failed
    assert (6, (), ()) == (done.exit_code, done.findings, done.names)
    assert "not JSON" in str(error)


def test_headers_that_the_specification_leaves_open_are_notes(check):
    """K122: ECR and registry.redhat.io tell no digest."""
    done = check(edited("GET */manifests/*", Docker_Content_Digest=None, Content_Length=None))

    assert [
        ("registry/no-digest", "", "manifests are served without Docker-Content-Digest"),
        ("registry/no-length", "", "manifests are served without Content-Length"),
    ] == told(done)
    assert 0 == exit_code(done.findings, done.unanswered)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(HEAD, status=405, times=-1), "HEAD of a manifest is answered 405"),
        (edited(HEAD, Docker_Content_Digest=None), "HEAD gives no Docker-Content-Digest"),
        (edited(HEAD, Content_Length="0"), "HEAD gives another Content-Length than GET"),
        (edited(HEAD, Content_Type="text/plain"), "HEAD gives another Content-Type than GET"),
    ],
    ids=["refused", "digest", "length", "type"],
)
def test_head_and_get_disagree(check, fault, message):
    """K123, K122: seen where tags are looked at, which begins with a HEAD; told once for all tags."""
    done = check(fault, all_tags=True)

    assert [("registry/head", "", message)] == told(done)
    assert 1 == exit_code(done.findings, done.unanswered)


def test_a_child_that_tags_share_is_told_once(check, ward):
    """What the registry says of it is the same for all of them."""
    child = f"GET */manifests/{ward.image('linux/arm64')['digest']}"
    done = check(edited(child, Content_Type="text/plain"), all_tags=True)

    assert [("registry/content-type", "linux/arm64")] == [(one.rule, one.at.label) for one in done.findings]


@pytest.mark.parametrize(("status", "code"), [(401, 4), (403, 4), (429, 5), (500, 5), (503, 5)])
def test_what_could_not_be_seen_goes_before_findings(check, ward, status, code):
    """K034: the other child is gone, which would be 1."""
    gone, other = ward.image()["digest"], ward.image("linux/arm64")["digest"]
    ward.store.delete(gone)

    done = check(Fault(f"GET */manifests/{other}", status=status, times=-1))

    assert [("index/dangling", "linux/amd64", f"{gone} is not there")] == told(done)
    assert 1 == len(done.unanswered)
    assert code == exit_code(done.findings, done.unanswered)
