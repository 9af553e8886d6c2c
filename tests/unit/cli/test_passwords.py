"""`ocitool.cli.passwords`: where a key's password comes from."""

import io
import os
import re

import pytest

from ocitool.cli.passwords import Passwords, read
from ocitool.errors import AuthError, LocalIOError, UsageError


class Terminal(io.StringIO):
    """Standard input that is a terminal."""

    def isatty(self):
        return True


def test_each_key_gets_the_next_source_the_last_one_again_and_the_same_key_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("FIRST", "one")
    (tmp_path / "second").write_bytes(b"two\r\nnot this")
    passwords = Passwords(("env:FIRST", f"file:{tmp_path / 'second'}"))

    asked = [passwords(name) for name in ("a", "b", "a", "c")]

    assert [b"one", b"two", b"one", b"two"] == asked
    assert (tmp_path / "second",) == passwords.files


def test_an_open_file_is_read_and_stays_open(tmp_path):
    (tmp_path / "word").write_text("open\n")
    with (tmp_path / "word").open() as file:
        assert b"open" == read(f"fd:{file.fileno()}")
        os.fstat(file.fileno())


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("env:OCITOOL_NOT_SET", UsageError, "the variable OCITOOL_NOT_SET is not set"),
        ("file:/none/word", LocalIOError, "read the password from file:/none/word"),
        ("secret", UsageError, "takes file:PATH, env:NAME or fd:NUMBER"),
        ("fd:word", UsageError, "takes file:PATH, env:NAME or fd:NUMBER"),
        ("file:a\0b", UsageError, "takes file:PATH, env:NAME or fd:NUMBER"),
    ],
)
def test_a_source_that_gives_none_is_told_and_never_repeated(source, error, said):
    with pytest.raises(error) as caught:
        read(source)

    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("twice", "asked"), [(False, 1), (True, 2)])
def test_a_terminal_is_asked_and_for_a_new_key_twice(monkeypatch, twice, asked):
    prompts = []
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda text: prompts.append(text) or "gehe\udce4im")

    word = Passwords((), twice=twice)("k.key")

    assert (b"gehe\xe4im", asked) == (word, len(prompts))
    assert all(re.search("password of k.key|confirmation", text) for text in prompts)


def test_without_a_terminal_a_source_is_asked_for(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())

    with pytest.raises(AuthError, match=r"no terminal to ask for the password of k\.key") as caught:
        Passwords(())("k.key")

    assert "--password-from" in caught.value.hint
