"""ocitool login."""

import os
import sys

import click

from ocitool.cli import options
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome
from ocitool.errors import AuthError, UsageError
from ocitool.model.reference import parse_registry
from ocitool.registry.login import keep, place_for


@click.command()
@click.argument("host")
@click.option("-u", "--username", metavar="NAME", help="User name  [default: asked for].")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--no-check", is_flag=True, help="Keep it without asking the registry.")
@options.common
def command(app: App, host: str, *, username: str | None, password_stdin: bool, no_check: bool) -> Outcome:
    """Keep a user name and password for HOST where docker would; the registry is asked first."""
    registry = parse_registry(host)
    name = username or (sys.stdin.isatty() and click.prompt("user name", err=True))
    if not name:
        raise UsageError("no user name", hint="add -u NAME")
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = click.prompt("password", hide_input=True, err=True)
    else:
        raise UsageError("no terminal to ask for a password", hint="pipe it in and add --password-stdin")
    if not password:
        raise UsageError("the password is empty")
    if not no_check:
        found = app.opener.with_login(str(name), password).examine(registry)
        if found.problem or found.login == "refused":
            raise AuthError(found.problem or f"{registry} refused the user name or password", host=registry)
    place = place_for(registry, os.environ)
    keep(place, str(name), password, os.environ)
    return Outcome({"registry": registry, "place": str(place)}, summary=f"logged in to {registry}, kept in {place}")
