"""The renderer: what becomes part of a page is escaped, bounded, and told to who does not see it."""

import re
from base64 import b64decode
from hashlib import sha256

import pytest

from ocitool.model.digest import Digest
from ocitool.report.html import (
    LARGEST,
    LONGEST,
    MOST,
    code,
    definitions,
    element,
    join,
    lines,
    listed,
    page,
    table,
    words,
)

EVIL = "<b onload='x'>\"&\x1b[2J\n\ud800"
TOLD = "&lt;b onload=&#x27;x&#x27;&gt;&quot;&amp;\\x1b[2J\\n\\ud800"
MANY = [f"item-{number}" for number in range(10_000)]


@pytest.mark.parametrize(
    "drawn",
    [
        element("p", EVIL),
        element("p", title=EVIL),
        join("x", EVIL),
        listed([EVIL]),
        lines([EVIL]),
        definitions({EVIL: "x"}),
        definitions({"x": EVIL}),
        table(EVIL, ("a",), [1], lambda _: ("x",)),
        table("x", (EVIL,), [1], lambda _: ("x",)),
        table("x", ("a", EVIL), [1], lambda _: ("x", "y")),
        table("x", ("a",), [1], lambda _: (EVIL,)),
        page(EVIL, [], []),
        page("x", [EVIL], []),
    ],
)
def test_words_are_escaped_wherever_they_stand(drawn):
    assert TOLD in drawn
    assert EVIL not in drawn
    assert "<b" not in drawn.replace("<body", "").replace("<button", "")


def test_a_text_that_was_put_together_from_html_is_escaped_again():
    """Only what the renderer made is HTML: a sum of two elements is text, and harmless."""
    assert "&lt;b&gt;" in element("p", element("b") + element("b"))


def test_what_is_html_is_not_escaped_twice():
    assert "<p><b>&amp;</b></p>" == element("p", join(element("b", "&")))


def test_attributes_are_said_as_html_has_them():
    assert '<a class="x" aria-label="y" open>z</a>' == element(
        "a", "z", class_="x", aria_label="y", open=True, id=False
    )


@pytest.mark.parametrize(
    ("drawn", "item"),
    [
        (listed(MANY), "<li>item-"),
        (lines(MANY), "item-"),
        (definitions(dict.fromkeys(MANY, "x")), "<dt>item-"),
        (table("x", ("a",), MANY, lambda one: (one,)), ">item-"),
    ],
)
def test_of_a_list_without_an_end_the_first_are_told_and_how_many_more_there_are(drawn, item):
    assert MOST == drawn.count(item)
    assert f"and {10_000 - MOST} more" in drawn


def test_rows_that_are_not_told_are_not_drawn():
    drawn = []
    table("x", ("a",), MANY, lambda one: (drawn.append(one) or "y",))

    assert MANY[:MOST] == drawn


def test_a_long_text_is_cut_and_says_so():
    told = words("<" * (LONGEST + 7))

    assert "&lt;" * LONGEST + " … 7 more characters" == told


def test_a_page_has_a_bound_and_small_pieces_have_a_place_in_it_still():
    large, small = element("p", *["x" * LONGEST] * (LARGEST // LONGEST - 1)), element("p", "small")

    text = page("x", [], [large, large, small])

    assert (1, 1) == (text.count("x" * LONGEST * 2) and 1, text.count("Too large for a page"))
    assert "<p>small</p>" in text
    assert len(text) < LARGEST + 20_000


def test_a_table_is_told_to_who_does_not_see_it():
    text = table("About", ("name", "size"), [("a", "1")], tuple, frozenset({1}))

    assert "<caption>About</caption>" in text
    assert ["name", "size"] == re.findall(r'<th scope="col" role="columnheader"(?: class="number")?>(\w+)<', text)
    assert '<th scope="row" role="rowheader">a</th>' in text
    assert '<td role="cell" class="number" data-label="size">1</td>' in text


def test_a_digest_is_short_where_it_need_not_be_whole_and_is_copied_whole():
    digest = Digest.of(b"x")

    assert f'<code class="digest" title="{digest}">{digest.short}</code>' == code(digest)
    assert f'<code class="digest" title="{digest}">{digest}</code>' == code(digest, whole=True)


def test_only_the_script_of_the_page_may_run():
    """The policy names the script by its hash, and allows nothing that is loaded."""
    text = page("x", [], [])

    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]

    allowed = re.search(r"script-src &#x27;sha256-([^&]*)|script-src 'sha256-([^']*)'", policy)
    assert sha256(script.encode()).digest() == b64decode(allowed[1] or allowed[2])
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")


def test_a_page_has_one_heading_and_its_landmarks():
    text = page("Title", ["lead"], [element("h2", "x")])

    assert ["Title"] == re.findall(r"<h1>(.*?)</h1>", text)
    assert [1, 1] == [text.count(f"<{name}>") for name in ("header", "main")]
    assert '<html lang="en">' in text
