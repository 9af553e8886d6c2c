"""`buildx imagetools`: its sources in our words, and an image as it is shown. Reads, and writes nothing."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ocitool.arguments import read_small
from ocitool.client import Client
from ocitool.errors import MalformedDocument, Unsupported, UsageError
from ocitool.model.digest import as_digest
from ocitool.model.document import Document, parse
from ocitool.model.numbers import MIB
from ocitool.model.reference import Reference
from ocitool.model.views import Descriptor, Index, view

_FILE_LIMIT: Final = 4 * MIB


def sources_of(words: Iterable[str], files: Iterable[str], tags: Sequence[Reference]) -> tuple[str, ...]:
    """Sources as `index create` takes them: a digest or descriptor belongs to the one repository that is named.

    Raises UsageError, Unsupported for descriptors that say more than what they are for, LocalIOError.
    """
    given = [*(read_small(file, _FILE_LIMIT).decode(errors="replace").strip() for file in files), *words]
    named = [word for word in given if not (as_digest(word) or word.startswith("{"))]
    places = dict.fromkeys(one.repository_name for one in (*tags, *map(Reference.parse, named)))
    found = []
    for word in given:
        if word in named:
            found.append(word)
            continue
        if len(places) != 1:
            what = "several repositories are named" if places else "no repository is named"
            raise UsageError(f"{what}, and {word[:80]} says only a digest", hint="write it as REPOSITORY@sha256:…")
        digest, platform = _described(word)
        found.append(f"{next(iter(places))}@{digest}{platform}")
    return tuple(found)


def _described(word: str) -> tuple[str, str]:
    """The digest and `=PLATFORM` of a digest or of a descriptor in JSON."""
    if as_digest(word):
        return word, ""
    try:
        tree = parse(word.encode())
    except MalformedDocument as error:
        raise UsageError(f"a source is no descriptor: {error.what}") from None
    digest = tree.get("digest") if isinstance(tree, dict) else None
    if not isinstance(digest, str) or not as_digest(digest):
        raise UsageError("a descriptor among the sources names no digest", hint='as in {"digest": "sha256:…"}')
    if tree.get("annotations"):
        raise Unsupported(
            "annotations of a descriptor are not taken over",
            ability="annotations",
            hint="--annotation 'manifest-descriptor[OS/ARCH]:KEY=VALUE' sets them",
        )
    platform = tree.get("platform")
    if not isinstance(platform, dict):
        return digest, ""
    return digest, "=" + "/".join(
        str(platform[key]) for key in ("os", "architecture", "variant") if platform.get(key)
    )


def listed(reference: Reference, document: Document) -> str:
    """An image or index as `imagetools inspect` shows it."""
    found = view(document)
    lines = [f"Name:      {reference}", f"MediaType: {document.media_type}", f"Digest:    {document.digest}"]
    if not isinstance(found, Index):
        return "\n".join(lines)
    lines += [" ", "Manifests: "]
    for number, entry in enumerate(found.entries):
        lines += ["             "] if number else []
        # without a platform, a row of the table fewer; what is one digest is another place
        lines.append(f"  Name:      {reference.with_digest(entry.digest)}")
        lines.append(f"  MediaType: {entry.media_type}")
        if entry.platform is not None:
            lines.append(f"  Platform:  {entry.platform}")
        if entry.annotations:
            lines.append("  Annotations: ")
            width = max(map(len, entry.annotations)) + 1
            lines += [f"    {f'{key}:':<{width}} {value}" for key, value in entry.annotations.items()]
    return "\n".join(lines)


def answer(client: Client, name: str, document: Document, *, configs: bool) -> dict[str, Any]:
    """What templates see: the name, the manifest, and with `configs` the config of each platform."""
    found, reference = view(document), Reference.parse(name)
    described = Descriptor.of(document).to_tree()
    if not isinstance(found, Index):
        image = {"image": {"config": {}, **client.config(name).tree()}} if configs else {}
        return {"name": name, "manifest": described, **image}
    tree = document.tree()
    manifest = {"schemaVersion": 2, **described, "manifests": tree["manifests"]}
    if tree.get("annotations"):
        manifest["annotations"] = tree["annotations"]
    images: dict[str, Any] = {}
    for entry in found.entries if configs else ():
        if entry.platform is not None and not entry.is_attestation:
            image = client.config(str(reference.with_digest(entry.digest))).tree()
            images[str(entry.platform.normalised())] = {"config": {}, **image}
    only = next(iter(images.values())) if len(images) == 1 else images
    return {"name": name, "manifest": manifest, **({"image": only} if configs else {})}


def metadata(tags: Sequence[str], document: Document) -> str:
    """What --metadata-file holds."""
    described = Descriptor.of(document).to_tree()
    return json.dumps({"containerimage.descriptor": described, "image.name": ",".join(tags)}, indent=2) + "\n"
