"""docs/guides/rebase.md: its commands run one after the other and print what it says; so does its Python."""

import json
import re
from dataclasses import replace

from ocitool import Client
from ocitool.image.base_note import DIGEST
from ocitool.image.base_note import NAME as BASE
from tests.cli.guides import NAME, consoles, follow
from tests.conftest import REPOSITORY

GUIDE = "rebase.md"


def test_the_guide_from_its_beginning_to_its_end(run, registry, ward, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").write_text("a=b")
    name = f"{registry.host}/demo/app"
    base = ward(f"{registry.host}/demo/base")
    app = ward(name)

    def release(author):
        entries = [
            base.image(one, config=lambda tree: tree.update(author=author))
            for one in ("linux/amd64", "linux/arm64")
        ]
        base.index(*entries)

    def squeezed(*words):
        done = run(*words)
        return replace(done, stdout=re.sub(" +", " ", done.stdout))

    release("old")
    said = {BASE: f"{registry.host}/demo/base:1", DIGEST: registry.tags["demo/base", "1"]}
    app.index(
        *(
            app.image(one, manifest=lambda tree: tree.update(annotations=said))
            for one in ("linux/amd64", "linux/arm64")
        )
    )
    held = [registry.tags["demo/app", "1"]]
    status, rebase, undo, lock, pinned = consoles(GUIDE)
    printed = [re.sub(" +", " ", line).replace(NAME.partition("/")[0], registry.host) for line in status[1]]
    follow(squeezed, status[0], printed, name, meanings={})
    release("new")
    for line, printed in (rebase, undo):
        follow(run, line, printed, name, meanings={})
        held.append(registry.tags["demo/app", "1"])
    newer = registry.tags["demo/base", "1"]
    host = {NAME.partition("/")[0]: registry.host}
    follow(run, lock[0], lock[1], name, meanings=host)
    release("newest")
    follow(run, pinned[0], [line.replace(*next(iter(host.items()))) for line in pinned[1]], name, meanings=host)
    release("new")
    [code] = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "guides" / GUIDE).read_text(), re.DOTALL)
    exec(code.replace(NAME, name), {"Client": Client})
    held.append(registry.tags["demo/app", "1"])

    assert held[0] == held[2] != held[1] == held[3]
    index = json.loads(registry.manifests["demo/app", registry.tags["demo/app", "2"]][1])
    pins = json.loads((tmp_path / "bases.json").read_text())["rules"]
    assert index["annotations"] == {BASE: f"{registry.host}/demo/base:1", DIGEST: newer}
    assert [f"docker-image://{registry.host}/demo/base:1@{newer}"] == [one["updates"]["identifier"] for one in pins]
