"""The root command, its lazy groups, and the one place where errors become text and exit codes."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from ocitool.cli.signals import Signals
from ocitool.cli.table import ALIASES, COMMANDS, ELSEWHERE, GROUPS, Command
from ocitool.errors import UsageError, closest
from ocitool.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class HelpContext(click.Context):
    """A context whose help has examples and links too."""

    def get_help(self) -> str:
        """As `cli.help` tells it."""
        from ocitool.cli.help import told

        return told(self)


class LazyGroup(click.Group):
    """A group whose commands are rows of the table, imported when they are called."""

    context_class = HelpContext

    def __init__(self, prefix: str, **attributes: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(**attributes)
        self.prefix = prefix

    def _rows(self) -> dict[str, list[Command]]:
        """The rows below this group by their next word."""
        rows: dict[str, list[Command]] = {}
        for row in COMMANDS:
            if row.path.startswith(self.prefix):
                rows.setdefault(row.path.removeprefix(self.prefix).split()[0], []).append(row)
        return rows

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The next words, in the order of the table."""
        return list(self._rows())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command or group under a word."""
        cmd_name = ALIASES.get(self.prefix + cmd_name, cmd_name)
        rows = self._rows().get(cmd_name)
        if rows is None:
            return None
        row = rows[0]
        if row.path != self.prefix + cmd_name:
            return LazyGroup(
                f"{self.prefix}{cmd_name} ", name=cmd_name, help=GROUPS[cmd_name], no_args_is_help=True
            )
        command: click.Command = import_module(f"ocitool.cli.cmd.{row.module}").command
        command.name, command.context_class = cmd_name, HelpContext
        if ctx.resilient_parsing:  # a shell asks for completions
            from ocitool.cli.suggestions import offer_values

            offer_values(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Summaries under the table's headings; no command is imported for that."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for word, rows in self._rows().items():
            sections.setdefault(rows[0].section, []).append((word, self._summary(word, rows[0])))
        for section, lines in sections.items():
            with formatter.section(section):
                formatter.write_dl(lines)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """The next words that begin so, with the table's summaries; and options."""
        from click.shell_completion import CompletionItem

        rows = {word: rows[0] for word, rows in self._rows().items() if word.startswith(incomplete)}
        words = [CompletionItem(word, help=self._summary(word, row)) for word, row in rows.items()]
        return [*words, *click.Command.shell_complete(self, ctx, incomplete)]

    def _summary(self, word: str, row: Command) -> str:
        return row.summary if row.path == self.prefix + word else GROUPS[word]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with a suggestion for a word that is not there."""
        word = args[0] if args else ""
        if word and not word.startswith("-") and self.get_command(ctx, word) is None:
            near = closest(word, self.list_commands(ctx))
            hint = f"did you mean {near!r}?" if near else f"{ctx.command_path} --help lists the commands"
            hint = ELSEWHERE.get(self.prefix + word, hint)
            raise UsageError(f"no command {word!r}", hint=hint)
        return super().resolve_command(ctx, args)


def root() -> click.Group:
    """The whole command line as one click command."""
    return LazyGroup(
        "",
        name="ocitool",
        help="Multi-arch container images without Docker: compile, pack, push, inspect and repair.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "terminal_width": _help_width()},
        params=[
            click.Option(
                ["-V", "--version"],
                is_flag=True,
                expose_value=False,
                is_eager=True,
                callback=_version,
                help="Version.",
            )
        ],
    )


def _help_width() -> int:
    """The width of help, as click counts it; click would load shutil, and with that four compressors."""
    columns = os.environ.get("COLUMNS", "")
    try:
        found = int(columns) if columns.isascii() and columns.isdecimal() else os.get_terminal_size(1).columns
    except OSError:
        found = 0
    return max(min(found or 80, 80) - 2, 50)


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        click.echo(f"ocitool {__version__}")
        ctx.exit(0)


def run(arguments: Sequence[str]) -> int:
    """Run a command line; every outcome is an exit code, and errors are lines on stderr."""
    with Signals() as signals:
        try:
            return _call(arguments, signals)
        except BaseException as error:  # noqa: BLE001 - the last place where anything can be caught
            from ocitool.cli.outcome import fail

            return fail(signals.reason() if signals.code else error, arguments)


def _call(arguments: Sequence[str], signals: Signals) -> int:
    if "_OCITOOL_COMPLETE" in os.environ:
        from ocitool.cli.completion import register

        register()
    try:
        code = root().main(args=list(arguments), prog_name="ocitool", standalone_mode=False, obj=signals)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return 2
    except SystemExit as leaving:  # click's own way out of shell completion
        return leaving.code if isinstance(leaving.code, int) else 0
    return code if isinstance(code, int) else 0
