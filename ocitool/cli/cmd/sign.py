"""`ocitool sign`: signatures beside what a name holds."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from ocitool.cli import passwords, plans
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import UsageError, local_io


@click.command()
@click.argument("reference", metavar="REF")
@click.option("--key", "keys", metavar="FILE", multiple=True, help="The private key; repeats.")
@passwords.option
@click.option(
    "--form",
    type=click.Choice(["tag", "bundle", "both"]),
    default="tag",
    show_default=True,
    help="cosign's list under a tag, a bundle that refers to the image, or both.",
)
@click.option("--recursive", is_flag=True, help="Sign the images of an index too, each by itself.")
@click.option(
    "-a", "--annotation", "annotations", metavar="KEY=VALUE", multiple=True, help="Sign this too; repeats."
)
@click.option(
    "--identity", metavar="NAME", default="", help="The repository that it is signed for  [default: that of REF]"
)
@click.option(
    "--payload-only",
    "payload",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Only write what a device is to sign.",
)
@click.option(
    "--signature",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What a device signed, as bytes or base64; --key is its public key.",
)
@plans.dry_run
@common
def command(
    app: App,
    *,
    reference: str,
    keys: tuple[str, ...],
    password_sources: tuple[str, ...],
    form: str,
    recursive: bool,
    annotations: tuple[str, ...],
    identity: str,
    payload: Path | None,
    signature: Path | None,
    dry_run: bool,
) -> Outcome:
    """Sign what REF holds, so that its digest, and with it everything below, is vouched for.

    Signatures that are there stay, and signing again with a key changes nothing. `ocitool undo REF` takes the
    signatures of the last run away, and nobody else's. REF is a reference or `oci:DIR:TAG`.
    """
    options: dict[str, Any] = {"form": form, "identity": identity, "annotations": plans.pairs(annotations)}
    if payload is not None:
        if keys or signature or recursive or dry_run:
            raise UsageError("--payload-only signs nothing", hint="leave --key, --signature and --recursive out")
        return _payload(payload, app.client.payload(reference, **options))
    make = partial(
        app.client.plan_sign,
        reference,
        *keys,
        password=passwords.Passwords(password_sources),
        recursive=recursive,
        signature=signature,
        **options,
    )
    return plans.carry_out_again(app, make, retry=True, dry_run=dry_run)


def _payload(file: Path, data: bytes) -> Outcome:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise local_io(error, f"write {file}") from error
    summary = f"{len(data)} bytes to be signed; give the signature back with --signature"
    return Outcome({"file": str(file), "size": len(data)}, str(file), summary=summary)
