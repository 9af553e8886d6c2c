"""Prints the questions of this folder, one JSON object a line; the same ones each time."""

import json
import sys
from random import Random

RANDOM = Random(11)
ATOMS = ("*", "*", "**", "**/", "/**", "?", "a", "b", ".", "/", "[ab]", "[a-b]", "\\*", "-", "!", "a/", "+", "[^a]")
LEADS = ("", "", "", "", "!", "! ", "/", "./", "  ", "#", "!/")
ENDS = ("", "", "", "", "/", "  ", "\r", "/.", "/..", "\t")


def part() -> str:
    """A name that is neither `.` nor `..`."""
    while True:
        name = "".join(RANDOM.choice("aab.-!") for _ in range(RANDOM.randint(1, 3)))
        if name.strip("."):
            return name


def path() -> str:
    """Up to four names."""
    return "/".join(part() for _ in range(RANDOM.randint(1, 4)))


def pattern() -> str:
    """Up to five atoms."""
    return "".join(RANDOM.choice(ATOMS) for _ in range(RANDOM.randint(1, 5)))


def line() -> str:
    """A line of .dockerignore."""
    return RANDOM.choice(LEADS) + RANDOM.choice((pattern, path))() + RANDOM.choice(ENDS)


for _ in range(200):
    question = {"glob": pattern().replace("[^a]", "[^/a]"), "paths": [path() for _ in range(4)]}
    sys.stdout.write(f"{json.dumps(question)}\n")
for _ in range(500):
    text = RANDOM.choice(("", "", "", "\ufeff")) + "\n".join(line() for _ in range(RANDOM.randint(1, 5)))
    sys.stdout.write(f"{json.dumps({'ignore': text, 'paths': [path() for _ in range(4)]})}\n")
PARTS = ("x", "a", "y", "*", "**", "?")
for _ in range(300):
    lines = ["/".join(RANDOM.choice(PARTS) for _ in range(RANDOM.randint(1, 3))) for _ in range(RANDOM.randint(2, 5))]
    text = "\n".join(RANDOM.choice(("", "!")) + one for one in lines)
    paths = ["/".join(RANDOM.choice("xay") for _ in range(RANDOM.randint(1, 4))) for _ in range(4)]
    sys.stdout.write(f"{json.dumps({'ignore': text, 'paths': paths})}\n")
