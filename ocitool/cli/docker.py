"""docker's words in ours: what each `docker manifest` command means natively, and docker's own answers.

Pure: words in, words out. A command prints the native one under `--verbose`.
"""

import base64
import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from ocitool.model import mediatype
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform


def create_index(name: str, members: Iterable[tuple[str, Platform | None]]) -> tuple[str, ...]:
    """What `manifest push` of a list means: an index of its images, each with the platform set on it."""
    sources = (f"{reference}={platform}" if platform else reference for reference, platform in members)
    return ("ocitool", "index", "create", name, *sources)


def inspect(reference: str, *, verbose: bool) -> tuple[str, ...]:
    """What `manifest inspect` means."""
    return ("ocitool", "inspect", reference, *(["--json", "--layers"] if verbose else ["--raw"]))


def shown(words: Sequence[str]) -> str:
    """The words as one line for a shell."""
    return shlex.join(words)


def manifest_text(document: Document) -> str:
    """A manifest or list as `docker manifest inspect` prints it: lists by three spaces, images by tabs."""
    indent = 3 if mediatype.is_index(document.media_type) else "\t"
    return json.dumps(document.tree(), indent=indent, ensure_ascii=False)


def verbose_entry(reference: str, document: Document, platform: Platform | None) -> dict[str, Any]:
    """One image as `docker manifest inspect --verbose` shows it."""
    descriptor: dict[str, Any] = {
        "mediaType": document.media_type,
        "digest": document.digest,
        "size": document.size,
    }
    if platform is not None:
        descriptor["platform"] = platform.to_tree()
    family = mediatype.family_of(document.media_type)
    key = "OCIManifest" if family is Family.OCI else "SchemaV2Manifest"
    return {
        "Ref": reference,
        "Descriptor": descriptor,
        "Raw": base64.b64encode(document.raw).decode(),
        key: document.tree(),
    }


def verbose_text(tree: object) -> str:
    """One entry or a list of them, as docker indents them."""
    return json.dumps(tree, indent="\t", ensure_ascii=False)
