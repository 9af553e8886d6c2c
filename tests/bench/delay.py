"""A TCP proxy that makes a registry far away: every byte arrives later, nothing is read or changed.

Cheaper than an HTTP proxy, so that what is measured is the client and not the proxy.
"""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_REQUEST = re.compile(rb"(?:^|\r\n|\n)?(?:GET|HEAD|PUT|POST|PATCH|DELETE) /v2/\S* HTTP/1\.[01]\r\n")


class Delay:
    """A running proxy; `requests` counts HTTP requests that passed, `round_trip_s` is what it adds."""

    def __init__(self, upstream: str, round_trip_s: float) -> None:
        self.round_trip_s = round_trip_s
        self.requests = 0
        self.host = ""
        self._upstream = upstream

    async def serve(self, ready: threading.Event) -> None:
        """Listen until cancelled."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        async with server:
            await server.serve_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._upstream.split(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        with suppress(asyncio.CancelledError):
            await asyncio.gather(
                self._pass(reader, far_writer, count=True), self._pass(far_reader, writer, count=False)
            )

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: bool) -> None:
        loop = asyncio.get_running_loop()
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await line.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

        delivering = asyncio.ensure_future(deliver())
        with suppress(OSError):
            while data := await reader.read(256 * 1024):
                if count:
                    self.requests += len(_REQUEST.findall(data))
                line.put_nowait((loop.time() + self.round_trip_s / 2, data))
        line.put_nowait((loop.time() + self.round_trip_s / 2, b""))
        with suppress(OSError):
            await delivering


@contextmanager
def delayed(upstream: str, round_trip_s: float) -> Iterator[Delay]:
    """A delaying proxy to `upstream` (host:port) on a free port, in a thread of its own."""
    running = Delay(upstream, round_trip_s)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    task = loop.create_task(running.serve(ready))

    def work() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        pending = asyncio.all_tasks(loop)
        for one in pending:
            one.cancel()
        for one in pending:
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(one)
        loop.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
