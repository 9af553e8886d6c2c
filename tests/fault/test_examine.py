import base64
import json

import pytest

from tests.fakes.images import put_image
from tests.fakes.registry import Fault, fake_registry


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


def examined(run, registry, repository: str = "") -> tuple[int, dict]:
    done = run("doctor", "--registry", f"{registry.host}{repository}", "--json")
    return done.exit_code, json.loads(done.stdout)["data"]


def test_an_open_registry(run, registry):
    code, found = examined(run, registry, "/app")

    assert 0 == code
    assert ("http", True, "none", "not needed", "api") == tuple(
        found[key] for key in ("scheme", "speaks_v2", "auth", "login", "referrers")
    )


def test_a_registry_without_the_referrers_api(run, registry):
    registry.faults = [Fault("GET */referrers/*", status=404)]

    assert "fallback tag" == examined(run, registry, "/app")[1]["referrers"]


@pytest.mark.parametrize(("password", "code", "login"), [("right", 0, "accepted"), ("hunter2", 1, "refused")])
def test_credentials_are_tried_and_their_source_is_told(run, registry, home, password, code, login):
    registry.basic = "Basic " + base64.b64encode(b"u:right").decode()
    secret = base64.b64encode(f"u:{password}".encode()).decode()
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text(json.dumps({"auths": {registry.host: {"auth": secret}}}))

    done = run("doctor", "--registry", registry.host, "--json", "-v")

    found = json.loads(done.stdout)["data"]
    assert (code, login, "basic") == (done.exit_code, found["login"], found["auth"])
    assert found["credentials"].endswith("config.json")
    assert "hunter2" not in done.stdout + done.stderr


def test_a_token_server_is_named(run, registry):
    registry.tokens = set()

    code, found = examined(run, registry, "/app")

    assert (0, "bearer", f"http://{registry.host}/token") == (code, found["auth"], found["token_server"])


def test_a_host_that_is_not_there(run):
    done = run("doctor", "--registry", "127.0.0.1:1")

    assert 1 == done.exit_code
    assert "cannot connect" in done.stdout


@pytest.mark.parametrize(
    ("status", "word"),
    [(401, "not allowed"), (403, "not allowed"), (400, "no"), (405, "no"), (501, "no"), (418, "unknown (418)")],
)
def test_a_registry_that_refuses_to_delete(run, registry, status, word):
    """K249"""
    registry.faults = [Fault("DELETE */manifests/*", status=status, times=-1)]

    assert word == examined(run, registry, "/app")[1]["deletes"]


def test_a_registry_that_deletes_says_404_for_what_is_not_there(run, registry):
    """K249"""
    assert "yes" == examined(run, registry, "/app")[1]["deletes"]


@pytest.mark.parametrize(
    ("status", "word"),
    [(401, "not allowed"), (403, "not allowed"), (405, "no"), (404, "no"), (202, "no"), (0, "yes")],
)
def test_a_registry_that_refuses_to_mount(run, registry, opened, status, word):
    """K249: asked with a blob that is there already, and nothing is left open."""
    put_image(opened(registry), "v1", "linux/amd64")
    sessions = len(registry.uploads)
    if status:
        headers = {"Location": "/v2/app/blobs/uploads/other"} if status == 202 else {}
        registry.faults = [Fault("POST */blobs/uploads/", status=status, headers=headers, times=-1)]

    assert word == examined(run, registry, "/app")[1]["mounts"]
    assert sessions == len(registry.uploads)


def test_mounts_are_unknown_without_an_image(run, registry):
    """K249"""
    assert "unknown" == examined(run, registry, "/empty")[1]["mounts"]


def test_the_hint_of_a_problem_is_told(run):
    """K235"""
    done = run("doctor", "--registry", "127.0.0.1:1")

    assert "hint: is the host name right" in done.stderr
