"""docs/guides/merge.md: its commands run one after the other and print what it says."""

from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.cli.guides import consoles, follow
from tests.fakes.registry import fake_registry


def test_the_guide_from_its_beginning_to_its_end(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arch in ("amd64", "arm64"):
        (tmp_path / arch).write_text(arch)
    (tmp_path / "parts").mkdir()
    (tmp_path / "ocitool.toml").write_text('toolchain = "prebuilt"\nfiles = ["{arch}:/srv/"]\n')
    with fake_registry() as registry, Opener(Access(), Scope()) as opener:
        name = f"{registry.host}/demo/app"
        held = []
        lines = consoles("merge.md")
        assert ["build", "build", "merge", "merge"] == [line.split()[1] for line, _ in lines]
        for line, printed in lines:
            follow(run, line, printed, name, meanings={})
            held.append(dict(registry.tags))

        assert [{}, {}] == held[:2]
        assert held[2] == held[3]
        index = view(opener.open(f"{name}:v1")[0].get_manifest("v1"))
        assert ["linux/amd64", "linux/arm64"] == [str(one.platform) for one in index.entries]
