"""The HTML page in a real browser: what it shows, and that its console stays silent."""

import pytest

from ocitool.report.pages import survey_page as page
from tests.interop.browser import chromium
from tests.interop.sample_page import sample

pytestmark = pytest.mark.interop


@pytest.fixture
def published():
    return sample()


@pytest.fixture
def shown(published, peer, tmp_path):
    (tmp_path / "page.html").write_text(page(published))
    with chromium(peer("chromedriver"), tmp_path / "profile") as browser:
        browser.visit(f"file://{tmp_path}/page.html")
        yield browser


def test_page_is_read_through_the_browser(shown, published):
    """Platforms, layers to scale and shared colours as laid out by Chromium, with a silent console."""
    rows = shown.run(
        "return [...document.querySelectorAll('#platforms tbody tr')].map(r => r.innerText.split('\\t'))"
    )
    widths = shown.run(
        "return [...document.querySelectorAll('.bar')].map(b => [...b.querySelectorAll('.layer')]"
        ".map(l => l.getBoundingClientRect().width / b.getBoundingClientRect().width))"
    )
    colours = shown.run(
        "return [...document.querySelectorAll('.bar')].map(b => getComputedStyle(b.children[0]).backgroundColor)"
    )

    assert ["linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x"] == [row[0] for row in rows]
    assert [["9.8 MB", "2024-05-06T07:08:09Z", "3"]] == [row[2:5] for row in rows[:1]]
    biggest = max(i.size for i in published.images)
    for drawn, of in zip(widths, published.images, strict=True):
        assert pytest.approx([layer.size / biggest for layer in of.layers], abs=0.003) == drawn
    assert 1 == len(set(colours))
    assert "<b>&" in shown.run("return document.body.innerText")
    assert [] == shown.console()
