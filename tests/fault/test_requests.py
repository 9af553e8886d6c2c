"""Single requests of a session: bodies of another size, answers that break off, and what is told once."""

import json

import pytest

from ocitool.errors import DigestMismatch, NetworkError
from ocitool.registry.request import Request, at_hand
from ocitool.registry.session import Session
from ocitool.tasks import Scope
from tests.fakes.faults import Fault
from tests.fakes.registry import fake_registry


@pytest.fixture
def registry():
    with fake_registry() as running:
        yield running


@pytest.fixture
def told():
    return []


@pytest.fixture
def session(access, told):
    with Session(access, Scope(), told.append) as opened:
        yield opened


@pytest.mark.parametrize(
    ("size", "said"), [(3, "the source gave more than 3 bytes"), (5, "the source gave 4 of 5 bytes")]
)
def test_a_body_of_another_size_is_not_passed_off_as_whole(session, registry, size, said):
    url = f"http://{registry.host}/v2/app/manifests/1"
    request = Request("PUT", url, registry.host, "send it", body=lambda: at_hand(b"abcd"), size=size)

    with pytest.raises(DigestMismatch, match=said):
        session.send(request)

    assert {} == registry.manifests


@pytest.mark.parametrize(("repeatable", "times"), [(True, 2), (False, 1)])
def test_an_answer_that_breaks_off_is_asked_for_again_where_that_is_harmless(session, registry, repeatable, times):
    registry.blobs["app", "sha256:" + "0" * 64] = b"x" * 1000
    registry.faults.append(Fault("GET *", truncate=500))
    url = f"http://{registry.host}/v2/app/blobs/sha256:{'0' * 64}"
    request = Request("GET", url, registry.host, "read it", repeatable=repeatable)

    if repeatable:
        assert b"x" * 1000 == session.send(request).body
    else:
        with pytest.raises(NetworkError, match="the connection broke"):
            session.send(request)

    assert times == len(registry.asked("GET", "*/blobs/*"))


def test_a_key_of_a_credential_file_that_nothing_reads_is_told_once(session, told, tmp_path):
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auth": {}}))

    for repository in ("a", "b"):
        session.credentials("reg.test", repository)

    assert ["has the key 'auth', which nothing reads; did you mean auths?"] == [
        one.text.partition("config.json ")[2] for one in told
    ]
