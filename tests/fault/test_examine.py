import base64
import json

import pytest

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
