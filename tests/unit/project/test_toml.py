"""Lines of keys, and errors that name them."""

import pytest

from ocitool.errors import LocalIOError, UsageError
from ocitool.project.toml import SIZE_LIMIT, key_text, read_toml

TEXT = '''# comment [with] = signs
name = "x" # [
files = [
  "a:b", # ]
  'c',
]
text = """
[no]
k = "\\""
"""
[go]
env.A = "1"
"b.c" = { x = 1, y = [
 ] }

[[program]]
name = 'a'
[program.sub]
z=1
[[ program ]]
name = "b"
[platform."linux/arm/v6"]
base = "b"
'''


def test_every_key_has_its_line(tmp_path):
    path = tmp_path / "ocitool.toml"
    path.write_text(TEXT)

    file = read_toml(path)

    assert {
        ("name",): 2, ("files",): 3, ("text",): 7, ("go",): 11, ("go", "env"): 12, ("go", "env", "A"): 12,
        ("go", "b.c"): 13, ("program", 0): 16, ("program", 0, "name"): 17, ("program", 0, "sub"): 18,
        ("program", 0, "sub", "z"): 19, ("program", 1): 20, ("program", 1, "name"): 21,
        ("platform", "linux/arm/v6"): 22, ("platform", "linux/arm/v6", "base"): 23,
    } == file.lines  # fmt: skip


def test_what_has_no_line_has_that_of_what_holds_it(tmp_path):
    path = tmp_path / "ocitool.toml"
    path.write_text(TEXT)

    file = read_toml(path)

    assert (3, 13, 1) == (file.line(("files", 1)), file.line(("go", "b.c", "y")), file.line(("nothing",)))
    assert f'{path} line 23: platform."linux/arm/v6".base is bad' == str(
        file.error(("platform", "linux/arm/v6", "base"), "is bad")
    )


def test_lines_are_those_of_a_windows_file_too(tmp_path):
    path = tmp_path / "ocitool.toml"
    path.write_bytes(b'a = 1\r\n\r\nb = """\r\n\r\n"""\r\nc = 1\r\n')

    assert {("a",): 1, ("b",): 3, ("c",): 6} == read_toml(path).lines


def test_paths_are_written_as_toml_writes_them():
    assert "program[1].name" == key_text(("program", 1, "name"))
    assert 'platform."linux/arm/v6"' == key_text(("platform", "linux/arm/v6"))


@pytest.mark.parametrize(
    ("message", "raw"),
    [
        ("(at line 2, column 5)", b"a = 1\nb = ,\n"),
        ("line 2: not UTF-8", b"a = 1\nb = '\xff'\n"),
        ("larger than 1 MiB", b"#" * (SIZE_LIMIT + 1)),
        ("nested too deeply", b"a = " + b"[" * 100_000),
    ],
)
def test_bad_files_are_usage_errors(tmp_path, message, raw):
    path = tmp_path / "ocitool.toml"
    path.write_bytes(raw)

    with pytest.raises(UsageError) as refused:
        read_toml(path)

    assert str(path) in str(refused.value)
    assert message in str(refused.value)


def test_a_missing_file_is_a_local_error(tmp_path):
    with pytest.raises(LocalIOError, match="no such file"):
        read_toml(tmp_path / "ocitool.toml")
