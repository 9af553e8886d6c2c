import base64
import json
import stat

import pytest

from tests.fakes.registry import fake_registry

RIGHT = "Basic " + base64.b64encode(b"u:hunter2").decode()


@pytest.fixture
def registry():
    with fake_registry() as fake:
        fake.basic = RIGHT
        yield fake


def config(home):
    return home / ".docker" / "config.json"


def login(run, registry, password: bytes = b"hunter2\n", *flags: str):
    return run("login", registry.host, "-u", "u", "--password-stdin", *flags, stdin=password)


def test_a_login_is_checked_kept_for_docker_and_used(run, registry, home):
    done = login(run, registry)

    assert 0 == done.exit_code, done.stderr
    assert {"auths": {registry.host: {"auth": RIGHT.removeprefix("Basic ")}}} == json.loads(
        config(home).read_text()
    )
    assert 0o600 == stat.S_IMODE(config(home).stat().st_mode)
    assert "hunter2" not in done.stdout + done.stderr
    assert 0 == run("doctor", "--registry", registry.host).exit_code


def test_a_wrong_password_is_not_kept(run, registry, home):
    done = login(run, registry, b"wrong\n")

    assert 4 == done.exit_code
    assert not config(home).exists()


def test_what_others_keep_in_the_file_stays_as_it_is(run, registry, home):
    config(home).parent.mkdir()
    text = '{\n\t"auths": {\n\t\t"other.test": {\n\t\t\t"auth": "dTpw"\n\t\t}\n\t},\n\t"psFormat": "table\\u0020x",\n\t"n": 1e2\n}'
    config(home).write_text(text)

    assert 0 == login(run, registry).exit_code
    assert '"psFormat": "table\\u0020x"' in config(home).read_text()
    assert 0 == run("logout", registry.host).exit_code

    assert text == config(home).read_text()


def test_a_helper_keeps_the_secret_and_the_file_a_marker(run, registry, home, monkeypatch):
    folder = home / "bin"
    folder.mkdir()
    helper = folder / "docker-credential-box"
    helper.write_text(f'#!/bin/sh\n/bin/cat > {home}/$1.json\n[ "$1" = get ] || exit 0\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    config(home).parent.mkdir()
    config(home).write_text('{"credsStore": "box"}')

    assert 0 == login(run, registry).exit_code

    kept = json.loads((home / "store.json").read_text())
    assert {"ServerURL": registry.host, "Username": "u", "Secret": "hunter2"} == kept
    assert {"credsStore": "box", "auths": {registry.host: {}}} == json.loads(config(home).read_text())
    assert 0 == run("logout", registry.host).exit_code
    assert registry.host == (home / "erase.json").read_text()


def test_logging_out_of_nowhere_is_not_found(run, registry):
    assert 3 == run("logout", registry.host).exit_code


@pytest.mark.parametrize(("argv", "code"), [(("-u", "a:b", "--no-check"), 2), ((), 2)])
def test_bad_words_are_refused(run, registry, argv, code):
    done = run("login", registry.host, *argv, "--password-stdin", stdin=b"x\n")

    assert code == done.exit_code


def test_no_password_is_asked_for_without_a_terminal(run, registry):
    assert 2 == run("login", registry.host, "-u", "u").exit_code
