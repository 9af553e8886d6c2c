"""The signature that stands in a manifest of its own: a sigstore bundle around a signed in-toto statement.

The statement is wrapped in a DSSE envelope, that in the bundle, and the bundle is the one layer of a manifest whose
subject is the image. Spec: cosign BUNDLE_SPEC, `sigstore_bundle.proto`, DSSE 1.0.2, in-toto attestation `spec/v1`.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

from ocitool.errors import MalformedDocument
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import COMPACT, Document, parse, write
from ocitool.model.numbers import MIB
from ocitool.model.views import Descriptor
from ocitool.sign.claim import Claim
from ocitool.sign.simple_signing import compact, member, unbase64
from ocitool.values import dataclass, replace

BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
FAMILY: Final = "application/vnd.dev.sigstore.bundle"
"""What the type of every bundle begins with, older ones too."""
PREDICATE: Final = "https://sigstore.dev/cosign/sign/v1"
"""The predicate of a statement that is a signature of an image, and no attestation."""
PREDICATE_TYPE: Final = "dev.sigstore.bundle.predicateType"
"""The annotation that tells a bundle's predicate before it is read."""
BUNDLE_LIMIT: Final = 4 * MIB
"""Most bytes of a bundle that are read where it is a signature of an image."""
EMPTY: Final = b"{}"

_CONTENT: Final = "dev.sigstore.bundle.content"
_STATEMENT: Final = "application/vnd.in-toto+json"
_STATEMENTS: Final = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")


@dataclass(frozen=True, slots=True)
class SigstoreBundle:
    """What verifying needs of a bundle: the signed statement, its signature, and how the key is named.

    `is_keyless` says that a certificate stands for the key.
    """

    statement: bytes
    signature: bytes
    is_keyless: bool


def pae(body: bytes, kind: str = _STATEMENT) -> bytes:
    """The bytes to be signed: DSSE's pre-authentication encoding of a body and its type."""
    named = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(named), named, len(body), body)


def compose_statement(claim: Claim) -> bytes:
    """The statement that signs an image. The identity is the subject's name, which cosign leaves out."""
    subject: dict[str, Any] = {"name": claim.identity} if claim.identity else {}
    subject["digest"] = {claim.digest.algorithm: claim.digest.hex}
    if claim.annotations:
        subject["annotations"] = dict(sorted(claim.annotations.items()))
    return compact({"_type": _STATEMENTS[0], "subject": [subject], "predicateType": PREDICATE, "predicate": {}})


def compose_bundle(statement: bytes, signature: bytes, hint: str) -> bytes:
    """The bundle; `hint` names the key. The envelope has no keyid: readers take different things for it."""
    envelope = {
        "payload": base64.b64encode(statement).decode(),
        "payloadType": _STATEMENT,
        "signatures": [{"sig": base64.b64encode(signature).decode()}],
    }
    return compact(
        {"mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": hint}}, "dsseEnvelope": envelope}
    )


def compose_manifest(subject: Descriptor, bundle: bytes, predicate: str = PREDICATE) -> Document:
    """The manifest that refers to `subject` and carries the bundle, whose statement has that predicate."""
    named = Descriptor(subject.media_type, subject.digest, subject.size)
    config = replace(empty(), artifact_type=BUNDLE)
    tree = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "artifactType": BUNDLE,
        "config": config.to_tree(),
        "layers": [Descriptor(BUNDLE, Digest.of(bundle), len(bundle)).to_tree()],
        "subject": named.to_tree(),
        "annotations": {_CONTENT: "dsse-envelope", PREDICATE_TYPE: predicate},
    }
    return write(tree, mediatype.OCI_MANIFEST, COMPACT)


def empty() -> Descriptor:
    """The descriptor of the empty config. Spec: image-spec manifest.md, "Guidance for an Empty Descriptor"."""
    return Descriptor(mediatype.OCI_EMPTY, Digest.of(EMPTY), len(EMPTY))


def read_bundle(data: bytes) -> SigstoreBundle:
    """What a bundle holds. Raises MalformedDocument for older ones, and for several signatures or none."""
    tree = parse(data)
    kind = tree.get("mediaType") if isinstance(tree, Mapping) else None
    if kind not in {BUNDLE, f"{FAMILY}+json;version=0.3"}:
        raise MalformedDocument(f"it is {str(kind)[:80]!r}, no bundle of version 0.3")
    material, envelope = member(tree, "verificationMaterial"), member(tree, "dsseEnvelope")
    signatures = envelope.get("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], Mapping):
        count = len(signatures) if isinstance(signatures, list) else 0
        raise MalformedDocument(f"its envelope has {count} signatures, where one belongs")
    if envelope.get("payloadType") != _STATEMENT:
        raise MalformedDocument(f"its envelope holds {str(envelope.get('payloadType'))[:80]!r}, no statement")
    return SigstoreBundle(
        unbase64(envelope.get("payload"), "payload"),
        unbase64(signatures[0].get("sig"), "signature"),
        is_keyless="certificate" in material or "x509CertificateChain" in material,
    )


def read_statement(data: bytes, about: Digest) -> Claim:
    """What a signed statement claims about a digest. Raises MalformedDocument for what is no signature of it.

    Of several subjects the one with the digest counts.
    """
    tree = parse(data)
    kind = tree.get("_type") if isinstance(tree, Mapping) else None
    if kind not in _STATEMENTS:
        raise MalformedDocument(f"its statement is {str(kind)[:80]!r}")
    if tree.get("predicateType") != PREDICATE:
        raise MalformedDocument(f"it states {str(tree.get('predicateType'))[:80]!r}, and is no signature")
    subjects = tree.get("subject")
    if not isinstance(subjects, list) or not all(isinstance(one, Mapping) for one in subjects):
        raise MalformedDocument("its statement is about nothing")
    digests = [member(one, "digest").get(about.algorithm) for one in subjects]
    if about.hex not in digests:
        raise MalformedDocument(f"it signs {about.algorithm}:{str(digests[0])[:64] if digests else ''}")
    subject = subjects[digests.index(about.hex)]
    name, annotations = subject.get("name") or "", subject.get("annotations") or {}
    if not isinstance(name, str) or not isinstance(annotations, Mapping):
        raise MalformedDocument("its subject is malformed")
    return Claim(about, "" if name == "_" else name, dict(annotations))
