"""docs/guides/referrers.md: its commands run one after the other and print what it says."""

import re
import shlex

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.conftest import REPOSITORY
from tests.fakes.sick import Ward

GUIDE = (REPOSITORY / "docs" / "guides" / "referrers.md").read_text()
CONSOLES = [
    (block.partition("\n")[0].removeprefix("$ "), block.partition("\n")[2].splitlines())
    for block in re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
]
(TAKEN,) = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
NAME = "localhost:5000/demo/app"

pytestmark = pytest.mark.registry


def test_the_guide_from_its_beginning_to_its_end(docker_registry, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.txt").write_text("all is well\n")
    name = docker_registry.repository()
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(name, write=True)[0])
        ward.index(ward.image("linux/arm64"), ward.image())
        assert 0 == run("key", "generate", "--unencrypted", "--type", "ed25519").exit_code

        assert ["attach", "referrers", "index"] == [shlex.split(line)[1] for line, _ in CONSOLES]
        for number, (line, printed) in enumerate(CONSOLES):
            done = run(*shlex.split(line.replace(NAME, name))[1:])

            assert 0 == done.exit_code, done.stderr
            pattern = re.escape("\n".join(printed).replace(NAME, name)).replace("…", "[0-9a-f]{64}")
            assert re.fullmatch(pattern, done.stdout.strip())
            if number == 1:
                [entry] = ward.store.referrers(ward.store.head("1").digest)
                for words in map(shlex.split, TAKEN.replace(NAME, name).splitlines()):
                    taken = run(*(str(entry.digest) if word.startswith("sha256:") else word for word in words[1:]))
                    assert 0 == taken.exit_code, taken.stderr
                assert [entry.digest] == [one.digest for one in ward.store.referrers(ward.store.head("1").digest)]
        assert 0 == run("verify", f"{name}:1", "--key", "cosign.pub").exit_code
