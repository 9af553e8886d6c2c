"""The command line before any command is found."""

import pytest


@pytest.mark.parametrize("words", [(), ("index",), ("cache",), ("buildx",)], ids=str)
def test_no_command_is_answered_by_the_list_of_them(run, words):
    shown = run(*words)

    assert 2 == shown.exit_code
    assert shown.stderr.startswith(f"Usage: {' '.join(('ocitool', *words))} [OPTIONS] COMMAND [ARGS]...\n")
    assert "Missing command" not in shown.stderr
