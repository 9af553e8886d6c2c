"""Signatures and keys of ours under cosign's eyes, and the reverse: both forms, an index and its images."""

import os
import subprocess

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.fakes.sick import Ward
from tests.peers.registries import olareg

pytestmark = pytest.mark.interop
PASSWORD = "open sesame"
FORMS = pytest.mark.parametrize("form", ["tag", "bundle"])


@pytest.fixture(params=["docker_registry", "olareg"])
def repository(request, tmp_path):
    """One registry without the referrers API, and one that has it."""
    if request.param != "olareg":
        yield request.getfixturevalue(request.param).repository()
        return
    try:
        with olareg(peers.find("olareg"), tmp_path / "olareg") as running:
            yield running.repository()
    except peers.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def digests(repository):
    """An index under the tag `1`: its digest, and those of its two images."""
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(repository, write=True)[0])
        images = [ward.image("linux/arm64"), ward.image()]
        ward.index(*images)
        return [str(ward.store.head("1").digest), *(image["digest"] for image in images)]


@pytest.fixture
def cosign(peer, tmp_path, home):
    """`cosign("sign", …)`: its exit code and what it said, offline."""

    def call(verb, *words, env=None):
        registry = ("--allow-http-registry",) if verb in {"sign", "verify"} else ()
        log = {
            "sign": ("--tlog-upload=false", "--use-signing-config=false", "-y"),
            "verify": ("--insecure-ignore-tlog=true",),
        }
        argv = [peer("cosign"), verb, *log.get(verb, ()), *registry, *words]
        done = subprocess.run(
            list(map(str, argv)),
            env={**os.environ, "COSIGN_PASSWORD": PASSWORD} | (env or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=tmp_path,
        )
        return done.returncode, done.stdout + done.stderr

    return call


@pytest.fixture
def password(monkeypatch):
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    return ("--password-from", "env:KEY_PASSWORD")


@pytest.fixture
def ours(run, tmp_path, password):
    """A key that we made."""
    assert 0 == run("key", "generate", "-o", tmp_path / "ours", *password).exit_code
    return tmp_path / "ours"


@pytest.fixture
def theirs(cosign, tmp_path):
    """A key that cosign made."""
    assert (0, "") == ((answer := cosign("generate-key-pair"))[0], "" if answer[0] == 0 else answer[1])
    return tmp_path / "cosign"


def bundled(form):
    return f"--new-bundle-format={'true' if form == 'bundle' else 'false'}"


@FORMS
@pytest.mark.parametrize("maker", ["ours", "theirs"])
def test_cosign_verifies_what_we_sign(request, run, cosign, repository, digests, password, form, maker):
    key = request.getfixturevalue(maker)

    signed = run(
        "sign",
        f"{repository}:1",
        "--key",
        f"{key}.key",
        *password,
        "--form",
        form,
        "--recursive",
        "-a",
        "commit=<a&b>",
    )

    assert 0 == signed.exit_code, signed.stderr
    for digest in digests:
        words = ("--key", f"{key}.pub", bundled(form), f"{repository}@{digest}")
        code, said = cosign("verify", "-a", "commit=<a&b>", *words)
        assert 0 == code, said
        assert 0 != cosign("verify", "-a", "commit=other", *words)[0]


@FORMS
@pytest.mark.parametrize("maker", ["ours", "theirs"])
def test_we_verify_what_cosign_signs(request, run, cosign, repository, digests, form, maker):
    key = request.getfixturevalue(maker)

    code, said = cosign(
        "sign",
        *("--key", f"{key}.key", bundled(form), "--recursive", "-a", "commit=<a&b>"),
        f"{repository}@{digests[0]}",
    )

    assert 0 == code, said
    for digest in digests:
        done = run("verify", f"{repository}@{digest}", "--key", f"{key}.pub", "-a", "commit=<a&b>")
        assert (0, digest) == (done.exit_code, done.stdout.strip()), done.stderr
    done = run("verify", f"{repository}:1", "--key", f"{key}.pub", "--recursive")
    assert 0 == done.exit_code, done.stderr
    assert 1 == run("verify", f"{repository}:1", "--key", f"{key}.pub", "-a", "commit=other").exit_code


@FORMS
def test_signers_of_both_tools_stand_side_by_side(run, cosign, repository, digests, password, ours, theirs, form):
    """And taking ours back leaves cosign's."""
    place = f"{repository}@{digests[0]}"
    assert 0 == cosign("sign", "--key", f"{theirs}.key", bundled(form), place)[0]
    assert 0 == run("sign", place, "--key", f"{ours}.key", *password, "--form", form).exit_code

    both = run("verify", place, "--key", f"{ours}.pub", "--key", f"{theirs}.pub", "--every-key")
    cosigns = [cosign("verify", "--key", f"{key}.pub", bundled(form), place)[0] for key in (ours, theirs)]
    undone = run("undo", place)

    assert (0, [0, 0], 0) == (both.exit_code, cosigns, undone.exit_code), both.stderr + undone.stderr
    assert 1 == run("verify", place, "--key", f"{ours}.pub").exit_code
    assert 0 == run("verify", place, "--key", f"{theirs}.pub").exit_code
    code, said = cosign("verify", "--key", f"{theirs}.pub", bundled(form), place)
    assert 0 == code, said


@FORMS
def test_cosign_signs_beside_ours(run, cosign, repository, digests, password, ours, theirs, form):
    place = f"{repository}@{digests[0]}"
    assert 0 == run("sign", place, "--key", f"{ours}.key", *password, "--form", form).exit_code

    assert 0 == cosign("sign", "--key", f"{theirs}.key", bundled(form), place)[0]

    done = run("verify", place, "--key", f"{ours}.pub", "--key", f"{theirs}.pub", "--every-key")
    assert 0 == done.exit_code, done.stderr


@pytest.mark.parametrize("kind", ["ed25519", "rsa-3072"])
@FORMS
def test_other_kinds_of_keys(run, cosign, repository, digests, password, tmp_path, form, kind):
    key, place = tmp_path / "other", f"{repository}@{digests[0]}"
    assert 0 == run("key", "generate", "-o", key, "--type", kind, *password).exit_code
    assert 0 == run("sign", place, "--key", f"{key}.key", *password, "--form", form).exit_code

    code, said = cosign("verify", "--key", f"{key}.pub", bundled(form), place)
    assert 0 == code, said
    if kind == "ed25519":
        return  # cosign 3 signs with Ed25519ph: limitations.md
    assert 0 == run("undo", place).exit_code
    code, said = cosign("sign", "--key", f"{key}.key", bundled(form), place)
    assert 0 == code, said

    done = run("verify", place, "--key", f"{key}.pub")
    assert 0 == done.exit_code, done.stderr


def test_the_public_half_is_what_cosign_says(run, cosign, password, ours, theirs):
    for key in (ours, theirs):
        done = run("key", "public", f"{key}.key", *password)
        code, said = cosign("public-key", "--key", f"{key}.key")

        assert (0, 0) == (done.exit_code, code), said
        assert done.stdout.strip() in said


def test_a_device_signs_and_cosign_verifies(run, cosign, repository, digests, tmp_path):
    """openssl stands for the device."""
    key, public = tmp_path / "device.pem", tmp_path / "device.pub"
    openssl = ("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    try:
        subprocess.run(openssl, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    place, payload, signature = f"{repository}:1", tmp_path / "payload", tmp_path / "signature"
    assert 0 == run("sign", place, "--payload-only", payload).exit_code
    subprocess.run(["openssl", "dgst", "-sha256", "-sign", key, "-out", signature, payload], check=True)

    done = run("sign", place, "--key", public, "--signature", signature)

    assert 0 == done.exit_code, done.stderr
    code, said = cosign("verify", "--key", public, bundled("tag"), f"{repository}@{digests[0]}")
    assert 0 == code, said
