"""Man pages of every command, from the same source as their help: `python docs/man.py FOLDER`, or `make site`."""

import re
import sys
from importlib import import_module
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

import click  # noqa: E402

from ocitool import __version__  # noqa: E402 - the checkout that this file stands in
from ocitool.cli.table import COMMANDS, Command  # noqa: E402


def main(folder: Path) -> int:
    """Write one page a command and one for all; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in COMMANDS:
        (folder / f"{_name(row)}.1").write_text(page(row))
    (folder / "ocitool.1").write_text(overview())
    return len(COMMANDS) + 1


def page(row: Command) -> str:
    """The page of a command, in the macros of man(7)."""
    command = import_module(f"ocitool.cli.cmd.{row.module}").command
    context = click.Context(command, info_name=f"ocitool {row.path}")
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [_heading(_name(row)), ".SH NAME", f"{_text(_name(row))} \\- {_text(row.summary)}", ".SH SYNOPSIS"]
    lines += [
        f".B {_text(f'ocitool {row.path}')}",
        _text(usage),
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
    ]
    found = (one.get_help_record(context) for one in command.get_params(context))
    records = [record for record in found if record and record[1]]
    lines += [".SH OPTIONS"] if records else []
    for flags, told in records:
        lines += [".TP", f".B {_text(flags)}", _text(told)]
    variables = [(one.envvar, one.opts[0]) for one in command.params if isinstance(one.envvar, str)]
    lines += [".SH ENVIRONMENT"] if variables else []
    for variable, flag in variables:
        lines += [".TP", f".B {_text(variable)}", _text(f"Stands for {flag} where that is not given.")]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR ocitool (1)"]) + "\n"


def overview() -> str:
    """The page that lists the commands, by their headings."""
    lines = [_heading("ocitool"), ".SH NAME", "ocitool \\- multi\\-arch container images without Docker"]
    lines += [".SH SYNOPSIS", ".B ocitool", _text("COMMAND [ARGUMENTS]...")]
    for section in dict.fromkeys(row.section for row in COMMANDS):
        lines += [f".SH {section.upper()}"]
        for row in COMMANDS:
            if row.section == section:
                lines += [".TP", f".BR {_text(_name(row))} (1)", _text(row.summary)]
    return "\n".join(lines) + "\n"


def _name(row: Command) -> str:
    return "-".join(["ocitool", *row.path.split()])


def _heading(name: str) -> str:
    return f'.TH {_text(name.upper())} 1 "" "ocitool {__version__}" "User commands"'


def _paragraphs(text: str) -> list[str]:
    """A docstring's paragraphs; what click leaves as it stands is not filled here either."""
    lines: list[str] = []
    for part in re.split(r"\n\s*\n", text.strip()):
        if part.lstrip().startswith("\b"):
            lines += [
                ".PP",
                ".nf",
                *(_text(line) for line in part.replace("\b", "").strip("\n").splitlines()),
                ".fi",
            ]
        else:
            lines += [".PP", _text(" ".join(part.split()))]
    return lines


def _text(text: str) -> str:
    """Text without meaning for roff: no escapes, no requests at the beginning of a line."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("\f", "")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


if __name__ == "__main__":
    main(Path(sys.argv[1]))
