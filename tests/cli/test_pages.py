"""Pages of `--html`: docs/guides/pages.md as it is written, and files that cannot be written."""

import re

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.cli.guides import consoles, follow
from tests.conftest import REPOSITORY
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward

GUIDE = REPOSITORY / "docs" / "guides" / "pages.md"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Two indexes, of which the second has one platform less."""
    monkeypatch.chdir(tmp_path)
    with fake_registry() as registry, Opener(Access(), Scope()) as opener:
        name = f"{registry.host}/demo/app"
        ward = Ward(opener.open(name, write=True)[0])
        ward.index(ward.image(), ward.image("linux/arm64"), tag="1")
        ward.index(ward.image(), tag="2")
        yield name


def test_the_guide_from_its_beginning_to_its_end(run, repository, tmp_path):
    codes = {"diff": 1}
    for line, printed in consoles("pages.md"):
        _, command, *_, file = line.split()
        follow(run, line, printed, repository, meanings={}, exit_code=codes.get(command, 0))
        titles = {
            "inspect": f"{repository}:1",
            "check": f"Check of {repository}:1",
            "diff": f"{repository}:1 and {repository}:2",
        }

        assert f"<title>{titles[command]}</title>" in (tmp_path / file).read_text()
        assert "linux/arm64" in (tmp_path / file).read_text() or command == "check"


def test_its_pictures_are_there_and_small():
    pictures = [GUIDE.parent / name for name in re.findall(r"\]\(([^)]*\.png)\)", GUIDE.read_text())]

    assert 3 == len(pictures)
    assert all(0 < picture.stat().st_size < 150_000 for picture in pictures)


def test_a_check_with_findings_prints_them_and_has_a_page(run, repository, tmp_path):
    done = run("check", f"{repository}:1", "--expect", "linux/amd64", "--html", "check.html")

    assert (1, "wrote check.html") == (done.exit_code, done.stderr.splitlines()[-1])
    rule = re.search(r"\[(\S+)\]", done.stdout)[1]
    assert f'<h3 id="{rule}">{rule}</h3>' in (tmp_path / "check.html").read_text()


@pytest.mark.parametrize("words", [("inspect", ":1"), ("check", ":1"), ("diff", ":1", ":2")])
def test_a_page_that_cannot_be_written_is_an_error(run, repository, words):
    command, *tags = words
    done = run(command, *(f"{repository}{tag}" for tag in tags), "--html", "none/page.html")

    assert 10 == done.exit_code
    assert "none/page.html" in done.stderr


@pytest.mark.parametrize("name", ["-", ""])
def test_standard_output_is_no_place_for_a_page(run, repository, home, monkeypatch, name):
    monkeypatch.chdir(home)

    done = run("inspect", f"{repository}:1", "--html", name)

    assert (2, True) == (done.exit_code, "names no file" in done.stderr)
    assert not (home / "-").exists()
