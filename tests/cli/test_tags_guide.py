"""docs/guides/tags.md: its commands run one after the other and print what it says."""

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.cli.guides import consoles, follow
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward


def test_the_guide_from_its_beginning_to_its_end(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with fake_registry() as registry, Opener(Access(), Scope()) as opener:
        name = f"{registry.host}/demo/app"
        ward = Ward(opener.open(name, write=True)[0])
        for number, tag in enumerate(("1.0", "1.1", "2.0", "edge")):
            ward.index(ward.image(layers=[f"{number}".encode()]), ward.image("linux/arm64"), tag=tag)
        held = dict(registry.tags)

        lines = consoles("tags.md")
        assert ["tags", "tags", "delete", "undo", "prune", "prune", "prune", "undo"] == [
            line.split()[1] for line, _ in lines
        ]
        for number, (line, printed) in enumerate(lines):
            follow(run, line, printed, name, meanings={})
            gone = {2: {"edge"}, 6: {"1.0"}}.get(number, set())
            assert {key: held[key] for key in held if key[1] not in gone} == registry.tags
