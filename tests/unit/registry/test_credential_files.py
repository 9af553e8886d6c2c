"""K232, K233: credentials that are damaged, misspelt, endless or not UTF-8: the file, the key and what to do."""

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from ocitool.errors import AuthError, MalformedDocument, NotFound, UsageError
from ocitool.model.numbers import MIB
from ocitool.registry.auth import basic_header
from ocitool.registry.credential_helpers import tell_helper
from ocitool.registry.credentials import FILE_LIMIT, find_credentials, odd_keys
from ocitool.registry.login import CredentialPlace, forget, keep, place_for

SECRET = "hunter2"


@pytest.fixture
def environ(tmp_path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    return {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


@pytest.fixture
def config(tmp_path):
    (tmp_path / ".docker").mkdir()
    return tmp_path / ".docker" / "config.json"


def helper(tmp_path, script: str) -> None:
    path = tmp_path / "bin" / "docker-credential-h"
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def packed(text: bytes) -> str:
    return base64.b64encode(text).decode()


@pytest.mark.parametrize("auth", [packed(SECRET.encode()), "%%%", packed(b"") + "x"])
def test_an_auth_without_a_user_and_password_names_file_and_key(config, environ, auth):
    config.write_text(json.dumps({"auths": {"https://reg.test/v1/": {"auth": auth}}}))

    with pytest.raises(AuthError) as caught:
        find_credentials("reg.test", "app", environ)

    assert f"{config} has no user:password in base64 as the auth of 'https://reg.test/v1/'" == str(caught.value)
    assert "ocitool login reg.test" in caught.value.hint
    assert SECRET not in str(vars(caught.value))


def test_an_auth_beside_a_token_need_not_hold_anything(config, environ):
    config.write_text(json.dumps({"auths": {"reg.test": {"auth": packed(b"x"), "registrytoken": "t"}}}))

    assert "t" == find_credentials("reg.test", "app", environ).registry_token


@pytest.mark.parametrize(
    ("key", "meant"),
    [("credSstore", "credsStore"), ("credStore", "credsStore"), ("credsHelpers", "credHelpers"),
     ("credhelpers", "credHelpers"), ("auth", "auths"), ("Auths", "auths"), ("credentialsStore", "credsStore")],
)  # fmt: skip
def test_a_misspelt_key_is_told(config, environ, key, meant):
    config.write_text(
        json.dumps({key: {}, "psFormat": "x", "HttpHeaders": {}, "currentContext": "y", "detachKeys": ""})
    )

    assert [f"{config} has the key {key!r}, which nothing reads; did you mean {meant}?"] == list(odd_keys(environ))


def test_known_keys_are_not_told(config, environ):
    keys = ["auths", "credsStore", "credHelpers", "HttpHeaders", "psFormat", "imagesFormat", "proxies", "plugins",
            "aliases", "experimental", "cliPluginsExtraDirs", "features", "stackOrchestrator", "currentContext"]  # fmt: skip
    config.write_text(json.dumps(dict.fromkeys(keys)))

    assert [] == list(odd_keys(environ))


DAMAGED = {
    "cut": b'{"auths": {"reg.test": {"auth": "' + packed(b"u:" + SECRET.encode()).encode(),
    "list": b"[]",
    "deep": b"[" * 200_000,
    "not UTF-8": b'{"auths\xff": 1}',
    "digits": b'{"n": ' + b"9" * 5000 + b"}",
    "large": b'{"auths": {"reg.test": {"auth": "' + b"A" * FILE_LIMIT + b'"}}}',
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_broken_file_is_named_with_a_way_out_by_reading_and_by_login(config, environ, data):
    config.write_bytes(data)

    with pytest.raises(AuthError) as read:
        find_credentials("reg.test", "app", environ)
    with pytest.raises(MalformedDocument) as written:
        place_for("reg.test", environ)

    for error in (read.value, written.value):
        assert str(config) in error.what
        assert f"mend {config}, or move it away" in error.hint
        assert SECRET not in str(vars(error)) + str(error)
        assert packed(SECRET.encode())[:8] not in str(vars(error))
    assert data == config.read_bytes()


def test_a_file_that_is_too_large_says_so(config, environ):
    config.write_bytes(DAMAGED["large"])

    with pytest.raises(AuthError, match=f"more than {FILE_LIMIT} bytes"):
        find_credentials("reg.test", "app", environ)


def test_a_file_of_the_largest_size_is_read(config, environ):
    entry = json.dumps({"auths": {"reg.test": {"auth": packed(b"u:p")}}})
    config.write_text(entry + " " * (FILE_LIMIT - len(entry)))

    assert "p" == find_credentials("reg.test", "app", environ).password


def test_an_empty_file_is_written_by_login(config, environ):
    config.touch()
    keep(place_for("reg.test", environ), "u", "p", environ)

    assert "p" == find_credentials("reg.test", "app", environ).password


def test_a_broken_variable_is_named(environ):
    with pytest.raises(AuthError, match="DOCKER_AUTH_CONFIG is not JSON") as caught:
        find_credentials("reg.test", "app", environ | {"DOCKER_AUTH_CONFIG": "{"})

    assert "unset" in caught.value.hint


@pytest.mark.parametrize("script", ["exec yes", "exec cat /dev/zero", "head -c 2000000 /dev/zero"])
def test_a_helper_that_answers_without_end_is_cut(tmp_path, config, environ, script):
    helper(tmp_path, script)
    config.write_text('{"credsStore": "h"}')

    found = find_credentials("reg.test", "app", environ)

    assert (True, "docker-credential-h answered more than 1048576 bytes") == (found.is_anonymous, found.problem)


def test_a_helper_that_reads_nothing_is_understood(tmp_path, config, environ):
    helper(tmp_path, """exec 0<&-; echo '{"Username": "u", "Secret": "s"}'""")
    config.write_text('{"credsStore": "h"}')

    assert "s" == find_credentials("reg.test", "app", environ).password


def test_a_password_goes_as_the_bytes_it_is(environ, config):
    """K232: from a variable, and from a file."""
    password = os.fsdecode(b"p\xe4ss")
    found = find_credentials("reg.test", "app", environ | {"OCITOOL_USERNAME": "u", "OCITOOL_PASSWORD": password})
    config.write_text(json.dumps({"auths": {"reg.test": {"auth": packed(b"u:p\xe4ss")}}}))
    other = find_credentials("reg.test", "app", environ)

    for one in (found, other):
        assert "Basic " + packed(b"u:p\xe4ss") == basic_header(f"{one.username}:{one.password}")


def test_a_password_that_is_not_utf_8_is_kept_in_the_file_and_refused_by_a_helper(tmp_path, environ, config):
    """K232: docker's helpers speak JSON; no character of it is shown."""
    password = os.fsdecode(b"p\xe4ss")
    keep(place_for("reg.test", environ), "u", password, environ)
    helper(tmp_path, "cat >/dev/null")

    assert packed(b"u:p\xe4ss") == json.loads(config.read_text())["auths"]["reg.test"]["auth"]
    with pytest.raises(AuthError) as caught:
        tell_helper("h", "store", {"Secret": password}, environ)
    assert "ss" not in caught.value.what.replace("password", "").replace("docker", "")


def test_without_a_home_nothing_is_created(monkeypatch):
    """K244"""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)

    with pytest.raises(UsageError, match="no home folder"):
        place_for("reg.test", {})
    assert find_credentials("reg.test", "app", {}).is_anonymous


def test_a_login_that_is_none_is_not_forgotten(config, environ):
    config.write_text('{"auths": null}')

    with pytest.raises((NotFound, MalformedDocument)):
        forget(CredentialPlace(config, "reg.test"), environ)


def test_a_closed_folder_that_is_named_is_an_error(tmp_path, environ):
    """K253: somebody meant it. A link to itself is closed to root as well."""
    (tmp_path / "closed").symlink_to("closed")

    with pytest.raises(AuthError, match="cannot read credentials"):
        find_credentials("reg.test", "app", environ | {"DOCKER_CONFIG": str(tmp_path / "closed")})


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "docker-credential-h is not on PATH"),
        ("cat > /dev/null; exit 3", "docker-credential-h store failed with exit code 3"),
    ],
)
def test_a_helper_that_keeps_nothing_is_told_without_the_secret(tmp_path, environ, script, said):
    if script is not None:
        helper(tmp_path, script)

    with pytest.raises(AuthError, match=said) as caught:
        tell_helper("h", "store", {"Secret": SECRET}, environ)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("size", [1, MIB], ids=["small", "more than a pipe holds"])
