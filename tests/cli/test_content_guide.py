"""docs/guides/manifests-and-blobs.md: its commands run one after the other and print what it says."""

from ocitool.model.digest import Digest
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.cli.guides import consoles, follow
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward

CONFIG = b'{"created by": "hand"}'[:21]


def test_the_guide_from_its_beginning_to_its_end(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_bytes(CONFIG)
    with fake_registry() as registry, Opener(Access(), Scope()) as opener:
        name = f"{registry.host}/demo/app"
        held = Ward(opener.open(name, write=True)[0]).image(tag="1")["digest"]

        lines = consoles("manifests-and-blobs.md")
        assert 5 == len(lines)
        for line, printed in lines:
            follow(run, line, printed, name, meanings={"sha256:…": str(Digest.of(CONFIG))})

        assert (held, CONFIG) == (registry.tags["demo/app", "2"], (tmp_path / "copy.json").read_bytes())
