"""docs/guides/layers.md: its commands run one after the other and print what it says; so does its Python."""

import re

from ocitool import Client
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.cli.guides import NAME, consoles, follow
from tests.conftest import REPOSITORY
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward, member, tar

GUIDE = "layers.md"


def manifests(ward):
    return [view(ward.store.get_manifest(str(one.digest))) for one in view(ward.store.get_manifest("1")).entries]


def test_the_guide_from_its_beginning_to_its_end(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with fake_registry() as registry, Opener(Access(), Scope()) as opener:
        name = f"{registry.host}/demo/app"
        ward = Ward(opener.open(name, write=True)[0])
        layers = [tar(member("etc/app/netrc"), member("srv/a"), member("srv/a.pyc")), tar(member("srv/a", b"new"))]
        ward.index(ward.image("linux/arm64", layers=layers), ward.image(layers=layers))

        held = [registry.tags["demo/app", "1"]]
        lines = consoles(GUIDE)
        assert ["recompress", "squash", "strip", "config", "undo"] == [line.split()[1] for line, _ in lines]
        for line, printed in lines:
            follow(run, line, printed, name, meanings={})
            held.append(registry.tags["demo/app", "1"])
            if "strip" in line:
                stripped_configs = {one.config.digest for one in manifests(ward)}
        assert 4 == len(set(held[:4]))
        assert [held[3], held[2]] == held[4:]
        assert Digest.of((tmp_path / "config.json").read_bytes()) in stripped_configs

        [code] = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "guides" / GUIDE).read_text(), re.DOTALL)
        exec(code.replace(NAME, name), {"Client": Client})
        kinds = [[layer.media_type for layer in one.layers] for one in manifests(ward)]
        assert [[mediatype.OCI_LAYER_ZSTD], [mediatype.OCI_LAYER_GZIP]] == kinds
