import pytest

from ocitool.errors import NetworkError
from ocitool.registry.paging import next_page
from ocitool.registry.request import Response, healed
from ocitool.registry.session import _words

HOME = "https://reg.test:8443"


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("http://reg.test:8443/v2/app/blobs/uploads/u", "https://reg.test:8443/v2/app/blobs/uploads/u"),
        ("http://reg.test/v2/app/blobs/uploads/u?a=b", "https://reg.test:8443/v2/app/blobs/uploads/u?a=b"),
        ("https://reg.test/v2/app/blobs/uploads/u", "https://reg.test:8443/v2/app/blobs/uploads/u"),
        ("https://reg.test:9000/v2/app/u", "https://reg.test:9000/v2/app/u"),
        ("http://other.test/v2/app/u", "http://other.test/v2/app/u"),
        ("https://reg.test/elsewhere/u", "https://reg.test/elsewhere/u"),
    ],
)
def test_a_registry_behind_a_proxy_names_itself_wrongly(url, right):
    """K099: http although it was asked by https, or without its port."""
    assert right == healed(url, HOME)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/v2/app/blobs/uploads/u1", "https://reg.test:8443/v2/app/blobs/uploads/u1"),
        ("uploads/u2?x=1", "https://reg.test:8443/v2/app/blobs/uploads/u2?x=1"),
        ("https://other.test/x", "https://other.test/x"),
        ("http://[bad/x", None),
        ("https://reg.test:99999/x", None),
        ("ftp://reg.test/x", None),
        ("https://reg.test/a b", None),
    ],
)
def test_a_location_is_resolved_against_the_url_that_gave_it(location, url):
    """K094, K095"""
    answer = Response(202, {"location": location}, f"{HOME}/v2/app/blobs/uploads", HOME)

    assert url == answer.location()


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ('</v2/app/tags/list?n=2&last=b>; rel="next"', f"{HOME}/v2/app/tags/list?n=2&last=b"),
        ("<list?last=a,b>; rel=next", f"{HOME}/v2/app/tags/list?last=a,b"),
        ('</x>; rel="prev", </y>; title="a"; rel="next"', f"{HOME}/y"),
        ('</x>; rel="prev"', ""),
        ("<file:///etc/passwd>; rel=next", ""),
        ("<http://[bad>; rel=next", ""),
        ("", ""),
        ("<", ""),
    ],
)
def test_the_next_page_is_where_the_link_says(link, url):
    """K130"""
    assert url == next_page(Response(200, {"link": link}, f"{HOME}/v2/app/tags/list", HOME))


class Broken:
    """An answer whose body breaks off."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def pieces(self):
        yield b"begin"
        raise NetworkError("the connection broke", host="reg.test")


def test_of_an_answer_that_breaks_off_the_beginning_is_kept_where_nobody_needs_all():
    assert b"begin" == _words(Broken())
    with pytest.raises(NetworkError):
        _words(Broken(), broken_is_error=True)
