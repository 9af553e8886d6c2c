"""How hosts are reached, as data: what the user said, and what is known about kinds of hosts."""

import ipaddress
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

from ocitool.errors import UsageError
from ocitool.model.numbers import KIB, MIB, is_digits, whole
from ocitool.model.reference import api_host
from ocitool.registry.throttle import Rate
from ocitool.tasks import Retry
from ocitool.values import dataclass, field, replace

CONNECTIONS: Final = 16
"""Requests to one host at once, unless somebody says another number."""
_PROXIES: Final = ("http", "https", "socks5", "socks5h")
_PROXY_HINT: Final = "write http://[user:password@]host:port; https, socks5 and socks5h are spoken too"


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach registries; resolved once from flags, environment and defaults.

    Hosts in `plain_http` are asked over HTTP (loopback hosts always may be), the certificates of those in
    `insecure` are not checked, `ca_files` are trusted beside the system's, those in `anonymous` are read
    without credentials. `connections` is per host; `rates` are what each host gets in a span of time, and those
    that name one hold for it in place of the others. `journal` is a folder for the upload journal, None for
    no resuming over processes, and `places` one for what is known of the places of blobs. `part_bytes` fixes the
    size of upload parts, 0 lets it be learned. A server that neither sends nor takes a byte for `stall_s` is given
    up. `environ` is this process's environment,
    for proxies, credentials and settings of hosts; None reads it.
    """

    plain_http: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    ca_files: tuple[Path, ...] = ()
    anonymous: tuple[str, ...] = ()
    connections: int = CONNECTIONS
    rates: tuple[Rate, ...] = ()
    retry: Retry = field(default_factory=Retry)
    journal: Path | None = None
    places: Path | None = None
    part_bytes: int = 0
    stall_s: float = 120.0
    environ: Mapping[str, str] | None = field(default=None, hash=False, repr=False)

    def rates_of(self, host: str) -> tuple[Rate, ...]:
        """The rates that hold for a host."""
        own = tuple(rate for rate in self.rates if api_host(rate.host) == host)
        return own or tuple(rate for rate in self.rates if not rate.host)


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
    @lru_cache(maxsize=256)
    def of(cls, url: str) -> "Origin":
        """The origin of an absolute URL, default ports filled in."""
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        return cls(scheme, (parts.hostname or "").lower(), parts.port or (80 if scheme == "http" else 443))

    def __str__(self) -> str:
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What a host takes in one request of an upload; sizes in bytes, 0 where no limit is known.

    Blobs up to `whole` go with the closing PUT (0: none does), larger ones in one streamed PATCH if the host
    `streams`, else in parts of `part`.
    """

    whole: int = 4 * MIB
    streams: bool = True
    part_min: int = 0
    part_max: int = 0

    @property
    def part(self) -> int:
        """The size of parts to try: the largest that fits the known limits, at most 8 MiB."""
        return max(min(self.part_max or PART, PART), self.part_min, SMALLEST)

    def without_whole(self) -> "UploadLimits":
        """After a host did not take a body in the closing PUT (K103)."""
        return replace(self, whole=0)

    def after_too_large(self, size: int) -> "UploadLimits | None":
        """After a host refused a body of `size` bytes for its size (K101); None when nothing smaller is left."""
        if size <= self.whole and self.streams:
            return self.without_whole()
        fitting = next((part for part in _PARTS if part < size and part >= self.part_min), None)
        return replace(self, whole=0, streams=False, part_max=fitting) if fitting else None

    def with_minimum(self, text: str) -> "UploadLimits":
        """With what the host said in OCI-Chunk-Min-Length."""
        size = whole(text, 10**12) or 0
        return replace(self, part_min=size) if size > self.part_min else self


PART: Final = 8 * MIB
FLOOR: Final = 5 * MIB
"""The one floor that is known: parts of ECR but the last."""
SMALLEST: Final = 256 * KIB
_PARTS: Final = (8 * MIB, 5 * MIB, 4 * MIB, 2 * MIB, MIB, SMALLEST)
_KNOWN: Final = (
    # Observed by other clients' users, not promised by the hosts; each is only where to begin.
    (r"ghcr\.io", UploadLimits(part_max=4 * MIB)),
    (r"(.+\.dkr\.ecr\..+\.amazonaws\.com(\.cn)?|public\.ecr\.aws)", UploadLimits(part_min=FLOOR)),
)


