import base64
import json
import stat

import pytest

from ocitool.errors import AuthError
from ocitool.registry.credentials import find_credentials


def auth(password: str, user: str = "u") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def environ(tmp_path) -> dict[str, str]:
    """A home with nothing in it, and no programs but those a test puts into `bin`."""
    (tmp_path / "bin").mkdir()
    return {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


def docker(tmp_path, **config: object) -> None:
    (tmp_path / ".docker").mkdir(exist_ok=True)
    (tmp_path / ".docker" / "config.json").write_text(json.dumps(config))


def helper(tmp_path, name: str, script: str, folder: str = "bin") -> None:
    path = tmp_path / folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def password(host: str, environ, repository: str = "app") -> str:
    return find_credentials(host, repository, environ).password


@pytest.mark.parametrize(
    "key", ["reg.test:5000", "https://reg.test:5000", "https://reg.test:5000/v1/", "http://reg.test:5000/v2/"]
)
def test_every_spelling_of_a_key_is_found(tmp_path, environ, key):
    """K065"""
    docker(tmp_path, auths={key: auth("secret")})

    assert "secret" == password("reg.test:5000", environ)
    assert "" == password("reg.test", environ)
    assert "" == password("xreg.test:5000", environ)
    assert "" == password("reg.test:5001", environ)


def test_the_exact_key_goes_before_decorated_ones(tmp_path, environ):
    """K065"""
    docker(tmp_path, auths={"https://reg.test/v1/": auth("decorated"), "reg.test": auth("exact")})

    assert "exact" == password("reg.test", environ)


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_has_one_key(tmp_path, environ, host):
    """K061"""
    docker(tmp_path, auths={"https://index.docker.io/v1/": auth("hub")})

    assert "hub" == password(host, environ, "library/alpine")


def test_the_default_port_may_be_left_out_of_the_file_and_no_other(tmp_path, environ):
    """K067"""
    docker(tmp_path, auths={"reg.test": auth("secret")})

    assert "secret" == password("reg.test:443", environ)
    assert "" == password("reg.test:5000", environ)


@pytest.mark.parametrize(
    ("repository", "found"), [("team-a/x", "A"), ("team-ab/x", "G"), ("other/x", "G"), ("", "G")]
)
def test_the_longest_path_wins_on_slashes(tmp_path, environ, repository, found):
    """K068"""
    docker(tmp_path, auths={"reg.test/team-a": auth("A"), "reg.test": auth("G")})

    assert found == password("reg.test", environ, repository)


def test_a_password_may_hold_colons(tmp_path, environ):
    """K072: a JSON key as the password."""
    secret = '{"type": "service_account", "a": "b:c"}'
    docker(tmp_path, auths={"gcr.test": auth(secret, "_json_key")})

    found = find_credentials("gcr.test", "app", environ)
    assert ("_json_key", secret) == (found.username, found.password)


def test_a_helper_is_asked_with_the_key_that_names_it(tmp_path, environ):
    """K071"""
    log = tmp_path / "asked"
    helper(tmp_path, "s1", f'read s; echo "s1 $s" >>{log}; echo "credentials not found in native keychain"; exit 1')
    helper(tmp_path, "s2", f'read s; echo "s2 $s" >>{log}; echo \'{{"Username":"u","Secret":"two"}}\'')
    docker(tmp_path, auths={"a.test": {}}, credsStore="s1", credHelpers={"b.test": "s2"})

    assert "two" == password("b.test", environ)
    nothing = find_credentials("c.test", "app", environ)
    assert (True, "") == (nothing.is_anonymous, nothing.problem)
    assert ["s2 b.test", "s1 c.test"] == log.read_text().splitlines()


def test_a_helper_that_is_missing_is_a_problem_and_no_crash(tmp_path, environ):
    """K070"""
    docker(tmp_path, credsStore="desktop")

    found = find_credentials("reg.test", "app", environ)

    assert found.is_anonymous
    assert "docker-credential-desktop" in found.problem


def test_a_helper_in_the_current_folder_is_not_run(tmp_path, environ, monkeypatch):
    """K070"""
    (tmp_path / "here").mkdir()
    helper(tmp_path, "evil", 'echo \'{"Username":"u","Secret":"x"}\'', folder="here")
    monkeypatch.chdir(tmp_path / "here")
    docker(tmp_path, credsStore="evil")

    for path in ("", ".", ":", f"{environ['PATH']}:."):
        assert find_credentials("reg.test", "app", environ | {"PATH": path}).is_anonymous
    docker(tmp_path, credsStore="../here/docker-credential-evil")
    assert find_credentials("reg.test", "app", environ).is_anonymous


@pytest.mark.parametrize("said", ["", "not json", "[]", '{"Username": "u"}'])
def test_a_helper_that_talks_nonsense_is_a_problem(tmp_path, environ, said):
    helper(tmp_path, "odd", f"cat >/dev/null; echo '{said}'")
    docker(tmp_path, credsStore="odd")

    assert "docker-credential-odd" in find_credentials("reg.test", "app", environ).problem


def test_a_failing_helper_does_not_leak_what_it_printed(tmp_path, environ):
    helper(tmp_path, "bad", "cat >/dev/null; echo 'the secret is hunter2'; exit 3")
    docker(tmp_path, credsStore="bad")

    found = find_credentials("reg.test", "app", environ)

    assert "hunter2" not in repr(found)
    assert "exit code 3" in found.problem


def test_an_identity_token_is_told_apart(tmp_path, environ):
    """K074"""
    helper(tmp_path, "acr", 'cat >/dev/null; echo \'{"Username":"<token>","Secret":"refresh"}\'')
    docker(tmp_path, credHelpers={"acr.test": "acr"}, auths={"b.test": {"identitytoken": "rt"}})

    assert "refresh" == find_credentials("acr.test", "app", environ).identity_token
    assert "rt" == find_credentials("b.test", "app", environ).identity_token


def test_podmans_files_are_looked_into_and_the_search_goes_on(tmp_path, environ):
    """K073"""
    docker(tmp_path, auths={"docker.test": auth("from docker")})
    for folder, host in (("run/containers", "run.test"), (".config/containers", "config.test")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "auth.json").write_text(json.dumps({"auths": {host: auth(f"from {folder}")}}))

    assert "from run/containers" == password("run.test", environ)
    assert "from .config/containers" == password("config.test", environ)
    assert "from docker" == password("docker.test", environ)
    assert str(tmp_path / "run/containers/auth.json") == find_credentials("run.test", "app", environ).source


def test_a_variable_that_names_a_file_is_the_only_place(tmp_path, environ):
    """K073"""
    docker(tmp_path, auths={"reg.test": auth("home")})
    (tmp_path / "other.json").write_text(json.dumps({"auths": {"reg.test": auth("other")}}))
    (tmp_path / "dir").mkdir()

    assert "other" == password("reg.test", environ | {"REGISTRY_AUTH_FILE": str(tmp_path / "other.json")})
    assert "" == password("reg.test", environ | {"DOCKER_CONFIG": str(tmp_path / "dir")})


def test_the_environment_goes_before_every_file_and_a_host_before_all(tmp_path, environ):
    docker(tmp_path, auths={"reg.test:5000": auth("file")})
    environ |= {"OCITOOL_USERNAME": "u", "OCITOOL_PASSWORD": "all"}
    assert "all" == password("reg.test:5000", environ)

    environ |= {"OCITOOL_USERNAME_REG_TEST_5000": "u", "OCITOOL_PASSWORD_REG_TEST_5000": "one"}
    assert ("one", "all") == (password("reg.test:5000", environ), password("other.test", environ))
    assert "tok" == find_credentials("x", "a", environ | {"OCITOOL_TOKEN_X": "tok"}).registry_token


def test_an_end_of_line_behind_a_secret_is_none_of_it(environ):
    """K072: secrets come from files."""
    user = environ | {"OCITOOL_USERNAME": "u\n", "OCITOOL_PASSWORD": " p \r\n"}
    found = find_credentials("reg.test", "app", user)

    assert ("u", " p ") == (found.username, found.password)
    assert "t" == find_credentials("reg.test", "app", environ | {"OCITOOL_TOKEN": "t\n"}).registry_token


def test_an_auth_of_several_lines_is_read(tmp_path, environ):
    """K072: base64 breaks a long key into lines, and some tools leave the end of it out."""
    secret = '{"private_key": "' + "x" * 99 + '"}'
    text = base64.encodebytes(f"_json_key:{secret}".encode()).decode().rstrip("=\n")
    assert "\n" in text
    docker(tmp_path, auths={"gcr.test": {"auth": text}})

    assert secret == password("gcr.test", environ)


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_file_of_nothing_holds_no_credentials(tmp_path, environ, text):
    """K073: made by touch, or by a secret of the CI that is not set."""
    docker(tmp_path)
    (tmp_path / ".docker" / "config.json").write_text(text)

    assert find_credentials("reg.test", "app", environ).is_anonymous


def test_secrets_are_not_in_the_representation(tmp_path, environ):
    docker(tmp_path, auths={"reg.test": auth("hunter2")})

    assert "hunter2" not in repr(find_credentials("reg.test", "app", environ))


@pytest.mark.parametrize("text", ["{", "\xff", "[" * 100_000, '{"auths": {"reg.test": {"auth": "%%%"}}}'])
def test_a_file_that_cannot_be_read_is_named(tmp_path, environ, text):
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(text, encoding="latin-1")

    with pytest.raises(AuthError, match=r"config\.json"):
        find_credentials("reg.test", "app", environ)


@pytest.mark.parametrize(
    "config", [{"auths": []}, {"auths": {"reg.test": "x"}}, {"auths": {"reg.test": {}}}, {"credsStore": 5}]
)
def test_odd_but_harmless_files_hold_nothing(tmp_path, environ, config):
    docker(tmp_path, **config)

    assert find_credentials("reg.test", "app", environ).is_anonymous


@pytest.mark.parametrize("kind", ["podman", "docker"])
def test_where_a_helper_knows_nothing_podmans_file_may_and_dockers_may_not(tmp_path, environ, kind):
    helper(tmp_path, "h", 'echo "credentials not found in native keychain"; exit 1')
    words = {"credHelpers": {"reg.test": "h"}, "auths": {"reg.test": auth("secret")}}
    if kind == "docker":
        docker(tmp_path, **words)
    else:
        (tmp_path / "run/containers").mkdir(parents=True)
        (tmp_path / "run/containers/auth.json").write_text(json.dumps(words))

    assert ("secret" if kind == "podman" else "") == password("reg.test", environ)


def test_podmans_file_is_where_the_folder_of_settings_is(tmp_path, environ):
    for folder, word in (("settings", "right"), (".config", "wrong")):
        (tmp_path / folder / "containers").mkdir(parents=True)
        text = json.dumps({"auths": {"reg.test": auth(word)}})
        (tmp_path / folder / "containers/auth.json").write_text(text)

    assert "right" == password("reg.test", environ | {"XDG_CONFIG_HOME": str(tmp_path / "settings")})
    assert "wrong" == password("reg.test", environ)
