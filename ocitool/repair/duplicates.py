"""Several entries for one platform: the same image once, and of different images the one that a human keeps.

Which of two images of one platform is right is nobody's guess (K001, K017): the plan names them, and waits.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from ocitool.check.inspection import Inspection
from ocitool.check.rules.index import is_vague
from ocitool.errors import UsageError
from ocitool.model.document import Document, JsonTree
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, Manifest
from ocitool.repair.work import Mending

RULE: Final = "index/duplicate-platform"


def once(work: Mending, document: Document) -> Document:
    """The index without an entry for an image that another names for the same platform, or for none."""
    seen: set[tuple[str, Platform | None]] = set()
    kept: list[JsonTree] = []
    for tree in document.tree()["manifests"]:
        entry = Descriptor.from_tree(tree)
        key = (entry.digest, entry.platform.normalised() if entry.platform else None)
        if key in seen and not work.attests(entry):
            _second(work, entry)
            continue
        kept.append(tree)
        seen.add(key)
    return document.edit(lambda tree: tree.update(manifests=kept))


def passed_over(
    work: Mending, entries: Sequence[Descriptor], platforms: Sequence[Platform | None]
) -> frozenset[int]:
    """The places of entries that go, since a human keeps another image for their platform.

    `platforms` are what the entries are for once they are mended. Raises UsageError for one to be kept that is not
    there, and for two of one platform.
    """
    gone: set[int] = set()
    images = list(_images(work, entries, platforms))
    for keep in sorted(work.options.keep):
        wanted = {offer for _, entry, offer in images if entry.digest == keep}
        others = {n: entry for n, entry, offer in images if entry.digest != keep and offer in wanted}
        if not wanted:
            raise UsageError(
                f"{keep} is no image of the index", hint="repair without --keep lists those to choose from"
            )
        if both := next((entry for entry in others.values() if entry.digest in work.options.keep), None):
            raise UsageError(f"{keep} and {both.digest} are for one platform: --keep one of them")
        for entry in others.values():
            work.because(RULE, f"{entry.named} is dropped: {keep.short} is kept", str(entry.digest))
        gone |= others.keys()
    return frozenset(gone)


def distinct(work: Mending, inspection: Inspection, trees: Sequence[JsonTree]) -> list[JsonTree]:
    """The entries without what says the same again once it is mended; different images are left for a human."""
    kept: list[JsonTree] = []
    seen: dict[tuple[Platform, bool], list[Descriptor]] = {}
    for tree in trees:
        entry = Descriptor.from_tree(tree)
        if entry.platform is None or entry.platform.is_unknown or work.attests(entry):
            kept.append(tree)
            continue
        same = seen.setdefault((entry.platform.normalised(), entry.is_zstd_image), [])
        if any(other.digest == entry.digest for other in same):
            _second(work, entry)
            continue
        kept.append(tree)
        same.append(entry)
    for same in seen.values():
        several = [entry for entry in same if not is_vague(entry)]  # of arm without a variant the ruling speaks
        if len(several) > 1:
            told = " and ".join(f"{entry.digest}{_created(inspection, entry)}" for entry in several)
            work.left.append(f"{several[0].platform}: {told} are for one platform; --keep DIGEST says which stays")
    return kept


def _images(
    work: Mending, entries: Sequence[Descriptor], platforms: Sequence[Platform | None]
) -> Iterator[tuple[int, Descriptor, tuple[Platform, bool]]]:
    """The images with what they are offered for: a platform, and whether as its zstd image."""
    for number, (entry, platform) in enumerate(zip(entries, platforms, strict=True)):
        if platform is not None and not work.attests(entry):
            yield number, entry, (platform.normalised(), entry.is_zstd_image)


def _created(inspection: Inspection, entry: Descriptor) -> str:
    manifest = inspection.views.get(entry.digest)
    config = inspection.configs.get(manifest.config.digest) if isinstance(manifest, Manifest) else None
    return f" (created {config.created})" if config is not None and config.created else ""


def _second(work: Mending, entry: Descriptor) -> None:
    work.because(RULE, f"the second {entry.named} is dropped", entry.digest)
