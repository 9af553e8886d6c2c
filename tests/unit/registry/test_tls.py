"""`ocitool.registry.tls`: what a context takes, whatever the distribution's Python takes."""

import socket
import ssl
import threading

import pytest

from ocitool.registry.hostsconfig import Trust
from ocitool.registry.tls import TlsWithin, tls_context
from tests.fakes.certificates import Authority

DEFAULT = ssl.create_default_context


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
        (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
    ],
)
def test_no_tls_older_than_1_2_is_spoken(monkeypatch, given, taken):
    def context():
        made = DEFAULT()
        made.minimum_version = given
        return made

    monkeypatch.setattr("ssl.create_default_context", context)

    assert taken == tls_context(Trust()).minimum_version


def test_what_is_sent_through_another_tls_goes_out_before_anything_is_read(tmp_path):
    authority = Authority(tmp_path / "ca")
    near, far = socket.socketpair()
    heard = []

    def serve():
        with authority.context().wrap_socket(far, server_side=True) as server:
            heard.append(server.recv(100))

    thread = threading.Thread(target=serve)
    thread.start()
    with near:
        within = TlsWithin(near, tls_context(Trust((authority.ca,))), "localhost", 60)
        within.sendall(b"a body")
        thread.join(60)

    assert [b"a body"] == heard
