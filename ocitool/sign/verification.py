"""Signatures found beside a manifest, each with what was checked and why it counts or does not.

Bundles that refer to the manifest are looked at first, then cosign's list; what comes first and suffices ends the
search. A signature is compared before what it signs is parsed. Nothing that is found can raise: it is a reason.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from ocitool.attest.statement import is_of
from ocitool.errors import DigestMismatch, MalformedDocument, NotFound, NotVerified, Unsupported
from ocitool.graph.signature_list import entries, signature_tag
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.numbers import KIB, MIB
from ocitool.model.views import Descriptor, Manifest, view
from ocitool.sign import bundle as bundles
from ocitool.sign import simple_signing
from ocitool.sign.claim import Claim, repository_of
from ocitool.sign.keys import ED25519_SIZE, PublicKey
from ocitool.store.base import Reader
from ocitool.store.verify import find_manifest, read_blob
from ocitool.tasks import Scope, collect
from ocitool.values import dataclass, field, replace

LOOKED_AT: Final = 100
"""Most signatures of one form that are looked at beside one manifest; a guess far above what is signed."""
READ_LIMIT: Final = 16 * MIB
"""Most bytes of signatures of one form that are read beside one manifest; a guess, they have some thousand each."""
_MANIFEST_LIMIT: Final = 256 * KIB
"""Most bytes of a manifest around a bundle; a guess, it has one layer."""
_FOR: Final = "it was made for "
"""What the reason begins with where the name that a signature is for does not fit."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of signatures.

    A signature counts that one of `keys` made; with `every_key` each key has to have made one. `identities` are
    repositories, one of which it has to be meant for, none where that is not compared. With `is_strict` it must
    name one; else a bundle, which in cosign's form names none, may leave it out. `attached` are artifact types of
    which something has to refer to the image, `attested` are predicate types or kinds (`sbom`, `provenance`) of
    which one of the keys has to have signed a statement.
    """

    keys: tuple[PublicKey, ...]
    every_key: bool = False
    identities: tuple[str, ...] = ()
    is_strict: bool = False
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    attached: tuple[str, ...] = ()
    attested: tuple[str, ...] = ()

    @property
    def wants_signature(self) -> bool:
        """Whether it has to be signed: also where no key is named, and then nothing is enough."""
        return bool(self.keys) or not (self.attached or self.attested)


@dataclass(frozen=True, slots=True)
class FoundSignature:
    """One signature: its form (tag or bundle), the digest of what carries it, and the key that made it, if known.

    `reason` is why it does not count, empty where it does. `claim` is what it says, read once the signature held.
    """

    form: str
    digest: Digest | None
    reason: str = ""
    key: PublicKey | None = None
    claim: Claim | None = None
    is_keyless: bool = False

    @property
    def holds(self) -> bool:
        """Whether it counts."""
        return self.key is not None and not self.reason

    def to_tree(self) -> dict[str, Any]:
        """The signature for JSON output."""
        return {
            "form": self.form,
            "digest": self.digest,
            "verified": self.holds,
            "reason": self.reason,
            "keyless": self.is_keyless,
            "key": {"file": self.key.name, "fingerprint": self.key.fingerprint} if self.key else None,
            "identity": self.claim.identity if self.claim else None,
            "annotations": dict(self.claim.annotations) if self.claim else None,
        }


@dataclass(frozen=True, slots=True)
class VerifiedManifest:
    """One manifest, the signatures that were looked at, and the keys that should have made one and did not."""

    digest: Digest
    label: str
    found: tuple[FoundSignature, ...]
    missing: tuple[PublicKey, ...]

    @property
    def holds(self) -> bool:
        """Whether its signatures are what was asked for."""
        return not self.missing and any(one.holds for one in self.found)

    @property
    def is_keyless(self) -> bool:
        """Whether it is signed, and only by what a certificate vouches for."""
        return not self.holds and any(one.is_keyless for one in self.found)

    def to_tree(self) -> dict[str, Any]:
        """The manifest for JSON output."""
        tree = {"digest": self.digest, "label": self.label, "verified": self.holds}
        missing = [key.fingerprint for key in self.missing]
        return tree | {"missingKeys": missing, "signatures": [one.to_tree() for one in self.found]}


@dataclass(frozen=True, slots=True)
class FoundAttestation:
    """A statement that was asked for, is about the image, and is vouched for by a key; `wanted` is what asked.

    `form` is where it stands: `bundle` beside the image, `tag` in cosign's list, or `index`, whose signature is
    then what vouches. `digest` is that of what carries it, `about` that of the image.
    """

    wanted: str
    predicate_type: str
    about: Digest
    label: str
    form: str
    digest: Digest
    key: PublicKey

    def to_tree(self) -> dict[str, Any]:
        """The attestation for JSON output."""
        return {
            "predicateType": self.predicate_type,
            "about": self.about,
            "label": self.label,
            "form": self.form,
            "digest": self.digest,
            "key": {"file": self.key.name, "fingerprint": self.key.fingerprint},
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying a name found; `digest` is what the name held, and what is to be used from now on.

    `lacking` are the types of what should be attached or attested and is not, `attestations` those statements that
    are.
    """

    reference: str
    digest: Digest
    manifests: tuple[VerifiedManifest, ...]
    demand: Demand
    lacking: tuple[str, ...] = ()
    attestations: tuple[FoundAttestation, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every manifest that was to be signed is, and everything is attached."""
        return all(one.holds for one in self.manifests) and not self.lacking

    def to_tree(self) -> dict[str, Any]:
        """All of it for JSON output."""
        return {
            "reference": self.reference,
            "digest": self.digest,
            "verified": self.holds,
            "checked": {
                "keys": [{"file": key.name, "fingerprint": key.fingerprint} for key in self.demand.keys],
                "everyKey": self.demand.every_key,
                "identities": list(self.demand.identities),
                "annotations": dict(self.demand.annotations),
                "attached": list(self.demand.attached),
                "attested": list(self.demand.attested),
            },
            "lacking": list(self.lacking),
            "attestations": [one.to_tree() for one in self.attestations],
            "manifests": [one.to_tree() for one in self.manifests],
        }

    def required(self) -> "Verification":
        """This, if it holds. Raises NotVerified, or Unsupported where what fails is signed without a key."""
        if self.holds:
            return self
        failed = [one for one in self.manifests if not one.holds]
        if failed and all(one.is_keyless for one in failed):
            raise keyless(self.reference)
        why = _why(failed[0]) if failed else f"it has no {', '.join(self.lacking)}"
        error = NotVerified(f"{self.reference} is not verified: {why}", verification=self, hint=_hint(failed))
        for kind in self.lacking:
            signed = " that one of the keys signed" if kind in self.demand.attested else ""
            error.add_note(f"nothing of {kind} is attached to it, or to each image of it,{signed}".rstrip(","))
        for manifest in failed:
            for line in dict.fromkeys(_lines(manifest)):
                error.add_note(line)
        raise error


def keyless(reference: str) -> Unsupported:
    """What is raised for signatures whose identity a certificate holds."""
    return Unsupported(
        f"{reference} is signed with a certificate instead of a key (keyless), and the identity in it cannot be "
        "checked without a trust root, which is not kept here",
        ability="keyless",
        hint="cosign verify --certificate-identity … checks it; or ask the signer for a key",
    )


def verify_manifests(
    store: Reader, subjects: Iterable[Descriptor], demand: Demand, *, scope: Scope, width: int
) -> tuple[VerifiedManifest, ...]:
    """The signatures of each manifest: three requests for one that is signed once.

    The first is looked at alone, which shows how this store lists referrers.
    """
    first, *others = subjects
    found = _verify(store, first, demand)
    return (found, *collect(scope, lambda one: _verify(store, one, demand), others, width))


def _verify(store: Reader, subject: Descriptor, demand: Demand) -> VerifiedManifest:
    found: list[FoundSignature] = []
    missing = set(demand.keys)
    for one in _signatures(store, subject.digest, demand):
        found.append(one)
        if one.holds and one.key is not None:
            missing.discard(one.key)
            if not (demand.every_key and missing):
                break
    if not demand.every_key and any(one.holds for one in found):
        missing.clear()
    left = tuple(key for key in demand.keys if key in missing)
    return VerifiedManifest(subject.digest, subject.label, tuple(found), left)


def _signatures(store: Reader, digest: Digest, demand: Demand) -> Iterator[FoundSignature]:
    yield from _bundles(store, digest, demand)
    yield from _listed(store, digest, demand)


def _bundles(store: Reader, digest: Digest, demand: Demand) -> Iterator[FoundSignature]:
    """The bundles that refer to a manifest; attestations say so in their annotations and are passed over."""
    try:
        listed = store.referrers(digest)
    except MalformedDocument as error:
        yield FoundSignature("bundle", None, f"the list of referrers: {error}")
        return
    number, left = 0, READ_LIMIT
    for entry in listed:
        if not may_be_bundle(entry):
            continue
        number += 1
        if number > LOOKED_AT:
            yield FoundSignature("bundle", None, f"more than {LOOKED_AT} bundles; the others were not looked at")
            return
        try:
            data = bundle_of(store, entry, digest, limit=min(left, bundles.BUNDLE_LIMIT))
            if data is not None:
                left -= len(data)
                yield _judged(FoundSignature("bundle", entry.digest), _read_bundle(data, digest, demand), demand)
        except (DigestMismatch, MalformedDocument, NotFound) as error:
            yield FoundSignature("bundle", entry.digest, str(error))


def may_be_bundle(entry: Descriptor, wanted: str = bundles.PREDICATE) -> bool:
    """What a list says of an entry; one that says nothing, as fallback lists of others may, is looked at."""
    if not is_of(entry.annotations.get(bundles.PREDICATE_TYPE, wanted), wanted):
        return False
    kind = entry.artifact_type
    return kind.startswith(bundles.FAMILY) or kind in {"", mediatype.OCI_EMPTY}


def bundle_of(
    store: Reader,
    entry: Descriptor,
    subject: Digest,
    wanted: str = bundles.PREDICATE,
    limit: int = bundles.BUNDLE_LIMIT,
) -> bytes | None:
    """The bytes of the bundle in a manifest, None for none of the wanted predicate. Raises what reading raises."""
    seen = view(store.get_manifest(str(entry.digest), limit=_MANIFEST_LIMIT))
    layers = seen.layers if isinstance(seen, Manifest) else ()
    if not isinstance(seen, Manifest) or not any(one.media_type.startswith(bundles.FAMILY) for one in layers):
        return None
    if not is_of(seen.annotations.get(bundles.PREDICATE_TYPE, wanted), wanted):
        return None
    if seen.subject is None or seen.subject.digest != subject:
        raise MalformedDocument("its manifest refers to another image")
    if len(layers) != 1:
        raise MalformedDocument(f"its manifest has {len(layers)} layers, where one bundle belongs")
    return read_blob(store, layers[0], limit)


@dataclass(frozen=True, slots=True)
class _Read:
    """A signature before it is judged: what made it, if known, and what it then says; else why it is not known."""

    key: PublicKey | None
    is_keyless: bool
    claim: Claim | None
    names_repository: bool = True
    unknown: str = ""


def _read_bundle(data: bytes, digest: Digest, demand: Demand) -> _Read:
    read = bundles.read_bundle(data)
    key = maker(read.signature, bundles.pae(read.statement), demand)
    if key is None:
        return _Read(None, read.is_keyless, None, unknown=_unknown(read.signature, demand))
    claim = bundles.read_statement(read.statement, digest)
    return _Read(key, read.is_keyless, claim, names_repository=demand.is_strict or bool(claim.identity))


def _listed(store: Reader, digest: Digest, demand: Demand) -> Iterator[FoundSignature]:
    """The signatures in cosign's list beside a manifest; each payload is read once, however many signed it."""
    tag = signature_tag(digest)
    try:
        held = find_manifest(store, tag)
        layers = entries(held, tag)
    except (DigestMismatch, MalformedDocument) as error:
        yield FoundSignature("tag", None, f"{tag}: {error}")
        return
    if held is not None and not layers:
        yield FoundSignature("tag", held.digest, f"{tag} lists no signature")
    payloads: dict[Digest, bytes] = {}
    left = READ_LIMIT
    for number, layer in enumerate(layers):
        if number == LOOKED_AT:
            yield FoundSignature("tag", None, f"{tag} has {len(layers)} entries; the first {number} were looked at")
            return
        if layer.media_type != simple_signing.PAYLOAD:
            yield FoundSignature("tag", layer.digest, f"it is {layer.media_type}, no signature")
            continue
        try:
            if layer.digest not in payloads:
                payload = read_blob(store, layer, min(left, simple_signing.PAYLOAD_LIMIT))
                payloads[layer.digest] = payload
                left -= len(payload)
            read = _read_layer(layer, payloads[layer.digest], demand)
            yield _judged(FoundSignature("tag", layer.digest), read, demand, digest)
        except (DigestMismatch, MalformedDocument, NotFound) as error:
            yield FoundSignature("tag", layer.digest, str(error))


def _read_layer(layer: Descriptor, payload: bytes, demand: Demand) -> _Read:
    signature, is_keyless = simple_signing.signature_in(layer), simple_signing.CERTIFICATE in layer.annotations
    key = maker(signature, payload, demand)
    if key is None:
        return _Read(None, is_keyless, None, unknown=_unknown(signature, demand))
    return _Read(key, is_keyless, simple_signing.read_payload(payload))


def maker(signature: bytes, data: bytes, demand: Demand) -> PublicKey | None:
    """The key that made a signature, None for none of those that are asked for."""
    return next((key for key in demand.keys if key.verifies(signature, data)), None)


def _unknown(signature: bytes, demand: Demand) -> str:
    """What there is to say of a signature that none of the keys made, as far as can be seen."""
    if len(signature) == ED25519_SIZE and any(key.kind == "ed25519" for key in demand.keys):
        return (
            "no given key made it, unless cosign did: with an Ed25519 key it signs in the pre-hashed way "
            "(Ed25519ph), which neither this nor cosign verify checks; ocitool sign writes what both check"
        )
    return "no given key made it"


def _judged(found: FoundSignature, read: _Read, demand: Demand, digest: Digest | None = None) -> FoundSignature:
    """The signature with the reason why it does not count, if there is one."""
    found = replace(found, key=read.key, claim=read.claim, is_keyless=read.is_keyless and read.key is None)
    if read.claim is None:
        what = "it was made with a certificate, not with a key" if read.is_keyless else read.unknown
        return replace(found, reason=what)
    if digest is not None and read.claim.digest != digest:
        return replace(found, reason=f"it signs another image, {read.claim.digest}")
    wanted = {repository_of(one) for one in demand.identities}
    if wanted and read.names_repository and read.claim.repository not in wanted:
        named = f"{read.claim.identity}, not" if read.claim.identity else "no repository, and not"
        return replace(found, reason=f"{_FOR}{named} for {', '.join(demand.identities)}")
    for name, value in demand.annotations.items():
        if read.claim.annotations.get(name) != value:
            said = read.claim.annotations.get(name)
            told = "has no annotation" if said is None else f"says {str(said)[:80]!r} in"
            return replace(found, reason=f"it {told} {name}, not {value!r}")
    return found


def _why(manifest: VerifiedManifest) -> str:
    if not manifest.found:
        return "it has no signature"
    if any(one.holds for one in manifest.found):
        return f"not signed with {', '.join(key.name or key.fingerprint for key in manifest.missing)}"
    return "no signature counts"


def _hint(failed: Iterable[VerifiedManifest]) -> str:
    """What to do where a trusted key signed the very image for another repository, as that of a copy is signed."""
    found = (one for manifest in failed for one in manifest.found if one.reason.startswith(_FOR))
    named = sorted({one.claim.identity for one in found if one.claim is not None and one.claim.identity})
    if not named:
        return ""
    return (
        f"if it is a copy of what stands there, --identity {named[0]} says so, --verify-identity where images are "
        "built upon or copied"
    )


def _lines(manifest: VerifiedManifest) -> Iterator[str]:
    where = f"{manifest.label} {manifest.digest.short}" if ":" not in manifest.label else manifest.digest.short
    if not manifest.found:
        yield f"{where}: no signature"
    for one in manifest.found:
        if one.reason:
            yield f"{where}: {one.form} {one.digest.short if one.digest else ''}: {one.reason}".replace(" :", ":")
    if any(one.holds for one in manifest.found):
        yield from (f"{where}: not signed with {key.name} {key.fingerprint}" for key in manifest.missing)
