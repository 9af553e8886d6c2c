"""`--help` of every command: examples that are right, names of variables, and a link that leads somewhere."""

import re
import shlex
from importlib import import_module

import click
import pytest

from ocitool.cli.help import EXAMPLES
from ocitool.cli.options import SharedFlag
from ocitool.cli.root import root
from ocitool.cli.shared_options import SHARED_OPTIONS
from ocitool.cli.table import COMMANDS
from tests.conftest import REPOSITORY

PATHS = [row.path for row in COMMANDS]
LINK = re.compile(r"^Read more: (\S+)$", re.MULTILINE)


def options(path):
    """The options of a command that are not every command's."""
    module = next(row.module for row in COMMANDS if row.path == path)
    command = import_module(f"ocitool.cli.cmd.{module}").command
    return [p for p in command.params if isinstance(p, click.Option) and not isinstance(p, SharedFlag)]


def anchors(page):
    """The headings of a page as Markdown's renderers link to them."""
    headings = re.findall(r"^#+ (.*)$", (REPOSITORY / page).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_has_an_example():
    assert set(PATHS) == set(EXAMPLES)


@pytest.mark.parametrize("path", PATHS)
def test_help_shows_examples_and_names_of_variables(run, path):
    done = run(*path.split(), "--help")
    words = " ".join(done.stdout.split())

    assert 0 == done.exit_code
    assert EXAMPLES[path] == tuple(line for line in EXAMPLES[path] if f"  {line}\n" in done.stdout)
    named = [p.envvar for p in options(path) if p.envvar and not p.hidden]
    assert [] == [name for name in named if f"{name}]" not in words]
    assert "--cache-dir" not in words  # told once, by `ocitool --help`


@pytest.mark.parametrize("path", PATHS)
def test_help_links_to_a_heading_that_is_there(run, path):
    (link,) = LINK.findall(run(*path.split(), "--help").stdout)
    page, _, anchor = link.partition("#")

    assert anchor in anchors(page)


@pytest.mark.parametrize(("path", "line"), [(path, line) for path in PATHS for line in EXAMPLES[path]])
def test_examples_are_read_as_the_command_that_they_are_of(home, monkeypatch, path, line):
    """Up to the command's own work: words, values and files are taken."""
    monkeypatch.chdir(home)
    words = shlex.split(line)[1:]
    for word in words:
        if re.fullmatch(r"[a-z]+\.(json|key|pub|txt|toml)", word.partition(":")[0]):
            (home / word.partition(":")[0]).write_text("x")
    ctx = click.Context(root(), info_name="ocitool")
    command, rest = root(), words
    while isinstance(command, click.Group):
        _, command, rest = command.resolve_command(ctx, rest)

    assert path.split() == words[: len(words) - len(rest)]
    command.make_context(path, list(rest))  # raises for what it does not take


def test_the_options_of_every_command_are_told_once(run):
    told = " ".join(run("--help").stdout.split())

    assert [] == [one.names for one in SHARED_OPTIONS if " ".join(one.summary.split()) not in told]
    assert [] == [one.variable for one in SHARED_OPTIONS if f"{one.variable}" not in told]


@pytest.mark.parametrize("words", [["index"], ["key", "--help"], ["--help"]])
def test_groups_lead_to_the_reference_too(run, words):
    done = run(*words)

    assert LINK.findall(done.stdout + done.stderr)
