"""docs/tutorial.md: its commands run one after the other, and do what it says of them."""

import shlex
import shutil

import pytest

from tests.cli.guides import scripts
from tests.conftest import REPOSITORY
from tests.peers.registries import held

pytestmark = [pytest.mark.registry]
NAME = "localhost:5000/demo/hello"


def test_the_tutorial_from_its_beginning_to_its_end(run, home, docker_registry, monkeypatch):
    name, three = docker_registry.repository("hello"), ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    shutil.copytree(REPOSITORY / "testdata/src-go/hello", home / "testdata/src-go/hello")
    monkeypatch.chdir(home)

    def done(line):
        words = shlex.split(line.replace(NAME, name))
        outcome = run(*words[1:])
        assert ("ocitool", 0) == (words[0], outcome.exit_code), outcome.stderr
        return outcome

    _, look, push, change = (block.replace("\\\n", " ").splitlines() for block in scripts("tutorial.md"))
    shown = [done(line) for line in look][-1].stdout
    pushed, again = (done(push[0]) for _ in range(2))
    published = held(f"{name}:1")
    fixed, planned = (done(line) for line in change[:2])
    before = held(f"{name}:1")
    done(change[2])
    after = held(f"{name}:1")
    done(f"ocitool undo {NAME}:1")

    assert three == [line.split()[0] for line in shown.splitlines() if line.startswith("linux/")]
    assert f"{name}:1@{published[0]}\n" == pushed.stdout == again.stdout
    assert "3 platforms, 0 B sent, " in again.stderr, "nothing is compiled, packed or sent"
    assert (three, published) == (published[1], before), "a dry run writes nothing"
    assert fixed.stdout.strip().rpartition("@")[2][:19] in planned.stdout
    assert (three, published) == (sorted(after[1], key=three.index), held(f"{name}:1"))
    assert after[0] != before[0]
