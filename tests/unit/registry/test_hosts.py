import pytest

from ocitool.errors import UsageError
from ocitool.registry.hosts import Origin, is_loopback, proxy_for

PROXY = "http://127.0.0.1:3128"
NO_PROXY = "localhost,10.0.0.0/8,.corp.test,reg.test:5000,exact.test,*.star.test,fd00::/8"


@pytest.mark.parametrize(
    ("url", "direct"),
    [
        ("https://10.1.2.3:5000/v2/", True),
        ("https://11.1.2.3/v2/", False),
        ("https://a.corp.test/v2/", True),
        ("https://corp.test/v2/", True),
        ("https://acorp.test/v2/", False),
        ("https://reg.test:5000/v2/", True),
        ("https://reg.test/v2/", False),
        ("https://exact.test:8443/v2/", True),
        ("https://a.star.test/v2/", True),
        ("https://[fd00::3]:5000/v2/", True),
        ("https://[2001:db8::1]/v2/", False),
        ("http://127.0.0.1:5000/v2/", True),
        ("http://[::1]:5000/v2/", True),
        ("http://x.localhost/v2/", True),
    ],
)
def test_no_proxy_takes_names_suffixes_ports_and_networks(url, direct):
    """K091; loopback is never proxied."""
    for upper in (True, False):
        environ = {"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "NO_PROXY": NO_PROXY}
        environ = environ if upper else {key.lower(): value for key, value in environ.items()}
        assert (None if direct else PROXY) == proxy_for(url, environ)


def test_http_proxy_in_capitals_is_ignored_inside_cgi():
    """K091: a client can set it there."""
    assert proxy_for("http://reg.test/", {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}) is None
    assert PROXY == proxy_for("http://reg.test/", {"http_proxy": PROXY, "REQUEST_METHOD": "GET"})


def test_each_scheme_has_its_variable_and_all_proxy_is_the_last():
    environ = {"HTTPS_PROXY": "http://s:1", "HTTP_PROXY": "p:2", "ALL_PROXY": "http://a:3"}

    assert ("http://s:1", "http://p:2") == (
        proxy_for("https://x.test", environ),
        proxy_for("http://x.test", environ),
    )
    assert "http://a:3" == proxy_for("https://x.test", {"ALL_PROXY": "http://a:3"})
    assert proxy_for("https://x.test", {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}) is None
    assert proxy_for("https://x.test", {}) is None


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "[0:0::1]", "a.localhost"]
)
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost.evil.test", "127.0.0.1.evil.test", "10.0.0.1", "reg.test", "xlocalhost", "[fe80::1]", ""]
)
def test_not_loopback(host):
    assert not is_loopback(host)


def test_an_origin_has_its_default_port():
    assert Origin.of("https://Reg.test/v2/") == Origin.of("https://reg.test:443/x")
    assert Origin.of("http://reg.test/") != Origin.of("https://reg.test/")
    assert Origin.of("https://reg.test/") != Origin.of("https://reg.test:5000/")


@pytest.mark.parametrize(
    ("rule", "url", "direct"),
    [
        ("[fd00::1]:5000", "https://[fd00::1]:5000/v2/", True),
        ("[fd00::1]:5000", "https://[fd00::1]:5001/v2/", False),
        ("[fd00::1]", "https://[fd00::1]:5000/v2/", True),
        ("fd00::1", "https://[fd00::1]:5000/v2/", True),
        ("[FD00:0::1]:5000", "https://[fd00::1]:5000/v2/", True),
        ("[fd00::]/8", "https://[fd00::1]:5000/v2/", False),
        ("10.0.0.1:5000", "https://10.0.0.1:5000/v2/", True),
        ("reg.test:" + "9" * 5000, "https://reg.test/v2/", False),
        ("reg.test:443", "https://reg.test/v2/", True),
    ],
)
def test_no_proxy_takes_addresses_with_ports(rule, url, direct):
    """K262, K232"""
    assert direct == (proxy_for(url, {"https_proxy": PROXY, "no_proxy": rule}) is None)


@pytest.mark.parametrize(
    "value",
    ["ftp://p.test", "socks4://p.test", "file:///x", "http://", "http://[bad", "http://p.test:99999", "://x",
     "http://p.test:0", "http://u:hunter2@p test", "http://pé.test", "http://p\n.test"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["ALL_PROXY", "https_proxy"])
def test_what_is_no_proxy_is_refused_by_the_variables_name(name, value):
    """K262: and its text, which may hold a password, is not shown."""
    with pytest.raises(UsageError, match=name) as caught:
        proxy_for("https://reg.test/", {name: value})

    assert "hunter2" not in str(vars(caught.value))


@pytest.mark.parametrize(
    "value", ["socks5://p.test:1080", "socks5h://p.test", "HTTP://p.test", "https://p.test:8443"]
)
def test_proxies_that_are_spoken(value):
    """K262"""
    assert value == proxy_for("https://reg.test/", {"all_proxy": value})
