"""Links of a folder to be built from: read against the folder, as in an image."""

import pytest

from ocitool.errors import NotFound, UsageError
from ocitool.project.build_files import followed


@pytest.fixture
def root(tmp_path):
    found = tmp_path / "root"
    (found / "sub").mkdir(parents=True)
    (found / "file").write_text("inside")
    (tmp_path / "outside").write_text("outside")
    return found


@pytest.mark.parametrize("link", ["file", "/file", "../file", "sub/../file", "sub/up"])
def test_a_link_leads_to_what_is_there_in_the_folder(root, link):
    (root / "sub/up").symlink_to("../file")
    (root / "link").symlink_to(link)

    assert "inside" == followed(root / "link", root).read_text()


def test_a_path_that_the_system_finds_too_stays_as_it_is(root):
    (root / "link").symlink_to("file")

    assert root / "link" == followed(root / "link", root)
    assert root / "file" == followed(root / "file", root)


def test_a_path_elsewhere_has_its_own_folder_for_a_root(root, tmp_path):
    (tmp_path / "link").symlink_to("/outside")

    assert "outside" == followed(tmp_path / "link", root).read_text()


def test_what_only_the_system_finds_is_taken(root, tmp_path):
    (root / "link").symlink_to(tmp_path / "outside")

    assert "outside" == followed(root / "link", root).read_text()


def test_what_is_not_there_is_left_to_who_reads_it(root):
    assert root / "none" == followed(root / "none", root)
    assert root / ("n" * 5000) == followed(root / ("n" * 5000), root)


def test_a_link_to_nothing_is_told(root):
    (root / "link").symlink_to("/gone")

    with pytest.raises(NotFound, match="link is a link to /gone, which leads to nothing in"):
        followed(root / "link", root)


def test_a_circle_is_told(root):
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")

    with pytest.raises(UsageError, match="leads in a circle"):
        followed(root / "one", root)
