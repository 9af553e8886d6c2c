"""`ocitool.registry.http`: failures of httpx and of TLS in words."""

import ssl

import httpx
import pytest

from ocitool.registry.http import Outgoing, _network_error, _tls_error

OUT = Outgoing("PUT", "https://reg.test/v2/", "send a blob", {})


@pytest.mark.parametrize(
    ("error", "phase", "said"),
    [
        (httpx.ReadError("reset"), "read", "reg.test: the connection broke, cannot send a blob"),
        (httpx.WriteError("broken pipe"), "write", "reg.test: the connection broke, cannot send a blob"),
        (httpx.WriteTimeout("late"), "write", "reg.test: no answer in time, cannot send a blob"),
        (httpx.ConnectError("Refused"), "connect", "reg.test: cannot connect (refused), cannot send a blob"),
    ],
)
def test_where_a_connection_broke(error, phase, said):
    told = _network_error(error, "reg.test", OUT, None)

    assert (phase, said) == (told.phase, str(told))


def test_tls_that_breaks_within_an_answer_is_a_broken_connection_and_an_alert_is_not():
    cut, alert = httpx.ReadError("eof"), httpx.ReadError("alert")
    cut.__cause__ = ssl.SSLError(8, "EOF occurred in violation of protocol")
    alert.__cause__ = ssl.SSLError(1, "alert")
    alert.__cause__.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"

    assert ["read", "tls"] == [_network_error(one, "reg.test", OUT, None).phase for one in (cut, alert)]


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("TLSV1_ALERT_INTERNAL_ERROR", "it ended the connection with that alert; its log may say more"),
        ("WRONG_VERSION_NUMBER", "a registry without TLS needs --plain-http reg.test"),
        ("SOMETHING_NEW", "trust its CA with --ca FILE; a registry without TLS needs --plain-http reg.test"),
    ],
)
def test_what_helps_against_a_failure_of_tls(reason, hint):
    told = _tls_error(ssl.SSLError(1, "x"), reason, "reg.test", "send a blob")

    assert (hint, "tls") == (told.hint, told.phase)
    assert reason.lower().replace("_", " ") in str(told)
