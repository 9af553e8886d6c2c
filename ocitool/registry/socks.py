"""SOCKS5 proxies (RFC 1928, with the passwords of RFC 1929): what is said to one before what lies behind.

The proxy looks up the names of hosts, whether `socks5` or `socks5h` is written: it stands where they are known.
"""

import ipaddress
import time
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from ocitool.registry.connections import ProxyError
from ocitool.registry.transport import Stream
from ocitool.values import dataclass

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


def begin(stream: Stream, proxy: str, host: str, port: int, timeout_s: float) -> None:
    """Ask the proxy at `socks5://[user:password@]host[:port]` for a target; what follows comes from there.

    `timeout_s` bounds each answer of the proxy. Raises ProxyError.
    """
    parts = urlsplit(proxy)
    user, password = (unquote_to_bytes(word or "")[:255] for word in (parts.username, parts.password))
    try:
        _Talk(stream, timeout_s).begin(user, password, _address(host) + port.to_bytes(2, "big"))
    except OSError as error:
        said = "no answer in time" if isinstance(error, TimeoutError) else "the connection broke"
        raise ProxyError(f"the proxy: {said}", lasts=False) from error


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

    stream: Stream
    timeout_s: float

    def begin(self, user: bytes, password: bytes, target: bytes) -> None:
        ways = bytes([_NO_LOGIN, _PASSWORD] if user else [_NO_LOGIN])
        self._say(bytes([_VERSION, len(ways)]) + ways)
        version, way = self._hear(2)
        if version != _VERSION:
            raise ProxyError("it does not speak SOCKS5")
        if way == _PASSWORD and user:
            self._say(bytes([_LOGIN_VERSION, len(user)]) + user + bytes([len(password)]) + password)
            if self._hear(2)[1]:
                raise ProxyError("it does not take the login", login=True)
        elif way != _NO_LOGIN:
            raise ProxyError("it wants a login" if way == _NONE_FITS else "it wants no login of ours", login=True)
        self._say(bytes([_VERSION, 1, 0]) + target)
        version, reply, _, kind = self._hear(4)
        if version != _VERSION:
            raise ProxyError("it does not speak SOCKS5")
        if reply:
            said = _REPLIES[reply] if reply < len(_REPLIES) else f"reply {reply}"
            raise ProxyError(said, lasts=reply in _LASTING)
        self._hear({1: 4, 4: 16}.get(kind) or self._hear(1)[0])
        self._hear(2)

    def _say(self, data: bytes) -> None:
        self.stream.settimeout(self.timeout_s)
        self.stream.sendall(data)

    def _hear(self, size: int) -> bytes:
        """So many bytes, all of them within one timeout."""
        data, ends_s = b"", time.monotonic() + self.timeout_s
        while len(data) < size:
            self.stream.settimeout(max(0.001, ends_s - time.monotonic()))
            piece = self.stream.recv(size - len(data))
            if not piece:
                raise ProxyError("it closed the connection", lasts=False)
            data += piece
        return data
