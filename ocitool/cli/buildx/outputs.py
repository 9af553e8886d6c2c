"""`-o type=…`: buildx's grammar of outputs, read into what each says. Pure."""

import csv
from collections.abc import Mapping
from typing import Final

from ocitool.errors import Unsupported, UsageError, closest
from ocitool.image.annotations import Annotation, AnnotationLevel, Annotations, parse_annotation
from ocitool.values import dataclass, field

KINDS: Final = ("image", "registry", "docker", "oci", "local", "tar", "cacheonly")
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})

_HONOURED: Final = frozenset(
    {"name", "dest", "tar", "push", "push-by-digest", "registry.insecure", "oci-mediatypes", "compression"}
    | {"compression-level", "platform-split", "engine", "context"}
)
_SO_ANYWAY: Final = frozenset(
    {"name-canonical", "force-compression", "rewrite-timestamp", "unpack", "store", "dangling-name-prefix"}
    | {"prefer-nondist-layers", "attestation-prefix", "buildinfo", "buildinfo-attrs"}
)
"""What needs nothing: layers are always compressed anew and without times, and no containerd gets them."""
_ANNOTATED: Final = {
    "annotation": AnnotationLevel.MANIFEST,
    "annotation-manifest": AnnotationLevel.MANIFEST,
    "annotation-index": AnnotationLevel.INDEX,
    "annotation-manifest-descriptor": AnnotationLevel.ENTRY,
}
_COMPRESSIONS: Final = {"uncompressed": "none", "gzip": "gzip", "zstd": "zstd", "estargz": "estargz"}


@dataclass(frozen=True, slots=True)
class Output:
    """One output: its kind, where it goes (empty if not said), and its other attributes."""

    kind: str
    place: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)

    def says(self, key: str) -> bool | None:
        """A yes or no; None if not said. Raises UsageError."""
        value = self.attributes.get(key)
        if value is None:
            return None
        if value not in _TRUE | _FALSE:
            raise UsageError(f"{key}={value} of -o type={self.kind} is neither true nor false")
        return value in _TRUE

    @property
    def names(self) -> tuple[str, ...]:
        """The names it gets, of `name=a,b`."""
        return tuple(name for name in self.attributes.get("name", "").split(",") if name)

    @property
    def compression(self) -> str:
        """The compression in our words, empty if not said. Raises Unsupported."""
        said, level = self.attributes.get("compression", ""), self.attributes.get("compression-level", "")
        if said and said not in _COMPRESSIONS:
            raise Unsupported(
                f"layers of compression {said} are not written",
                ability=said,
                hint="one of gzip, zstd, estargz, uncompressed",
            )
        name = _COMPRESSIONS.get(said, "gzip" if level else "")
        return f"{name}:{level}" if level and name != "none" else name

    @property
    def annotations(self) -> Annotations:
        """What `annotation.KEY=VALUE` and its relatives ask for. Raises UsageError, Unsupported."""
        found: list[Annotation] = []
        for key, value in self.attributes.items():
            place, dot, name = key.partition(".")
            kind, bracket, platform = place.partition("[")
            if dot and kind in _ANNOTATED:
                text = f"{_ANNOTATED[kind]}{bracket}{platform}:{name}={value}"
                found += parse_annotation(text, AnnotationLevel.MANIFEST).all
        return Annotations(tuple(found))


def read_output(text: str) -> Output:
    """One output in buildx's words: comma-separated KEY=VALUE, quoted as CSV; without a `=` a folder, or `-`.

    Raises UsageError for what is no output, and for attributes that none has.
    """
    fields = next(csv.reader([text]), [])
    if fields == [text] and "=" not in text:
        return Output("tar" if text == "-" else "local", text)
    words: dict[str, str] = {}
    for one in fields:
        key, equals, value = one.partition("=")
        if not equals:
            raise UsageError(f"-o {text!r}: {one!r} is not KEY=VALUE", hint="as in -o type=oci,dest=image.tar")
        words[key.strip().lower()] = value
    kind, place = words.pop("type", ""), words.pop("dest", "")
    if kind not in KINDS:
        what = f"unknown output type {kind!r}" if kind else f"-o {text!r} names no type"
        raise UsageError(what, hint=f"one of {', '.join(KINDS)}")
    for key in words:
        if key not in _HONOURED | _SO_ANYWAY and key.partition(".")[0].partition("[")[0] not in _ANNOTATED:
            near = closest(key, _HONOURED | _SO_ANYWAY)
            hint = f"did you mean {near}?" if near else f"it knows {', '.join(sorted(_HONOURED))}"
            raise UsageError(f"-o type={kind} has no {key!r}", hint=hint)
    return Output(kind, place, words)
