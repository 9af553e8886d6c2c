"""The socket of an SSH agent inside: one of ours, which passes on what comes to the agent of the host.

The users inside are not the owner of the agent's own socket. So a process that stayed the user of the host, made
before the helper became root inside, connects to it, and hands the connection over.
"""

import os
import select
import signal
import socket
from contextlib import suppress
from typing import Final

from ocitool.executor import kernel
from ocitool.model.numbers import KIB

_PIECE: Final = 64 * KIB
_WAITING: Final = 16
_CONNECTIONS: Final = 64
"""At most so many at once; a guess."""


def start_connector() -> socket.socket:
    """Fork the process that connects; what `connect` talks to. It ends when the socket is closed everywhere."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def connector() -> None:
        ours.close()
        kernel.die_with_parent(signal.SIGKILL)
        _connector(theirs)

    kernel.fork(connector)
    theirs.close()
    return ours


def _connector(requests: socket.socket) -> None:
    while True:
        path, answers, _, _ = socket.recv_fds(requests, 4096, 1, socket.MSG_CMSG_CLOEXEC)
        if not answers:
            return
        with socket.socket(fileno=answers[0]) as answer, socket.socket(socket.AF_UNIX) as agent, suppress(OSError):
            agent.connect(path)
            socket.send_fds(answer, [b"1"], [agent.fileno()])


def connect(connector: socket.socket, path: str) -> socket.socket | None:
    """A connection to the socket at `path`, made as the user of the host; None if it cannot be made."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            socket.send_fds(connector, [os.fsencode(path)], [theirs.fileno()])
        _, found, _, _ = socket.recv_fds(ours, 1, 1, socket.MSG_CMSG_CLOEXEC)
    return socket.socket(fileno=found[0]) if found else None


def serve(path: str, agent: str, connector: socket.socket) -> int:
    """Fork a process that listens at `path` and passes connections on to `agent`; its id.

    It ends with its PID namespace, or when it is killed.
    """
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(_WAITING)
    child = kernel.fork(lambda: _pass_on(listener, agent, connector))
    listener.close()
    return child


def _pass_on(listener: socket.socket, agent: str, connector: socket.socket) -> None:
    others: dict[socket.socket, socket.socket] = {}
    while True:
        ready, _, _ = select.select([*([listener] if len(others) < 2 * _CONNECTIONS else []), *others], [], [])
        for one in ready:
            if one is listener:
                inside, _ = listener.accept()
                outside = connect(connector, agent)
                if outside is None:
                    inside.close()
                else:
                    others |= {inside: outside, outside: inside}
            elif one in others and not _copy(one, others[one]):
                other = others.pop(one)
                del others[other]
                one.close()
                other.close()


def _copy(source: socket.socket, target: socket.socket) -> bool:
    """Whether the connection goes on."""
    try:
        piece = source.recv(_PIECE)
        target.sendall(piece)
    except OSError:
        return False
    return bool(piece)
