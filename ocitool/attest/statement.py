"""In-toto statements: what is said of an image's digest, composed, and read from wherever it stands.

Spec: in-toto attestation `spec/v1/statement.md`; BuildKit's attestation-storage; DSSE 1.0.2.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from ocitool.errors import MalformedDocument
from ocitool.model.digest import Digest
from ocitool.model.document import COMPACT, parse, write
from ocitool.model.mediatype import IN_TOTO
from ocitool.model.printable import shown_json
from ocitool.values import dataclass, field

TYPES: Final = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
KINDS: Final = {
    "sbom": ("https://spdx.dev/Document", "https://cyclonedx.org/bom"),
    "provenance": ("https://slsa.dev/provenance/",),
}
"""What predicate types of each kind begin with."""
KNOWN: Final = f"one of {', '.join(KINDS)}, or the URI of a predicate, such as {KINDS['sbom'][0]}"
"""What may be asked for, for hints."""
Place: TypeAlias = Literal["index", "referrer", "bundle"]
"""Where a statement stands: in BuildKit's manifest in the index, in a manifest of its own, signed in a bundle."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement about an image: its predicate, and what that is. `where` says what holds it.

    In a bundle it is signed, in an index that may be; nobody has looked at a signature here.
    """

    predicate_type: str
    predicate: Mapping[str, Any] = field(hash=False)
    where: str = ""
    place: Place = "referrer"

    @property
    def is_signed(self) -> bool:
        """Whether it stands in a signed envelope."""
        return self.place == "bundle"

    @property
    def kind(self) -> str:
        """`sbom` or `provenance`, empty for what is neither."""
        return kind_of(self.predicate_type)

    def text(self) -> str:
        """The predicate as JSON, with nothing in it that a terminal would obey."""
        return shown_json(json.dumps(self.predicate, indent=2, ensure_ascii=False))


def kind_of(predicate_type: str) -> str:
    """The kind of a predicate by its type, empty for one of another kind."""
    return next((kind for kind, types in KINDS.items() if predicate_type.startswith(types)), "")


def is_of(predicate_type: str, wanted: str) -> bool:
    """Whether a predicate is what is wanted: a kind, or exactly that type."""
    return wanted in {predicate_type, kind_of(predicate_type)}


def is_known(wanted: str) -> bool:
    """Whether a word is a kind, or looks like the URI of a type."""
    return wanted in KINDS or (":" in wanted and wanted.isprintable() and " " not in wanted)


def compose_statement(digest: Digest, names: Sequence[str], predicate_type: str, predicate: Any) -> bytes:  # noqa: ANN401 - JSON
    """The statement that a predicate is about a digest; `names` are the image's, as package URLs."""
    subjects = [{"name": name, "digest": {digest.algorithm: digest.hex}} for name in (*names,) or ("_",)]
    tree = {"_type": TYPES[0], "subject": subjects, "predicateType": predicate_type, "predicate": predicate}
    return write(tree, IN_TOTO, COMPACT).raw


def read_statement(data: bytes, about: Digest, where: str = "", place: Place = "referrer") -> Statement:
    """A statement about a digest. Raises MalformedDocument for what is none, or is about something else."""
    tree = parse(data)
    if not isinstance(tree, Mapping) or tree.get("_type") not in TYPES:
        raise MalformedDocument(f"{where} is no in-toto statement", where=where)
    subjects = tree.get("subject")
    digests = [
        one["digest"].get(about.algorithm)
        for one in (subjects if isinstance(subjects, list) else ())
        if isinstance(one, Mapping) and isinstance(one.get("digest"), Mapping)
    ]
    if about.hex not in digests:
        raise MalformedDocument(
            f"{where} states something about {str(digests[0])[:64] if digests else 'nothing'}, not about {about}",
            where=where,
        )
    kind, predicate = tree.get("predicateType"), tree.get("predicate")
    if not isinstance(kind, str) or not isinstance(predicate, Mapping | None):
        raise MalformedDocument(f"{where} states nothing that can be read", where=where)
    return Statement(kind, predicate or {}, where, place)
