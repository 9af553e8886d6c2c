import os

from ocitool.executor.removal import remove_tree


def test_a_tree_deeper_than_any_path_is_removed(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("a" * 50, dir_fd=here)
        below = os.open("a" * 50, os.O_RDONLY, dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.close(here)
        here = below
    os.close(here)

    remove_tree(str(top))

    assert not top.exists()


def test_links_lead_nowhere_and_closed_folders_are_opened(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("here")
    top = tmp_path / "top"
    (top / "closed" / "inner").mkdir(parents=True)
    (top / "link").symlink_to(kept)
    (top / "closed" / "link").symlink_to(kept)
    (top / ".gone-1").write_text("a name of ours")
    (top / "closed").chmod(0)

    remove_tree(str(top))

    assert not top.exists()
    assert (kept / "file").read_text() == "here"
