"""Client.http: an httpx.Client over this client's connections, logins, retries and rules."""

import httpx
import pytest

import ocitool
from tests.fakes.faults import Fault
from tests.fakes.registry import fake_registry

CATALOG = "registry:catalog:*"


@pytest.fixture
def client(home):
    with ocitool.Client(retry_s=2) as found:
        yield found


def test_it_is_logged_in_where_the_client_is(registry_with_auth, home):
    registry = registry_with_auth
    with ocitool.Client(credentials={registry.host: (registry.user, registry.password)}) as client:
        with client.http(registry.host, CATALOG) as http:
            answer = http.get("/v2/_catalog", params={"n": 5})
            missing = http.get("/v2/none/tags/list")

    assert isinstance(http, httpx.Client)
    assert (answer.status_code, list(answer.json())) == (200, ["repositories"])
    assert missing.status_code == 404  # an answer, and no exception


def test_a_vendors_interface_gets_its_body_and_headers(client):
    with fake_registry() as registry:
        seen = []

        def guard(request):
            if request.path.startswith("/api/"):
                seen.append(request)
                return 201, {"X-Made": "yes"}, b'{"id": 7}'
            return None

        registry.guard = guard
        with client.http(registry.host) as http:
            made = http.post("/api/v2.0/projects", json={"name": "team"}, headers={"X-Mark": "a"})
        assert (made.status_code, made.headers["x-made"], made.json()) == (201, "yes", {"id": 7})
        assert (seen[0].method, seen[0].size, seen[0].headers["x-mark"]) == ("POST", len(b'{"name":"team"}'), "a")


def test_a_busy_registry_is_asked_again_and_a_refusal_is_an_error_of_ours(client):
    with fake_registry() as registry:
        registry.faults.append(Fault("GET /v2/_catalog", status=503, times=1))
        with client.http(registry.host) as http:
            assert http.get("/v2/_catalog").status_code == 200
            registry.faults.append(Fault("GET /v2/_catalog", status=503, times=99))
            with pytest.raises(ocitool.OcitoolError) as caught:
                http.get("/v2/_catalog")
        assert caught.value.exit_code == 5


def test_other_hosts_and_manifests_are_refused_before_anything_is_sent(client):
    with fake_registry() as registry, fake_registry() as other, client.http(registry.host) as http:
        with pytest.raises(ocitool.OcitoolError, match=f"this client is for {registry.host}"):
            http.get(f"http://{other.host}/v2/")
        for method in ("PUT", "DELETE", "PATCH", "POST"):
            with pytest.raises(ocitool.OcitoolError, match="can be undone"):
                http.request(method, "/v2/team/app/manifests/1", content=b"{}")

        assert registry.log == other.log == []


def test_a_body_is_read_as_it_comes_and_its_connection_is_used_again(client):
    with fake_registry() as registry:
        registry.blobs["app", "sha256:" + "0" * 64] = bytes(3 << 20)
        with client.http(registry.host) as http:
            for _ in range(2):
                with http.stream("GET", f"/v2/app/blobs/sha256:{'0' * 64}") as answer:
                    sizes = [len(piece) for piece in answer.iter_raw()]
                assert (sum(sizes), max(sizes) <= 1 << 20) == (3 << 20, True)
        assert registry.most_connections == 1
