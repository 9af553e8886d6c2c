"""What kind of project a folder is."""

import pytest

from ocitool.builder.project import choose_toolchain, find_build_files
from ocitool.errors import LocalIOError, NotFound, UsageError


def make(folder, *names):
    for name in names:
        (folder / name).write_text("")
    return folder


def test_build_files_come_in_the_order_of_precedence(tmp_path):
    make(tmp_path, "Makefile", "go.mod", "ocitool.toml", "Dockerfile", "README.md")
    (tmp_path / "Cargo.toml").mkdir()

    assert ["spec", "dockerfile", "go", "make"] == list(find_build_files(tmp_path))


@pytest.mark.parametrize(
    ("toolchain", "names", "said", "has_files"),
    [
        ("go", ["go.mod", "Makefile"], "", False),
        ("go", ["go.mod", "ocitool.toml"], "", True),
        ("dockerfile", ["Dockerfile", "go.mod"], "", False),
        ("dockerfile", ["dockerfile", "go.mod"], "", False),
        ("command", ["Dockerfile", "go.mod"], "command", False),
        ("prebuilt", ["ocitool.toml"], "", True),
        ("prebuilt", [], "", True),
        ("prebuilt", ["main.c"], "", True),
        ("c", ["main.c"], "", False),
        ("rust", ["Cargo.toml", "CMakeLists.txt"], "", False),
        ("make", ["main.c", "Makefile"], "", False),
        ("make", ["GNUmakefile"], "", False),
        ("autotools", ["configure.ac", "Makefile"], "", False),
        ("meson", ["meson.build", "configure"], "", False),
        ("cmake", ["CMakeLists.txt", "meson.build"], "", False),
    ],
)
def test_the_toolchain_of_a_folder(tmp_path, toolchain, names, said, has_files):
    assert toolchain == choose_toolchain(make(tmp_path, *names), said=said, has_files=has_files)


def test_nothing_says_how_to_build(tmp_path):
    with pytest.raises(UsageError, match="says how to build it"):
        choose_toolchain(make(tmp_path, "ocitool.toml", "main.py"))


def test_odd_paths(tmp_path):
    with pytest.raises(NotFound, match="no folder"):
        find_build_files(tmp_path / "gone")
    with pytest.raises(UsageError, match="is a file"):
        find_build_files(make(tmp_path, "go.mod") / "go.mod")
    with pytest.raises(LocalIOError, match="cannot read the folder"):
        find_build_files(tmp_path / ("x" * 300))
