"""Examples in the documentation: every command and flag exists, every spec file is valid."""

import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from ocitool.check.engine import DOCUMENTED
from ocitool.cli.table import COMMANDS
from ocitool.project.schema import SCHEMA, SYNC_SCHEMA, problems

REPOSITORY = Path(__file__).parents[2]
PAGES = [path for path in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))) if path.exists()]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    (str(page.relative_to(REPOSITORY)), language, text)
    for page in PAGES
    for language, text in FENCE.findall(page.read_text())
]
COMMAND_LINES = sorted(
    {
        (page, line.strip())
        for page, language, text in BLOCKS
        if language in {"sh", "console", "bash"}
        for line in text.replace("\\\n", " ").splitlines()
        if line.strip().removeprefix("$ ").startswith("ocitool ")
    }
)
COMMANDS_IN_TABLES = sorted(
    {
        (str(page.relative_to(REPOSITORY)), line.replace(r"\|", "|"))
        for page in PAGES
        if "adr" not in page.parts
        for row in re.findall(r"^\|.*\|$", page.read_text(), re.MULTILINE)
        for line in re.findall(r"`(ocitool [^`…]+)`", row)
    }
)
OF_AN_INDEX = "docs/guides/indexes.md"  # its spec files have another schema
OF_A_PACKAGE = "# pyproject.toml\n"
OF_A_POLICY = "# policy.toml\n"  # tests/registry/test_trust_guide.py obeys it
SPECS = [
    (page, text)
    for page, language, text in BLOCKS
    if language == "toml"
    and page.startswith("docs/guides/")
    and page != OF_AN_INDEX
    and not text.startswith((OF_A_PACKAGE, OF_A_POLICY))
]


@pytest.mark.parametrize(("page", "line"), sorted({*COMMAND_LINES, *COMMANDS_IN_TABLES}))
def test_commands_and_flags_exist(page, line):
    words = shlex.split(line.removeprefix("$ "), comments=True)[1:]
    words = words[: next((at for at, word in enumerate(words) if word in {"|", "&&", ">", "||", ";"}), len(words))]
    if words[:1] == ["--version"]:
        return
    found = [one for one in COMMANDS if words[: len(one.path.split())] == one.path.split()]
    assert found, f"{page}: no command {' '.join(words[:2])}"
    command = import_module(f"ocitool.cli.cmd.{max(found, key=lambda one: len(one.path)).module}").command
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    if command.context_settings.get("ignore_unknown_options"):
        return  # another program's words

    assert [] == [
        word
        for word in words
        if word.startswith("-") and word != "-" and word.split("=")[0] not in known | {"--help"}
    ]


@pytest.mark.parametrize(("page", "text"), SPECS)
def test_spec_files_are_valid(page, text):
    tree = tomllib.loads(text)
    if "manifests" in tree or "index" in tree or ("image" in tree and isinstance(tree["image"], list)):
        pytest.skip("the spec of an index, not of a build")

    assert [] == list(problems(tree, SYNC_SCHEMA if "sync" in tree else SCHEMA))


def test_there_are_examples():
    assert len(COMMAND_LINES) > 10
    assert len(SPECS) > 3


RULE = re.compile(r"`((?:index|config|layer|binary|tag|registry|policy)/[a-z0-9-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_rules_that_pages_name_exist(page):
    known = {rule.id for rule in DOCUMENTED}

    assert set() == {name for name in RULE.findall(page.read_text()) if name not in known}


def test_the_page_for_broken_tags_leads_to_flags_that_exist():
    """In its tables, where no command line stands alone."""
    text = (REPOSITORY / "docs/guides/broken-tag.md").read_text()
    known = {
        flag
        for name in ("repair", "undo", "check")
        for parameter in import_module(f"ocitool.cli.cmd.{name}").command.params
        for flag in parameter.opts
    }

    assert set() == set(re.findall(r"--[a-z-]+", text)) - known
