"""CycloneDX 1.6 documents of an inventory, as JSON: the same bytes for the same image and time.

Spec: CycloneDX 1.6 (ECMA-424), "bom", "component", "dependency".
"""

from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from ocitool.attest.inventory import Inventory, InventoryFile
from ocitool.attest.package import FoundPackage
from ocitool.attest.spdx import image_purl
from ocitool.model.document import write
from ocitool.model.printable import unicode
from ocitool.version import __version__

MEDIA_TYPE: Final = "application/vnd.cyclonedx+json"
PREDICATE: Final = "https://cyclonedx.org/bom"


def compose_cyclonedx(found: Inventory, name: str, created: str) -> bytes:
    """The document. `name` is the repository or place, `created` the time as `YYYY-MM-DDThh:mm:ssZ`."""
    image = image_purl(found, name)
    components = [_package(number, one) for number, one in enumerate(found.packages)]
    components += [_file(one) for one in found.files]
    if found.distribution.id:
        components.append(_distribution(found))
    metadata: dict[str, Any] = {
        "timestamp": created,
        "tools": {"components": [{"type": "application", "name": "ocitool", "version": __version__}]},
        "component": {
            "bom-ref": "image",
            "type": "container",
            "name": name,
            "version": str(found.digest),
            "purl": image,
        },
    }
    if found.unread:
        metadata["properties"] = [{"name": "ocitool:unread", "value": line} for line in found.unread]
    tree = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'cyclonedx {found.digest} {name} {created}')}",
        "version": 1,
        "metadata": metadata,
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": [str(one["bom-ref"]) for one in components]}],
    }
    return write(tree, MEDIA_TYPE).raw


def _package(number: int, package: FoundPackage) -> dict[str, Any]:
    is_grouped = package.kind in {"golang", "npm"} and bool(package.namespace)
    tree: dict[str, Any] = {"bom-ref": f"package-{number}", "type": "library"}
    if is_grouped and package.kind == "npm":
        tree["group"] = package.namespace
    tree["name"] = f"{package.namespace}/{package.name}" if is_grouped and package.kind != "npm" else package.name
    if package.version:
        tree["version"] = package.version
    if package.license:
        tree["licenses"] = [{"license": {"name": package.license}}]
    tree |= {"purl": package.purl, "evidence": {"occurrences": [{"location": f"/{unicode(package.found_in)}"}]}}
    return tree


def _file(file: InventoryFile) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "bom-ref": f"file-{unicode(file.path)}",
        "type": "file",
        "name": f"/{unicode(file.path)}",
        "hashes": [{"alg": "SHA-1", "content": file.sha1}, {"alg": "SHA-256", "content": file.sha256}],
    }
    said = {"ocitool:step": file.step, "ocitool:source": file.source}
    properties = [{"name": name, "value": unicode(value)} for name, value in said.items() if value]
    if properties:
        tree["properties"] = properties
    return tree


def _distribution(found: Inventory) -> dict[str, Any]:
    tree = {"bom-ref": "distribution", "type": "operating-system", "name": found.distribution.id}
    if found.distribution.version:
        tree["version"] = found.distribution.version
    if found.distribution.name:
        tree["description"] = found.distribution.name
    return tree
