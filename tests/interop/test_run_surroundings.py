"""RUN where the machine is otherwise: crun alone, ids of one's own, a network of one's own, ready for this command alone.

What is changed of this machine is changed in a mount namespace that ends with the command.
"""

import os

import pytest

from tests import peers
from tests.fakes.confined import NOBODY
from tests.interop.run_world import TUN, World, private, world

pytestmark = pytest.mark.interop
RANGE = f"{NOBODY}:3000000:65536\n"


@pytest.fixture(scope="module")
def place(docker_registry):
    with world(docker_registry) as made:
        yield made


@pytest.fixture
def ranged(tmp_path):
    """Words that start a command where its user has subordinate ids."""
    peers.find("newuidmap")
    (tmp_path / "ids").write_text(RANGE)
    return private("; ".join(f"mount --bind {tmp_path}/ids /etc/{name}" for name in ("subuid", "subgid")))


@pytest.fixture
def alone(place):
    """Words that start a command where crun is the only runtime."""
    peers.find("crun")
    nothing = place.user.root / "nothing"
    nothing.touch(mode=0o644)
    return private(f"mount --bind {nothing} {os.path.realpath(peers.find('runc'))}")


def test_crun_alone_carries_out_as_well(place: World, alone):
    place.write(
        "FROM alpine\nRUN --mount=type=secret,id=key wc -c </run/secrets/key >/n && rm /opt/data/one\n"
        "RUN mount -t tmpfs x /tmp 2>/dev/null && echo ESCAPED; unshare -r true 2>/dev/null && echo ESCAPED; true\n"
        "RUN grep -E '^(NoNewPrivs|Seccomp:|CapBnd)' /proc/self/status >/status\n",
        key__txt="secret",
    )

    told = place.user("doctor", around=alone)
    crun = place.build("--no-cache", "--secret", "id=key,src=key.txt", around=alone, to="crun")
    runc = place.build("--no-cache", "--secret", "id=key,src=key.txt", to="runc")

    assert "crun" in told.stdout
    assert (0, 0) == (crun.exit_code, runc.exit_code), crun.stderr + runc.stderr
    assert "ESCAPED\n" not in crun.stderr
    assert "6\n" == place.image("crun").text("n")
    assert "opt/data/one" not in place.image("crun").tree
    assert place.image("runc").text("status") == place.image("crun").text("status")


def test_a_command_that_fails_under_crun_is_told(place: World, alone):
    def failure(text: str) -> str:
        place.write(text)
        outcome = place.build("--no-cache", around=alone)
        assert 7 == outcome.exit_code, outcome.stderr
        return outcome.stderr

    assert "exited with 5" in failure("FROM alpine\nRUN exit 5\n")
    assert "cannot be started" in failure('FROM alpine\nRUN ["/nothing"]\n')


def test_owners_are_kept_by_ids_of_ones_own(place: World, ranged):
    place.write(
        "FROM alpine\nRUN chown 5:6 /opt/data/one && chmod 4750 /opt/data/one\n"
        "USER www\nRUN id -u >/tmp/id; echo x >/home/www/mine\nUSER root\nRUN stat -c %u:%g /home/www/mine /opt/data/one >/seen\n"
    )

    outcome = place.build("--no-cache", around=ranged, to="owners")

    assert 0 == outcome.exit_code, outcome.stderr
    assert "owners" not in outcome.stderr
    image = place.image("owners")
    assert "82\n" == image.text("tmp/id")
    assert "82:83\n5:6\n" == image.text("seen")
    one, mine = image.tree["opt/data/one"], image.tree["home/www/mine"]
    assert (5, 6, 0o4750) == (one.uid, one.gid, one.mode)
    assert (82, 83) == (mine.uid, mine.gid)


def test_prune_removes_files_of_ids_of_ones_own(place: World, ranged):
    store = place.user.home / "ranged"
    place.write(
        "FROM alpine\nRUN mkdir -m 700 /closed && touch /closed/f && chown -R 5:6 /closed && chmod 0 /closed\n"
    )
    built = place.build("--cache-dir", store, around=ranged)
    foreign = [path for path in store.rglob("*") if path.lstat().st_uid not in {0, NOBODY}]

    pruned = place.user("cache", "prune", "--all", "--cache-dir", store, around=ranged)

    assert (0, 0) == (built.exit_code, pruned.exit_code), built.stderr + pruned.stderr
    assert foreign
    assert not [path for path in store.rglob("*") if path.lstat().st_uid not in {0, NOBODY}]
    assert not (store / "unpacked").exists()


@pytest.mark.parametrize("tool", ["slirp4netns", "pasta"])
def test_a_network_of_ones_own_has_a_way_out(place: World, tool):
    peers.find(tool)
    nothing = place.user.root / "nothing"
    nothing.touch(mode=0o644)
    other = peers.find("slirp4netns") if tool == "pasta" else nothing
    place.write("FROM alpine\nRUN ip route | grep -c default >/routes; cat /etc/resolv.conf >/seen\n")
    around = private(f"{TUN}; mount --bind {nothing} {other}")

    outcome = place.build("--no-cache", "--run-network", "isolated", around=around, to=tool)

    assert 0 == outcome.exit_code, outcome.stderr
    assert "shares the network" not in outcome.stderr
    assert "1\n" == place.image(tool).text("routes")
    assert "nameserver" in place.image(tool).text("seen")


def test_where_ids_cannot_be_mapped_one_user_stands_for_all(place: World, ranged):
    for name in ("newuidmap", "newgidmap"):
        (place.user.root / "bin" / name).write_text("#!/bin/sh\nexit 1\n")
        (place.user.root / "bin" / name).chmod(0o755)
    place.write("FROM alpine\nRUN id -u >/id && chown 5:6 /opt/data/one 2>/dev/null; true\n")

    outcome = place.build("--no-cache", around=ranged, to="single")
    for name in ("newuidmap", "newgidmap"):
        (place.user.root / "bin" / name).unlink()

    assert 0 == outcome.exit_code, outcome.stderr
    assert "owners of files are lost, one user stands for all: newuidmap failed" in outcome.stderr
    assert "0\n" == place.image("single").text("id")
