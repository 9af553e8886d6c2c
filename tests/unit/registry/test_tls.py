"""`ocitool.registry.tls`: what a context takes, whatever the distribution's Python takes."""

import ssl

import pytest

from ocitool.registry.hostsconfig import Trust
from ocitool.registry.tls import tls_context

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
