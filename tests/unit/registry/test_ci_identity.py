import json

import pytest

from ocitool.registry.ci_identity import find_ci_identity

GITHUB = {"GITHUB_TOKEN": "ghs_secret", "GITHUB_ACTOR": "octocat"}
GITLAB = {"CI_REGISTRY": "reg.test:5050", "CI_REGISTRY_USER": "robot", "CI_REGISTRY_PASSWORD": "hunter2"}


@pytest.fixture
def environ(tmp_path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin")}


@pytest.fixture
def install(tmp_path, environ):
    """`install(name, script)`: a helper on PATH; what it is asked is added to `asked`."""

    def put(name: str, script: str) -> None:
        path = tmp_path / "bin" / f"docker-credential-{name}"
        path.write_text(f'#!/bin/sh\nread -r server\necho "{name} $1 $server" >>{tmp_path}/asked\n{script}\n')
        path.chmod(0o755)

    (tmp_path / "asked").touch()
    return put


def answer(user: str, secret: str) -> str:
    return f"echo '{json.dumps({'Username': user, 'Secret': secret})}'"


@pytest.mark.parametrize("host", ["ghcr.io", "GHCR.io", "ghcr.io:443"])
def test_a_github_job_is_known_to_its_registry(host):
    found = find_ci_identity(host, GITHUB)

    assert ("octocat", "ghs_secret", True) == (found.username, found.password, found.is_ambient)
    assert "GITHUB_TOKEN" == found.source


@pytest.mark.parametrize("host", ["ghcr.io:8443", "xghcr.io", "ghcr.io.evil.test", "docker.io", "reg.test:5050"])
def test_a_github_token_is_for_no_other_host(host):
    assert find_ci_identity(host, GITHUB) is None


@pytest.mark.parametrize(
    "lacking",
    [{"GITHUB_ACTOR": ""}, {"GITHUB_TOKEN": ""}, {"GITHUB_SERVER_URL": "https://github.corp.test"}],
)
def test_a_token_without_an_actor_or_of_another_server_is_none(lacking):
    assert find_ci_identity("ghcr.io", GITHUB | lacking) is None
    assert find_ci_identity("ghcr.io", GITHUB | {"GITHUB_SERVER_URL": "https://github.com"}) is not None


def test_a_gitlab_job_is_known_to_its_registry_alone():
    found = find_ci_identity("reg.test:5050", GITLAB)

    assert ("robot", "hunter2") == (found.username, found.password)
    for other in ("reg.test", "reg.test:5051", "sub.reg.test:5050", "ghcr.io"):
        assert find_ci_identity(other, GITLAB) is None


def test_the_job_token_stands_in_for_a_registry_password():
    environ = {"CI_REGISTRY": "reg.test", "CI_JOB_TOKEN": "glcbt\n"}

    found = find_ci_identity("reg.test", environ)
    assert ("gitlab-ci-token", "glcbt", "CI_JOB_TOKEN") == (found.username, found.password, found.source)
    assert "hunter2" == find_ci_identity("reg.test:5050", GITLAB | environ | GITLAB).password


@pytest.mark.parametrize("host", ["", "https://reg.test", "reg.test/path", "u:p@reg.test"])
def test_a_registry_variable_that_is_no_host_is_for_none(host):
    assert find_ci_identity("reg.test", GITLAB | {"CI_REGISTRY": host}) is None


@pytest.mark.parametrize("word", ["off", "OFF", "0", "false", "no"])
def test_it_can_be_switched_off(word, environ, install, tmp_path):
    install("gcr", answer("u", "s"))
    off = {"OCITOOL_CI_IDENTITY": word}

    assert find_ci_identity("ghcr.io", GITHUB | off) is None
    assert find_ci_identity("gcr.io", environ | off) is None
    assert "" == (tmp_path / "asked").read_text()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ecr-login"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "ecr-login"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "ecr-login"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "ecr-login"),
        ("public.ecr.aws", "ecr-login"),
        ("gcr.io", "gcr"),
        ("eu.gcr.io", "gcr"),
        ("europe-docker.pkg.dev", "gcr"),
        ("team.azurecr.io", "acr-env"),
    ],
)
def test_a_cloud_is_asked_by_its_helper(host, name, environ, install, tmp_path):
    for one in ("ecr-login", "gcr", "acr-env"):
        install(one, answer(f"user of {one}", "s"))

    found = find_ci_identity(host, environ)

    assert (f"user of {name}", True, f"docker-credential-{name}") == (
        found.username,
        found.is_ambient,
        found.source,
    )
    assert f"{name} get {host}\n" == (tmp_path / "asked").read_text()


@pytest.mark.parametrize(
    "host",
    [
        "dkr.ecr.eu-west-1.amazonaws.com.evil.test",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com:8443",
        "xgcr.io",
        "gcr.io.evil.test",
        "a.b.pkg.dev",
        "azurecr.io",
        "team.azurecr.io.evil.test",
        "docker.io",
    ],
)
def test_no_helper_is_asked_about_what_only_looks_like_a_cloud(host, environ, install, tmp_path):
    for one in ("ecr-login", "gcr", "gcloud", "acr-env"):
        install(one, answer("u", "s"))

    assert find_ci_identity(host, environ) is None
    assert "" == (tmp_path / "asked").read_text()


def test_a_helper_that_knows_nothing_leaves_it_to_the_next(environ, install):
    install("gcr", 'echo "credentials not found in native keychain"; exit 1')
    assert find_ci_identity("gcr.io", environ) is None

    install("gcloud", answer("oauth2accesstoken", "ya29"))
    assert "ya29" == find_ci_identity("gcr.io", environ).password


def test_a_helper_that_fails_is_a_problem_and_one_that_is_not_there_is_none(environ, install):
    assert find_ci_identity("team.azurecr.io", environ) is None

    install("acr-env", "echo secret; exit 3")
    found = find_ci_identity("team.azurecr.io", environ)
    assert found.is_anonymous
    assert "docker-credential-acr-env failed with exit code 3" == found.problem
