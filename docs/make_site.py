"""Writes the site to dist/site and the man pages to dist/man: `make site`. Exit 1 where anything is amiss.

Every link and anchor between pages is checked by MkDocs; that no page asks another host for anything, here.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "docs")]

import man  # noqa: E402 - beside this file

from tests import peers  # noqa: E402

SITE, MAN = REPOSITORY / "dist" / "site", REPOSITORY / "dist" / "man" / "man1"
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
LOADING_RELATIONS = {"stylesheet", "preload", "prefetch", "preconnect", "icon", "modulepreload", "dns-prefetch"}
OUTSIDE = re.compile(r"^(?:[a-z]+:)?//", re.IGNORECASE)


def main() -> int:
    """Build, and look at what was built."""
    built = subprocess.run(
        [peers.find("mkdocs"), "build", "--strict", "--config-file", "-"],
        input=(REPOSITORY / "docs" / "mkdocs.yml").read_bytes(),
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        cwd=REPOSITORY,
        check=False,
    )
    if built.returncode:
        return 1
    asked = list(outside(SITE))
    for line in asked:
        sys.stderr.write(f"{line}\n")
    pages = man.main(MAN)
    print(f"{SITE}: {len(list(SITE.rglob('*.html')))} pages; {MAN}: {pages} pages")  # noqa: T201
    return 1 if asked else 0


def outside(site: Path) -> Iterator[str]:
    """What pages and styles would ask other hosts for: a line each."""
    for page in sorted(site.rglob("*.html")):
        finder = _Loads()
        finder.feed(page.read_text())
        yield from (f"{page.relative_to(site)}: {address}" for address in finder.found)
    for style in sorted(site.rglob("*.css")):
        for address in re.findall(r"(?:url\(|@import )[\"']?([^\"')]+)", style.read_text()):
            if OUTSIDE.match(address):
                yield f"{style.relative_to(site)}: {address}"


class _Loads(HTMLParser):
    """Addresses on other hosts that a browser would load by itself; links to follow are none."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get(LOADING.get(tag, ""))
        if tag == "link" and LOADING_RELATIONS & set((given.get("rel") or "").split()):
            address = given.get("href")
        if address and OUTSIDE.match(address):
            self.found.append(address)


if __name__ == "__main__":
    sys.exit(main())
