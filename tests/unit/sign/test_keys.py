"""Keys: made, read in every form, and what is no key refused."""

import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519

from ocitool.errors import AuthError, MalformedDocument, Unsupported, UsageError
from ocitool.sign.keys import KINDS, generate, read_private, read_public

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
PKCS8, OLD = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
PLAIN = serialization.NoEncryption()


@pytest.fixture(scope="module", params=["ecdsa-p256", "ed25519", "rsa-3072"])
def key(request):
    return generate(request.param)


@pytest.fixture(scope="module")
def small():
    """A key whose encryption is quick."""
    return generate("ed25519")


@pytest.mark.slow
def test_what_a_key_signs_its_public_half_verifies_and_nothing_else(key):
    signature = key.sign(b"data")

    assert key.public.verifies(signature, b"data")
    assert not key.public.verifies(signature, b"Data")
    assert not key.public.verifies(signature[:-1] + bytes([signature[-1] ^ 1]), b"data")
    assert not key.public.verifies(b"", b"data")
    assert not generate(KINDS[0]).public.verifies(signature, b"data")


def test_signing_again_gives_the_same_bytes(key):
    assert key.sign(b"data") == key.sign(b"data")


@pytest.mark.slow
def test_an_encrypted_key_is_read_with_its_password(key):
    again = read_private(key.encrypted(b"secret"), b"secret", "cosign.key")

    assert key.public == again.public


@pytest.mark.slow
def test_the_password_is_asked_for_with_the_name_of_the_file(small):
    asked = []

    read_private(small.encrypted(b""), lambda name: asked.append(name) or b"", "a.key")

    assert ["a.key"] == asked


def test_a_plain_key_asks_for_no_password(small):
    assert small.public == read_private(small.plain(), lambda name: 1 / 0, "a.key").public


@pytest.mark.parametrize("password", [b"wrong", ""])
@pytest.mark.slow
def test_a_wrong_password_is_refused(small, password):
    with pytest.raises(AuthError, match="does not open"):
        read_private(small.encrypted(b"secret"), password, "cosign.key")


@pytest.mark.slow
def test_a_missing_password_is_refused(small):
    with pytest.raises(AuthError, match="no password"):
        read_private(small.encrypted(b"secret"), None, "cosign.key")


@pytest.mark.slow
def test_the_old_label_of_cosign_is_read(small):
    old = small.encrypted(b"x").replace(b"SIGSTORE", b"COSIGN")

    assert small.public == read_private(old, b"x", "cosign.key").public


def test_encrypted_pkcs8_is_read(small):
    data = small.key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"secret"))

    assert small.public == read_private(data, b"secret", "k").public
    for wrong in (b"other", b""):
        with pytest.raises(AuthError):
            read_private(data, wrong, "k")


LUCKY = b"""-----BEGIN ENCRYPTED PRIVATE KEY-----
MIH0MF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBDUQ4wpDowExszCQLyo
S/YXAgIIADAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQNF3t3Dirkz3cYjXN
EjEIZASBkEGtGrlxO3LguTSC+TugEcfgCYJ2rAGylMy2NnqjDFdQWLbPg09HfPQt
D5FWiMWDiaGlMfZuJ5DKcoeZVfi2ycYQbeFxg0vBP/RWnQM3x4hjPa6b9CR+g1A3
5GAk00QAPYEHQHEVlcyZgoyjigkLYSWYkuqudmX1Dt9K2J8xQoM0MsjTI2DMsRdh
CNo0X6ioyQ==
-----END ENCRYPTED PRIVATE KEY-----
"""
"""A key whose password is "secret", and for which the padding is right by chance with "292", as for one of 256."""


@pytest.mark.parametrize("password", [b"292", b"293"])
def test_no_wrong_password_makes_an_encrypted_key_look_damaged(password):
    assert read_private(LUCKY, b"secret", "k").public

    with pytest.raises(AuthError):
        read_private(LUCKY, password, "k")


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_sec1_is_read_and_signs(curve):
    raw = ec.generate_private_key(curve).private_bytes(PEM, OLD, PLAIN)

    found = read_private(raw, None, "k")

    assert found.public.verifies(found.sign(b"data"), b"data")


def test_openssl_writes_parameters_before_a_key_and_both_are_read(tmp_path):
    file = tmp_path / "k"
    try:
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", file], check=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")

    assert "ecdsa-p256" == read_private(file.read_bytes(), None, "k").public.kind


