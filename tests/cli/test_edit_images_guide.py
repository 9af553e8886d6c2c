"""docs/guides/edit-images.md: its commands run one after the other and print what it says; so does its Python."""

import re

from ocitool import Client
from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.store.verify import read_config
from ocitool.tasks import Scope
from tests.cli.guides import NAME, consoles, follow
from tests.conftest import REPOSITORY
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward

GUIDE = "edit-images.md"


def test_the_guide_from_its_beginning_to_its_end(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "motd").write_text("hello\n")
    with fake_registry() as registry, Opener(Access(), Scope()) as opener:
        name = f"{registry.host}/demo/app"
        ward = Ward(opener.open(name, write=True)[0])
        ward.index(ward.image("linux/arm64"), ward.image())

        lines = consoles(GUIDE)
        assert ["config", "config", "config", "config", "append", "undo"] == [line.split()[1] for line, _ in lines]
        held = []
        for line, printed in lines:
            follow(run, line, printed, name, meanings={})
            held.append(registry.tags["demo/app", "1"])
        assert held[0] == held[1]
        assert held[3] == held[5]
        assert 4 == len(set(held))

        [code] = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "guides" / GUIDE).read_text(), re.DOTALL)
        exec(code.replace(NAME, name), {"Client": Client})
        labels = [
            read_config(ward.store, view(ward.store.get_manifest(str(one.digest))).config).setting("Labels")
            for one in view(ward.store.get_manifest("1")).entries
        ]
        assert ["team" in one for one in labels] == [False, True]
