import os
import signal
import socket
import threading
from contextlib import suppress

import pytest

from ocitool.executor.agent import _connector, _pass_on, connect, serve, start_connector


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


def _until_error(work, *words):
    with suppress(OSError):
        work(*words)


@pytest.fixture
def inside(agent, tmp_path):
    """A socket that leads to the agent, as inside; what both processes do is done by threads."""
    path = str(tmp_path / "inside")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        connecting = threading.Thread(target=_until_error, args=(_connector, theirs))
        passing = threading.Thread(target=_until_error, args=(_pass_on, listener, agent, ours))
        connecting.start()
        passing.start()
        yield path
        ours.send(b"no descriptor")  # which ends the one
        listener.shutdown(socket.SHUT_RDWR)  # which ends the other
        connecting.join(10)
        passing.join(10)
    assert not connecting.is_alive()
    assert not passing.is_alive()


@pytest.fixture
def client():
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(10)
        yield made


def test_the_end_of_one_side_is_the_end_of_the_other(inside, client):
    client.connect(inside)
    client.sendall(b"one")

    assert b"ONE" == client.recv(100)
    client.shutdown(socket.SHUT_WR)
    assert b"" == client.recv(100)


def test_where_the_agent_has_gone_a_connection_ends_at_once(inside, agent, client):
    os.unlink(agent)

    client.connect(inside)

    assert b"" == client.recv(100)
