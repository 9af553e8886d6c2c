"""Guides as tests: their consoles are run one command after the other, and print what the page says."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from tests.conftest import REPOSITORY, Outcome

NAME = "localhost:5000/demo/app"
"""The repository that guides write to."""


def consoles(guide: str) -> list[tuple[str, list[str]]]:
    """The commands of a guide's console blocks, each with the lines that it prints."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", _page(guide).read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def scripts(page: str) -> list[str]:
    """The blocks of a page below docs that are lines for a shell."""
    return re.findall(r"```sh\n(.*?)```", (REPOSITORY / "docs" / page).read_text(), re.DOTALL)


def follow(
    run: Callable[..., Outcome],
    line: str,
    printed: list[str],
    repository: str,
    *,
    meanings: dict[str, str],
    exit_code: int = 0,
) -> None:
    """Run one line and hold its output to what is printed; `…` stands for hexadecimal digits.

    `meanings` say what to write for a word of the line, such as the digest that it stands for.
    """
    for word, meaning in meanings.items():
        line = line.replace(word, meaning)
    done = run(*shlex.split(line.replace(NAME, repository))[1:])
    pattern = re.escape("\n".join(printed).replace(NAME, repository)).replace("…", "[0-9a-f]{7,64}")

    assert done.exit_code == exit_code, done.stderr
    assert re.fullmatch(pattern, done.stdout.strip()), done.stdout


def _page(guide: str) -> Path:
    return REPOSITORY / "docs" / "guides" / guide