def test_a_helper_that_neither_reads_nor_answers_is_ended(tmp_path, environ, monkeypatch, size):
    monkeypatch.setattr("ocitool.registry.credential_helpers.HELPER_S", 0.05)
    helper(tmp_path, "exec sleep 60")

    with pytest.raises(AuthError, match="docker-credential-h did not answer in 0 s"):
        tell_helper("h", "store", {"Secret": "x" * size}, environ)


def test_a_helper_gets_all_of_a_long_message_whenever_it_answers(tmp_path, environ):
    """While it is written, or not at all."""
    helper(tmp_path, f"exec >&-; cat > {tmp_path}/got")
    tell_helper("h", "store", {"Secret": "x" * MIB}, environ)
    assert {"Secret": "x" * MIB} == json.loads((tmp_path / "got").read_text())
    (tmp_path / "got").unlink()
    helper(tmp_path, f'while [ "$n" != {300} ]; do n=$((n + 1)); echo {"y" * 999}; done; cat > {tmp_path}/got')

    tell_helper("h", "store", {"Secret": "x" * MIB}, environ)

    assert {"Secret": "x" * MIB} == json.loads((tmp_path / "got").read_text())


def test_a_login_is_kept_in_the_file_that_a_variable_names():
    environ = {"REGISTRY_AUTH_FILE": "/a/auth.json", "DOCKER_CONFIG": "/b"}

    assert CredentialPlace(Path("/a/auth.json"), "reg.test") == place_for("reg.test", environ)
