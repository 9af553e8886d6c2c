"""What builds, edits and repairs sign, under cosign's eyes: both forms, on registries with and without the API."""

import json

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.sick import Ward
from tests.interop.conftest import FORMS, bundled

pytestmark = pytest.mark.interop


@pytest.fixture
def verified(cosign, repository, theirs):
    """`verified(form, digest…)`: what cosign says of those that it does not verify."""

    def call(form, *digests):
        said = [
            cosign("verify", "--key", f"{theirs}.pub", bundled(form), f"{repository}@{digest}")
            for digest in digests
        ]
        return [words for code, words in said if code]

    return call


@pytest.fixture
def key(theirs, password):
    """The words that name the key which cosign made, for `--resign` and `--sign-key`."""
    return lambda option: (option, f"{theirs}.key", *password)


def children(run, name):
    return [one["digest"] for one in json.loads(run("inspect", name, "--raw").stdout)["manifests"]]


@FORMS
@pytest.mark.parametrize(
    "edit",
    [
        ("annotate", "--annotation", "a=b"),
        ("remove", "--platform", "linux/arm64"),
        ("convert", "--format", "docker"),
    ],
    ids=lambda edit: edit[0],
)
def test_an_edit_is_signed_in_the_form_of_what_it_replaces(
    run, cosign, repository, digests, theirs, key, verified, form, edit
):
    name = f"{repository}:1"
    code, said = cosign("sign", "--key", f"{theirs}.key", bundled(form), f"{repository}@{digests[0]}")
    assert 0 == code, said

    done = run("index", edit[0], name, *edit[1:], *key("--resign"))

    assert 0 == done.exit_code, done.stderr
    new = run("digest", name).stdout.strip()
    changed = [one for one in children(run, name) if one not in digests]
    assert (new != digests[0], edit[0] == "convert") == (True, bool(changed))
    assert [] == verified(form, new, *changed)
    assert [] == verified(form, digests[0])  # the old bytes are signed as they were


@FORMS
def test_a_repair_is_signed(run, cosign, repository, theirs, key, verified, form):
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(repository, write=True)[0])
        good = ward.image("linux/arm64")
        ward.index({**good, "platform": {"os": "linux", "architecture": "s390x"}}, ward.image(), tag="1")
        old = ward.store.head("1").digest
    code, said = cosign("sign", "--key", f"{theirs}.key", bundled(form), f"{repository}@{old}")
    assert 0 == code, said

    done = run("repair", f"{repository}:1", "--apply", *key("--resign"))

    assert 0 == done.exit_code, done.stderr
    new = run("digest", f"{repository}:1").stdout.strip()
    assert old != new
    assert [] == verified(form, new)


@pytest.mark.parametrize("door", ["build", "buildx build", "push", "by digest", "archive"])
def test_a_build_is_signed(run, repository, home, key, verified, monkeypatch, door):
    monkeypatch.chdir(home)
    (home / "hello").write_text("hello")
    (home / "Dockerfile").write_text("FROM scratch\nCOPY hello /\n")
    name, words = f"{repository}:b", ("--platform", "linux/amd64,linux/arm64")
    by_digest = f"type=image,name={repository},push-by-digest=true,push=true"
    commands = {
        "build": [("build", ".", *words, "-t", name, "--push", *key("--sign-key"))],
        "buildx build": [("buildx", "build", ".", *words, "-t", name, "--push", *key("--sign-key"))],
        "push": [("build", ".", *words, "-t", name), ("push", name, *key("--sign-key"))],
        "by digest": [("build", ".", *words, "-o", by_digest, *key("--sign-key"), "--json")],
        "archive": [
            ("build", ".", *words, "-t", name, "-o", "oci-archive:a.tar:b", *key("--sign-key")),
            ("copy", "oci-archive:a.tar:b", name, "--referrers"),
        ],
    }

    for command in commands[door]:
        done = run(*command)
        assert 0 == done.exit_code, done.stderr

    digest = (
        json.loads(done.stdout)["data"]["digest"] if door == "by digest" else run("digest", name).stdout.strip()
    )
    assert [] == verified("tag", digest, *children(run, f"{repository}@{digest}"))


@FORMS
def test_a_build_with_attestations_beside_it_is_signed_in_both_forms(
    run, repository, home, key, verified, monkeypatch, form
):
    monkeypatch.chdir(home)
    (home / "hello").write_text("hello")
    (home / "Dockerfile").write_text("FROM scratch\nCOPY hello /\n")
    name = f"{repository}:b"
    words = ("--platform", "linux/amd64,linux/arm64", "--provenance", "--attest-form", "referrers")

    done = run("build", ".", *words, "-t", name, "--push", *key("--sign-key"))

    assert 0 == done.exit_code, done.stderr
    assert [] == verified(form, run("digest", name).stdout.strip(), *children(run, name))
