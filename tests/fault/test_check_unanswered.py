"""K034: what check makes of every kind of request that is not answered, and of a 404, which is an answer."""

import pytest

from ocitool.check.runner import CheckOptions, check_names, check_tags
from ocitool.errors import AuthError, NetworkError, RegistryError
from ocitool.tasks import Retry, Scope
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.sick import Ward

HASTY = Retry(attempts=2, base_s=0.001, cap_s=0.002, total_s=0.1)
REFUSALS = {401: 4, 403: 4, 410: 5, 429: 5, 500: 5, 503: 5}
HTML = {"Content-Type": "text/html"}


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


@pytest.fixture
def ward(registry, opened):
    """Tag 1, an index of one image, and the tag of another image's signature; nothing is wrong with either."""
    ward = Ward(opened(registry))
    ward.index(ward.image(), tag="1")
    ward.image(tag=f"{ward.image('linux/s390x', layers=[])['digest'].replace(':', '-')}.sig")
    return ward


@pytest.fixture
def asked(ward):
    """What each kind of question is, as a pattern of faults."""
    index = ward.store.get_manifest("1").tree()
    child = index["manifests"][0]["digest"]
    image = ward.store.get_manifest(child).tree()
    return {
        "root": "GET */manifests/1",
        "child": f"GET */manifests/{child}",
        "config": f"GET */blobs/{image['config']['digest']}",
        "layer": f"GET */blobs/{image['layers'][0]['digest']}",
        "tags": "GET */tags/list*",
        "tag": "HEAD */manifests/1",
        "subject": f"HEAD */manifests/{ward.image('linux/s390x', layers=[])['digest']}",
    }


@pytest.fixture
def check(registry, ward, opened):
    """`check(fault, all_tags)`: a deep look at tag 1, or at all tags."""

    def call(*faults, all_tags=False, retry=HASTY):
        registry.faults = list(faults)
        store = opened(registry, write=False, retry=retry)
        places = [(store, "" if all_tags else "1", "app")]
        return (check_tags if all_tags else check_names)(places, CheckOptions(deep=True), scope=Scope())

    return call


KINDS = ["root", "child", "config", "layer", "tags", "tag", "subject"]
BY_NAME = KINDS[:4]


def errors(done):
    return [*done.unanswered, *(error for _, error in done.failed)]


@pytest.mark.parametrize(("status", "code"), REFUSALS.items())
@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_no_finding(check, asked, kind, status, code):
    """405 and 501 to a HEAD are taken for a registry without HEAD, which is then asked by GET."""
    body = b'{"errors": [{"code": "DENIED", "message": "MANIFEST_UNKNOWN 404 not found"}]}'
    on = asked[kind].replace("HEAD", "*") if kind in {"tag", "subject"} else asked[kind]
    done = check(Fault(on, status=status, body=body, times=-1), all_tags=kind not in BY_NAME)

    assert [] == [one.rule for one in done.findings]
    assert {AuthError if code == 4 else RegistryError} == {type(error) for error in errors(done)}
    assert code == done.exit_code


@pytest.mark.parametrize("kind", KINDS)
def test_silence_is_no_finding(check, asked, kind):
    done = check(Fault(asked[kind], times=-1, reset=True), all_tags=kind not in BY_NAME)

    assert [] == [one.rule for one in done.findings]
    assert {NetworkError} == {type(error) for error in errors(done)}
    assert 5 == done.exit_code


@pytest.mark.parametrize("kind", ["child", "layer"])
def test_a_body_that_breaks_off_every_time_is_no_finding(check, asked, kind):
    done = check(Fault(asked[kind], truncate=20, times=-1))

    assert ([], 5) == ([one.rule for one in done.findings], done.exit_code)


def test_a_blob_that_comes_in_parts_is_read_to_its_end(check, asked):
    """Each answer breaks off later than the one before it: the next one is asked for the rest."""
    done = check(Fault(asked["config"], truncate=20, times=-1))

    assert ([], 0) == ([one.rule for one in done.findings], done.exit_code)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("child", "index/dangling"), ("config", "config/missing"), ("layer", "layer/missing")],
)
@pytest.mark.parametrize("body", [b"", b"<html>Not Found</html>", b'{"errors": [{"code": "NAME_UNKNOWN"}]}'])
def test_404_is_an_answer(check, asked, kind, rule, body):
    done = check(Fault(asked[kind], status=404, body=body, headers=HTML, times=-1))

    assert ([rule], []) == ([one.rule for one in done.findings], errors(done))
    assert 1 == done.exit_code


def test_404_of_a_subject_is_an_answer(check, asked):
    done = check(Fault(asked["subject"].replace("HEAD", "*"), status=404, times=-1), all_tags=True)

    assert ["tag/stale-fallback"] == [one.rule for one in done.findings]


@pytest.mark.parametrize("kind", ["child", "config", "layer"])
@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_place_that_a_registry_sends_to_and_that_refuses_is_no_finding(registry, check, asked, kind, status):
    """K087: storage behind a redirect that has run out says 403, and that is not "gone"."""
    away = Fault(asked[kind], status=307, headers={"Location": f"http://{registry.host}/elsewhere"}, times=-1)
    done = check(away, Fault("GET /elsewhere", status=status, times=-1))

    assert ([], 4 if status in {401, 403} else 5) == ([one.rule for one in done.findings], done.exit_code)


@pytest.mark.parametrize(("status", "code"), [(200, 4), (401, 4), (403, 4), (404, 4), (429, 5), (503, 5)])
@pytest.mark.parametrize("kind", ["child", "layer", "tag", "subject"])
def test_a_token_server_that_gives_none_is_no_finding(registry, check, asked, kind, status, code):
    """Its 404 is not the registry's."""
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{registry.host}/token",service="s"'}
    wants = Fault(asked[kind], status=401, headers=challenge, times=-1)
    done = check(wants, Fault("GET /token*", status=status, body=b"{}", times=-1), all_tags=kind not in BY_NAME)

    assert ([], code) == ([one.rule for one in done.findings], done.exit_code)
