"""The pages of `--html` in a real browser: what they show, to whom, and that they ask nobody for anything."""

import pytest

from tests.interop.browser import chromium
from tests.interop.sample_page import sample, sample_pages

pytestmark = pytest.mark.interop

PAGES = pytest.mark.parametrize("name", ["inspect", "check", "diff"])


@pytest.fixture(scope="module")
def browser(peer, tmp_path_factory):
    with chromium(peer("chromedriver"), tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def visit(browser, tmp_path):
    """Show a page as it is for a width in points and a colour scheme."""
    pages = sample_pages()

    def show(name, *, width=1200, scheme="light"):
        (tmp_path / "page.html").write_text(pages[name])
        browser.resize(width)
        browser.prefer(scheme)
        browser.visit(f"file://{tmp_path}/page.html")
        return browser

    return show


def test_page_is_read_through_the_browser(visit):
    """Platforms, layers to scale and shared colours as laid out by Chromium, with a silent console."""
    shown, published = visit("inspect"), sample()
    rows = shown.run(
        "return [...document.querySelector('table').tBodies[0].rows]"
        ".map(r => [...r.cells].map(c => c.innerText.replace(' copy', '')))"
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


@PAGES
def test_pages_ask_nobody_and_are_silent(visit, name):
    shown = visit(name)

    loaded = shown.run("return performance.getEntriesByType('resource').map(one => one.name)")
    assert [] == [one for one in loaded if not one.startswith("data:")]
    assert [] == shown.console()


@PAGES
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_axe_finds_nothing_serious(visit, peer, name, scheme, width):
    shown = visit(name, width=width, scheme=scheme)
    shown.run("for (const one of document.querySelectorAll('details')) one.open = true")

    assert [] == shown.violations(peer("axe-core"))


def test_axe_would_find_something(visit, peer):
    shown = visit("inspect")
    shown.run("document.querySelector('header p').style.color = '#eee'")

    assert ["color-contrast"] == [one.partition(":")[0] for one in shown.violations(peer("axe-core"))]


@PAGES
def test_nothing_is_wider_than_a_phone(visit, name):
    shown = visit(name, width=320)
    shown.run("for (const one of document.querySelectorAll('details')) one.open = true")

    assert 320 >= shown.run("return document.scrollingElement.scrollWidth")
    assert [] == shown.run(
        "return [...document.querySelectorAll('main *:not(.layer)')].filter(one => "
        "one.getBoundingClientRect().right > 321).map(one => one.outerHTML.slice(0, 100))"
    )


@PAGES
def test_colours_follow_the_scheme(visit, name):
    colour = "return getComputedStyle(document.body).backgroundColor"

    assert ["rgb(255, 255, 255)", "rgb(20, 25, 31)"] == [
        visit(name, scheme=scheme).run(colour) for scheme in ("light", "dark")
    ]


def test_a_digest_is_copied_by_its_button(visit):
    """The whole digest, though a short one is shown; and who hears the page is told."""
    shown = visit("inspect")
    told = shown.run(
        "const copied = []; navigator.clipboard.writeText = async text => { copied.push(text) };"
        "const button = document.querySelector('table button'); button.focus(); button.click();"
        "return new Promise(done => setTimeout(() => done([...copied, button.getAttribute('aria-label'),"
        "document.querySelector('[role=status]').textContent]), 0))"
    )
    digest = str(sample().images[0].descriptor.digest)

    assert [digest, f"copy {digest}", f"copied {digest}"] == told


def test_the_link_to_a_config_opens_it(visit):
    browser = visit("inspect")
    before = browser.run("return [...document.querySelectorAll('details')].map(one => one.open)")
    browser.run("document.querySelector('a[href=\"#config-1\"]').click()")
    opened = browser.run(
        "return new Promise(done => setTimeout(() => "
        "done([...document.querySelectorAll('details')].map(one => one.open)), 100))"
    )

    assert [True, False] == before[:2]
    assert [True, True] == opened[:2]


def test_what_is_let_in_by_nobody_does_not_run(visit, browser, tmp_path):
    """A script and a handler beside the page's own are refused by its policy."""
    visit("inspect")
    page = (tmp_path / "page.html").read_text()
    bad = "<script>document.title = 'run'</script><img src='data:,' onerror=\"document.title = 'run'\">"
    (tmp_path / "page.html").write_text(page.replace("<main>", f"<main>{bad}"))
    browser.visit(f"file://{tmp_path}/page.html")

    assert "registry.example/team/app:1.4.0" == browser.run("return document.title")
    assert 2 == sum("Content Security Policy" in line for line in browser.console())
