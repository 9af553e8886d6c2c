"""The first SIGINT or SIGTERM ends any command within two seconds (K239).

What keeps a command busy is hostile input, a pipe that nobody writes into, a server that is silent; two tests put work
without an end where none is known any more. Each waits until the process is where it shall be, then counts the seconds
of its own clock: the bound is generous because other processes run beside it, and far below what the work would take.
"""

import gzip
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from functools import cache
from pathlib import Path

import pytest

from ocitool.model import compose, mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.files import is_temporary
from ocitool.model.mediatype import Family
from ocitool.model.views import Descriptor
from ocitool.registry.hosts import MIB
from ocitool.store.base import BytesSource
from ocitool.store.layout import LayoutStore
from tests.conftest import process_environment, untraced
from tests.fakes.faults import Fault
from tests.fakes.images import put_image, tar
from tests.fakes.registry import fake_registry

BOUND_S = 60
"""Two seconds on an idle machine, and what is waited at most; the work itself takes longer or has no end."""


BEGUN: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    """A test that fails ends what it began: a process that waits at a pipe waits for ever."""
    yield
    while BEGUN:
        process = BEGUN.pop()
        process.kill()
        process.communicate()


def begin(home: Path, *words: object, env: dict[str, str] | None = None) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-m", "ocitool", *map(str, words)],
        cwd=home,
        env=untraced(process_environment(env)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL if "cat" in words else subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    BEGUN.append(process)
    return process


def until(condition, what: str):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited a minute for {what}")


def waits_for_a_writer(process: subprocess.Popen) -> bool:
    threads = Path(f"/proc/{process.pid}/task").glob("*/wchan")
    return any("wait_for_partner" in one.read_text() for one in threads)


def computes(process: subprocess.Popen) -> bool:
    """Whether it has burnt more seconds than any start of the command line takes."""
    ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11]
    return int(ticks) / os.sysconf("SC_CLK_TCK") > 1


def left(home: Path) -> list[str]:
    """What half-made files are called, wherever they are."""
    return [
        os.path.join(top, name)
        for top, folders, files in os.walk(home)  # which minds no folder that is removed meanwhile
        for name in (*folders, *files)
        if is_temporary(name) or name.startswith((".probe-", ".config.json-"))
    ]


def assert_ends(process: subprocess.Popen, number: int, home: Path) -> None:
    process.send_signal(number)
    out, err = process.communicate(timeout=BOUND_S)

    assert (143 if number == signal.SIGTERM else 130) == process.returncode, err
    assert not out
    assert b"Traceback" not in err
    assert err.endswith(b"error: terminated\n" if number == signal.SIGTERM else b"error: interrupted\n")
    assert [] == left(home)


pytestmark = pytest.mark.slow

NUMBERS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@NUMBERS
@pytest.mark.parametrize(
    "words",
    [
        ["login", "localhost:1", "-u", "me", "--password-stdin", "--no-check"],  # docker's config.json
        ["copy", "oci:img:a", "oci:fifo:a"],  # a layout's lock
        ["build", "app", "-o", "oci:out:1", "--spec", "fifo/oci-layout"],
        ["check", "oci:img:a", "--config", "fifo/oci-layout"],
        ["inspect", "oci-archive:fifo/oci-layout"],
    ],
)
def test_while_a_pipe_is_opened_that_nobody_writes_into(home, number, words):
    """K239, K265: a blocking open. What refuses the pipe at once has not waited, which is as good."""
    put_image(LayoutStore(home / "img", create=True), "a", "linux/amd64", layers=[tar(x=b"x")])
    for folder, name in (("fifo", "oci-layout"), ("config", "config.json")):
        (home / folder).mkdir()
        os.mkfifo(home / folder / name)
    (home / "app").mkdir()
    process = begin(home, *words, env={"DOCKER_CONFIG": str(home / "config")})
    if "login" in words:
        process.stdin.write(b"password\n")
        process.stdin.flush()
    until(lambda: process.poll() is not None or waits_for_a_writer(process), "the pipe to be opened")
    if process.poll() is not None:
        assert process.returncode in {2, 3, 6, 10}, process.stderr.read()
        return

    assert_ends(process, number, home)


@NUMBERS
def test_while_a_prompt_waits(home, number):
    """K239: standard input that gives nothing."""
    process = begin(home, "build", "-", "-o", "oci:out:1")
    until(lambda: "pipe_read" in Path(f"/proc/{process.pid}/wchan").read_text(), "standard input to be read")

    assert_ends(process, number, home)


@NUMBERS
def test_while_a_registry_is_silent(home, number):
    """K239: in the first answer, and in the body of a blob that is on its way into an archive."""
    with fake_registry() as registry:
        registry.faults.append(Fault("GET /v2/app/manifests/*", stall=True, times=-1))
        process = begin(home, "copy", f"{registry.host}/app:1", "oci-archive:out.tar")
        until(lambda: registry.asked("GET", "/v2/app/manifests/*"), "the request")

        assert_ends(process, number, home)


