"""Signing and verifying from words: keys read from files, places opened, the repository that is meant."""

import base64
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from ocitool.arguments import read_small
from ocitool.attest.statement import KNOWN, is_known
from ocitool.change.apply import ChangeReport
from ocitool.change.plan import Plan
from ocitool.errors import Conflict, UsageError
from ocitool.model.document import Document
from ocitool.model.numbers import KIB
from ocitool.sign.attached import look_beside
from ocitool.sign.keys import KEY_LIMIT, Password, PrivateKey, PublicKey, read_private, read_public
from ocitool.sign.signing import (
    MadeElsewhere,
    Signer,
    SignOptions,
    plan_sign,
    subjects_of,
    to_be_signed,
    with_signatures,
)
from ocitool.sign.verification import Demand, Verification, VerifiedManifest, verify_manifests
from ocitool.store.base import Reader, Store
from ocitool.store.locate import Locator
from ocitool.tasks import Scope, any_wait_s
from ocitool.workspace import Workspace

SignKey: TypeAlias = PrivateKey | str | Path
VerifyKey: TypeAlias = PublicKey | str | Path
"""A key, or the PEM file that holds it."""

ATTEMPTS: Final = 10
"""How often a list is read and written again after another signer came between."""
_PAUSE_S: Final = 0.1
_SIGNATURE_LIMIT: Final = 16 * KIB


def prepare_sign(
    work: Workspace,
    reference: str,
    keys: Iterable[SignKey],
    options: SignOptions,
    *,
    password: Password | None = None,
    signature: str | Path | None = None,
) -> Plan:
    """The plan that signs what a name holds. `signature` is a file of a device's, `keys` then its public key."""
    signers = signers_of(keys, password=password, signature=signature)
    store, name = work.opener.open_edited(reference)
    named = meant(reference, options)
    return plan_sign(store, name, store.get_manifest(name), signers, named, scope=work.scope)


def prepare_resign(
    work: Workspace, plan: Plan, keys: Iterable[SignKey], *, password: Password | None = None, form: str = ""
) -> Plan:
    """The plan that also signs what it writes, for the repository it writes to, before a tag holds it.

    Raises what reading keys and looking at signatures raises.
    """
    signers = signers_of(keys, password=password, signature=None)
    if not plan.tags:
        return plan
    store, _ = work.opener.open(plan.target, write=True)
    return with_signatures(plan, store, signers, meant(plan.target, SignOptions(form)), scope=work.scope)


def sign_new(work: Workspace, plan: Plan, store: Store, keys: Iterable[SignKey], options: SignOptions) -> Plan:
    """The plan that also signs what it puts into an open store; keys are read.

    Where the options name no repository, it is signed for the one that the store is.
    """
    signers = signers_of(keys, password=None, signature=None)
    return with_signatures(plan, store, signers, meant(store.label, options), scope=work.scope)


def patiently(sign: Callable[[], ChangeReport], scope: Scope) -> ChangeReport:
    """What `sign` gives, tried again where another signer wrote the same list. Raises Conflict in the end."""
    for attempt in range(1, ATTEMPTS):
        try:
            return sign()
        except Conflict:
            scope.sleep(any_wait_s(_PAUSE_S * attempt))
    return sign()


def payload(work: Workspace, reference: str, options: SignOptions) -> bytes:
    """What a device is to sign, for what a name holds now."""
    store, name = work.opener.open(reference)
    return to_be_signed(store.get_manifest(name), meant(reference, options))


def meant(reference: str, options: SignOptions) -> SignOptions:
    """The options with the repository that signatures are for: that of the reference, unless another is named."""
    found = Locator.parse(reference).reference
    identity = options.identity or (found.repository_name if found is not None else "")
    return SignOptions(options.form, options.recursive, identity, options.annotations)


def signers_of(
    keys: Iterable[SignKey], *, password: Password | None, signature: str | Path | None
) -> tuple[Signer, ...]:
    """The keys read, each once. Raises what reading them raises."""
    if signature is None:
        return tuple(load_private(key, password) for key in keys)
    files = tuple(keys)
    if len(files) != 1 or isinstance(files[0], PrivateKey):
        raise UsageError("--signature goes with one --key: the file of the public key that it is by")
    return (MadeElsewhere(load_public(files[0]), read_signature(Path(signature))),)


def load_private(file: SignKey, password: Password | None) -> PrivateKey:
    """A private key, read if it is a file. Raises LocalIOError and what `read_private` raises."""
    if isinstance(file, PrivateKey):
        return file
    return read_private(read_small(file, KEY_LIMIT), password, str(file))


def load_public(key: VerifyKey) -> PublicKey:
    """A public key, read if it is a file. Raises LocalIOError and what `read_public` raises."""
    return key if isinstance(key, PublicKey) else read_public(read_small(key, KEY_LIMIT), str(key))


def read_signature(file: Path) -> bytes:
    """A signature in a file, as bytes or as base64. Raises LocalIOError, MalformedDocument."""
    data = read_small(file, _SIGNATURE_LIMIT)
    try:
        return base64.b64decode(data.strip(), validate=True) or data
    except ValueError:
        return data


def demand_of(
    reference: str,
    keys: Iterable[VerifyKey],
    *,
    every_key: bool,
    identities: Iterable[str],
    annotations: Mapping[str, str],
    attested: Iterable[str] = (),
) -> Demand:
    """What is asked of signatures of a name: made for its repository, unless others are named.

    A layout has no name, so that nothing is compared there. Raises UsageError without a key, and for what is no
    kind of attestation.
    """
    public = tuple(dict.fromkeys(map(load_public, keys)))
    if not public:
        raise UsageError(
            "which key is trusted?",
            hint="add --key FILE or --policy FILE; signatures without a key (keyless) are not checked here",
        )
    named = tuple(identities)
    found = Locator.parse(reference).reference
    own = (found.repository_name,) if found is not None and not named else ()
    kinds = tuple(dict.fromkeys(attested))
    for kind in kinds:
        if not is_known(kind):
            raise UsageError(f"no attestation is called {kind!r}", hint=KNOWN)
    return Demand(public, every_key, named or own, bool(named), dict(annotations), attested=kinds)


def verify_document(
    work: Workspace, store: Reader, label: str, document: Document, demand: Demand, *, recursive: bool = False
) -> Verification:
    """What is found beside a manifest, whether or not it is what was asked for."""
    width = min(work.transfers, store.traits.concurrency)
    found: tuple[VerifiedManifest, ...] = ()
    if demand.wants_signature:
        subjects = subjects_of(store, document, recursive=recursive, scope=work.scope)
        found = verify_manifests(store, subjects, demand, scope=work.scope, width=width)
    voucher = next((one.key for one in found[0].found if one.holds), None) if found and found[0].holds else None
    beside = look_beside(store, document, demand, voucher, scope=work.scope, width=width)
    return Verification(label, document.digest, found, demand, beside.lacking, beside.attestations)
