"""What may not stand in the repository: paths of one machine, registry hosts, stale generated pages."""

import importlib.util
import re
import subprocess

import pytest

from tests.structure.source import REPOSITORY

# Written in pieces, so that this file does not find itself.
MACHINE_PATHS = re.compile(
    "|".join(["/wo" + "rk/(wt|main|shared)", "/tmp" + "/w/", "/ro" + "ot/\\.", "/opt" + "/wheels"])
)
PACKAGE_HOSTS = re.compile(
    "|".join(["pypi" + r"\.org", "pythonhosted" + r"\.org", "proxy\\.gol" + "ang", "crates" + r"\.io", "npmjs" + r"\.org",
              "deb\\.deb" + "ian", "repo\\.mav" + "en"])
)  # fmt: skip


def tracked() -> dict[str, str]:
    """Every text file that git tracks or would, by its path."""
    try:
        out = subprocess.check_output(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"not a git checkout: {error}")
    found = {}
    for name in out.decode().split("\0"):
        path = REPOSITORY / name
        if name and path.is_file() and b"\0" not in (data := path.read_bytes()):
            found[name] = data.decode("utf-8", "replace")
    return found


MERGES = re.compile("^(<{7}|>{7})( |$)")


@pytest.mark.parametrize(
    "pattern", [MACHINE_PATHS, PACKAGE_HOSTS, MERGES], ids=["machine paths", "package hosts", "marks of a merge"]
)
@pytest.mark.slow
def test_what_no_file_may_hold(pattern):
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, text in tracked().items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]

    assert [] == found


def test_no_file_is_larger_than_a_megabyte():
    assert [] == [name for name, text in tracked().items() if len(text) > 1_000_000]


@pytest.mark.slow
def test_generated_pages_are_current():
    spec = importlib.util.spec_from_file_location("generate", REPOSITORY / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)

    # docs/cases.md has tests of its own, which a new test that cites a case does not break.
    assert [] == [name for name in generate.stale() if name != "docs/cases.md"], "run make docs"


def test_links_between_pages_lead_somewhere():
    broken = []
    for name, text in tracked().items():
        if name.endswith(".md"):
            for target in re.findall(r"\]\(([^)#\s]+)", text):
                if "://" not in target and not (REPOSITORY / name).parent.joinpath(target).exists():
                    broken.append(f"{name}: {target}")

    assert [] == broken


def test_pages_that_install_say_how_while_nothing_is_released():
    pages = {name: text for name, text in tracked().items() if name.endswith(".md") and name != "CHANGELOG.md"}
    install = re.compile(r"(?:pip|pipx|uv tool) install '?ocitool|['`]ocitool\[")

    assert [] == [name for name, text in pages.items() if install.search(text) and "checkout" not in text]


def test_what_make_is_told_to_do_has_a_rule():
    makefile = (REPOSITORY / "Makefile").read_text()
    rules = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    named = {word for text in tracked().values() for word in re.findall(r"`make ([a-z][a-z-]*)[^`\n]*`", text)}

    assert phony == rules
    assert set() == named - rules


def test_decision_records_are_numbered_once():
    numbers = [path.name[:4] for path in (REPOSITORY / "docs" / "adr").glob("0*.md")]

    assert sorted(set(numbers)) == sorted(numbers)


def test_decision_records_have_a_status_and_a_date():
    told = re.compile(r"^# \d{4} .+\n\nStatus: (accepted|replaced by \d{4}|dropped), \d{4}-\d\d-\d\d\.\n")
    records = (REPOSITORY / "docs" / "adr").glob("0*.md")

    assert [] == [path.name for path in records if not told.match(path.read_text())]


def test_every_page_stands_in_the_menu_of_the_site():
    menu = re.findall(r"([\w./-]+\.md)$", (REPOSITORY / "docs" / "mkdocs.yml").read_text(), re.MULTILINE)
    decisions = re.compile(r"docs/adr/\d+.*")
    pages = {name.removeprefix("docs/") for name in tracked() if re.fullmatch(r"docs/.*\.md", name)}

    assert {page for page in pages if not decisions.fullmatch(f"docs/{page}")} == set(menu) - {"adr/0*.md"}
    assert len(menu) == len(set(menu))
