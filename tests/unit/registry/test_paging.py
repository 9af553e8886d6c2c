"""Lists in pages: links are followed as they are given, and what has no end is refused."""

import json

import pytest

from ocitool.errors import MalformedDocument, NetworkError, RegistryError
from ocitool.registry.paging import PAGES, SAME, json_object, next_page, pages
from ocitool.registry.request import Request, Response

HOME = "http://reg.test:5000"
FIRST = Request("GET", f"{HOME}/v2/a/tags/list", "reg.test:5000", "list tags")


class Answers:
    """A session that answers the nth request with what `of(n)` gives: a link or "", a body, a status."""

    def __init__(self, of):
        self.of, self.asked = of, []

    def send(self, request):
        self.asked.append(request.url)
        link, body, status = (*self.of(len(self.asked)), 200)[:3]
        headers = {"link": f'<{link}>; rel="next"'} if link else {}
        return Response(status, headers, request.url, HOME, json.dumps(body).encode())


def test_pages_are_read_until_none_is_named():
    session = Answers(lambda n: ("/v2/a/tags/list?last=b" if n == 1 else "", {"tags": [n]}))

    found = [tree for _, tree in pages(session, FIRST)]

    assert [{"tags": [1]}, {"tags": [2]}] == found
    assert [FIRST.url, f"{HOME}/v2/a/tags/list?last=b"] == session.asked


def test_an_answer_that_is_no_page_is_an_empty_one():
    assert [{}] == [tree for _, tree in pages(Answers(lambda _: ("", ["no", "object"], 404)), FIRST)]


def test_k130_a_circle_is_refused():
    """K130."""
    session = Answers(lambda n: (f"/v2/a/tags/list?n={n % 3}", {"tags": [n]}))

    with pytest.raises(NetworkError, match=r"reg.test:5000 sends its pages in a circle, cannot list tags"):
        list(pages(session, FIRST))
    assert 4 == len(session.asked)


def test_a_list_of_too_many_bytes_is_refused():
    session = Answers(lambda n: (f"?n={n}", {"tags": [f"{n:090}"]}))

    with pytest.raises(RegistryError, match="names another page after 10 of them"):
        list(pages(session, FIRST, most=1000))


@pytest.mark.parametrize(
    ("body", "read"), [(lambda _: {"tags": []}, SAME + 1), (lambda n: {"tags": [n]}, PAGES)], ids=["same", "other"]
)
@pytest.mark.slow
def test_k236_a_list_without_an_end_is_refused(body, read):
    """K236."""
    session = Answers(lambda n: (f"?n={n}", body(n)))

    with pytest.raises(RegistryError, match=f"names another page after {read} of them"):
        list(pages(session, FIRST))
    assert read == len(session.asked)


def test_the_last_page_may_be_the_one_at_the_bound():
    session = Answers(lambda n: (f"?n={n}" if n <= SAME else "", {"tags": []}))

    assert SAME + 1 == len(list(pages(session, FIRST)))


def test_pages_that_change_in_between_are_not_the_same():
    session = Answers(lambda n: (f"?n={n}" if n < 3 * SAME else "", {"tags": [n // 15]}))

    assert 3 * SAME == len(list(pages(session, FIRST)))


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("</v2/x?n=1>; rel=next", f"{HOME}/v2/x?n=1"),
        ('<?n=1>; rel="next"', f"{HOME}/v2/a/tags/list?n=1"),
        ("<//other.test/x>;rel=next", "http://other.test/x"),
        ('</first>; rel="first", </second>; title="x"; Rel = "Next"', f"{HOME}/second"),
        ("</first>; rel=first", ""),
        ("no link", ""),
        ("", ""),
    ],
)
def test_links(link, expected):
    assert expected == next_page(Response(200, {"link": link}, FIRST.url))


@pytest.mark.parametrize("body", [b"[]", b"{", b"", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_told(body):
    with pytest.raises(MalformedDocument, match="the answer is no JSON object, cannot list tags"):
        json_object(body, "list tags")
