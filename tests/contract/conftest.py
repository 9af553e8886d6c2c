"""Registries of all kinds for the contract suite, each started once: fakes, and real ones behind logins and TLS."""

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests import peers
from tests.fakes.certificates import Authority
from tests.fakes.registry import Logged, Response, fake_registry
from tests.fakes.tokens import PASSWORD, USER, TokenServer, basic, put_behind
from tests.peers.registries import distribution, olareg


@dataclass(frozen=True)
class Kind:
    """A registry to run the suite against: where it is, and what a home must hold to use it."""

    host: str
    prepare: Callable[[Path], None] = lambda home: None
    names: Iterator[int] = field(default_factory=lambda: count(1))

    def repository(self) -> str:
        return f"{self.host}/c{next(self.names)}/app"


def write_login(home: Path, host: str, user: str = USER, password: str = PASSWORD) -> None:
    folder = home / ".docker"
    folder.mkdir(exist_ok=True)
    secret = base64.b64encode(f"{user}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": secret}}}))


def write_certificates(home: Path, host: str, authority: Authority) -> None:
    """What certs.d holds for a registry with a private CA that wants a client certificate."""
    place = home / ".config/containers/certs.d" / host
    place.mkdir(parents=True)
    client = authority.client()
    (place / "ca.crt").write_bytes(authority.ca.read_bytes())
    (place / "client.cert").write_bytes(client.cert.read_bytes())
    (place / "client.key").write_bytes(client.key.read_bytes())


@pytest.fixture(scope="session")
def running() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def started(running: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Kind]:
    """`started("fake-tokens")`: the registry of that name, running."""
    kinds: dict[str, Kind] = {}

    def start(name: str) -> Kind:
        if name not in kinds:
            kinds[name] = STARTS[name](running, tmp_path_factory.mktemp(name))
        return kinds[name]

    return start


def _fake(**options):
    def start(running: ExitStack, folder: Path) -> Kind:
        return Kind(running.enter_context(fake_registry(**options)).host)

    return start


def _fake_basic(running: ExitStack, folder: Path) -> Kind:
    registry = running.enter_context(fake_registry())
    registry.basic = basic()
    return Kind(registry.host, lambda home: write_login(home, registry.host))


def _fake_tokens(running: ExitStack, folder: Path) -> Kind:
    registry, elsewhere = running.enter_context(fake_registry()), running.enter_context(fake_registry())
    tokens = TokenServer()
    elsewhere.token_server = tokens.answer
    put_behind(registry, tokens, f"http://{elsewhere.host}/token")
    return Kind(registry.host, lambda home: write_login(home, registry.host))


def _fake_tls(running: ExitStack, folder: Path) -> Kind:
    authority = Authority(folder)
    registry = running.enter_context(fake_registry(tls=authority.context(wants_client=True)))
    return Kind(registry.host, lambda home: write_certificates(home, registry.host, authority))


def _real(program: str, **options):
    def start(running: ExitStack, folder: Path) -> Kind:
        try:
            found = running.enter_context(distribution(peers.find(program), folder, **options))
        except peers.Missing as missing:
            pytest.skip(str(missing))
        return Kind(found.host, lambda home: found.login(home) if found.user else None)

    return start


def _real_tls(program: str):
    """A private CA, and a client certificate that the registry demands; both stand in certs.d."""

    def start(running: ExitStack, folder: Path) -> Kind:
        authority = Authority(folder / "ca")
        server = authority.server()
        tls = {"certificate": str(server.cert), "key": str(server.key), "clientcas": [str(authority.ca)]}
        try:
            found = running.enter_context(distribution(peers.find(program), folder, more={"http": {"tls": tls}}))
        except peers.Missing as missing:
            pytest.skip(str(missing))
        return Kind(found.host, lambda home: write_certificates(home, found.host, authority))

    return start


def _real_tokens(program: str):
    def start(running: ExitStack, folder: Path) -> Kind:
        signer = Signer(folder / "keys")
        server = running.enter_context(fake_registry())
        server.token_server = signer.answer
        auth = {
            "realm": f"http://{server.host}/token",
            "service": "tests",
            "issuer": "tests",
            "rootcertbundle": str(signer.ca),
        }
        try:
            found = running.enter_context(distribution(peers.find(program), folder, more={"auth": {"token": auth}}))
        except peers.Missing as missing:
            pytest.skip(str(missing))
        return Kind(found.host, lambda home: write_login(home, found.host))

    return start


def _olareg(running: ExitStack, folder: Path) -> Kind:
    try:
        return Kind(running.enter_context(olareg(peers.find("olareg"), folder)).host)
    except peers.Missing as missing:
        pytest.skip(str(missing))


STARTS = {
    "fake": _fake(),
    "fake-2.8": _fake(keeps_cut=False),
    "fake-no-referrers": _fake(referrers=False, page=1),
    "fake-basic": _fake_basic,
    "fake-tokens": _fake_tokens,
    "fake-tls": _fake_tls,
    "docker-registry": _real("docker-registry"),
    "docker-registry-basic": _real("docker-registry", auth=True),
    "docker-registry-tokens": _real_tokens("docker-registry"),
    "docker-registry-tls": _real_tls("docker-registry"),
    "distribution-v3": _real("distribution-v3"),
    "distribution-v3-tokens": _real_tokens("distribution-v3"),
    "distribution-v3-tls": _real_tls("distribution-v3"),
    "olareg": _olareg,
}
FAKES = [name for name in STARTS if name.startswith("fake")]
REAL = [name for name in STARTS if name not in FAKES]


class Signer:
    """A token server whose tokens real registries accept: JWTs signed by a certificate that they trust.

    Spec: distribution "Token Authentication Implementation".
    """

    def __init__(self, folder: Path):
        authority = Authority(folder)
        pair = authority.issue("signer", [], ExtendedKeyUsageOID.CODE_SIGNING)
        self.ca = authority.ca
        self._key: ec.EllipticCurvePrivateKey = load_pem_private_key(pair.key.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(pair.cert.read_bytes())
        self._chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]

    def answer(self, asked: Logged) -> Response:
        if asked.headers.get("authorization") != basic():
            return 401, {}, b"{}"
        access = []
        for key, scope in parse_qsl(urlsplit(asked.path).query):
            if key == "scope":
                kind, _, rest = scope.partition(":")
                name, _, actions = rest.rpartition(":")
                access.append({"type": kind, "name": name, "actions": actions.split(",")})
        body = json.dumps({"token": self._token(access), "expires_in": 300}).encode()
        return 200, {"Content-Type": "application/json"}, body

    def _token(self, access: list[dict[str, object]]) -> str:
        now = int(time.time())
        claims = {
            "iss": "tests", "sub": USER, "aud": "tests", "exp": now + 300, "nbf": now - 10, "iat": now,
            "jti": secrets.token_hex(8), "access": access,
        }  # fmt: skip
        text = f"{_encoded({'typ': 'JWT', 'alg': 'ES256', 'x5c': self._chain})}.{_encoded(claims)}"
        r, s = decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encoded(tree: object) -> str:
    return _base64url(json.dumps(tree).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
