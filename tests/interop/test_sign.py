"""Signatures and keys of ours under cosign's eyes, and the reverse: both forms, an index and its images."""

import subprocess

import pytest

from tests.interop.conftest import FORMS, bundled

pytestmark = pytest.mark.interop


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


OPENSSL = {
    "ecdsa-p256": ("EC", "ec_paramgen_curve:P-256"),
    "ecdsa-p384": ("EC", "ec_paramgen_curve:P-384"),
    "ed25519": ("ED25519", ""),
    "rsa-2048": ("RSA", "rsa_keygen_bits:2048"),
    "rsa-3072": ("RSA", "rsa_keygen_bits:3072"),
}
PREHASHED = "failed to verify signature"


class TestKinds:
    """Kinds of keys, made here and there. What cosign signs with Ed25519 it does not verify itself: limitations.md."""

    @pytest.fixture
    def repository(self, docker_registry):
        """One registry: what a key signs is the same in all."""
        return docker_registry.repository()

    @pytest.fixture
    def key(self, request, run, cosign, tmp_path, password):
        """A key of a kind: `ours` generates it, cosign imports the other."""
        maker, kind = request.param
        if maker == "ours":
            assert 0 == run("key", "generate", "-o", tmp_path / "k", "--type", kind, *password).exit_code
            return tmp_path / "k", kind
        name, option = OPENSSL[kind]
        made = ("genpkey", "-algorithm", name, *(("-pkeyopt", option) if option else ()), "-out", tmp_path / "pem")
        try:
            subprocess.run(["openssl", *made], check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")
        code, said = cosign("import-key-pair", "--key", tmp_path / "pem", "--output-key-prefix", "k")
        assert 0 == code, said
        return tmp_path / "k", kind

    @FORMS
    @pytest.mark.parametrize(
        "key",
        [
            ("ours", "ed25519"),
            ("ours", "rsa-3072"),
            *(("theirs", kind) for kind in OPENSSL if kind != "ecdsa-p256"),
        ],
        indirect=True,
        ids=" ".join,
    )
    def test_go_both_ways(self, run, cosign, repository, digests, password, key, form):
        file, kind = key
        index, image, _ = (f"{repository}@{digest}" for digest in digests)
        more = ("--signature-digest-algorithm", "sha384") if kind == "ecdsa-p384" else ()
        verify = ("verify", "--key", f"{file}.pub", *more, bundled(form))
        signed = run("sign", index, "--key", f"{file}.key", *password, "--form", form)
        ours = cosign(*verify, index)
        theirs = cosign("sign", "--key", f"{file}.key", bundled(form), image)
        checked = cosign(*verify, image)
        done = run("verify", image, "--key", f"{file}.pub")

        assert (0, 0, 0) == (signed.exit_code, ours[0], theirs[0]), signed.stderr + ours[1] + theirs[1]
        if kind == "ed25519":
            assert PREHASHED in checked[1]
            assert (1, True) == (done.exit_code, "Ed25519ph" in done.stderr), done.stderr
        else:
            assert (0, 0) == (checked[0], done.exit_code), checked[1] + done.stderr

    def test_what_cosign_refuses_to_import_is_refused_here(self, run, cosign, repository, digests, tmp_path):
        subprocess.run(["openssl", "genrsa", "-out", tmp_path / "pem", "1024"], check=True, capture_output=True)

        code, said = cosign("import-key-pair", "--key", tmp_path / "pem")
        done = run("sign", f"{repository}:1", "--key", tmp_path / "pem")

        assert (1, True) == (code, "key size not supported" in said)
        assert (9, True) == (done.exit_code, "RSA key of 1024 bits" in done.stderr)


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
