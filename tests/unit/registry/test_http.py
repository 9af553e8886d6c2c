"""`ocitool.registry.http` and `ocitool.registry.tls`: failures in words."""

import ssl

import pytest

from ocitool.registry.connections import Route
from ocitool.registry.hostsconfig import Trust
from ocitool.registry.http import _network_error, _Way
from ocitool.registry.tls import tls_error
from ocitool.registry.transport import TransportError

WAY = _Way(Route("reg.test", 443, Trust()), "reg.test")


@pytest.mark.parametrize(
    ("error", "phase", "said"),
    [
        (TransportError("read", "reset"), "read", "reg.test: the connection broke, cannot send a blob"),
        (TransportError("write", "late", is_late=True), "write", "reg.test: no answer in time, cannot send a blob"),
        (
            TransportError("connect", "Refused"),
            "connect",
            "reg.test: cannot connect (refused), cannot send a blob",
        ),
    ],
)
def test_where_a_connection_broke(error, phase, said):
    told = _network_error(error, "reg.test", "send a blob", WAY)

    assert (phase, said) == (told.phase, str(told))


def test_tls_that_breaks_within_an_answer_is_a_broken_connection_and_an_alert_is_not():
    cut, alert = TransportError("read", "eof"), TransportError("read", "alert")
    cut.__cause__ = ssl.SSLError(8, "EOF occurred in violation of protocol")
    alert.__cause__ = ssl.SSLError(1, "alert")
    alert.__cause__.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"

    assert ["read", "tls"] == [_network_error(one, "reg.test", "x", WAY).phase for one in (cut, alert)]


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("TLSV1_ALERT_INTERNAL_ERROR", "it ended the connection with that alert; its log may say more"),
        ("WRONG_VERSION_NUMBER", "a registry without TLS needs --plain-http reg.test"),
        ("SOMETHING_NEW", "trust its CA with --ca FILE; a registry without TLS needs --plain-http reg.test"),
    ],
)
def test_what_helps_against_a_failure_of_tls(reason, hint):
    failed = TransportError("connect", "no handshake")
    failed.__cause__ = ssl.SSLError(1, "x")
    failed.__cause__.reason = reason
    told = tls_error(failed, "reg.test", "send a blob")

    assert (hint, "tls") == (told.hint, told.phase)
    assert reason.lower().replace("_", " ") in str(told)
