"""What the flags about RUN say: secrets, agents, hosts, limits."""

import socket

import pytest

from ocitool.dockerfile.run import options
from ocitool.dockerfile.run.options import Secret
from ocitool.errors import NotFound, OcitoolError, Unsupported, UsageError
from ocitool.executor.base import Limits, Ulimit


def test_secrets_come_from_files_and_variables(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    environ = {"A": "1", "B": "2"}
    texts = [f"id=f,src={tmp_path}/f", "id=e,env=A", "type=env,id=g,src=B", "id=A"]

    found = options.secrets_of(texts, environ)

    assert {"f": b"abc", "e": b"1", "g": b"2", "A": b"1"} == {
        name: secret.value(environ) for name, secret in found.items()
    }


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("src=x", UsageError),
        ("id=a,src=x,env=y", UsageError),
        ("id=a,type=disk", UsageError),
        ("id=a,value=top", UsageError),
        ("id=nowhere", NotFound),
        ("id=a,env=NONE", NotFound),
        ("id=a,src=/", OcitoolError),
    ],
)
def test_a_secret_that_cannot_be_had_is_told_at_once(text, kind):
    with pytest.raises(kind) as caught:
        options.secrets_of([text], {})

    assert "top" not in str(caught.value)


def test_a_secret_has_a_bound(tmp_path):
    (tmp_path / "f").write_bytes(bytes(options.SECRET_LIMIT + 1))

    with pytest.raises(UsageError, match="more than"):
        Secret("f", tmp_path / "f").value({})


def test_agents(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind("agent")
        (tmp_path / "key").write_text("k")

        assert "default" == options.parse_ssh("default", {"SSH_AUTH_SOCK": "agent"})[0]
        assert "agent" == str(options.parse_ssh("k=agent", {})[1])
    with pytest.raises(Unsupported, match="no agent's socket"):
        options.parse_ssh("k=key", {})
    with pytest.raises(UsageError, match="SSH_AUTH_SOCK is not set"):
        options.parse_ssh("default", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("db:10.0.0.2", ("db", "10.0.0.2")),
        ("db=10.0.0.2", ("db", "10.0.0.2")),
        ("x:[::1]", ("x", "::1")),
        ("y=::1", ("y", "::1")),
    ],
)
def test_hosts(text, expected):
    assert expected == options.parse_host(text)


@pytest.mark.parametrize("text", ["db", "db:host", ":1.2.3.4", "a b:1.2.3.4"])
def test_no_hosts(text):
    with pytest.raises(UsageError, match="NAME:ADDRESS"):
        options.parse_host(text)


@pytest.mark.parametrize(
    ("flag", "word"),
    [("--run-network", "isolated"), ("--run-network", "none"), ("--network", "host"), ("--network", "default")],
)
def test_networks(flag, word):
    assert word == options.check_network(flag, word)


@pytest.mark.parametrize(("flag", "word"), [("--run-network", "bridge"), ("--network", "isolated")])
def test_no_networks(flag, word):
    with pytest.raises(UsageError, match=f"{flag} {word}"):
        options.check_network(flag, word)


def test_limits():
    assert Ulimit("nofile", 10, 20) == options.parse_ulimit("nofile=10:20")
    assert Ulimit("core", -1, -1) == options.parse_ulimit("core=-1")
    assert Limits(2 << 20, 5, 0) == options.parse_limits("2m", "5", "")


@pytest.mark.parametrize("text", ["nofile", "nofile=x", "files=1", "nofile=2:1", "nofile=-1:5",
                                  "nofile=9999999999999999999", "nofile=1:9999999999999999999"])  # fmt: skip
def test_no_limits(text):
    with pytest.raises(UsageError):
        options.parse_ulimit(text)


@pytest.mark.parametrize("pids", ["x", "-1", "1.5", "9999999999"])
def test_a_limit_of_processes_is_a_number(pids):
    with pytest.raises(UsageError, match=f"--run-pids '{pids}' is no number"):
        options.parse_limits("", pids, "")
