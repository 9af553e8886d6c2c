import pytest

from ocitool.registry.request import is_unsafe_step


@pytest.mark.parametrize(
    ("start", "following", "unsafe"),
    [
        ("https://reg.test/", "http://reg.test/x", True),
        ("https://reg.test/", "http://127.0.0.1:2375/containers/create", True),
        ("https://reg.test/", "https://127.0.0.1/x", True),
        ("http://reg.test/", "http://127.0.0.1/x", True),
        ("http://reg.test/", "http://localhost/x", True),
        ("http://reg.test/", "http://a.localhost./x", True),
        ("http://reg.test/", "http://[::1]/x", True),
        ("http://reg.test/", "http://[::ffff:127.0.0.1]/x", True),
        ("http://reg.test/", "http://127.1/x", True),
        ("http://reg.test/", "http://2130706433/x", True),
        ("http://reg.test/", "http://0x7f.0.0.1/x", True),
        ("http://reg.test/", "http://0.0.0.0/x", True),
        ("http://reg.test/", "http://169.254.169.254/latest/meta-data", True),
        ("https://reg.test/", "https://cdn.test/x", False),
        ("https://reg.test/", "https://10.0.0.1/x", False),
        ("http://reg.test/", "http://cdn.test/x", False),
        ("http://reg.test/", "https://cdn.test/x", False),
        ("https://reg.test/", "http://plain.test:80/x", False),
        ("https://127.0.0.1/", "http://127.0.0.1:5000/x", False),
        ("https://localhost/", "http://reg.test/x", True),
        ("http://127.0.0.1/", "http://reg.test/x", False),
    ],
)
def test_one_rule_says_where_a_request_may_be_led(start, following, unsafe):
    """K257: for redirects, Locations of uploads, links of lists, and downloads."""
    assert unsafe == is_unsafe_step(start, following, ("plain.test:80",))
