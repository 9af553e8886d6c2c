"""Where the project's pages are, for what links to them: helps, errors, findings, schemas."""

from typing import Final

BASE: Final = "docs/"
"""What the names of pages stand below: a folder of the source until a site is published, then its URL."""


def page(name: str, heading: str = "") -> str:
    """The link to a page, such as reference/rules.md, or to a heading of it as the page spells it."""
    return f"{BASE}{name}{f'#{_anchor(heading)}' if heading else ''}"


def _anchor(heading: str) -> str:
    """As Markdown's renderers make it of a heading: lower case, hyphens for blanks, no punctuation."""
    kept = "".join(char for char in heading.lower() if char.isalnum() or char in " -_")
    return kept.replace(" ", "-")