def test_pkcs1_is_read():
    raw = rsa.generate_private_key(65537, 2048).private_bytes(PEM, OLD, PLAIN)

    assert "rsa-2048" == read_private(raw, None, "k").public.kind


@pytest.mark.slow
def test_a_public_key_of_pkcs1_is_the_same_key():
    key = rsa.generate_private_key(65537, 2048)
    raw = key.public_key().public_bytes(PEM, serialization.PublicFormat.PKCS1)

    assert read_private(key.private_bytes(PEM, PKCS8, PLAIN), None, "k").public == read_public(raw, "k")
    with pytest.raises(MalformedDocument, match="a signature needs the private one"):
        read_private(raw, None, "k")


def test_what_openssl_encrypted_before_pkcs8_is_told_with_the_way_out():
    key = ec.generate_private_key(ec.SECP256R1())
    raw = key.private_bytes(PEM, OLD, serialization.BestAvailableEncryption(b"secret"))

    for read in (lambda: read_private(raw, b"secret", "k"), lambda: read_public(raw, "k")):
        with pytest.raises(Unsupported, match="before PKCS#8") as caught:
            read()
        assert caught.value.hint == "openssl pkcs8 -topk8 -in k writes it anew"


def test_p384_takes_sha256_as_well():
    """Verifiers of cosign's tag form take SHA-256 for every curve unless told otherwise."""
    from cryptography.hazmat.primitives.hashes import SHA256

    key = ec.generate_private_key(ec.SECP384R1())
    public = read_private(key.private_bytes(PEM, PKCS8, PLAIN), None, "k").public

    assert public.verifies(key.sign(b"data", ec.ECDSA(SHA256())), b"data")


@pytest.mark.slow
def test_a_public_file_gives_the_key_back(key):
    assert (key.public, "cosign.pub") == ((found := read_public(key.public.pem, "cosign.pub")), found.name)
    assert key.public == read_public(key.plain(), "k")


def test_a_fingerprint_is_the_hash_of_the_der_form(key, tmp_path):
    import hashlib

    der = key.key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    assert f"SHA256:{hashlib.sha256(der).hexdigest()}" == key.public.fingerprint


def test_no_secret_is_in_what_is_shown(key):
    assert "PrivateKey('')" == repr(key)


@pytest.mark.parametrize(
    "raw",
    [
        rsa.generate_private_key(65537, 1024).private_bytes(PEM, PKCS8, PLAIN),
        ec.generate_private_key(ec.SECP256K1()).private_bytes(PEM, PKCS8, PLAIN),
        x25519.X25519PrivateKey.generate().private_bytes(PEM, PKCS8, PLAIN),
        dsa.generate_private_key(1024).private_bytes(PEM, PKCS8, PLAIN),
    ],
    ids=["rsa-1024", "secp256k1", "x25519", "dsa"],
)
def test_weak_and_foreign_keys_are_refused(raw):
    with pytest.raises(Unsupported):
        read_private(raw, None, "k")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ssh-ed25519 AAAA",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN A-----\nAAAA\n-----END B-----\n",
        b"x" * 100_000,
        b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
        b"\xff-----BEGIN PUBLIC KEY-----",
    ],
)
@pytest.mark.parametrize("read", [lambda data: read_private(data, b"", "k"), lambda data: read_public(data, "k")])
def test_what_is_no_key_is_refused(read, data):
    with pytest.raises(MalformedDocument):
        read(data)


def test_two_keys_in_a_file_are_refused(small):
    with pytest.raises(MalformedDocument, match="2 keys"):
        read_public(small.public.pem * 2, "k")


@pytest.mark.slow
def test_the_files_are_told_apart(small):
    with pytest.raises(MalformedDocument, match="needs the private one"):
        read_private(small.public.pem, None, "k")
    with pytest.raises(MalformedDocument, match="no public key") as refused:
        read_public(small.encrypted(b""), "k")
    assert "ocitool key public k" in refused.value.hint


def test_other_kinds_are_not_made():
    with pytest.raises(UsageError):
        generate("dsa")


def test_a_public_key_of_another_kind_is_refused():
    raw = x25519.X25519PrivateKey.generate().public_key()
    data = raw.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    with pytest.raises(Unsupported, match="k "):
        read_public(data, "k")
