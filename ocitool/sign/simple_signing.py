"""The signature that stands in a list: a simple-signing payload, and the layer that carries it with its signature.

Spec: cosign SIGNATURE_SPEC, "Payloads" and "Storage".
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from ocitool.errors import MalformedDocument
from ocitool.model.digest import Digest
from ocitool.model.document import parse
from ocitool.model.numbers import MIB
from ocitool.model.views import Descriptor
from ocitool.sign.claim import Claim

PAYLOAD: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
CERTIFICATE: Final = "dev.sigstore.cosign/certificate"
PAYLOAD_LIMIT: Final = MIB
"""Most bytes of a payload that are read; what signers write has some hundred."""

_TYPE: Final = "cosign container image signature"
# As Go's encoder writes them, so that signers that sign the same write the same.
_ESCAPES: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def compose_payload(claim: Claim) -> bytes:
    """The bytes to be signed: compact JSON in cosign's order."""
    tree = {
        "critical": {
            "identity": {"docker-reference": claim.identity},
            "image": {"docker-manifest-digest": str(claim.digest)},
            "type": _TYPE,
        },
        "optional": dict(sorted(claim.annotations.items())) or None,
    }
    return compact(tree)


def compact(tree: Mapping[str, Any]) -> bytes:
    """JSON as Go's encoder writes it, without a newline."""
    text = json.dumps(tree, separators=(",", ":"), ensure_ascii=False)
    for letter, escaped in _ESCAPES.items():
        text = text.replace(letter, escaped)
    return text.encode()


def read_payload(data: bytes) -> Claim:
    """What a payload claims. Raises MalformedDocument for another type, or where a member is missing."""
    tree = parse(data)
    critical = member(tree, "critical")
    if critical.get("type") != _TYPE:
        raise MalformedDocument(f"its payload is of type {str(critical.get('type'))[:80]!r}")
    identity = member(critical, "identity").get("docker-reference")
    digest = member(critical, "image").get("docker-manifest-digest")
    optional = tree.get("optional")
    if not isinstance(identity, str) or not isinstance(digest, str) or not isinstance(optional, Mapping | None):
        raise MalformedDocument("its payload names no digest or repository")
    return Claim(Digest(digest), identity, dict(optional or {}))


def member(tree: Any, key: str) -> Mapping[str, Any]:  # noqa: ANN401 - parsed JSON
    """An object in an object. Raises MalformedDocument."""
    found = tree.get(key) if isinstance(tree, Mapping) else None
    if not isinstance(found, Mapping):
        raise MalformedDocument(f"it has no object {key!r}")
    return found


def layer_of(payload: bytes, signature: bytes) -> Descriptor:
    """The layer that carries a payload, with the signature as annotation."""
    annotations = {SIGNATURE: base64.b64encode(signature).decode()}
    return Descriptor(PAYLOAD, Digest.of(payload), len(payload), annotations=annotations)


def signature_in(layer: Descriptor) -> bytes:
    """The signature that a layer carries. Raises MalformedDocument."""
    return unbase64(layer.annotations.get(SIGNATURE, ""), "signature")


def unbase64(text: object, what: str) -> bytes:
    """The bytes in standard base64, at least one. Raises MalformedDocument."""
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        raise MalformedDocument(f"its {what} is not base64") from None
    if not data:
        raise MalformedDocument(f"it has no {what}")
    return data
