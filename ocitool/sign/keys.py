"""Keys that sign and verify: made, read from PEM, written as cosign writes them. The only home of `cryptography`.

ECDSA signs the hash of its curve (RFC 6979: the same bytes each time), RSA by PKCS#1 v1.5 with SHA-256, Ed25519 the
bytes themselves. Spec: cosign `keys.go`, RFC 5915, 5958, 7468, 8017.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Final, TypeAlias

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from ocitool.errors import AuthError, MalformedDocument, Unsupported, UsageError
from ocitool.model.numbers import KIB
from ocitool.sign.encrypted_key import seal, unseal
from ocitool.values import dataclass

KINDS: Final = ("ecdsa-p256", "ed25519", "rsa-3072", "rsa-4096")
"""What can be made; the first is what every verifier of images understands."""
KEY_LIMIT: Final = 64 * KIB
"""Most bytes of a key file that are read."""

ED25519_SIZE: Final = 64
"""Bytes of every signature of Ed25519."""

_RSA_BITS: Final = (2048, 16384)
_SEALED: Final = "ENCRYPTED SIGSTORE PRIVATE KEY"
_OLD_SEALED: Final = "ENCRYPTED COSIGN PRIVATE KEY"
_PEM: Final = re.compile(
    rb"-----BEGIN (?P<label>[A-Z0-9 ]{1,40})-----\s(?P<body>(?:[^-]|-(?!----))*)-----END (?P=label)-----"
)
_HASHES: Final = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}

_Private: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_Public: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
Password: TypeAlias = bytes | str | Callable[[str], bytes]
"""A password, or what is asked for one with the name of the key file."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What signatures are compared with; `name` is the file it came from. Equal where the keys are."""

    der: bytes
    name: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    @property
    def fingerprint(self) -> str:
        """`SHA256:` and the hash of its DER form in hex: what people compare."""
        return f"SHA256:{hashlib.sha256(self.der).hexdigest()}"

    @property
    def hint(self) -> str:
        """What a sigstore bundle names it by: base64 of that hash."""
        return base64.b64encode(hashlib.sha256(self.der).digest()).decode()

    @property
    def kind(self) -> str:
        """Its algorithm and size, such as `ecdsa-p256`."""
        return _kind(_public(self.der, self.name))

    @property
    def pem(self) -> bytes:
        """The file that `cosign verify --key` takes."""
        return _armoured("PUBLIC KEY", self.der)

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` over `data` was made with this key's private half."""
        key = _public(self.der, self.name)
        if isinstance(key, ec.EllipticCurvePublicKey):
            curves = {key.curve.name, "secp256r1"}  # some sign with SHA-256 on every curve
            return any(_holds(key, signature, data, _HASHES[curve]) for curve in curves)
        return _holds(key, signature, data, None)


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """What signs; `name` is the file it came from. Not shown by `repr`, compared by its public half."""

    key: _Private
    name: str = ""

    def __repr__(self) -> str:
        return f"PrivateKey({self.name!r})"

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        return _as_public(self.key.public_key(), self.name)

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`: ASN.1 DER of ECDSA, PKCS#1 v1.5 of RSA, 64 bytes of Ed25519."""
        key = self.key
        if isinstance(key, ec.EllipticCurvePrivateKey):
            chosen = _HASHES[key.curve.name]
            try:
                return key.sign(data, ec.ECDSA(chosen, deterministic_signing=True))
            except UnsupportedAlgorithm:  # an older OpenSSL
                return key.sign(data, ec.ECDSA(chosen))
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return key.sign(data)

    def encrypted(self, password: bytes) -> bytes:
        """The file that cosign reads: encrypted, also with an empty password."""
        return _armoured(_SEALED, seal(_pkcs8(self.key), password))

    def plain(self) -> bytes:
        """An unencrypted PKCS#8 file."""
        return _armoured("PRIVATE KEY", _pkcs8(self.key))


def generate(kind: str = KINDS[0]) -> PrivateKey:
    """A new key of one of KINDS. Raises UsageError."""
    if kind not in KINDS:
        raise UsageError(f"no kind of key: {kind!r}", hint=f"one of {', '.join(KINDS)}")
    if kind == "ed25519":
        return PrivateKey(ed25519.Ed25519PrivateKey.generate())
    if kind.startswith("rsa-"):
        return PrivateKey(rsa.generate_private_key(65537, int(kind.removeprefix("rsa-"))))
    return PrivateKey(ec.generate_private_key(ec.SECP256R1()))


