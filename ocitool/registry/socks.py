"""SOCKS5 proxies (RFC 1928, with the passwords of RFC 1929): connections that begin at one, for httpx's pools.

The proxy looks up the names of hosts, whether `socks5` or `socks5h` is written: it stands where they are known.
"""

import ipaddress
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

import httpcore

PORT: Final = 1080
_VERSION, _LOGIN_VERSION = 5, 1
_NO_LOGIN, _PASSWORD, _NONE_FITS = 0, 2, 0xFF
_REPLIES: Final = (
    "",
    "general failure",
    "not allowed by its rules",
    "network unreachable",
    "host unreachable",
    "connection refused",
    "its time has run out",
    "command not supported",
    "kind of address not supported",
)
_LASTING: Final = frozenset({2, 7, 8})


class SocksError(httpcore.ProxyError):
    """What the proxy answered; `lasts` where trying again does not help, `login` where another login might."""

    def __init__(self, what: str, *, lasts: bool = True, login: bool = False) -> None:
        super().__init__(what)
        self.lasts, self.login = lasts, login


@dataclass(frozen=True)
class SocksBackend(httpcore.NetworkBackend):
    """Connects through the proxy at `url`, which is `socks5://[user:password@]host[:port]`."""

    url: str

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A stream to the target; `timeout` bounds each answer of the proxy. Raises SocksError, ConnectError."""
        parts = urlsplit(self.url)
        stream = httpcore.SyncBackend().connect_tcp(
            parts.hostname or "", parts.port or PORT, timeout, local_address, socket_options
        )
        try:
            user, password = (unquote_to_bytes(word or "")[:255] for word in (parts.username, parts.password))
            _Talk(stream, timeout).begin(user, password, _address(host) + port.to_bytes(2, "big"))
        except BaseException as error:
            stream.close()
            if isinstance(error, httpcore.NetworkError | httpcore.TimeoutException):
                said = (
                    "no answer in time" if isinstance(error, httpcore.TimeoutException) else "the connection broke"
                )
                raise SocksError(f"the proxy: {said}", lasts=False) from error
            raise
        return stream


def _address(host: str) -> bytes:
    """A target as the protocol writes it: an address by its bytes, a name by its length and characters."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = host.encode("ascii")[:255]
        return bytes([3, len(name)]) + name
    return bytes([1 if address.version == 4 else 4]) + address.packed


@dataclass(frozen=True)
class _Talk:
    """The words before the target is reached."""

    stream: httpcore.NetworkStream
    timeout_s: float | None

    def begin(self, user: bytes, password: bytes, target: bytes) -> None:
        ways = bytes([_NO_LOGIN, _PASSWORD] if user else [_NO_LOGIN])
        self._say(bytes([_VERSION, len(ways)]) + ways)
        version, way = self._hear(2)
        if version != _VERSION:
            raise SocksError("it does not speak SOCKS5")
        if way == _PASSWORD and user:
            self._say(bytes([_LOGIN_VERSION, len(user)]) + user + bytes([len(password)]) + password)
            if self._hear(2)[1]:
                raise SocksError("it does not take the login", login=True)
        elif way != _NO_LOGIN:
            raise SocksError("it wants a login" if way == _NONE_FITS else "it wants no login of ours", login=True)
        self._say(bytes([_VERSION, 1, 0]) + target)
        version, reply, _, kind = self._hear(4)
        if version != _VERSION:
            raise SocksError("it does not speak SOCKS5")
        if reply:
            said = _REPLIES[reply] if reply < len(_REPLIES) else f"reply {reply}"
            raise SocksError(said, lasts=reply in _LASTING)
        self._hear({1: 4, 4: 16}.get(kind) or self._hear(1)[0])
        self._hear(2)

    def _say(self, data: bytes) -> None:
        self.stream.write(data, self.timeout_s)

    def _hear(self, size: int) -> bytes:
        """So many bytes, all of them within one timeout."""
        data, ends = b"", None if self.timeout_s is None else time.monotonic() + self.timeout_s
        while len(data) < size:
            left_s = None if ends is None else max(0.001, ends - time.monotonic())
            piece = self.stream.read(size - len(data), left_s)
            if not piece:
                raise SocksError("it closed the connection", lasts=False)
            data += piece
        return data
