"""Bills of materials of what a name holds: an inventory for each platform, as a document in either format."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ocitool.attest import cyclonedx, spdx
from ocitool.attest.inventory import Inventory, take_inventory
from ocitool.errors import MalformedDocument, Unsupported, UsageError
from ocitool.events import Noted
from ocitool.graph.select import select
from ocitool.graph.walk import settle_entries
from ocitool.model.platform import Platform
from ocitool.model.printable import shown, unicode
from ocitool.model.views import Index, Manifest, view
from ocitool.pack.tar import parse_epoch
from ocitool.store.base import Store, called
from ocitool.store.locate import Locator
from ocitool.values import dataclass
from ocitool.workspace import Workspace

PREDICATES: Final = {"spdx": spdx.PREDICATE, "cyclonedx": cyclonedx.PREDICATE}
"""The predicate type of a statement that carries a document of each format."""
FORMATS: Final = {"spdx": spdx.compose_spdx, "cyclonedx": cyclonedx.compose_cyclonedx}
"""What writes each format: SPDX 2.3 and CycloneDX 1.6, both as JSON."""


@dataclass(frozen=True, slots=True)
class Sbom:
    """The bill of one image: what is in it, and whose it is."""

    name: str
    inventory: Inventory
    created: str

    @property
    def platform(self) -> Platform | None:
        """What the image is for, if anything says so."""
        return self.inventory.platform

    def document(self, form: str = "spdx") -> bytes:
        """The document as JSON, `spdx` or `cyclonedx`: the same bytes for the same image. Raises UsageError."""
        if form not in FORMATS:
            raise UsageError(f"no format of SBOMs: {form!r}", hint=f"one of {', '.join(FORMATS)}")
        return FORMATS[form](self.inventory, self.name, self.created)

    def to_tree(self) -> dict[str, Any]:
        """What was found, for JSON output."""
        return {"name": self.name, **self.inventory.to_tree()}


def bills_of(
    work: Workspace, reference: str, platforms: tuple[Platform, ...], environ: Mapping[str, str]
) -> tuple[Sbom, ...]:
    """The bill of each image under a name, or of those for some platforms; layers are read once for each.

    Raises Unsupported for what holds no image, and what reading layers raises.
    """
    store, name = work.opener.open(reference)
    found = Locator.parse(reference).reference
    whose = found.repository_name if found is not None else unicode(reference)
    bills = []
    for manifest, platform in images_of(store, name, platforms):
        memo = work.machine.memo
        inventory = take_inventory(store, manifest, platform, memo, scope=work.scope, width=work.width)
        for line in inventory.unread:
            label = f"{inventory.platform}: " if inventory.platform else ""
            work.listener(Noted(f"{label}not read: {shown(line)}"))
        bills.append(Sbom(whose, inventory, moment(inventory.created, environ)))
    return tuple(bills)


def images_of(
    store: Store, name: str, platforms: tuple[Platform, ...]
) -> tuple[tuple[Manifest, Platform | None], ...]:
    """The images under a name with their platforms, attestations left out; one for each wanted platform.

    Raises Unsupported where there is none, MalformedDocument for an index of indexes, NotFound for a platform.
    """
    if platforms:
        chosen = [select(store, name, one) for one in platforms]
        return tuple((one.manifest, one.platform) for one in chosen)
    document, label = store.get_manifest(name), called(store, name)
    seen = view(document)
    if not isinstance(seen, Index):
        if not isinstance(seen, Manifest) or not seen.is_image:
            raise Unsupported(f"{label} is no image, so there is nothing in it to be listed", ability="sbom")
        return ((seen, None),)
    found = []
    for entry in settle_entries(store, seen).entries:
        if entry.is_attestation:
            continue
        child = view(store.get_manifest(str(entry.digest)))
        if isinstance(child, Index):
            raise MalformedDocument(
                f"{label} is an index of indexes",
                hint=f"ocitool index flatten makes one of it; or name {entry.digest}",
            )
        if isinstance(child, Manifest) and child.is_image:
            found.append((child, entry.runs_on))
    if not found:
        raise Unsupported(f"{label} lists no image", ability="sbom")
    return tuple(found)


def moment(created: str, environ: Mapping[str, str]) -> str:
    """The time that a document says of itself: SOURCE_DATE_EPOCH, else when the image was made, else 1970.

    So the same image gives the same bytes.
    """
    epoch = environ.get("SOURCE_DATE_EPOCH")
    if epoch:
        return _stamp(datetime.fromtimestamp(parse_epoch(epoch), UTC))
    try:
        return _stamp(datetime.fromisoformat(created).astimezone(UTC))
    except (ValueError, OverflowError):
        return _stamp(datetime.fromtimestamp(0, UTC))


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time.year > 999 else "1970-01-01T00:00:00Z"
