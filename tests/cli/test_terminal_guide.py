"""docs/guides/terminal.md: its commands print what it says."""

import shlex

from tests.cli.guides import consoles


def test_the_guide_from_its_beginning_to_its_end(run):
    lines = consoles("terminal.md")

    assert lines
    for line, printed in lines:
        done = run(*shlex.split(line)[1:])
        assert (0, "\n".join(printed)) == (done.exit_code, done.stdout.rstrip("\n")), line