def limits_from(tree: object) -> UploadLimits | None:
    """Limits as `asdict` gave them to a file; None for anything else."""
    if not isinstance(tree, dict):
        return None
    whole, streams = tree.get("whole"), tree.get("streams")
    part_min, part_max = tree.get("part_min"), tree.get("part_max")
    sizes = [size for size in (whole, part_min, part_max) if type(size) is int and 0 <= size < 1 << 40]
    return (
        UploadLimits(sizes[0], streams, sizes[1], sizes[2]) if len(sizes) == 3 and type(streams) is bool else None
    )


def known_limits(host: str, part_bytes: int = 0) -> UploadLimits:
    """Where to begin with a host: what is known about its kind, and the user's wish for parts."""
    limits = next(
        (limits for pattern, limits in _KNOWN if re.fullmatch(pattern, split_port(host)[0])), UploadLimits()
    )
    if part_bytes:
        return UploadLimits(
            whole=min(limits.whole, part_bytes), streams=False, part_min=part_bytes, part_max=part_bytes
        )
    return limits


def resolved(base: str, target: str) -> str:
    """The absolute http(s) URL that `target` means where `base` was read; empty for what is none.

    What registries send in Location, Link and realm need not be a URL at all.
    """
    try:
        url = urljoin(base, target)
        parts = urlsplit(url)
        is_url = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.port != 0
            and "@" not in parts.netloc
        )
    except ValueError:
        return ""
    return url if is_url and url.isascii() and " " not in url else ""


def home_folder(environ: Mapping[str, str]) -> Path | None:
    """The home folder: HOME, else what the system's list of users says; None where neither does (K244)."""
    if environ.get("HOME"):
        return Path(environ["HOME"])
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def split_port(host: str) -> tuple[str, int | None]:
    """`host[:port]` as a name without brackets and a port."""
    parts = urlsplit(f"//{host}")
    return (parts.hostname or "").lower(), parts.port


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether `host[:port]` is this very machine by its name or address."""
    name, _ = split_port(host)
    if name in {"localhost", "127.0.0.1", "::1"} or name.endswith(".localhost"):
        return True
    if ":" not in name and not name[-1:].isdecimal():  # no address
        return False
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy for a URL by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, either case; None for none.

    NO_PROXY takes names, .suffixes, host:port, addresses and CIDR ranges (K091). Loopback is never proxied.
    HTTP_PROXY in capitals is ignored inside CGI, where a client can set it. Raises UsageError for what is no proxy
    that is spoken here; its text is not shown, since it may hold a password.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port or (80 if parts.scheme == "http" else 443)
    if is_loopback(f"[{host}]" if ":" in host else host) or _no_proxy(host, port, environ):
        return None
    names = [f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"]
    if "REQUEST_METHOD" in environ:
        names = [name for name in names if name != "HTTP_PROXY"]
    name = next((name for name in names if environ.get(name)), None)
    if name is None:
        return None
    found = environ[name] if "://" in environ[name] else f"http://{environ[name]}"
    scheme = found.partition("://")[0].lower()
    if scheme not in _PROXIES:
        raise UsageError(f"{name} names a proxy by {scheme!r}, which is not spoken here", hint=_PROXY_HINT)
    try:
        is_good = (
            bool(urlsplit(found).hostname)
            and urlsplit(found).port != 0
            and found.isprintable()
            and " " not in found
        )
    except ValueError:
        is_good = False
    if not is_good or not found.isascii():
        raise UsageError(f"{name} is not the address of a proxy", hint=_PROXY_HINT)
    return found


def _no_proxy(host: str, port: int, environ: Mapping[str, str]) -> bool:
    for word in (environ.get("no_proxy") or environ.get("NO_PROXY") or "").lower().split(","):
        rule = word.strip()
        if not rule:
            continue
        if rule == "*" or _in_network(host, rule):
            return True
        name, ruled_port = rule, None
        head, colon, number = rule.rpartition(":")
        # An address of version 6 has a port only behind brackets.
        if colon and is_digits(number) and (":" not in head or (head.startswith("[") and head.endswith("]"))):
            name, ruled_port = head, whole(number, 65_535) or -1
        name = name.removeprefix("*").strip("[]")
        if ruled_port not in {None, port}:
            continue
        if _in_network(host, name) or host == name.lstrip(".") or host.endswith("." + name.lstrip(".")):
            return True
    return False


def _in_network(host: str, rule: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rule.strip("[]"), strict=False)
    except ValueError:
        return False
