"""The command line before any command is found."""

import pytest


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
