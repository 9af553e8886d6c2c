"""The documentation as a site: made by its own command, read in a real browser, asking nobody else for anything."""

import functools
import re
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import REPOSITORY, process_environment
from tests.interop.browser import chromium

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("site")]
SEEN = (
    "index.html",
    "tutorial.html",
    "comparison.html",
    "reference/commands.html",
    "reference/registry-faults.html",  # the widest tables
    "guides/pages.html",
    "guides/check-and-repair.html",  # wide code
)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


@pytest.fixture(scope="module")
def site():
    """The folder that `make site` wrote; it fails for a link or an anchor that leads nowhere."""
    from tests import peers

    try:
        peers.find("mkdocs")
    except peers.Missing as missing:
        pytest.skip(str(missing))
    environment = process_environment({peers.ROOT: str(peers.cache_root())})
    done = subprocess.run(
        [sys.executable, REPOSITORY / "docs" / "make_site.py"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return REPOSITORY / "dist" / "site"


@pytest.fixture(scope="module")
def address(site):
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def browser(peer, tmp_path):
    with chromium(peer("chromedriver"), tmp_path / "profile") as found:
        yield found


def test_pages_are_silent_and_ask_nobody_else(browser, address):
    for page in SEEN:
        browser.visit(f"{address}/{page}")
        loaded = browser.run("return performance.getEntriesByType('resource').map(one => one.name)")

        assert loaded, page
        assert [] == [name for name in loaded if not name.startswith(f"{address}/")], page
        assert [] == browser.console(), page


def test_nothing_is_wider_than_a_phone(browser, address):
    browser.resize(320)
    for page in SEEN:
        browser.visit(f"{address}/{page}")

        assert 320 >= browser.run("return document.scrollingElement.scrollWidth"), page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, address, peer, scheme):
    browser.prefer(scheme)
    for page in SEEN:
        browser.visit(f"{address}/{page}")

        assert [] == browser.violations(peer("axe-core")), page


def test_the_search_finds_a_command(browser, address):
    browser.visit(f"{address}/index.html")
    found = browser.run(
        "const field = document.querySelector('[data-md-component=search-query]');"
        "document.querySelector('#__search').checked = true; field.focus(); field.value = 'undo';"
        "field.dispatchEvent(new Event('keyup', {bubbles: true}));"
        "return new Promise(done => { let rest = 100; const look = () => {"
        "const names = [...document.querySelectorAll('.md-search-result__link')].map(one => one.href);"
        "names.length || !rest-- ? done(names) : setTimeout(look, 100) }; look() })"
    )

    assert any("changes.html" in name for name in found), found


def test_there_is_a_man_page_for_each_command(site):
    """Groff reads them without a warning."""
    pages = sorted((site.parent / "man" / "man1").glob("*.1"), key=lambda one: one.stem)
    listed = re.findall(r"^\.BR (\S+) \(1\)$", (site.parent / "man/man1/ocitool.1").read_text(), re.MULTILINE)

    assert sorted(name.replace("\\-", "-") for name in listed) == [
        one.stem for one in pages if one.stem != "ocitool"
    ]
    for page in pages:
        done = subprocess.run(
            ["groff", "-Kutf8", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, ""), page