def read_private(data: bytes, password: Password | None, name: str) -> PrivateKey:
    """The private key in a PEM file: cosign's, PKCS#8 (encrypted or not), SEC1 or PKCS#1.

    The password is asked for where one is needed. Raises MalformedDocument for what is no private key, AuthError
    for a password that is wrong or missing, Unsupported for a kind of key that signs no images.
    """
    label, body = _unarmoured(data, name)
    if label in {_SEALED, _OLD_SEALED}:
        plain = unseal(body, _secret(password, name), name)
        return PrivateKey(_private(lambda: serialization.load_der_private_key(plain, None), name), name)
    if label == "ENCRYPTED PRIVATE KEY":
        secret = _secret(password, name)
        try:
            return PrivateKey(_private(lambda: serialization.load_der_private_key(body, secret or b""), name), name)
        except MalformedDocument:  # one of 256 wrong passwords seems to open it, and gives what is no key
            raise _closed(name) from None
    if b"Proc-Type:" in data:
        raise Unsupported(
            f"{name} is encrypted as before PKCS#8",
            ability="key",
            hint=f"openssl pkcs8 -topk8 -in {name} writes it anew",
        )
    if label in {"PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"}:
        return PrivateKey(_private(lambda: serialization.load_der_private_key(body, None), name), name)
    is_public = label.endswith("PUBLIC KEY")
    what = (
        "a public key; a signature needs the private one" if is_public else f"no private key that is read: {label}"
    )
    raise MalformedDocument(f"{name} holds {what}", where=name)


def read_public(data: bytes, name: str) -> PublicKey:
    """The public key in a PEM file (SPKI or PKCS#1), also of an unencrypted private key.

    Raises MalformedDocument, or Unsupported for a kind of key that signs no images.
    """
    label, body = _unarmoured(data, name)
    if label in {"PUBLIC KEY", "RSA PUBLIC KEY"}:
        return _as_public(_public(body, name), name)
    if label in {"PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"}:
        return read_private(data, None, name).public
    hint = f"ocitool key public {name} prints its public half" if "PRIVATE KEY" in label else ""
    raise MalformedDocument(f"{name} holds no public key: {label}", where=name, hint=hint)


def _secret(password: Password | None, name: str) -> bytes:
    found = password(name) if callable(password) else password
    if found is None:
        raise AuthError(f"{name} is encrypted and there is no password for it")
    return found.encode() if isinstance(found, str) else found


def _closed(name: str) -> AuthError:
    return AuthError(f"the password does not open {name}", hint="or the file is damaged")


def _private(load: Callable[[], object], name: str) -> _Private:
    try:
        key = load()
    except UnsupportedAlgorithm as error:
        raise _unsupported(name) from error
    except (InternalError, ValueError, TypeError) as error:
        if "password" in str(error).lower():
            raise _closed(name) from None
        raise MalformedDocument(f"{name} holds no private key that can be read", where=name) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey):
        raise _unsupported(name)
    _check(key.public_key(), name)
    return key


def _public(der: bytes, name: str) -> _Public:
    try:
        key = serialization.load_der_public_key(der)
    except UnsupportedAlgorithm as error:
        raise _unsupported(name) from error
    except (InternalError, ValueError, TypeError):
        raise MalformedDocument(f"{name} holds no public key that can be read", where=name) from None
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise _unsupported(name)
    _check(key, name)
    return key


def _check(key: _Public, name: str) -> None:
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in _HASHES:
        raise _unsupported(name)
    if isinstance(key, rsa.RSAPublicKey) and not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
        raise Unsupported(
            f"{name} is an RSA key of {key.key_size} bits", ability="key", hint=f"at least {_RSA_BITS[0]}"
        )


def _unsupported(name: str) -> Unsupported:
    return Unsupported(
        f"{name} is a kind of key that signs no images here",
        ability="key",
        hint="ECDSA of P-256, P-384 or P-521, Ed25519, or RSA of at least 2048 bits",
    )


def _holds(key: _Public, signature: bytes, data: bytes, chosen: hashes.HashAlgorithm | None) -> bool:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(chosen or hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _kind(key: _Public) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ecdsa-p{key.curve.name.removeprefix('secp').removesuffix('r1')}"
    return f"rsa-{key.key_size}" if isinstance(key, rsa.RSAPublicKey) else "ed25519"


def _as_public(key: _Public, name: str) -> PublicKey:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return PublicKey(key.public_bytes(serialization.Encoding.DER, form), name)


def _pkcs8(key: _Private) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _armoured(label: str, body: bytes) -> bytes:
    text = base64.b64encode(body).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", "")).encode()


def _unarmoured(data: bytes, name: str) -> tuple[str, bytes]:
    """The label and the bytes of the one PEM block; parameters that openssl puts before an EC key are skipped."""
    if len(data) > KEY_LIMIT:
        raise MalformedDocument(f"{name} has {len(data)} bytes, which no key has", where=name)
    blocks = [one for one in _PEM.finditer(data) if one["label"] != b"EC PARAMETERS"]
    if len(blocks) != 1:
        what = "is no PEM file with a key" if not blocks else f"holds {len(blocks)} keys or certificates, not one"
        raise MalformedDocument(f"{name} {what}", where=name)
    headless = re.sub(rb"(?m)^[A-Za-z-]+:.*$", b"", blocks[0]["body"])
    try:
        return blocks[0]["label"].decode(), base64.b64decode(b"".join(headless.split()), validate=True)
    except ValueError:
        raise MalformedDocument(f"{name} is not base64 inside", where=name) from None
