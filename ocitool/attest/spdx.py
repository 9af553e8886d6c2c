"""SPDX 2.3 documents of an inventory, as JSON: the same bytes for the same image and time.

Spec: SPDX 2.3, clauses 6 (document), 7 (package), 8 (file), 11 (relationships), annex H (package URLs).
"""

from collections.abc import Iterable
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from ocitool.attest.inventory import Inventory, InventoryFile
from ocitool.attest.package import FoundPackage
from ocitool.model.document import write
from ocitool.model.printable import unicode
from ocitool.version import __version__

MEDIA_TYPE: Final = "application/spdx+json"
PREDICATE: Final = "https://spdx.dev/Document"
_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_IMAGE: Final = "SPDXRef-image"
_SPACE: Final = "https://spdx.org/spdxdocs"


def compose_spdx(found: Inventory, name: str, created: str) -> bytes:
    """The document. `name` is the repository or place, `created` the time as `YYYY-MM-DDThh:mm:ssZ`.

    Files are described and not contained: a package whose files are not all listed may contain none.
    """
    packages = [(f"SPDXRef-package-{number}", one) for number, one in enumerate(found.packages)]
    files = [(f"SPDXRef-file-{number}", one) for number, one in enumerate(found.files)]
    by_path = {one.path: key for key, one in files}
    tree: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": name,
        "documentNamespace": f"{_SPACE}/{uuid5(NAMESPACE_URL, f'{found.digest} {name} {created}')}",
        "creationInfo": {"created": created, "creators": [f"Tool: ocitool-{__version__}"]},
    }
    if found.unread:
        tree["comment"] = "not read: " + "; ".join(found.unread)
    tree["packages"] = [_image(found, name), *(_package(key, one) for key, one in packages)]
    if files:
        tree["files"] = [_file(key, one) for key, one in files]
    tree["relationships"] = [
        *_related(_DOCUMENT, "DESCRIBES", (_IMAGE, *(key for key, _ in files))),
        *_related(_IMAGE, "CONTAINS", (key for key, _ in packages)),
        *(
            {"spdxElementId": key, "relationshipType": "OTHER", "relatedSpdxElement": by_path[one.found_in]}
            | {"comment": "evident-by: the package was found in this file"}
            for key, one in packages
            if one.found_in in by_path
        ),
    ]
    return write(tree, MEDIA_TYPE).raw


def _related(whose: str, kind: str, keys: Iterable[str]) -> Iterable[dict[str, str]]:
    return ({"spdxElementId": whose, "relationshipType": kind, "relatedSpdxElement": key} for key in keys)


def _image(found: Inventory, name: str) -> dict[str, Any]:
    return {
        "SPDXID": _IMAGE,
        "name": name,
        "versionInfo": str(found.digest),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [_purl(image_purl(found, name))],
        "checksums": [{"algorithm": found.digest.algorithm.upper(), "checksumValue": found.digest.hex}],
    }


def image_purl(found: Inventory, name: str) -> str:
    """The package URL of the image itself, an `oci` one."""
    short = name.rpartition("/")[2].partition("@")[0].partition(":")[0] or "image"
    said = (
        ("arch", found.platform.architecture if found.platform else ""),
        ("repository_url", name if "/" in name and ":" not in name.rpartition("/")[2] else ""),
    )
    return FoundPackage("oci", short.lower(), str(found.digest).replace(":", "%3A"), qualifiers=said).purl.replace(
        "%253A", "%3A"
    )


def _package(key: str, package: FoundPackage) -> dict[str, Any]:
    tree: dict[str, Any] = {"SPDXID": key, "name": _name(package)}
    if package.version:
        tree["versionInfo"] = package.version
    tree |= {
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "sourceInfo": f"found in /{unicode(package.found_in)}",
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [_purl(package.purl)],
    }
    if package.license:
        tree["licenseComments"] = f"the package says: {package.license}"
    return tree


def _name(package: FoundPackage) -> str:
    if package.kind in {"golang", "npm"} and package.namespace:
        return f"{package.namespace}/{package.name}"
    return package.name


def _purl(text: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": text}


def _file(key: str, file: InventoryFile) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "SPDXID": key,
        "fileName": f"./{unicode(file.path)}",
        "checksums": [
            {"algorithm": "SHA1", "checksumValue": file.sha1},
            {"algorithm": "SHA256", "checksumValue": file.sha256},
        ],
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    }
    if file.kind and file.kind != "script program":
        tree["fileTypes"] = ["BINARY"]
    if file.step:
        tree["comment"] = unicode(f"packed by ocitool: {file.step}{f'; from {file.source}' if file.source else ''}")
    return tree
