"""An attacker inside RUN, as a user without rights and as root: what is outside stays out of reach, and as it was."""

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.fakes.confined import NOBODY
from tests.fakes.unprivileged import mounts, processes
from tests.interop.run_attacks import ATTACKS
from tests.interop.run_world import TUN, World, private, world

pytestmark = pytest.mark.interop
SECRET = "planted-secret-7Zq"
OVERSHOOT = 1 << 30
"""Bytes that a command may have written or taken beyond its limit before it is ended."""
FROM_A_NETWORK_OF_ITS_OWN = ("a loopback server", "an abstract socket")
HELD_BY_THE_KERNEL = ("memory of a tmpfs",)
"""What is over a limit is an error of the command's own there."""
REFUSED = ("names of deletions", "folders beyond any path")
"""Built or refused, but never with a traceback."""


@pytest.fixture(scope="module")
def place(docker_registry) -> Iterator[World]:
    with world(docker_registry) as made:
        made.write("", key__txt=SECRET)
        yield made


@contextmanager
def surroundings(user) -> Iterator[dict[str, str]]:
    """What stands outside, in the words of the scripts; it must be as it was when the block is left."""
    planted = user.home / "planted-file"
    planted.write_text(SECRET)
    os.chown(planted, NOBODY, NOBODY)
    victim = subprocess.Popen(["sleep", "600"], user=NOBODY, group=NOBODY, extra_groups=[])
    name = f"ocitool-{os.getpid()}"
    with socket.socket() as server, socket.socket(socket.AF_UNIX) as abstract:
        server.bind(("127.0.0.1", 0))
        abstract.bind(f"\0{name}")
        for one in (server, abstract):
            one.listen()
            one.setblocking(False)
        try:
            yield {
                "PLANTED": str(planted),
                "HOME": str(user.home),
                "PID": str(victim.pid),
                "PORT": str(server.getsockname()[1]),
                "ABSTRACT": name,
            }
            assert victim.poll() is None
            assert SECRET == planted.read_text()
            for one in (server, abstract):
                with pytest.raises(BlockingIOError):
                    one.accept()
        finally:
            planted.unlink()
            victim.kill()
            victim.wait()


def fill(text: str, words: dict[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda found: words[found[1]], text)


def contained(place: World, name: str, *more: str, around: Sequence[str] = ()):
    """Build with an attack; the outcome, after everything was found to be as it was."""
    attack = ATTACKS[name]
    with surroundings(place.user) as words:
        place.write(fill(attack.text, words))
        outcome = place.build(*attack.words, *more, "--no-cache", around=around)
    assert "ESCAPED" not in re.sub(r"^.*RUN .*$", "", outcome.stdout + outcome.stderr, flags=re.MULTILINE)
    assert "Traceback" not in outcome.stderr
    assert [] == mounts(str(place.user.root))
    assert [] == processes(str(place.user.root))
    assert SECRET not in outcome.stdout + outcome.stderr
    return outcome


@pytest.mark.parametrize(
    "name",
    [name for name in ATTACKS if name not in FROM_A_NETWORK_OF_ITS_OWN],
)
def test_an_attack_is_contained(place, name):
    free = shutil.disk_usage(place.user.root).free
    lowest, over = [free], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            lowest.append(shutil.disk_usage(place.user.root).free)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        outcome = contained(place, name)
    finally:
        over.set()
        watcher.join()

    if name in REFUSED:
        assert outcome.exit_code in {0, 2, 3, 7, 9, 10}, outcome.stderr
    else:
        assert ATTACKS[name].code == outcome.exit_code, outcome.stderr
    assert [] == processes("31.4159265")
    if ATTACKS[name].code == 7 and ATTACKS[name].words and name not in HELD_BY_THE_KERNEL:
        assert "was ended: it " in outcome.stderr
    if "--run-disk" in ATTACKS[name].words:
        assert free - min(lowest) < OVERSHOOT


@pytest.mark.parametrize("name", FROM_A_NETWORK_OF_ITS_OWN)
@pytest.mark.parametrize("network", ["none", "isolated"])
def test_the_loopback_of_the_host_is_out_of_reach(place, name, network):
    outcome = contained(place, name, "--run-network", network, around=private(TUN))

    assert 0 == outcome.exit_code, outcome.stderr


def test_what_is_left_of_control_characters_and_endless_lines_is_little(place):
    place.write(ATTACKS["an output without end"].text)

    outcome = place.build("--no-cache")

    assert 7 == outcome.exit_code
    assert not set("\x1b\x07") & set(outcome.stderr)


def test_names_of_deletions_delete_nothing(place):
    """Refused, or left out: the folder that such a name would delete is there."""
    place.write(ATTACKS["names of deletions"].text)

    outcome = place.build("--no-cache", to="deletions")

    if outcome.exit_code == 0:
        tree = place.image("deletions").tree
        assert "etc/passwd" in tree
        assert "opt/data/one" in tree
    else:
        assert ".wh." in outcome.stderr


def test_a_terminated_build_leaves_nothing_running(place):
    place.write("FROM alpine\nRUN trap '' TERM INT HUP; echo begun; while :; do sleep 27.182818; done\n")
    process = subprocess.Popen(
        place.user.command("build", ".", "-o", f"oci:{place.user.home}/never:1"),
        cwd=place.user.app,
        env=place.user.variables(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not processes("sleep 27.182818") and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    assert process.poll() is None, process.stderr.read().decode()

    process.terminate()

    assert process.wait(30) in {130, 143}, process.stderr.read().decode()
    process.stderr.close()
    assert [] == processes("27.182818")
    assert not (place.user.home / "never" / "index.json").exists()


def test_secrets_are_nowhere_afterwards(place):
    place.write(
        "FROM alpine\nRUN --mount=type=secret,id=key cat /run/secrets/key | wc -c >/n\n"
        'RUN --mount=type=secret,id=key,env=KEY test -n "$KEY"\nRUN ls -A /run >/left 2>/dev/null; true\n'
    )

    outcome = place.build("--secret", "id=key,src=key.txt", "--no-cache", to="secret")

    assert 0 == outcome.exit_code, outcome.stderr
    assert f"{len(SECRET)}\n" == place.image("secret").text("n")
    found = subprocess.run(
        ["grep", "-rlaF", SECRET, place.user.home, place.user.root / "tmp"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "" == found.stdout
    assert "run/secrets" not in place.image("secret").tree


def test_the_context_is_as_it_was(place):
    place.write("FROM alpine\nRUN --mount=target=/c,rw echo x >/c/key.txt && rm /c/Dockerfile && touch /c/new\n")
    before = {path.name: path.read_bytes() for path in place.user.app.iterdir()}

    outcome = place.build("--no-cache")

    assert 0 == outcome.exit_code, outcome.stderr
    assert before == {path.name: path.read_bytes() for path in place.user.app.iterdir()}
