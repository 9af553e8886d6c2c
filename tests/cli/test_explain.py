"""`ocitool explain`, and the links from errors and findings to it."""

import json
import re
import shlex
from importlib import import_module

import pytest

from ocitool import errors
from ocitool.check.engine import DOCUMENTED, reference
from ocitool.cli.exit_codes import EXIT_CODES
from ocitool.cli.explanations import explain, explained
from ocitool.cli.table import COMMANDS
from ocitool.dockerfile.lint.engine import RULES as CHECKS
from ocitool.findings import Severity, sarif_rule
from ocitool.model.digest import Digest
from ocitool.store.layout import LayoutStore
from tests.conftest import REPOSITORY
from tests.fakes.images import put_image, tar

NAMES = [one.name for one in explained()]


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", (REPOSITORY / page).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_everything_is_explained_once():
    assert len(NAMES) == len({name.lower() for name in NAMES})
    assert {rule.id for rule in DOCUMENTED} | {rule.name for rule in CHECKS} <= set(NAMES)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and "exit_code" in vars(kind)]
    assert {kind.exit_code for kind in kinds} | {0, 130, 143} == {one.code for one in EXIT_CODES}


def test_every_rule_says_what_to_do():
    """What repair mends says so itself; the others have advice of their own."""
    assert [] == [rule.id for rule in DOCUMENTED if not (rule.advice or rule.fixable)]


@pytest.mark.parametrize("name", NAMES)
def test_an_explanation_has_all_its_parts_and_links_to_a_heading_that_is_there(name):
    one = explain(name)
    page, _, anchor = one.page.partition("#")

    assert all((one.title, one.reason, one.advice, one.example))
    assert anchor in anchors(page)


def command_lines():
    for one in explained():
        for line in [*re.findall(r"`(ocitool [^`]*)`", one.advice), one.example]:
            if line.startswith("ocitool ") and "…" not in line:
                yield one.name, line


@pytest.mark.parametrize(("name", "line"), list(command_lines()))
def test_advice_names_commands_and_flags_that_are_there(name, line):
    words = shlex.split(line)[1:]
    row = max(
        (row for row in COMMANDS if words[: len(row.path.split())] == row.path.split()), key=lambda r: len(r.path)
    )
    command = import_module(f"ocitool.cli.cmd.{row.module}").command
    known = {flag for parameter in command.params for flag in parameter.opts}

    assert set() == {word for word in words if word.startswith("--")} - known - {"--help"}


def test_a_rule_is_told_with_what_to_do(run):
    done = run("explain", "INDEX/wrong-platform")

    assert 0 == done.exit_code
    assert done.stdout.startswith("index/wrong-platform: An entry names another platform")
    assert "What to do: `ocitool repair REF`" in done.stdout
    assert f"See {reference('index/wrong-platform')}\n" == done.stdout.splitlines(keepends=True)[-1]


def test_a_check_of_a_dockerfile_is_told_with_what_is_better(run):
    told = run("explain", "AutomaticArgDefault").stdout

    assert "Example:\n  FROM scratch\n  ARG TARGETARCH=amd64" in told
    assert "Better:\n  FROM scratch\n  ARG TARGETARCH\n" in told


def test_a_slip_of_the_pen_is_met(run):
    done = run("explain", "indx/empty")

    assert (3, True) == (done.exit_code, "hint: did you mean index/empty?" in done.stderr)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("99", "exit codes are 0, 1, 2"),
        ("index", "it has the rules index/"),
        ("layer/*", "it has the rules layer/"),
        ("a\nb", "without a name lists"),
    ],
)
def test_a_word_that_is_no_name_is_told_which_there_are(run, word, hint):
    done = run("explain", word)

    assert 3 == done.exit_code
    assert repr(word) in done.stderr
    assert hint in done.stderr.splitlines()[1]


def test_without_a_name_everything_is_listed(run):
    done = run("explain", "--json")

    assert NAMES == [one["name"] for one in json.loads(done.stdout)["data"]["explanations"]]


def test_an_error_leads_to_its_page(run, home):
    done = run("inspect", f"oci:{home}/nothing")
    page = "docs/reference/exit-codes.md#3-not-found"

    assert f"see: ocitool explain 3, or {page}" == done.stderr.splitlines()[-1]
    tree = json.loads(run("inspect", f"oci:{home}/nothing", "--json").stdout)
    assert page == tree["errors"][0]["page"]


@pytest.mark.parametrize("words", [["inspect"], ["inspct", "x"], ["tags", "--nothing"]])
def test_a_wrong_command_line_leads_there_too(run, words):
    assert "see: ocitool explain 2, or docs/reference/exit-codes.md#2-a-wrong-command-line" in run(*words).stderr


def test_with_quiet_only_the_error_is_told(run, home):
    assert "see:" not in run("inspect", f"oci:{home}/nothing", "--quiet").stderr


def test_a_finding_leads_to_its_explanation(run, home):
    store = LayoutStore(home / "img", create=True)
    layer = tar(a=b"one")
    put_image(store, "a", "linux/amd64", layers=[layer])
    (home / "img/blobs/sha256" / Digest.of(layer).hex).unlink()
    done = run("check", f"oci:{home}/img:a")

    assert "see: ocitool explain layer/missing, or docs/reference/rules.md#layermissing" in done.stderr


def test_a_note_is_not_explained_unasked(run, home):
    put_image(LayoutStore(home / "img", create=True), "a", "linux/amd64", layers=[])

    assert "" == run("check", f"oci:{home}/img:a").stderr


def test_a_sarif_rule_has_a_link_only_where_it_is_absolute():
    """SARIF 2.1.0, 3.49.12: helpUri is an absolute URI."""
    words = ("a/b", "title", "reason", "more", Severity.NOTE)

    assert "https://docs.example/x" == sarif_rule(*words, link="https://docs.example/x")["helpUri"]
    relative = sarif_rule(*words, link="docs/x")
    assert "helpUri" not in relative
    assert relative["help"]["text"].endswith("See docs/x")
