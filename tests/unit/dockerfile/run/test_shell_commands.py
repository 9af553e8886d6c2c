"""What a RUN line would start, read without a shell."""

import pytest

from ocitool.dockerfile.run.shell_commands import ShellCommand, commands, is_computed, parse_commands
from ocitool.dockerfile.syntax.parse import parse


def texts(script):
    return [command.text for command in parse_commands(script)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("a b && c || d; e | f & g\nh", ["a b", "c", "d", "e", "f", "g", "h"]),
        ("a 'b && c' \"d; e\" f\\ g", ["a b && c d; e f g"]),
        ("a $(b && c) `d; e` ${f:-x y}", ["a $(b && c) `d; e` ${f:-x y}"]),
        ("if [ -f a ]; then b; else c; fi", ["[ -f a ]", "b", "c"]),
        ("for x in a b; do c $x; done", ["c $x"]),
        ('case "$(uname -m)" in x86|y) a ;; arm*) b ;; *) exit 1 ;; esac; c', ["a", "b", "exit 1", "c"]),
        ("(cd a && b) # c && d", ["cd a", "b"]),
        ("{ a; b; }", ["a", "b"]),
        ("a <<E > b", ["a"]),
        ("sh -ec 'a && b'", ["a", "b"]),
        ("sudo -E env X=1 a b", ["a b"]),
        ("a 'no end", ["a 'no end"]),
        ("a $(b (c) no end", ["a $(b (c) no end"]),
        ("sh -c", ["sh -c"]),
        ("sh -c a", ["a"]),
        ("", []),
    ],
)
def test_the_commands_of_a_script(script, expected):
    assert expected == texts(script)


def test_variables_and_files_of_a_command():
    assert (
        ShellCommand(("a",), (("X", '"1 2"'), ("Y", "$X")), ("/b",)),
        ShellCommand((), (("Z", "1"),)),
        ShellCommand(("c",), (), ("d",), is_appending=True),
        ShellCommand(("e",)),
    ) == parse_commands('X="1 2" Y=$X a > /b 2>&1; Z=1; c 2>/dev/null >> d; e < f')


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ('["sh", "-c", "a && b"]', ["a", "b"]),
        ('["a", "b c"]', ["a b c"]),
        ("<<E\na\nb \\\n  c\nE", ["a", "b c"]),
        ("bash <<E\na\nE", ["a"]),
        ("a <<E\nb\nE", ["a"]),
        ("<<E\n#!/usr/bin/env python3\nimport os\nE", ["python3"]),
        ("<<E\n#!/bin/sh\na\nE", ["a"]),
    ],
)
def test_forms_of_run(run, expected):
    (stage,) = parse(f"FROM x\nRUN {run}\n".encode()).stages

    assert expected == [command.text for command in commands(stage.body[0])]


def test_what_a_shell_would_have_to_run():
    assert [True, True, False] == [is_computed(word) for word in ("a$(b)", "`c`", "${d}")]
