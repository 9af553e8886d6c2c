"""How hosts are reached, as data: what the user said, and what is known about kinds of hosts."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ocitool.tasks import Retry


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach registries; resolved once from flags, environment and defaults.

    Hosts in `plain_http` are asked over HTTP (loopback hosts always may be), the certificates of those in
    `insecure` are not checked, `ca_files` are trusted beside the system's. `connections` is per host.
    `journal` is a folder for the upload journal, None for no resuming. `environ` is this process's
    environment, for proxies and credentials; None reads it.
    """

    plain_http: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    ca_files: tuple[Path, ...] = ()
    connections: int = 16
    retry: Retry = field(default_factory=Retry)
    journal: Path | None = None
    environ: Mapping[str, str] | None = field(default=None, hash=False, repr=False)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went over the wire so far; bytes are those of bodies."""

    requests: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what credentials are bound to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """The origin of an absolute URL, default ports filled in."""
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        return cls(scheme, (parts.hostname or "").lower(), parts.port or (80 if scheme == "http" else 443))


def split_port(host: str) -> tuple[str, int | None]:
    """`host[:port]` as a name without brackets and a port."""
    parts = urlsplit(f"//{host}")
    return (parts.hostname or "").lower(), parts.port


def is_loopback(host: str) -> bool:
    """Whether `host[:port]` is this very machine by its name or address."""
    name, _ = split_port(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy for a URL by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, either case; None for none.

    NO_PROXY takes names, .suffixes, host:port, addresses and CIDR ranges (K091). Loopback is never proxied.
    HTTP_PROXY in capitals is ignored inside CGI, where a client can set it.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port or (80 if parts.scheme == "http" else 443)
    if is_loopback(f"[{host}]" if ":" in host else host) or _no_proxy(host, port, environ):
        return None
    names = [f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"]
    if "REQUEST_METHOD" in environ:
        names = [name for name in names if name != "HTTP_PROXY"]
    found = next((environ[name] for name in names if environ.get(name)), None)
    return found if found is None or "://" in found else f"http://{found}"


def _no_proxy(host: str, port: int, environ: Mapping[str, str]) -> bool:
    for word in (environ.get("no_proxy") or environ.get("NO_PROXY") or "").lower().split(","):
        rule = word.strip()
        if not rule:
            continue
        if rule == "*" or _in_network(host, rule):
            return True
        name, ruled_port = rule, None
        if rule.count(":") == 1 and rule.rpartition(":")[2].isdigit():
            name, _, number = rule.partition(":")
            ruled_port = int(number)
        name = name.removeprefix("*").strip("[]")
        if ruled_port not in {None, port}:
            continue
        if host == name.lstrip(".") or host.endswith("." + name.lstrip(".")):
            return True
    return False


def _in_network(host: str, rule: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rule.strip("[]"), strict=False)
    except ValueError:
        return False
