"""ocitool login."""

import sys

import click

from ocitool.cli import options
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError
from ocitool.events import Noted
from ocitool.model.numbers import MIB
from ocitool.model.reference import parse_registry

_LINE_LIMIT = MIB


@click.command()
@click.argument("host")
@click.option("-u", "--username", metavar="NAME", help="User name  [default: asked for].")
@click.option("-p", "--password", metavar="TEXT", help="Password; others on this machine can see it.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--no-check", is_flag=True, help="Keep it without asking the registry.")
@options.common
def command(
    app: App, host: str, *, username: str | None, password: str | None, password_stdin: bool, no_check: bool
) -> Outcome:
    """Keep a user name and password for HOST where docker would; the registry is asked first."""
    registry = parse_registry(host)
    name = username or (sys.stdin.isatty() and click.prompt("user name", err=True))
    if not name:
        raise UsageError("no user name", hint="add -u NAME")
    if password is not None and password_stdin:
        raise UsageError("--password and --password-stdin both give the password", hint="leave --password out")
    if password is not None:
        app.listener(Noted("a password on the command line is seen by others here; use --password-stdin"))
    elif password_stdin:
        password = sys.stdin.buffer.readline(_LINE_LIMIT).rstrip(b"\r\n").decode(errors="surrogateescape")
    elif sys.stdin.isatty():
        password = click.prompt("password", hide_input=True, err=True)
    else:
        raise UsageError("no terminal to ask for a password", hint="pipe it in and add --password-stdin")
    if not password:
        raise UsageError("the password is empty")
    place = app.client.log_in(host, str(name), password, check=not no_check)
    return Outcome({"registry": registry, "place": place}, summary=f"logged in to {registry}, kept in {place}")