@NUMBERS
@pytest.mark.parametrize(
    "words",
    [
        ["check", "--deep"],
        ["files"],
        ["cat"],
        ["export", "--limit", "100", "-o", "out.tar"],
        ["export", "--limit", "100", "-o", "out"],
    ],
    ids=" ".join,
)
def test_while_a_layer_is_read_that_is_huge(home, number, words):
    """K239: 40 MB that unpack to 40 GiB."""
    put_layer(LayoutStore(home / "img", create=True), huge_layer())
    process = begin(home, words[0], "oci:img:a", *words[1:], *(["big"] if words == ["cat"] else []))
    until(lambda: process.poll() is not None or computes(process), "the layer")

    assert_ends(process, number, home)
    assert not (home / "out.tar").exists()


@cache
def huge_layer() -> bytes:
    """One file of 40 GiB, packed."""
    name = tarfile.TarInfo("big")
    name.size = 40 * 1024**3
    return gzip.compress(name.tobuf(tarfile.PAX_FORMAT), mtime=0) + gzip.compress(bytes(MIB * 64), mtime=0) * 642


def put_layer(store, layer: bytes) -> None:
    """An image of one gzip layer, whose diff_id nobody has."""
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{0:064}"]}}
    )
    held = Descriptor.of(Document(config.encode(), Family.OCI.config))
    store.put_blob(held, BytesSource(config.encode()))
    named = Descriptor(mediatype.layer_type(Family.OCI, "gzip"), Digest.of(layer), len(layer))
    store.put_blob(named, BytesSource(layer))
    store.put_manifest(compose.manifest(Family.OCI, held, [named]), "a")


@NUMBERS
def test_while_nothing_looks_for_signals(home, number):
    """K239: a regular expression that goes back and forth lets no other thread run."""
    (home / "app").mkdir()
    (home / "app" / "go.mod").write_text("module x\n")
    script = (
        "import re, sys, ocitool.cli.cmd.tags as tags, ocitool.store.layout as layout\n"
        "layout.LayoutStore.tags = lambda self: iter([re.match('(a*)*b', 'a' * 40)])\n"
        "sys.argv = ['ocitool', 'tags', 'oci:img']\n"
        "from ocitool.__main__ import main; main()\n"
    )
    put_image(LayoutStore(home / "img", create=True), "a", "linux/amd64", layers=[tar(x=b"x")])
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=home,
        env=untraced(process_environment()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until(lambda: process.poll() is not None or computes(process), "the expression")

    assert_ends(process, number, home)


def test_threads_that_compute_end_and_clean_up(home):
    """K239: whatever they do, their temporary files go."""
    script = (
        "import sys, itertools, ocitool.store.verify as verify, ocitool.store.layout as layout\n"
        "def endless(stream, *_):\n"
        "    for piece in stream:\n"
        "        yield piece\n"
        "        sum(1 for _ in itertools.count())\n"
        "layout.verified = endless\n"
        "sys.argv = ['ocitool', 'copy', 'oci:img:a', 'oci:out:a']\n"
        "from ocitool.__main__ import main; main()\n"
    )
    put_image(LayoutStore(home / "img", create=True), "a", "linux/amd64", layers=[tar(x=b"x")])
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=home,
        env=untraced(process_environment()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until(lambda: process.poll() is not None or left(home), "a temporary file")

    assert_ends(process, signal.SIGTERM, home)


@NUMBERS
@pytest.mark.parametrize("width", ["1", "4"], ids=["main thread", "worker"])
def test_what_a_thread_holds_that_hears_nothing_is_removed(home, number, width):
    """K239: a call that neither returns nor can be interrupted, while a blob is half written."""
    script = (
        "import sys, ctypes, ocitool.store.verify as verify, ocitool.store.layout as layout\n"
        "def deaf(stream, *_):\n"
        "    for piece in stream:\n"
        "        yield piece\n"
        "        mutex = ctypes.create_string_buffer(64)\n"
        "        while True:\n"
        "            ctypes.CDLL(None).pthread_mutex_lock(mutex)\n"
        "layout.verified = deaf\n"
        f"sys.argv = ['ocitool', 'copy', 'oci:img:a', 'oci:out:a', '--jobs', '{width}']\n"
        "from ocitool.__main__ import main; main()\n"
    )
    put_image(LayoutStore(home / "img", create=True), "a", "linux/amd64", layers=[tar(x=b"x")])
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=home,
        env=untraced(process_environment()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until(lambda: process.poll() is not None or left(home), "a temporary file")
    process.send_signal(number)
    process.communicate(timeout=BOUND_S)

    assert (143 if number == signal.SIGTERM else 130) == process.returncode
    assert [] == left(home)


def test_two_at_once_are_one(home):
    """K239: `timeout` sends the signal to the process and to its group; cleaning up goes on all the same."""
    process = begin(home, "build", "-", "-o", "oci:out:1")
    until(lambda: "pipe_read" in Path(f"/proc/{process.pid}/wchan").read_text(), "standard input to be read")
    process.send_signal(signal.SIGTERM)

    assert_ends(process, signal.SIGTERM, home)


@NUMBERS
def test_from_our_first_line_on(home, number):
    """K239: while the command line is being loaded; before that Python itself answers."""
    process = begin(home, "doctor")
    status = Path(f"/proc/{process.pid}/status")
    until(
        lambda: int(status.read_text().partition("SigCgt:")[2].split()[0], 16) >> 14 & 1, "our handler of SIGTERM"
    )
    process.send_signal(number)
    _, err = process.communicate(timeout=60)

    assert (143 if number == signal.SIGTERM else 130) == process.returncode, err
    assert b"Traceback" not in err
