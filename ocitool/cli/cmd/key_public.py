"""`ocitool key public`: the public half of a key."""

import click

from ocitool.arguments import read_small
from ocitool.cli import passwords
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.sign.keys import KEY_LIMIT, read_private, read_public


@click.command()
@click.argument("file", metavar="KEY")
@passwords.option
@common
def command(_app: App, *, file: str, password_sources: tuple[str, ...]) -> Outcome:
    """Print the public half of the key in a file, as the PEM text that `verify --key` and cosign take."""
    data = read_small(file, KEY_LIMIT)
    if b" PUBLIC KEY-----" in data:
        key = read_public(data, file)
    else:
        key = read_private(data, passwords.Passwords(password_sources), file).public
    tree = {"key": file, "type": key.kind, "fingerprint": key.fingerprint, "pem": key.pem.decode()}
    return Outcome(tree, key.pem.decode(), summary=f"{key.kind} {key.fingerprint}")
