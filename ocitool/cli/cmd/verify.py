"""`ocitool verify`: whether what a name holds is signed with a key."""

from collections.abc import Iterator
from pathlib import Path

import click

from ocitool.cli import plans, trust
from ocitool.cli.options import App, common
from ocitool.cli.outcome import Outcome
from ocitool.errors import NotVerified
from ocitool.model.printable import shown
from ocitool.sign.verification import FoundAttestation, Verification


@click.command()
@click.argument("reference", metavar="LOC")
@click.option("--key", "keys", metavar="FILE", multiple=True, help="A public key that is trusted; repeats.")
@click.option("--every-key", is_flag=True, help="Each of the keys has to have signed, not only one.")
@click.option("--recursive", is_flag=True, help="The images of an index have to be signed too, each by itself.")
@click.option(
    "--identity",
    "identities",
    metavar="NAME",
    multiple=True,
    help="A repository that it may be signed for; repeats  [default: that of LOC]",
)
@click.option(
    "-a", "--annotation", "annotations", metavar="KEY=VALUE", multiple=True, help="Has to be signed too; repeats."
)
@click.option(
    "--attestation",
    "attested",
    metavar="TYPE",
    multiple=True,
    help="One of the keys has to vouch for such a statement: sbom, provenance or the URI of a predicate; repeats.",
)
@trust.policy
@common
def command(
    app: App,
    *,
    reference: str,
    keys: tuple[str, ...],
    every_key: bool,
    recursive: bool,
    identities: tuple[str, ...],
    annotations: tuple[str, ...],
    attested: tuple[str, ...],
    policy: Path | None,
) -> Outcome:
    """Check the signatures of what LOC holds, and print the digest that was verified: use that from then on.

    Exit code 1 where it is not signed as asked, with the reason for each signature that was found. What is signed
    with a certificate only (keyless) is 9, since there is no trust root here to check it with. Without --key a
    policy says what is asked: that of --policy, else that of ocitool.toml.
    """
    try:
        found = app.client.verify(
            reference,
            *keys,
            every_key=every_key,
            recursive=recursive,
            identity=identities,
            annotations=plans.pairs(annotations),
            attested=attested,
            policy=policy,
        )
    except NotVerified as error:
        refused = error.verification
        data = refused.to_tree() if isinstance(refused, Verification) else {}
        return Outcome(data, exit_code=error.exit_code, errors=(error,))
    return Outcome(found.to_tree(), f"{found.digest}", summary="\n".join(_told(found)))


def _told(found: Verification) -> Iterator[str]:
    """What was checked, a line each."""
    count = len(found.manifests)
    if not (count or found.demand.attached or found.demand.attested):
        yield f"{shown(found.reference)} is accepted: the policy asks for nothing"
        return
    of = f", and each of the {count - 1} below it," if count > 1 else ""
    yield f"{shown(found.reference)}{of} is verified:"
    good = [one.key for manifest in found.manifests for one in manifest.found if one.holds and one.key]
    for key in dict.fromkeys(good):
        yield f"  signed with {key.name} ({key.kind}, {key.fingerprint})"
    for kind in found.demand.attached:
        yield f"  with {shown(kind)} attached"
    yield from dict.fromkeys(map(_attestation, found.attestations))
    if not count:
        return
    if found.demand.identities:
        named = {one.claim.identity for m in found.manifests for one in m.found if one.holds and one.claim}
        if named == {""}:
            yield "  the signature names no repository"
        else:
            yield f"  for {', '.join(shown(name) for name in sorted(named) if name)}"
    else:
        yield "  its repository was not compared: LOC has none; --identity names one"
    for name, value in found.demand.annotations.items():
        yield f"  with {shown(name)}={shown(value)}"


def _attestation(found: FoundAttestation) -> str:
    """One that was asked for: what it states, of which image, and who vouches for it."""
    by = "in the index, signed with" if found.form == "index" else "signed with"
    return f"  {shown(found.predicate_type)} of {shown(found.label)}, {by} {found.key.name}"
