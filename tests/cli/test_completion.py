"""Shell completion, as a shell asks for it."""

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(ocitool, shell):
    done = ocitool(env={"_OCITOOL_COMPLETE": f"{shell}_source"})

    assert (0, "") == (done.exit_code, done.stderr)
    assert "_OCITOOL_COMPLETE" in done.stdout


def test_words_are_completed(ocitool):
    words = {"_OCITOOL_COMPLETE": "bash_complete", "COMP_WORDS": "ocitool index a", "COMP_CWORD": "2"}

    assert ["plain,add", "plain,annotate"] == sorted(ocitool(env=words).stdout.split())
