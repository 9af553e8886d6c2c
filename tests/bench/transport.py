"""The client's own work for a request and for bytes, as processor time beside http.client's in the same process.

Both ask one server, which is a process of its own and sends and takes bytes as fast as it can.
"""

import hashlib
import http.client
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ocitool.registry.hosts import Access
from ocitool.registry.repository import Repository
from ocitool.registry.request import Request
from ocitool.registry.session import Session
from ocitool.tasks import Scope
from tests.bench.rows import Row

MB = 1 << 20
SIZE = 400 * MB
PIECE = 256 << 10
HEADS = 400
ROUNDS = 5
PATH = "/v2/app/manifests/v1"
FIELDS = {"Accept": "application/vnd.oci.image.index.v1+json", "Accept-Encoding": "identity", "User-Agent": "bench"}
ANSWER = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\nContent-Length: {size}\r\n"
    f"Docker-Content-Digest: sha256:{'a' * 64}\r\nDocker-Distribution-Api-Version: registry/2.0\r\n"
    f'Etag: "sha256:{"a" * 64}"\r\nX-Content-Type-Options: nosniff\r\nDate: Mon, 30 Nov 2026 12:00:00 GMT\r\n\r\n'
)


def rows() -> Iterator[Row]:
    """A small request, bytes that come and are hashed, bytes that go."""
    with serving() as host, Session(Access(environ={}), Scope()) as session:
        bare = http.client.HTTPConnection(host)
        repository = Repository(session, host, "app")
        small = cheapest(lambda: repeated(repository.head_manifest), lambda: repeated(lambda _: head(bare)))
        yield Row("processor, a small request", *per(small, HEADS / 1000), 2.5, unit="ms")
        down = cheapest(lambda: receive(session, host), lambda: receive_bare(bare))
        yield Row("processor, 400 MB received and hashed", *per(down), 1.4)
        up = cheapest(lambda: send(session, host), lambda: send_bare(bare))
        yield Row("processor, 400 MB sent", *per(up), 1.4)


def per(taken: tuple[float, float], count: float = 1) -> tuple[float, dict[str, float]]:
    """Ours and the other's for one of so many."""
    return taken[0] / count, {"http.client": taken[1] / count}


def cheapest(*ways: Callable[[], object]) -> tuple[float, float]:
    """The least processor time of each of two ways, in turns."""
    best = [float("inf")] * len(ways)
    for _ in range(ROUNDS):
        for at, act in enumerate(ways):
            began = time.process_time()
            act()
            best[at] = min(best[at], time.process_time() - began)
    return best[0], best[1]


def repeated(act: Callable[[str], object]) -> None:
    """So many small requests."""
    for _ in range(HEADS):
        act("v1")


def head(bare: http.client.HTTPConnection) -> None:
    """One small request of http.client's."""
    bare.request("HEAD", PATH, headers=FIELDS)
    bare.getresponse().read()


def receive(session: Session, host: str) -> None:
    """All bytes by our client."""
    seen = hashlib.sha256()
    with session.stream(Request("GET", f"http://{host}{PATH}", host, "read")) as (_, pieces):
        for piece in pieces:
            seen.update(piece)


def receive_bare(bare: http.client.HTTPConnection) -> None:
    """All bytes by http.client."""
    seen, buffer = hashlib.sha256(), memoryview(bytearray(PIECE))
    bare.request("GET", PATH, headers=FIELDS)
    answer = bare.getresponse()
    while count := answer.readinto(buffer):
        seen.update(buffer[:count])


def send(session: Session, host: str) -> None:
    """All bytes by our client."""

    @contextmanager
    def body() -> Iterator[Iterator[bytes]]:
        yield pieces()

    session.send(Request("PUT", f"http://{host}{PATH}", host, "write", body=body, size=SIZE))


def send_bare(bare: http.client.HTTPConnection) -> None:
    """All bytes by http.client."""
    bare.request("PUT", PATH, body=pieces(), headers=FIELDS | {"Content-Length": str(SIZE)})
    bare.getresponse().read()


def pieces() -> Iterator[bytes]:
    """A body at hand."""
    piece = bytes(PIECE)
    for _ in range(SIZE // PIECE):
        yield piece


@contextmanager
def serving() -> Iterator[str]:
    """The host:port of a server in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.set_inheritable(True)
        number = str(server.fileno())
        child = subprocess.Popen([sys.executable, "-m", __name__, number], pass_fds=[server.fileno()])
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            child.kill()
            child.wait()


def serve(server: socket.socket) -> None:
    """Answer every connection on a thread of its own, until the process ends."""
    while True:
        threading.Thread(target=converse, args=(server.accept()[0],), daemon=True).start()


def converse(talk: socket.socket) -> None:
    """A head for a HEAD, all bytes for a GET, and whatever a PUT brings."""
    talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    rest, piece, taken = b"", bytes(MB), bytearray(MB)
    while True:
        while b"\r\n\r\n" not in rest:
            more = talk.recv(65_536)
            if not more:
                return
            rest += more
        said, _, rest = rest.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", said)
        left = int(length[1]) - len(rest) if length else 0
        while left > 0:
            left -= talk.recv_into(taken)
            rest = b""
        is_get = said.startswith(b"GET")
        talk.sendall(ANSWER.format(size=0 if said.startswith(b"PUT") else SIZE).encode())
        for _ in range(SIZE // MB if is_get else 0):
            talk.sendall(piece)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
