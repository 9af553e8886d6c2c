"""What a CI job is given goes to the host it is for, over TLS that was checked, and nowhere else."""

import json

import pytest

from ocitool.errors import AuthError
from ocitool.events import Noted
from tests.contract.conftest import write_login
from tests.fakes.registry import Fault, fake_registry
from tests.fakes.tokens import PASSWORD, USER, TokenServer, basic, put_behind
from tests.fault.conftest import put, read

JOB = basic("gitlab-ci-token", "job-secret")


@pytest.fixture
def other(authority):
    with fake_registry(tls=authority.context()) as registry:
        yield registry


@pytest.fixture
def in_job(opened, access, authority):
    """`in_job(registry)`: a repository of it, opened in a job whose CI_REGISTRY is that or `owner`."""

    def open_(registry, *, owner=None, more=None, **changes):
        job = {"CI_REGISTRY": (owner or registry).host, "CI_JOB_TOKEN": "job-secret", **(more or {})}
        return opened(registry, ca_files=(authority.ca,), environ={**access.environ, **job}, **changes)

    return open_


def told(registry) -> set[str]:
    """What the registry was told about who asks."""
    return {logged.headers["authorization"] for logged in registry.log if "authorization" in logged.headers}


def test_a_job_pushes_to_its_registry_without_a_login(secure, in_job):
    secure.basic = JOB

    put(in_job(secure), b"x")

    assert b"x" == read(in_job(secure), b"x")
    assert {JOB} == told(secure)


def test_another_registry_is_told_nothing(secure, other, in_job):
    other.basic = JOB

    with pytest.raises(AuthError):
        put(in_job(other, owner=secure), b"x")

    assert set() == told(other)


def test_where_a_redirect_leads_is_told_nothing(secure, other, in_job):
    secure.basic = JOB
    store = in_job(secure)
    put(store, b"x")
    secure.faults = [Fault("GET */blobs/*", status=307, headers={"Location": f"https://{other.host}/b"})]
    other.guard = lambda asked: (200, {}, b"x")

    assert b"x" == read(store, b"x")

    assert {JOB} == told(secure)
    assert ["/b"] == [logged.path for logged in other.log]
    assert set() == told(other)


def test_plain_http_and_a_certificate_that_is_not_checked_are_told_nothing(secure, in_job):
    with fake_registry() as plain:
        for registry, changes in (
            (plain, {}),
            (plain, {"plain_http": (plain.host,)}),
            (secure, {"insecure": (secure.host,)}),
        ):
            registry.basic = JOB
            with pytest.raises(AuthError):
                put(in_job(registry, **changes), b"x")

            assert set() == told(registry)
            assert registry.log


def test_a_login_wins(secure, in_job, tmp_path):
    write_login(tmp_path, secure.host)
    secure.basic = basic()

    put(in_job(secure), b"x")

    assert {basic(USER, PASSWORD)} == told(secure)


def test_a_variable_of_ours_wins(secure, in_job):
    secure.basic = basic("typed", "word")

    put(in_job(secure, more={"OCITOOL_USERNAME": "typed", "OCITOOL_PASSWORD": "word"}), b"x")

    assert {basic("typed", "word")} == told(secure)


def test_a_token_server_without_tls_is_told_nothing(secure, in_job):
    """A login of somebody's may go to one on the same machine; this one may not."""
    with fake_registry() as elsewhere:
        put_behind(secure, TokenServer(), f"http://{elsewhere.host}/token")

        with pytest.raises(AuthError, match="certificate is not checked"):
            put(in_job(secure), b"x")

        assert [] == elsewhere.log


def test_what_everybody_may_read_is_read_when_the_token_server_refuses(secure, other, in_job):
    put(in_job(secure), b"x")
    server = TokenServer(anonymous=True)  # it does not know the job
    other.token_server = server.answer
    put_behind(secure, server, f"https://{other.host}/token")
    said = []
    store = in_job(secure, write=False, listener=said.append)

    assert b"x" == read(store, b"x")
    assert b"x" == read(store, b"x")
    assert [JOB, None] == [asked.headers.get("authorization") for asked in server.asked]
    warnings = [event.text for event in said if isinstance(event, Noted) and event.severity == "warning"]
    assert 1 == sum("CI_JOB_TOKEN were rejected" in text and "anonymously" in text for text in warnings)

    with pytest.raises(AuthError, match="CI_JOB_TOKEN were rejected"):
        put(in_job(secure), b"y")


def test_doctor_says_from_where_and_no_secret(secure, run, authority, monkeypatch, home):
    secure.basic = JOB
    monkeypatch.setenv("CI_REGISTRY", secure.host)
    monkeypatch.setenv("CI_JOB_TOKEN", "job-secret")
    words = ("doctor", "--registry", secure.host, "--json")

    used = run(*words, "--ca", str(authority.ca))
    withheld = run(*words, "--insecure", secure.host)
    monkeypatch.setenv("OCITOOL_CI_IDENTITY", "off")
    off = run(*words, "--ca", str(authority.ca))

    said = [json.loads(done.stdout)["data"] for done in (used, withheld, off)]
    assert ["accepted", "refused", "refused"] == [one["login"] for one in said]
    assert "CI_JOB_TOKEN" == said[0]["credentials"]
    assert said[1]["credentials"].startswith("none found: anonymous (CI_JOB_TOKEN goes over TLS alone")
    assert "none found: anonymous" == said[2]["credentials"]
    assert "job-secret" not in "".join(done.stdout + done.stderr for done in (used, withheld, off))
    assert {JOB} == told(secure)
