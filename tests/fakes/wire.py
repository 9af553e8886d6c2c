"""A server of raw bytes: what it says to each connection is a script, and no HTTP need come of it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
Script = Callable[["Talk"], object]


@dataclass
class Talk:
    """One connection: `heads` are the requests that were read from it, `sent` how many bytes went out."""

    connection: socket.socket
    heads: list[bytes] = field(default_factory=list)
    sent: int = 0
    read: int = 0
    rest: bytes = b""

    def hear(self) -> bytes:
        """The next request's head; empty where the client has gone."""
        while b"\r\n\r\n" not in self.rest:
            piece = self.connection.recv(65_536)
            if not piece:
                return b""
            self.read += len(piece)
            self.rest += piece
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        self.heads.append(head)
        return head

    def say(self, data: bytes) -> None:
        """Send it."""
        self.connection.sendall(data)
        self.sent += len(data)

    def say_for_ever(self, data: bytes) -> None:
        """Send it again and again, until the client has had enough."""
        while True:
            self.say(data)


@dataclass
class Wire:
    """The server's `host:port`, and its connections in order; `ended` counts those that are over."""

    host: str
    talks: list[Talk] = field(default_factory=list)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def url(self) -> str:
        return f"http://{self.host}/v2/"


def answers(*parts: bytes) -> Script:
    """Reads a request before each part, says it, and hangs up after the last one."""

    def script(talk: Talk) -> None:
        for part in parts:
            if not talk.hear():
                return
            talk.say(part)

    return script


def good(talk: Talk) -> None:
    """Answers whatever is asked, for as long as anybody asks."""
    while talk.hear():
        talk.say(GOOD)


@contextmanager
def wire(*scripts: Script) -> Iterator[Wire]:
    """A server on a free port of loopback: a script for each connection in turn, and `good` for all that follow."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        running = Wire(f"127.0.0.1:{server.getsockname()[1]}")

        def converse(talk: Talk, script: Script) -> None:
            with talk.connection, suppress(OSError):
                script(talk)
            running.ended.release()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection = server.accept()[0]
                    # What was sent is then near what was read: the kernel would buffer four megabytes of it.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
                    talk = Talk(connection)
                    script = scripts[len(running.talks)] if len(running.talks) < len(scripts) else good
                    running.talks.append(talk)
                    threading.Thread(target=converse, args=(talk, script), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield running
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            accepting.join(60)
            for talk in running.talks:
                with suppress(OSError):
                    talk.connection.shutdown(socket.SHUT_RDWR)
