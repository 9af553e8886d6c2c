"""Rules at the edges of what the golden images show."""

import pytest

from ocitool.check.engine import DOCUMENTED
from ocitool.check.rules import config
from tests.fakes.sick import FILES

KEY = "AKIA" + "A1B2C3D4E5F6G7H8"
TOKEN = "ghp_" + "a1B2" * 9


def test_ids_are_distinct():
    ids = [rule.id for rule in DOCUMENTED]

    assert sorted(set(ids)) == sorted(ids)


def test_a_healthy_index_has_no_findings(ward, found):
    one, other = ward.image(), ward.image("linux/arm64")
    ward.index(one, other, ward.attestation(one["digest"]))

    assert {} == found()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (lambda t: t["config"].update(Env=["A=b", f"KEY={KEY}"]), "/config/Env/1"),
        (lambda t: t["config"].update(Cmd=["run", f"--token={TOKEN}"]), "/config/Cmd/1"),
        (lambda t: t["config"].update(Entrypoint=[TOKEN]), "/config/Entrypoint/0"),
        (lambda t: t["config"].update(Labels={"a/b~c": TOKEN}), "/config/Labels/a~1b~0c"),
        (lambda t: t.update(history=[{"created_by": f"RUN curl -H {TOKEN}"}]), "/history/0"),
    ],
    ids=["env", "cmd", "entrypoint", "label", "history"],
)
def test_a_secret_is_found_where_it_stands_and_not_repeated(ward, found, change, pointer):
    ward.index(ward.image(config=change))

    finding = found()["config/secret"]

    assert pointer == finding.at.pointer
    assert TOKEN not in str(finding)
    assert KEY not in str(finding)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (KEY, "an AWS access key"),
        (TOKEN, "a GitHub token"),
        ("github_pat_" + "a" * 22, "a GitHub token"),
        ("glpat-" + "a" * 20, "a GitLab token"),
        ("xoxb-1234567890-abc", "a Slack token"),
        ("npm_" + "a" * 36, "an npm token"),
        ("-----BEGIN EC PRIVATE KEY-----", "a private key"),
        ("postgres://app:hunter2@db/app", "a password in a URL"),
    ],
)
def test_forms_of_secrets(ward, found, text, what):
    ward.index(ward.image(config=lambda tree: tree["config"].update(Env=[f"A={text}"])))

    assert f"looks like {what}; whoever can pull can read it" == found()["config/secret"].message


@pytest.mark.parametrize(
    "text",
    [
        "PASSWORD_FILE=/run/secrets/p",
        "URL=postgres://app:${PASSWORD}@db/app",
        "URL=https://user@host/path",
        "TIME=12:30:45@noon",
        "KEY=AKIA",
        "-----BEGIN PUBLIC KEY-----",
        "PATH=/usr/bin:/bin",
    ],
)
def test_what_is_no_secret(ward, found, text):
    ward.index(ward.image(config=lambda tree: tree["config"].update(Env=[text])))

    assert {} == found()


def test_every_pattern_of_secrets_is_tried():
    """A pattern without an example above would be one that nobody has seen match."""
    tried = test_forms_of_secrets.pytestmark[0].args[1]

    assert {what for what, _ in config._SECRETS} == {what for _, what in tried}


def test_a_variant_in_the_name_of_an_architecture_is_compared_too(ward, found):
    """K001: armv7 over a config for v6 is wrong in more than its name."""
    ward.index(
        ward.image(),
        ward.image("linux/arm/v6", layers=[FILES]) | {"platform": {"os": "linux", "architecture": "armv7"}},
    )

    assert {"index/wrong-platform", "index/impossible-platform"} == set(found())
