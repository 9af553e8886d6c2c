"""Lists that come in pages: the server's Link is followed as it is, and a circle is refused (K130).

Spec: distribution-spec, "Listing Tags", "Listing Referrers".
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from ocitool.errors import MalformedDocument, NetworkError, RegistryError
from ocitool.model.numbers import MIB
from ocitool.registry.error_response import redact
from ocitool.registry.hosts import resolved
from ocitool.registry.request import Request, Response
from ocitool.registry.session import Session
from ocitool.values import replace

LIST_LIMIT: Final = 32 * MIB
TOTAL_LIMIT: Final = 8 * LIST_LIMIT
"""Bytes of all pages of one list; a million tags of any length."""
PAGES: Final = 10_000
"""Pages of one list that are read: ten times what the largest repositories have with a hundred names a page."""
SAME: Final = 20
"""Pages in a row that hold the same again: a list that has no end."""


def pages(session: Session, first: Request, most: int = TOTAL_LIMIT) -> Iterator[tuple[Response, dict[str, Any]]]:
    """Each page's answer and its JSON object, in order; of an answer that is no page an empty one.

    A page on another host is read without credentials.

    Raises NetworkError for pages that lead back to one that was read, RegistryError for a list that does not end
    (K236) or has more than `most` bytes, MalformedDocument for no JSON object.
    """
    seen: set[str] = set()
    url, last, same, size = first.url, b"", 0, 0
    while url:
        if url in seen:
            raise NetworkError(
                f"{first.home} sends its pages in a circle, cannot {first.doing}", host=first.home, phase="read"
            )
        seen.add(url)
        answer = session.send(replace(first, url=url))
        yield answer, json_object(answer.body, first.doing) if answer.status == 200 else {}
        url = next_page(answer)
        same = same + 1 if answer.body == last else 0
        last = answer.body
        size += len(last)
        if url and (len(seen) >= PAGES or same >= SAME or size > most):
            raise RegistryError(
                f"{first.home} names another page after {len(seen)} of them, cannot {first.doing}",
                url=redact(url),
                hint="a list without an end is a fault of the registry, or of a proxy before it",
            )


def next_page(answer: Response) -> str:
    """The URL of the next page by the Link header, resolved against the page's own; empty at the end."""
    text = answer.headers.get("link", "")
    while "<" in text:
        target, _, rest = text.partition("<")[2].partition(">")
        parameters, _, text = rest.partition(",")
        words = [word.strip().replace('"', "").replace(" ", "").lower() for word in parameters.split(";")]
        if "rel=next" in words:
            return resolved(answer.url, target)
    return ""


def json_object(body: bytes, doing: str) -> dict[str, Any]:
    """The JSON object in an answer's body. Raises MalformedDocument."""
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise MalformedDocument(f"the answer is no JSON object, cannot {doing}")
    return tree
