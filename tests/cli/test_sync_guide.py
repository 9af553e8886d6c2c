"""docs/guides/sync.md: its sync file is obeyed, and its commands print what it says."""

import re
import shlex

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.cli.guides import consoles
from tests.conftest import REPOSITORY
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward

HOST = "localhost:5000"


def test_the_guide_from_its_beginning_to_its_end(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    guide = (REPOSITORY / "docs" / "guides" / "sync.md").read_text()
    with fake_registry() as registry, Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(f"{registry.host}/demo/app", write=True)[0])
        for tag in ("1.0", "1.1", "1.2-rc1", "edge"):
            ward.index(ward.image(layers=[tag.encode()]), ward.image("linux/arm64", layers=[tag.encode()]), tag=tag)
        (file,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
        (tmp_path / "sync.toml").write_text(file.replace(HOST, registry.host))

        lines = consoles("sync.md")
        assert 4 == len(lines)
        for line, printed in lines:
            done = run(*shlex.split(line)[1:])

            assert 0 == done.exit_code, done.stderr
            expected = sorted(re.escape(one.replace(HOST, registry.host)) for one in printed)
            said = sorted(done.stdout.splitlines())
            assert len(expected) == len(said), done.stdout
            for pattern, text in zip(expected, said, strict=True):
                assert re.fullmatch(pattern.replace("…", "[0-9a-f]{64}"), text), text
