import os
import signal
import socket
import threading
from contextlib import suppress

import pytest

from ocitool.executor.agent import connect, serve, start_connector


@pytest.fixture
def connector():
    with start_connector() as made:
        yield made
    os.waitpid(-1, 0)


@pytest.fixture
def agent(tmp_path):
    """The path of an agent that gives back, in capitals, what it is sent."""
    path = str(tmp_path / "agent")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def answer():
            with suppress(OSError):  # the listener is shut
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        while piece := connection.recv(100):
                            connection.sendall(piece.upper())

        thread = threading.Thread(target=answer)
        thread.start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_a_connection_reaches_the_agent_and_comes_back(connector, agent, tmp_path):
    inside = str(tmp_path / "inside")
    child = serve(inside, agent, connector)
    try:
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(inside)
                client.sendall(b"sign")

                assert client.recv(100) == b"SIGN"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_an_agent_that_is_not_there_is_no_connection(connector, tmp_path):
    assert connect(connector, str(tmp_path / "none")) is None
