"""A certificate authority of the tests: certificates for loopback, and for clients."""

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates below `folder`; `ca` is its own certificate."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        own = self._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        ).add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                decipher_only=False,
            ), critical=True
        ).sign(self._key, hashes.SHA256())  # fmt: skip
        self.certificate = own
        self.ca = folder / "ca.crt"
        self.ca.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def server(self, names: tuple[str, ...] = (), **valid: dt.datetime | None) -> Pair:
        """A certificate for 127.0.0.1, ::1 and localhost, or for other names."""
        own = [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1")] + [x509.DNSName("localhost")]
        held = [x509.DNSName(name) for name in names] or own
        return self.issue("server", held, ExtendedKeyUsageOID.SERVER_AUTH, **valid)

    def client(self) -> Pair:
        """A certificate to show to servers."""
        return self.issue("client", [], ExtendedKeyUsageOID.CLIENT_AUTH)

    def issue(self, name: str, names: list, usage, **valid: dt.datetime | None) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key.public_key(), **valid).add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        pair = Pair(self.folder / f"{name}.cert", self.folder / f"{name}.key")
        pair.cert.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair

    def context(
        self,
        *,
        wants_client: bool = False,
        names: tuple[str, ...] = (),
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
    ) -> ssl.SSLContext:
        """A server's context; `names` are other hosts, `since` and `until` bound the certificate's time."""
        pair = self.server(names, since=since, until=until)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        if wants_client:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _builder(
        self, subject: x509.Name, public, *, since: dt.datetime | None = None, until: dt.datetime | None = None
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(since or (until or now) - dt.timedelta(hours=1))
            .not_valid_after(until or (since or now) + dt.timedelta(days=2))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
