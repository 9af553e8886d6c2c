"""Whether a host speaks TLS at all, for docker's `--insecure`, which takes either."""

import socket
from typing import Final

from ocitool.registry.hosts import split_port

TIMEOUT_S: Final = 10.0


def speaks_tls(host: str, *, unreachable: bool = True) -> bool:
    """Whether `host[:port]` answers a TLS handshake, whatever its certificate.

    `unreachable` is what is said of a host that cannot be reached: by default that it does, so that the request
    itself tells the error.
    """
    import ssl

    name, port = split_port(host)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((name, port or 443), TIMEOUT_S) as raw,
            context.wrap_socket(raw, server_hostname=name),
        ):
            return True
    except (ssl.SSLError, ConnectionResetError):
        return False
    except OSError:
        return unreachable
