"""Requests to registries, or to any server, and their answers, as values; and whether one may go on elsewhere."""

import ipaddress
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ocitool.registry.error_response import BODY_LIMIT
from ocitool.registry.hosts import is_loopback, resolved, split_port
from ocitool.values import dataclass, field

if TYPE_CHECKING:
    from ocitool.registry.http import Body


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a registry.

    `home` is the registry's `host:port`, whose credentials may go along if `url` leads there. `scopes` are what
    a token must allow. `body` (of `size` bytes) is opened anew for every attempt. `doing` ends the sentence
    "cannot …". A request is repeated after a broken connection or a passing failure only if `repeatable`; `ok`
    are the statuses that are answers, anything else is a refusal. `stall_s` overrides how long a silent server
    is waited for. One that `is_public` asks no registry but a server of files: its URL is taken as it is written,
    and neither credentials nor a client certificate go along.
    """

    method: str
    url: str
    home: str
    doing: str
    ok: tuple[int, ...] = (200,)
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    scopes: tuple[str, ...] = ()
    body: "Body | None" = None
    size: int = 0
    repeatable: bool = True
    limit: int = BODY_LIMIT
    stall_s: float = 0.0
    is_public: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that was expected: `url` is the last one after redirects, header names are lower case.

    `base` is the registry's own `scheme://host:port`.
    """

    status: int
    headers: Mapping[str, str] = field(hash=False)
    url: str
    base: str = ""
    body: bytes = b""

    def location(self) -> str | None:
        """The Location header, resolved against the URL that gave it (K094, K095)."""
        found = resolved(self.url, self.headers.get("location", "")) if self.headers.get("location") else ""
        return healed(found, self.base) if found else None


def healed(url: str, base: str) -> str:
    """A URL of the registry's own host, with its scheme and port where the registry got them wrong.

    Behind a proxy that ends TLS, registries name themselves with http, or without their port.
    """
    found, home = urlsplit(url), urlsplit(base)
    is_own = found.hostname == home.hostname
    lost_port = found.port is None and home.port is not None and found.path.startswith("/v2/")
    downgraded = found.scheme == "http" and home.scheme == "https"
    if not is_own or not (downgraded or lost_port):
        return url
    return found._replace(scheme=home.scheme, netloc=home.netloc).geturl()


def leads_here(netloc: str) -> bool:
    """Whether a host of a URL ends on this very machine, in any spelling of an address that connecting takes."""
    name = split_port(netloc)[0].rstrip(".")
    if is_loopback(f"[{name}]" if ":" in name else name):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(name))  # 127.1, 2130706433, 0x7f.1
        except OSError:
            return False
    inner = getattr(address, "ipv4_mapped", None) or address
    return bool(inner.is_loopback or inner.is_unspecified or inner.is_link_local)


def is_unsafe_step(start: str, following: str, plain_http: Collection[str]) -> bool:
    """Whether a request to `start` must not go on at `following`: redirects, Locations, links and realms (K257).

    From outside no way leads to this machine or the addresses of its link. None leads from TLS into the clear but
    to hosts that the user called plain, and on this machine itself.
    """
    before, after = urlsplit(start), urlsplit(following)
    is_here = is_loopback(before.netloc)
    if leads_here(after.netloc):
        return not is_here
    return before.scheme == "https" and after.scheme == "http" and after.netloc not in plain_http


@contextmanager
def at_hand(data: bytes) -> Iterator[Iterator[bytes]]:
    """Bytes at hand as a body."""
    yield iter((data,))
