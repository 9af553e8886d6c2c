"""docs/guides/compression.md: its commands run one after the other and print what it says, its table is complete."""

import re

from ocitool.codec.codecs import GRAMMAR
from tests.cli.guides import consoles, follow
from tests.conftest import REPOSITORY
from tests.fakes.registry import fake_registry

PAGE = (REPOSITORY / "docs" / "guides" / "compression.md").read_text()


def test_the_guide_from_its_beginning_to_its_end(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").write_text("app")
    with fake_registry() as registry:
        lines = consoles("compression.md")
        assert ["build", "copy", "build", "check", "recompress", "recompress"] == [
            line.split()[1] for line, _ in lines
        ]
        for line, printed in lines:
            follow(run, line, printed, f"{registry.host}/demo/app", meanings={})


def test_the_table_has_every_word_of_the_grammar():
    words = re.findall(r"^\| `([^`]*)` \|", PAGE, re.MULTILINE)

    assert {word.partition("[")[0] for word in GRAMMAR.split(", ")} == {word.partition("[")[0] for word in words}
