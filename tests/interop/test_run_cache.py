"""What RUN made is found again: in this machine's store, and where another machine put it."""

import os
import re
import subprocess

import pytest

from tests import peers
from tests.fakes.confined import NOBODY
from tests.fakes.unprivileged import processes
from tests.interop.run_world import World, world

pytestmark = pytest.mark.interop
WHEN = "RUN cat /proc/uptime /proc/sys/kernel/random/uuid >/when\n"
SECRET = "planted-secret-9Kx"


@pytest.fixture(scope="module")
def place(docker_registry):
    with world(docker_registry) as made:
        runtime = made.user.root / "bin/runc"
        runtime.write_text(f'#!/bin/sh\necho run >>{made.user.home}/started\nexec {peers.find("runc")} "$@"\n')
        runtime.chmod(0o755)
        yield made


def built(place: World, text: str, *words: object, **how) -> str:
    """What the first line wrote: the same text if it was not run again."""
    place.write(text)
    outcome = place.build(*words, **how)
    assert 0 == outcome.exit_code, outcome.stderr
    return place.image().text("when")


def started(place: World) -> int:
    """How often a runtime was started since this was asked last."""
    log = place.user.home / "started"
    count = len(log.read_text().splitlines()) if log.exists() else 0
    log.unlink(missing_ok=True)
    return count


def test_a_line_is_run_once(place):
    text = "FROM alpine\nARG A=1\n" + WHEN + "RUN echo $A >/a\n"

    first = built(place, text)

    assert first == built(place, text)
    assert first != built(place, text, "--no-cache")


def test_an_argument_misses_and_a_secret_does_not(place):
    text = "FROM alpine\nARG A\nRUN --mount=type=secret,id=key wc -c </run/secrets/key >/n; cat /proc/uptime /proc/sys/kernel/random/uuid >/when\n"
    key = place.user.home / "key"

    def with_secret(secret: str, argument: str) -> str:
        key.write_text(secret)
        os.chown(key, NOBODY, NOBODY)
        return built(place, text, "--secret", f"id=key,src={key}", "--build-arg", f"A={argument}")

    first = with_secret("one", "1")

    assert first == with_secret("two secrets", "1")
    assert first != with_secret("one", "2")


def test_what_is_mounted_is_read_and_so_misses(place):
    text = (
        "FROM alpine\nRUN --mount=target=/f,source=f.txt cat /f /proc/uptime /proc/sys/kernel/random/uuid >/when\n"
    )
    place.write(text, f__txt="one\n", other__txt="1")
    first = built(place, text)
    place.write(text, other__txt="2")
    again = built(place, text)
    place.write(text, f__txt="two\n")
    changed = built(place, text)

    assert first == again
    assert first != changed


def test_a_line_above_misses_what_is_below(place):
    first = built(place, "FROM alpine\nENV A=1\n" + WHEN)

    assert first != built(place, "FROM alpine\nENV A=2\n" + WHEN)
    assert first != built(place, "FROM alpine\nENV A=1\nUSER 5\nWORKDIR /tmp\nUSER 0\n" + WHEN)
    assert first == built(place, "FROM alpine\nENV A=1\nLABEL l=m\n" + WHEN)


def test_a_stage_alone_is_run_again(place):
    text = (
        "FROM alpine AS a\n"
        + WHEN
        + "FROM alpine\nCOPY --from=a /when /\nRUN cat /proc/uptime /proc/sys/kernel/random/uuid >/second\n"
    )
    first = built(place, text)
    second = place.image().text("second")

    assert first != built(place, text, "--no-cache-filter", "a")
    first = place.image().text("when")
    second = place.image().text("second")
    assert first == built(place, text)
    assert second == place.image().text("second")


def test_a_built_image_starts_no_runtime(place):
    text = "FROM alpine\nRUN true\n" + WHEN
    started(place)

    first = built(place, text, "--no-cache")
    ran = started(place)
    again = built(place, text)

    assert first == again
    assert ran >= 2
    assert 0 == started(place)


@pytest.mark.parametrize("kind", ["local", "registry"])
def test_another_store_begins_where_this_one_ended(place, kind):
    text = (
        "FROM alpine\nRUN --mount=type=secret,id=key cat /run/secrets/key | wc -c >/n\n"
        + WHEN
        + "RUN echo $(cat /n) >/m\n"
    )
    key, there = place.user.home / "key", place.user.home / f"cache-{kind}"
    key.write_text(SECRET)
    os.chown(key, NOBODY, NOBODY)
    target = (
        f"type=local,{{}}={there}" if kind == "local" else f"type=registry,ref={place.registry.host}/cache/it:1"
    )
    secret = ["--secret", f"id=key,src={key}"]
    stores = [place.user.home / f"store-{kind}-{number}" for number in (1, 2)]

    first = built(place, text, *secret, "--cache-to", target.format("dest"), "--cache-dir", stores[0])
    started(place)
    other = built(place, text, *secret, "--cache-from", target.format("src"), "--cache-dir", stores[1])

    assert first == other
    assert started(place) <= 1  # whether one works, which a new store does not know
    where = [there] if kind == "local" else [place.registry.root]
    found = subprocess.run(["grep", "-rlaF", SECRET, *where, *stores], capture_output=True, text=True, check=False)
    assert "" == found.stdout


def test_an_entry_that_was_changed_is_refused(place):
    text = "FROM alpine\n" + WHEN
    there = place.user.home / "cache-bad"
    first = built(place, text, "--cache-to", f"type=local,dest={there}", "--no-cache")
    for path in there.rglob("*"):
        if path.is_file() and re.fullmatch(r"[0-9a-f]{64}", path.name) and path.stat().st_size:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)

    place.write(text)
    outcome = place.build("--cache-from", f"type=local,src={there}", "--cache-dir", place.user.home / "empty")

    assert outcome.exit_code in {0, 3, 4, 5}, outcome.stderr
    assert "Traceback" not in outcome.stderr
    if outcome.exit_code == 0:
        assert first != place.image().text("when")
        assert "is refused" in outcome.stderr


def test_cache_mounts_are_apart(place):
    """By id and by platform, and shared by the builds of one folder."""
    text = "FROM alpine\nRUN --mount=type=cache,id={},target=/k echo x >>/k/f; cat /k/f /proc/sys/kernel/random/uuid | grep -c x >/when\n"

    assert "1\n" == built(place, text.format("one"), "--no-cache")
    assert "2\n" == built(place, text.format("one"), "--no-cache")
    assert "1\n" == built(place, text.format("two"), "--no-cache")


def test_prune_removes_all_and_spares_a_running_build(place):
    store = place.user.home / "pruned"
    place.write(
        "FROM alpine\nRUN chown -R 5:6 /opt; mkdir -m 0 /closed; touch /closed/f\nRUN sleep 3.1415; cat /opt/data/one >/when\n"
    )
    process = subprocess.Popen(
        place.user.command("build", ".", "-o", f"oci:{place.user.home}/beside:1", "--cache-dir", store),
        cwd=place.user.app,
        env=place.user.variables(),
        stderr=subprocess.PIPE,
    )
    while not processes("sleep 3.1415") and process.poll() is None:
        pass
    during = place.user("cache", "prune", "--all", "--cache-dir", store)
    _, said = process.communicate()
    after = place.user("cache", "prune", "--all", "--cache-dir", store)

    assert 0 == process.returncode, said.decode()
    assert (0, 0) == (during.exit_code, after.exit_code), during.stderr + after.stderr
    assert "one\n" == place.image("beside").text("when")
    left = sum(path.lstat().st_size for path in store.rglob("*") if path.is_file())
    assert left < 100_000
