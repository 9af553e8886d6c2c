"""Digests: valid or not there; streams hashed as they pass."""

import hashlib
import sys

import pytest

from ocitool.errors import DigestMismatch, MalformedDocument
from ocitool.model import digest
from ocitool.model.digest import Digest, Tap, new_hash

ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_digest_of_bytes_is_the_known_one():
    assert ABC == Digest.of(b"abc")
    assert ("sha256", ABC[7:], "sha256:ba7816bf8f01") == (
        Digest(ABC).algorithm,
        Digest(ABC).hex,
        Digest(ABC).short,
    )


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 300_000])
def test_digests_of_documents_and_of_layers_are_the_same(size):
    """The interpreter's own SHA-256 and OpenSSL's."""
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    tap = Tap(size=size)
    for at in range(0, size, 1000):
        tap.update(data[at : at + 1000])

    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == Digest.of(data) == tap.digest


def test_without_a_sha256_of_the_interpreter_s_openssl_s_serves(monkeypatch):
    monkeypatch.setitem(sys.modules, "_sha2", None)
    monkeypatch.setitem(sys.modules, "_sha256", None)
    digest._small_sha256.cache_clear()
    try:
        assert ABC == Digest.of(b"abc")
        assert digest._small_sha256() is hashlib.sha256
    finally:
        digest._small_sha256.cache_clear()


def test_digest_is_a_string_that_sorts_and_hashes_like_one():
    assert {ABC: 1}[Digest(ABC)] == 1


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_known_algorithms_are_verified(algorithm):
    """K046: sha512 is as good as sha256."""
    digest = Digest.of(b"abc", algorithm)

    assert f"{algorithm}:{hashlib.new(algorithm, b'abc').hexdigest()}" == digest
    assert digest.is_verifiable
    assert digest.matches(b"abc")
    assert not digest.matches(b"abd")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "SHA256:" + "a" * 64,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "sha512:" + "a" * 64,
        "sha256:" + "a" * 64 + "\n",
        " sha256:" + "a" * 64,
        "sha256:../../etc/passwd",
        "../sha256:" + "a" * 64,
        "x:" + "a" * 600,
        "sha256:" + "\N{ARABIC-INDIC DIGIT ONE}" * 64,
    ],
)
def test_malformed_digests_do_not_exist(text):
    """K046: refused before any request, and never a file path."""
    with pytest.raises(MalformedDocument):
        Digest(text)


def test_unknown_algorithm_is_a_name_that_cannot_be_verified():
    digest = Digest("sha3-256+b64:Zm9v_-=")

    assert not digest.is_verifiable
    with pytest.raises(MalformedDocument, match="sha3-256"):
        digest.matches(b"")


def test_tap_hashes_and_counts_what_passes():
    tap = Tap()

    assert [b"a", b"bc"] == list(tap([b"a", b"bc"]))
    assert (ABC, 3) == (tap.digest, tap.size)


def test_tap_counts_several_streams_as_one():
    tap = Tap("sha512")
    list(tap([b"a"]))
    tap.update(b"b")
    list(tap([b"c"]))

    assert (Digest.of(b"abc", "sha512"), 3) == (tap.digest, tap.size)


def test_tap_is_lazy():
    tap = Tap()
    stream = tap(iter([b"a", b"b"]))
    next(stream)

    assert 1 == tap.size


def test_a_stream_that_is_another_one_ends_with_an_error():
    wanted, got = Digest.of(b"ab", "sha512"), []

    with pytest.raises(DigestMismatch, match=r"the answer hashes to sha512:.*, not to") as caught:
        got.extend(Tap("sha512").expecting(wanted, [b"a", b"c"], "the answer", "ask again"))

    assert [b"a", b"b"] == list(Tap("sha512").expecting(wanted, [b"a", b"b"], "the answer"))
    assert ([], "ask again") == (got[2:], caught.value.hint)
    assert (str(wanted), str(Digest.of(b"ac", "sha512"))) == (caught.value.expected, caught.value.got)


def test_hash_of_an_unknown_algorithm_is_refused():
    with pytest.raises(MalformedDocument, match="md5"):
        new_hash("md5")
