"""`ocitool key generate`: a new key pair, in the files that cosign uses too."""

import os
from pathlib import Path

import click

from ocitool.cli import passwords
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError, local_io
from ocitool.sign.keys import KINDS, generate


@click.command()
@click.option("--type", "kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="Kind of key.")
@click.option(
    "-o",
    "--output",
    metavar="PREFIX",
    default="cosign",
    show_default=True,
    help="Write PREFIX.key and PREFIX.pub.",
)
@click.option("--unencrypted", is_flag=True, help="PKCS#8 without a password, for machines that keep secrets.")
@passwords.option
@common
def command(_app: App, *, kind: str, output: str, unencrypted: bool, password_sources: tuple[str, ...]) -> Outcome:
    """Make a key pair: PREFIX.key is encrypted as cosign does it and readable by you alone, PREFIX.pub is public.

    cosign signs and verifies with the same files. Files that are there are never written over.
    """
    private, public = Path(f"{output}.key"), Path(f"{output}.pub")
    if unencrypted and password_sources:
        raise UsageError("--unencrypted needs no password")
    for file in (private, public):
        if file.is_symlink() or file.exists():
            raise UsageError(f"{file} is there already", hint="name another place with -o PREFIX")
    password = b"" if unencrypted else passwords.Passwords(password_sources, twice=True)(str(private))
    key = generate(kind)
    _write(private, key.plain() if unencrypted else key.encrypted(password), 0o600)
    _write(public, key.public.pem, 0o644)
    data = {"key": str(private), "public": str(public), "type": kind, "fingerprint": key.public.fingerprint}
    return Outcome(data, f"{private}\n{public}", summary=f"{kind} {key.public.fingerprint}")


def _write(file: Path, data: bytes, mode: int) -> None:
    """A new file, whole or not at all. Raises LocalIOError, also where it is there by now."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor
            stream.write(data)
    except OSError as error:
        raise local_io(error, f"write {file}") from error
