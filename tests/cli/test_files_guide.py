"""docs/guides/files.md: its commands run one after the other and print what it says, and fetch no layer."""

from tests.cli.guides import consoles, follow
from tests.fakes.registry import fake_registry


def test_the_guide_from_its_beginning_to_its_end(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").write_text("#!/bin/sh\n")
    with fake_registry() as registry:
        lines = consoles("files.md")
        assert ["build", "files", "cat", "recompress"] == [line.split()[1] for line, _ in lines]
        for line, printed in lines:
            follow(run, line, printed, f"{registry.host}/demo/app", meanings={})
