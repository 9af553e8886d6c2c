"""Whether a host speaks TLS, asked of sockets that do and do not."""

import datetime as dt
import socket
import ssl
import threading
from contextlib import contextmanager, suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ocitool.registry.probe import speaks_tls


@contextmanager
def serving(answer):
    """A server for one connection on loopback; its `host:port`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def work():
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    answer(connection)

        thread = threading.Thread(target=work)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(60)


def plain(connection):
    """What Go's HTTP servers do with a TLS greeting."""
    connection.recv(1024)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


@pytest.fixture
def certified(tmp_path):
    """A server's side of TLS with a certificate that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    today = dt.datetime(2020, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, today, today + dt.timedelta(days=36500))
    certificate = builder.sign(key, hashes.SHA256())
    pem = tmp_path / "both.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def answer(connection):
        with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(1)

    return answer


def test_tls_with_any_certificate_is_tls(certified):
    with serving(certified) as host:
        assert speaks_tls(host)


def test_plain_http_is_not(tmp_path):
    with serving(plain) as host:
        assert not speaks_tls(host)


def test_a_host_that_hangs_up_does_not_speak_tls():
    with serving(lambda connection: connection.recv(1024)) as host:
        assert not speaks_tls(host)


def test_nobody_there_is_left_to_the_request():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert speaks_tls(f"127.0.0.1:{port}")
