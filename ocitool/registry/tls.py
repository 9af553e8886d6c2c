"""TLS: the context of a trust, TLS that goes through TLS, and its failures in words."""

import ssl
from collections.abc import Callable
from typing import Final, TypeVar

from ocitool.errors import MalformedDocument, NetworkError
from ocitool.model.numbers import KIB
from ocitool.registry.hostsconfig import Trust
from ocitool.registry.transport import Stream

T = TypeVar("T")
_RECORD: Final = 64 * KIB
_OLD_TLS: Final = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE", "WRONG_SSL_VERSION"}
)
_NO_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
)
_WANTS_CERTIFICATE: Final = frozenset(
    {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_NO_CERTIFICATE",
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_ACCESS_DENIED",
    }
)


def tls_context(trust: Trust) -> ssl.SSLContext:
    """The context for a trust. Raises MalformedDocument for files that hold no certificate."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    # Some distributions leave it to OpenSSL, which takes older ones.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    if not trust.checked:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for file in trust.ca_files:
        try:
            context.load_verify_locations(cafile=str(file))
        except (ssl.SSLError, OSError) as error:
            raise MalformedDocument(f"{file} holds no CA certificate in PEM form", where=str(file)) from error
    if trust.client is not None:
        certificate, key = trust.client
        try:
            context.load_cert_chain(str(certificate), str(key))
        except (ssl.SSLError, OSError) as error:
            raise MalformedDocument(
                f"{certificate} and {key} are no client certificate and its key in PEM form", where=str(certificate)
            ) from error
    return context


def is_tls(stream: Stream) -> bool:
    """Whether a stream speaks TLS already."""
    return isinstance(stream, ssl.SSLSocket)


class TlsWithin:
    """TLS with a host, spoken through the TLS with a proxy; a Stream."""

    def __init__(self, outer: Stream, context: ssl.SSLContext, host: str, timeout_s: float) -> None:
        """Shake hands. Raises OSError."""
        self._outer = outer
        self._coming, self._going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._coming, self._going, server_hostname=host)
        self.settimeout, self.fileno = outer.settimeout, outer.fileno
        outer.settimeout(timeout_s)
        self._carried(self._tls.do_handshake)

    def recv(self, size: int) -> bytes:
        """At most so many bytes; none at the end."""
        return self._carried(lambda: self._tls.read(size))

    def recv_into(self, buffer: memoryview) -> int:
        """How many bytes were put into the buffer; 0 at the end."""
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: memoryview) -> int:
        """How many bytes were taken."""
        return self._carried(lambda: self._tls.write(data))

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        view = memoryview(data)
        while view:
            view = view[self.send(view) :]

    def pending(self) -> int:
        """How many bytes have arrived and were not asked for."""
        return self._tls.pending() + self._coming.pending

    def _carried(self, step: Callable[[], T]) -> T:
        """A step of the inner TLS, with all that it wants to send and to receive carried by the outer one."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                data = self._outer.recv(_RECORD)
                if data:
                    self._coming.write(data)
                else:
                    self._coming.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if self._going.pending:
            self._outer.sendall(self._going.read())


def tls_error(error: BaseException, host: str, doing: str) -> NetworkError | None:
    """Why TLS failed in true words, and what helps against that (K263); None where something else did."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    if cause is None:
        return None
    reason = (getattr(cause, "reason", "") or "").upper()
    # With TLS 1.3 a server tells only after the handshake that it wanted a client certificate.
    if "ALERT" not in reason and getattr(error, "phase", "") != "connect":
        return None
    what = str(getattr(cause, "verify_message", "") or reason or cause).lower().replace("_", " ")
    hint = f"trust its CA with --ca FILE; a registry without TLS needs --plain-http {host}"
    match getattr(cause, "verify_code", 0):
        case 9:
            hint = "is the clock of this machine right?"
        case 10:
            hint = f"have it renewed, or set this machine's clock right; --insecure {host} does not check it"
        case 62 | 64:
            hint = f"is the host name right? --insecure {host} does not check the certificate"
        case _ if reason in _OLD_TLS:
            what = f"{what}: it speaks no TLS from 1.2 on"
            hint = "have its TLS brought up to date; older versions are not spoken here"
        case _ if reason in _NO_TLS:
            what, hint = f"{what}: it does not speak TLS", f"a registry without TLS needs --plain-http {host}"
        case _ if reason in _WANTS_CERTIFICATE:
            hint = f"it may want a client certificate: put client.cert and client.key into certs.d/{host}"
        case _ if "ALERT" in reason:
            hint = "it ended the connection with that alert; its log may say more"
    return NetworkError(
        f"no secure connection to {host}: {what}, cannot {doing}", host=host, phase="tls", hint=hint
    )
