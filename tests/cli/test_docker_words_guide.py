"""docs/guides/docker-words.md: its commands run one after the other and print what it says."""

import re

import pytest

from tests.cli.guides import NAME, consoles, follow
from tests.conftest import REPOSITORY
from tests.fakes.registry import fake_registry

pytestmark = pytest.mark.slow  # the grammar of HCL is read


def test_the_guide_from_its_beginning_to_its_end(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (REPOSITORY / "docs/guides/docker-words.md").read_text()
    for name in ("Dockerfile", "client.Dockerfile"):
        (tmp_path / name).write_text(f"FROM scratch\nARG LEVEL\nLABEL of={name} level=$LEVEL\n")
    with fake_registry() as registry:
        repository = f"{registry.host}/demo/app"
        (definition,) = re.findall(r"```hcl\n(.*?)```", page, re.DOTALL)
        (tmp_path / "docker-bake.hcl").write_text(definition.replace(NAME, repository))
        lines = consoles("docker-words.md")

        assert {"bake", "imagetools"} == {line.split()[2] for line, _ in lines}
        for line, printed in lines:
            follow(run, line, printed, repository, meanings={})


def test_the_page_counts_the_functions():
    from ocitool.bake.functions import FUNCTIONS, LAZY

    page = (REPOSITORY / "docs/guides/docker-words.md").read_text()
    named, more = re.search(r"functions of HCL: (.*?) and (\d+) others", page).groups()
    names = set(re.findall(r"`(\w+)`", named))

    known = {*FUNCTIONS, *LAZY}

    assert names < known
    assert int(more) == len(known) - len(names)
