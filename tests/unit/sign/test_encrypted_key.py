"""Sealed keys: cosign's own form, by vectors of another implementation."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.poly1305 import Poly1305

from ocitool.errors import AuthError, MalformedDocument, Unsupported
from ocitool.sign.encrypted_key import open_box, poly1305, seal, seal_box, unseal

SALT, NONCE, PLAIN = bytes(range(32)), bytes(range(24)), b"hello ocitool"
# Sealed by PyNaCl with the password `pw`.
VECTORS = {
    32768: "szOmb9IA/Yq9I1kSCEzo6Bnso3IYl0EmM8aSr0w=",
    65536: "Oo9UzXZznTiyBpX+rm1yR6yJ6nXfuQ4Hn+wcOlo=",
    131072: "3cK29WrJqEDzcc4lhTc/DLEdukDGOP7L/11gz7g=",
}


def sealed(cost=32768, ciphertext=VECTORS[32768], **changes):
    tree = {
        "kdf": {
            "name": "scrypt",
            "params": {"N": cost, "r": 8, "p": 1},
            "salt": base64.b64encode(SALT).decode(),
        },
        "cipher": {"name": "nacl/secretbox", "nonce": base64.b64encode(NONCE).decode()},
        "ciphertext": ciphertext,
    }
    return json.dumps(tree | changes).encode()


@pytest.mark.parametrize(("cost", "ciphertext"), VECTORS.items())
@pytest.mark.slow
def test_what_another_implementation_sealed_is_opened(cost, ciphertext):
    assert PLAIN == unseal(sealed(cost, ciphertext), b"pw", "a key")


@pytest.mark.slow
def test_sealing_gives_the_same_bytes_as_another_implementation():
    tree = json.loads(seal(PLAIN, b"pw", salt=SALT, nonce=NONCE))

    assert json.loads(sealed(65536, VECTORS[65536])) == tree


@pytest.mark.slow
def test_no_two_seals_are_alike():
    assert seal(PLAIN, b"pw") != seal(PLAIN, b"pw")


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 33, 64, 200])
def test_tags_are_those_of_another_implementation(size):
    key, data = bytes(range(7, 39)), bytes((n * 37) % 256 for n in range(size))

    assert Poly1305.generate_tag(key, data) == poly1305(key, data)


def test_box_of_several_blocks_opens_and_one_flipped_bit_anywhere_does_not():
    box = seal_box(PLAIN * 9, bytes(32), NONCE)

    assert PLAIN * 9 == open_box(box, bytes(32), NONCE)
    for at in range(len(box)):
        assert open_box(box[:at] + bytes([box[at] ^ 1]) + box[at + 1 :], bytes(32), NONCE) is None
    assert open_box(b"", bytes(32), NONCE) is None


def test_another_password_is_refused():
    with pytest.raises(AuthError, match="the password does not open a key"):
        unseal(sealed(), b"other", "a key")


@pytest.mark.parametrize("cost", [1024, 2**20, 32769, "32768", None, True, 32768.0])
def test_costs_that_cosign_never_wrote_are_refused_before_the_work(cost):
    with pytest.raises(Unsupported, match="scrypt"):
        unseal(sealed(cost), b"pw", "a key")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        sealed(kdf=[]),
        sealed(cipher=None),
        sealed(ciphertext=3),
        sealed(ciphertext="-"),
        sealed(cipher={"name": "nacl/secretbox", "nonce": "AAAA"}),
        b" " * 70000,
    ],
)
def test_what_is_no_sealed_key_is_refused(data):
    with pytest.raises(MalformedDocument):
        unseal(data, b"pw", "a key")


def test_another_way_of_encryption_is_told_by_its_name():
    with pytest.raises(Unsupported, match="k is encrypted by argon2 and nacl/secretbox"):
        unseal(sealed(kdf={"name": "argon2", "params": {}}), b"pw", "k")
