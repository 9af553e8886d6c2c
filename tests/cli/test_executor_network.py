"""What a command reaches: a network of its own by the programs of this machine, the host's, or none."""

import contextlib
import os
import socket
import tempfile
import threading
from pathlib import Path

import pytest

from ocitool.errors import Unsupported
from ocitool.executor.base import Network
from ocitool.executor.runtime import RuntimeExecutor
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.workspace import host_platform
from tests.fakes.executions import BUSYBOX, execution

pytestmark = pytest.mark.skipif(not BUSYBOX.exists(), reason="no busybox-static here")
LINKS = "cut -d: -f1 /proc/net/dev | grep -v '|' | grep -cv lo; true"


@pytest.fixture
def programs():
    """A folder for programs that every user may start."""
    with tempfile.TemporaryDirectory(prefix="ocitool-test-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def executor(tmp_path):
    """`executor(path)`: one that looks for programs in this PATH; `run(command, network)` of it."""
    with contextlib.ExitStack() as stack:

        def make(path):
            found = RuntimeExecutor(MachineStore(tmp_path / "store"), environ={"PATH": str(path)})
            stack.callback(found.close)
            try:
                found.check([host_platform()])
            except Unsupported as error:
                pytest.skip(str(error))

            def run(command, network):
                said = bytearray()
                changes = found.run(execution(command, network=network), scope=Scope(), output=said.extend)
                return changes.warnings, said.decode()

            return run

        yield make


@pytest.fixture
def asking():
    """A command that says "reached" where it reaches a server on the loopback of the host."""

    def answer():
        with contextlib.suppress(OSError):
            while True:
                server.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        yield f"nc -w 5 127.0.0.1 {server.getsockname()[1]} </dev/null 2>/dev/null && echo reached"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def put(folder, name, text):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_no_runtime_that_works_is_told_with_what_each_said(programs, tmp_path):
    for code, name in enumerate(("runc", "crun"), 4):
        put(programs, name, f"exit {code}")
    found = RuntimeExecutor(MachineStore(tmp_path / "store"), environ={"PATH": str(programs)})

    with contextlib.closing(found), pytest.raises(Unsupported, match="no OCI runtime works") as caught:
        found.check([host_platform()])

    assert "runc: it exited with 4; crun: it exited with 5" in caught.value.what


def test_without_a_way_out_the_network_of_the_machine_is_shared_and_told(executor, programs):
    put(programs, "slirp4netns", "echo no tun here; echo at all; exit 1")
    put(programs, "pasta", "exit 3")
    run = executor(programs)
    told = (
        "a command shares the network of this machine: it can have none of its own: "
        "slirp4netns: no tun here; at all; pasta: it did not start"
    )

    assert [(told,), (told,)] == [run("true", Network.DEFAULT)[0] for _ in range(2)]
    assert () == run("true", Network.NONE)[0]


def test_a_network_that_has_to_be_its_own_is_refused_without_a_way_out(executor, programs):
    put(programs, "slirp4netns", "exit 1")
    put(programs, "pasta", "echo no user namespaces >&2; exit 1")

    with pytest.raises(Unsupported, match="pasta: no user namespaces") as refused:
        executor(programs)("true", Network.ISOLATED)

    assert "--run-network=host" in refused.value.hint


def test_a_program_that_is_ready_is_enough(executor, programs):
    put(programs, "slirp4netns", "echo 1 >&3; sleep 2; exit 1")
    warnings, said = executor(f"{programs}:{os.environ['PATH']}")(f"cat /etc/resolv.conf; {LINKS}", Network.DEFAULT)

    assert () == warnings
    assert said.endswith("nameserver 10.0.2.3\n0\n")


def test_a_program_that_goes_to_the_background_is_ready(executor, programs):
    put(programs, "slirp4netns", "exit 1")
    put(programs, "pasta", "sleep 60 & exit 0")

    assert ((), "0\n") == executor(f"{programs}:{os.environ['PATH']}")(LINKS, Network.DEFAULT)


def test_the_network_of_the_machine_is_shared_where_that_is_asked_for(executor, asking):
    assert "reached\n" == executor(os.environ["PATH"])(asking, Network.HOST)[1]


@pytest.mark.parametrize("name", ["slirp4netns", "pasta"])
def test_a_network_of_its_own_has_a_link_and_not_the_loopback_of_the_host(executor, programs, asking, name):
    found = next((Path(folder, name) for folder in os.get_exec_path() if Path(folder, name).exists()), None)
    if found is None:
        pytest.skip(f"no {name} here")
    put(programs, "slirp4netns", "exit 1")
    put(programs, name, f'exec {found} "$@"')
    try:
        _, said = executor(programs)(f"{asking}; {LINKS}", Network.ISOLATED)
    except Unsupported as error:
        pytest.skip(str(error))

    assert "1\n" == said
