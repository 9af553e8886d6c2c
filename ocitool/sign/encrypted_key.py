"""cosign's encrypted private keys: scrypt, then XSalsa20-Poly1305, as a JSON object around the sealed bytes.

`cryptography` has no XSalsa20 and a private key is a few hundred bytes, so the cipher stands here, in integers.
Spec: go-securesystemslib `encrypted`; NaCl "secretbox"; Salsa20 by D. J. Bernstein; RFC 8439 for the tag.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ocitool.errors import AuthError, MalformedDocument, Unsupported
from ocitool.model.document import parse
from ocitool.model.numbers import KIB, MIB

COSTS: Final = (32768, 65536, 131072)
"""Every N of scrypt that cosign has written; another would be cheap to guess or dear to compute."""
SEALED_LIMIT: Final = 64 * KIB
"""Most bytes of a sealed key; RSA of 16384 bits has 10 kB."""

_SALT, _NONCE, _KEY, _TAG = 32, 24, 32, 16
_MEMORY: Final = 256 * MIB  # scrypt takes 128 * N * r bytes
_CONSTANTS: Final = struct.unpack("<4I", b"expand 32-byte k")
_QUARTERS: Final = (
    *((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)),
    *((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)),
)


def seal(plain: bytes, password: bytes, *, salt: bytes = b"", nonce: bytes = b"") -> bytes:
    """The JSON object that holds `plain` under a password; salt and nonce are random unless given."""
    salt, nonce, cost = salt or os.urandom(_SALT), nonce or os.urandom(_NONCE), COSTS[1]
    box = seal_box(plain, _derive(password, salt, cost), nonce)
    tree = {
        "kdf": {"name": "scrypt", "params": {"N": cost, "r": 8, "p": 1}, "salt": _text(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": _text(nonce)},
        "ciphertext": _text(box),
    }
    return json.dumps(tree, separators=(",", ":")).encode()


def unseal(data: bytes, password: bytes, where: str) -> bytes:
    """What `seal` was given. Raises MalformedDocument, Unsupported, AuthError for a wrong password."""
    if len(data) > SEALED_LIMIT:
        raise MalformedDocument(f"{where}: an encrypted key of {len(data)} bytes", where=where)
    tree = parse(data)
    kdf, cipher = _member(tree, "kdf", where), _member(tree, "cipher", where)
    names, parameters = (kdf.get("name"), cipher.get("name")), kdf.get("params")
    if names != ("scrypt", "nacl/secretbox") or not isinstance(parameters, Mapping):
        raise Unsupported(f"{where} is encrypted by {names[0]} and {names[1]}, not as cosign does", ability="key")
    cost = parameters.get("N")
    if cost not in COSTS or parameters.get("r") != 8 or parameters.get("p") != 1 or isinstance(cost, float):
        raise Unsupported(f"{where} asks scrypt for N, r and p that cosign never wrote", ability="key")
    salt, nonce = _bytes(kdf.get("salt"), where, _SALT), _bytes(cipher.get("nonce"), where, _NONCE)
    plain = open_box(_bytes(tree.get("ciphertext"), where), _derive(password, salt, int(cost)), nonce)
    if plain is None:
        raise AuthError(f"the password does not open {where}", hint="or the file is damaged")
    return plain


def seal_box(plain: bytes, key: bytes, nonce: bytes) -> bytes:
    """XSalsa20-Poly1305: the tag of 16 bytes, then the ciphertext."""
    stream = _stream(key, nonce, _KEY + len(plain))
    cipher = bytes(a ^ b for a, b in zip(plain, stream[_KEY:], strict=True))
    return poly1305(stream[:_KEY], cipher) + cipher


def open_box(box: bytes, key: bytes, nonce: bytes) -> bytes | None:
    """What was sealed, None where the tag says that key or bytes are others."""
    tag, cipher = box[:_TAG], box[_TAG:]
    stream = _stream(key, nonce, _KEY + len(cipher))
    if not hmac.compare_digest(tag, poly1305(stream[:_KEY], cipher)):
        return None
    return bytes(a ^ b for a, b in zip(cipher, stream[_KEY:], strict=True))


def poly1305(key: bytes, data: bytes) -> bytes:
    """The tag of `data` under a key of 32 bytes that is used once. Spec: RFC 8439 section 2.5."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(data), 16):
        total = (total + int.from_bytes(data[at : at + 16] + b"\1", "little")) * r % ((1 << 130) - 5)
    return ((total + int.from_bytes(key[16:32], "little")) % (1 << 128)).to_bytes(16, "little")


def _derive(password: bytes, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=cost, r=8, p=1, maxmem=_MEMORY, dklen=_KEY)


def _stream(key: bytes, nonce: bytes, size: int) -> bytes:
    """The first `size` bytes of XSalsa20's stream for a nonce of 24 bytes."""
    first = _rounds(_state(key, nonce[:16]))
    subkey = struct.pack("<8I", *(first[n] for n in (0, 5, 10, 15, 6, 7, 8, 9)))
    return b"".join(_blocks(subkey, nonce[16:], -(-size // 64)))[:size]


def _blocks(key: bytes, nonce: bytes, count: int) -> Iterator[bytes]:
    for number in range(count):
        state = _state(key, nonce + number.to_bytes(8, "little"))
        mixed = _rounds(state)
        yield struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(mixed, state, strict=True)))


def _state(key: bytes, place: bytes) -> tuple[int, ...]:
    c, k, p = _CONSTANTS, struct.unpack("<8I", key), struct.unpack("<4I", place)
    return (c[0], *k[:4], c[1], *p, c[2], *k[4:], c[3])


def _rounds(state: tuple[int, ...]) -> list[int]:
    """Salsa20's twenty rounds: ten times the columns, then the rows."""
    x = list(state)
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            x[b] ^= _rotated(x[a] + x[d], 7)
            x[c] ^= _rotated(x[b] + x[a], 9)
            x[d] ^= _rotated(x[c] + x[b], 13)
            x[a] ^= _rotated(x[d] + x[c], 18)
    return x


def _rotated(word: int, by: int) -> int:
    word &= 0xFFFFFFFF
    return (word << by | word >> (32 - by)) & 0xFFFFFFFF


def _member(tree: Any, key: str, where: str) -> Mapping[str, Any]:  # noqa: ANN401 - parsed JSON
    member = tree.get(key) if isinstance(tree, Mapping) else None
    if not isinstance(member, Mapping):
        raise MalformedDocument(f"{where} has no {key}", where=where)
    return member


def _bytes(text: object, where: str, size: int = 0) -> bytes:
    try:
        data = base64.b64decode(text if isinstance(text, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise MalformedDocument(f"{where} is not base64 where it should be", where=where) from None
    if size and len(data) != size:
        raise MalformedDocument(f"{where} has a salt or nonce of {len(data)} bytes, not {size}", where=where)
    return data


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
