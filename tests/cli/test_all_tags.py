"""`ocitool check REPO --all-tags` at scale: requests, connections and memory, counted by the other side."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.amounts import amount
from tests.conftest import process_environment
from tests.fakes.faults import Fault
from tests.fakes.images import put_image
from tests.fakes.many import PLATFORMS, many
from tests.fakes.registry import fake_registry
from tests.peers.registries import distribution

PEAK_MIB = 200
CONNECTIONS = 16
SCRIPT = """
import sys
from pathlib import Path
from ocitool.cli import main
try:
    code = main(sys.argv[2:])
finally:
    # Not ru_maxrss: that begins with the memory of the process that started this one.
    (peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    Path(sys.argv[1]).write_text(peak.split()[1])
sys.exit(code)
"""


@dataclass(frozen=True)
class Checked:
    """What a run said, and the most memory it had."""

    exit_code: int
    data: dict
    stderr: str
    peak_mib: int


@pytest.fixture
def check(home):
    """`check(REPO)`: looks at all tags in a process of its own."""

    def call(*argv):
        words = [sys.executable, "-c", SCRIPT, home / "peak", "check", *argv, "--all-tags", "--json"]
        done = subprocess.run(
            words, env=process_environment(), cwd=home, capture_output=True, text=True, check=False, timeout=300
        )
        peak = int((home / "peak").read_text()) // 1024
        return Checked(done.returncode, json.loads(done.stdout)["data"], done.stderr, peak)

    return call


@pytest.fixture
def registry():
    with fake_registry(page=100) as running:
        yield running


def gets(registry):
    """How often each manifest and blob was read."""
    return Counter(one.path for one in registry.log if one.method == "GET" and "/tags/list" not in one.path)


def heads(registry, kind):
    return sum(one.method == "HEAD" and f"/{kind}/" in one.path for one in registry.log)


@pytest.mark.parametrize(("tags", "shared"), [(amount(300, 1000), True), (120, False)], ids=["shared", "distinct"])
def test_each_distinct_child_is_fetched_once(registry, check, tags, shared):
    repository = many(tags, shared=shared)
    repository.into(registry, "app")
    children = len(PLATFORMS) * (1 if shared else tags)

    done = check(f"{registry.host}/app")

    assert (0, [], tags) == (done.exit_code, done.data["findings"], done.data["tags"])
    read = gets(registry)
    assert {1} == set(read.values())
    assert tags + 2 * children == len(read)  # indexes, children, their configs
    assert (tags, 1) == (heads(registry, "manifests"), heads(registry, "blobs"))  # one layer is all there is (K227)
    assert len(read) + tags + 1 + -(-tags // 100) == len(registry.log)
    assert 1 < registry.most_connections <= CONNECTIONS
    assert done.peak_mib <= PEAK_MIB
    told = [f"{n * 100} of {tags} tags" for n in range(1, -(-tags // 100))]
    assert [
        f"{registry.host}/app: {line}" for line in (*told, f"looked at {tags} tags")
    ] == done.stderr.splitlines()


def test_a_dead_child_is_found_in_each_tag_and_looked_for_once(registry, check):
    """K034."""
    many(60, shared=True).into(registry, "app")
    dead = next(d for (_, d), (kind, _) in registry.manifests.items() if kind.endswith("manifest.v1+json"))
    del registry.manifests["app", dead]

    done = check(f"{registry.host}/app")

    assert 1 == done.exit_code
    assert Counter({"index/dangling": 60}) == Counter(one["rule"] for one in done.data["findings"])
    assert 1 == gets(registry)[f"/v2/app/manifests/{dead}"]


def test_a_tag_that_answers_503_is_told_and_the_others_are_looked_at(registry, run):
    """K034: it could not be looked at, which is exit code 5 and no finding."""
    many(40, shared=False).into(registry, "app")
    at_once = {"Retry-After": "0"}
    registry.faults.append(Fault(on="HEAD /v2/app/manifests/1.7", status=503, times=1000, headers=at_once))
    vanish = Fault(on="HEAD /v2/app/manifests/1.9", first=lambda: registry.tags.pop(("app", "1.9")))
    registry.faults.append(vanish)
    broken = json.loads(registry.manifests["app", registry.tags["app", "1.30"]][1])["manifests"][0]["digest"]
    del registry.manifests["app", broken]

    done = run("check", f"{registry.host}/app", "--all-tags", "--json")

    data = json.loads(done.stdout)["data"]
    assert 5 == done.exit_code
    assert ["index/dangling"] == [one["rule"] for one in data["findings"]]
    (unanswered,) = data["unanswered"]
    assert "1.7" in unanswered["message"]
    assert 0 == vanish.times


def test_a_registry_that_wants_less_is_asked_more_slowly(registry, run):
    """429 is no answer about a tag: every one is looked at in the end."""
    many(40, shared=False).into(registry, "app")
    registry.faults.append(Fault(on="* /v2/app/*", status=429, every=9, headers={"Retry-After": "0"}))

    done = run("check", f"{registry.host}/app", "--all-tags")

    assert (0, "nothing wrong in 40 tags\n") == (done.exit_code, done.stdout)


def test_interrupted_while_the_registry_is_silent(registry, home):
    """Ctrl-C ends it at once: no finding is printed, and nothing waits for the silent server."""
    many(40, shared=True).into(registry, "app")
    asked = threading.Event()
    registry.faults.append(Fault(on="HEAD /v2/app/manifests/1.7", stall=True, first=asked.set))
    process = subprocess.Popen(
        [sys.executable, "-m", "ocitool", "check", f"{registry.host}/app", "--all-tags"],
        env=process_environment(),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert asked.wait(60)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert (130, "", "error: interrupted\n") == (process.returncode, out, err)


@pytest.mark.parametrize("name", ["app:1.7", f"app@sha256:{'0' * 64}"])
def test_a_tag_beside_all_tags_is_refused(registry, run, name):
    done = run("check", f"{registry.host}/{name}", "--all-tags")

    assert 2 == done.exit_code
    assert name.partition("app")[2][1:] in done.stderr


def test_all_names_of_a_layout(run, home):
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(f"oci:{home}/layout", write=True)
        for tag in ("1", "2"):
            put_image(store, tag, "linux/amd64", note=tag, layers=[b"x"])

    assert "nothing wrong in 2 tags\n" == run("check", f"oci:{home}/layout", "--all-tags").stdout
    assert 2 == run("check", f"oci:{home}/layout:1", "--all-tags").exit_code


def test_pages_in_a_circle_end(registry, run):
    """K130."""
    many(3, shared=True).into(registry, "app")
    again = '</v2/app/tags/list>; rel="next"'
    registry.faults.append(Fault(on="GET /v2/app/tags/list*", edit={"Link": again}, times=1000))

    done = run("check", f"{registry.host}/app", "--all-tags")

    assert 5 == done.exit_code
    assert "circle" in done.stderr


@pytest.mark.interop
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "distinct"])
def test_many_tags_on_a_real_registry(check, tmp_path, shared):
    """Distinct images with configs of 30 MB in all do not fit into the memory for documents, and are asked for once."""
    tags = amount(250, 1000)
    repository = many(tags, shared=shared, history=60_000 // tags)
    repository.onto(tmp_path / "data", "app")
    children = len(PLATFORMS) * (1 if shared else tags)
    logged = {"log": {"level": "info", "accesslog": {"disabled": False}}}

    try:
        with distribution(peers.find("docker-registry"), tmp_path, more=logged) as running:
            done = check(f"{running.host}/app")
            log = running.log.read_text()
    except peers.Missing as missing:
        pytest.skip(str(missing))

    asked = Counter(re.findall(r'"((?:GET|HEAD) /v2/app/\S+) HTTP', log))
    read = {path: count for path, count in asked.items() if path.startswith("GET") and "/tags/list" not in path}
    assert (0, [], tags) == (done.exit_code, done.data["findings"], done.data["tags"])
    assert ({1}, tags + 2 * children) == (set(read.values()), len(read))
    assert tags == sum(count for path, count in asked.items() if path.startswith("HEAD /v2/app/manifests/"))
    assert 1 == sum(count for path, count in asked.items() if path.startswith("HEAD /v2/app/blobs/"))  # K227
    assert done.peak_mib <= PEAK_MIB
