"""The command line before any command is found, and words that do not go together."""

import io
import re

import pytest

from ocitool.cli import main
from ocitool.cli.table import COMMANDS, ELSEWHERE
from ocitool.version import __version__


@pytest.mark.parametrize("words", [(), ("index",), ("cache",), ("buildx",)], ids=str)
def test_no_command_is_answered_by_the_list_of_them(run, words):
    shown = run(*words)

    assert 2 == shown.exit_code
    assert shown.stderr.startswith(f"Usage: {' '.join(('ocitool', *words))} [OPTIONS] COMMAND [ARGS]...\n")
    assert "Missing command" not in shown.stderr


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ("check", "LOC..."), ("tag oci:x", "NAME..."), ("push", "REF..."), ("export oci:x:1", "--output"),
        ("index add oci:x:1", "SRC..."), ("index convert oci:x:1", "--format"), ("detach oci:x:1", "DIGEST..."),
        ("attach oci:x:1 --artifact-type text/x", "FILE[:TYPE]..."), ("attach oci:x:1 file", "--artifact-type"),
        ("manifest create list:1", "MANIFEST..."), ("manifest inspect", "MANIFEST"), ("manifest rm", "MANIFEST_LIST..."),
    ],
)  # fmt: skip
def test_what_a_command_cannot_do_without_is_asked_for(run, words, missing):
    done = run(*words.split())

    assert (2, True) == (done.exit_code, f"missing {'option' if missing[0] == '-' else 'argument'}" in done.stderr)
    assert missing in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("export oci:x:1 -o - --json", "--json and a tar on stdout"),
        ("buildx build . -o - --json", "--json and an archive on standard output"),
        ("inspect oci:x:1 --raw --platform linux/amd64 --platform linux/arm64", "name one platform"),
        ("key generate -o k --unencrypted --password-from env:HOME", "--unencrypted needs no password"),
        ("manifest inspect a b c", "at most a list and an image"),
        ("sign oci:x:1 --payload-only f --key k", "--payload-only signs nothing"),
        ("push r.test/app:1 --password-from env:HOME", "opens a key, and none is given"),
        ("login r.test -u me", "no terminal to ask for a password"),
        ("login r.test -u me --password-stdin", "the password is empty"),
    ],
)  # fmt: skip
def test_words_that_do_not_go_together_are_refused(run, home, monkeypatch, words, said):
    monkeypatch.chdir(home)

    done = run(*words.split())

    assert (2, True) == (done.exit_code, said in done.stderr), done.stderr
    assert [] == [path.name for path in home.iterdir() if path.name in {"k.key", "x", ".docker"}]


@pytest.mark.parametrize("words", ["--version", "-V", "--version --help"])
def test_the_version_is_told_whatever_else_is_asked(run, words):
    done = run(*words.split())

    assert (0, f"ocitool {__version__}\n", "") == (done.exit_code, done.stdout, done.stderr)


def test_a_terminal_is_asked_who_logs_in(home, monkeypatch, capsys):
    """Nothing of the password is shown, and it is kept for this name."""
    terminal = io.StringIO("me\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _text: "secret")

    code = main(["login", "r.test", "--no-check"])

    said = capsys.readouterr()
    assert (0, True) == (code, bool(re.search("logged in to r.test, kept in .*config.json", said.err))), said.err
    assert "secret" not in said.out + said.err
    assert '"r.test"' in (home / ".docker" / "config.json").read_text()


@pytest.mark.parametrize("words", sorted(ELSEWHERE))
def test_a_word_of_other_tools_leads_to_commands_that_are_there(run, words):
    there = [command.path.split() for command in COMMANDS]

    done = run(*words.split())

    hint = next(line for line in done.stderr.splitlines() if line.startswith("hint: "))
    named = [match.split() for match in re.findall(r"ocitool ([a-z]+(?: [a-z]+)?)", hint)]
    assert (2, False) == (done.exit_code, "did you mean" in hint)
    assert [] == [two for two in named if two not in there and two[:1] not in (path[:1] for path in there)]


@pytest.mark.parametrize("word", ["auth", "bake", "imagetools", "version"])
def test_a_word_of_other_tools_is_not_taken_for_one_that_is_spelt_alike(run, word):
    assert "did you mean" not in run(word).stderr
