"""Index spec files: manifest-tool's YAML and the same in TOML, read strictly.

    image = "registry.example/app:1.2"        where the index goes
    tags = ["latest"]                         further tags of that repository
    format = "oci"                            or "docker"; without it the children decide
    [annotations]                             of the index (OCI only)
    [[manifests]]
    image = "registry.example/app:1.2-{arch}" {os} {arch} {variant} are replaced
    platforms = ["linux/amd64", "linux/arm64"]
    [[manifests]]
    image = "registry.example/app:1.2-win"
    platform = { os = "windows", architecture = "amd64", "os.version" = "10.0.20348.1" }

In YAML every scalar is text, so that an OS version or tag such as 1.10 stays what was written.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ocitool.errors import UsageError, local_io
from ocitool.model.mediatype import Family
from ocitool.model.numbers import MIB
from ocitool.model.platform import Platform
from ocitool.model.toml import TomlError, parse_toml
from ocitool.values import dataclass, field

LIMIT: Final = MIB
"""Largest spec file in bytes; a guess far above what anybody writes."""
_TOP: Final = frozenset({"image", "tags", "format", "annotations", "manifests"})
_ENTRY: Final = frozenset({"image", "platform", "platforms"})
_PLATFORM: Final = {
    "os": "os", "architecture": "architecture", "variant": "variant", "os.version": "os_version",
    "osversion": "os_version", "os.features": "os_features", "osfeatures": "os_features", "features": "features",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SpecSource:
    """One image to list; without a platform its own config tells."""

    image: str
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """An index as a file describes it; `image` and `tags` may be empty, the command line can name them."""

    image: str
    sources: tuple[SpecSource, ...]
    tags: tuple[str, ...] = ()
    family: Family | None = None
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)


def read_spec(path: Path) -> IndexSpec:
    """The spec in a file: YAML if it ends in .yaml or .yml, else TOML.

    Raises UsageError that names the place of what is wrong, LocalIOError for a file that cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise local_io(error, f"read {path}") from error
    if len(data) > LIMIT:
        raise UsageError(f"{path} is larger than {LIMIT} bytes, which no index spec is")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text") from None
    try:
        tree = _yaml(text) if path.suffix in (".yaml", ".yml") else parse_toml(text)
        return parse_spec(tree)
    except (TomlError, RecursionError) as error:
        raise UsageError(f"{path}: {error}") from None
    except UsageError as error:
        error.add_note(f"in {path}")
        raise


def parse_spec(tree: object) -> IndexSpec:
    """The spec in parsed TOML or YAML. Raises UsageError."""
    top = _table(tree, "the file", _TOP)
    family = _text(top, "format", "format")
    if family not in ("", "docker", "oci"):
        raise UsageError(f"format is docker or oci, not {family!r}")
    manifests = top.get("manifests")
    if not isinstance(manifests, list) or not manifests:
        raise UsageError("manifests is a list of at least one image")
    sources: list[SpecSource] = []
    for number, entry in enumerate(manifests):
        sources += _sources(entry, f"manifests[{number}]")
    annotations = _table(top.get("annotations") or {}, "annotations")
    for key in annotations:
        if not isinstance(annotations[key], str):
            raise UsageError(f"annotations.{key} is not text")
    return IndexSpec(
        image=_text(top, "image", "image"),
        sources=tuple(sources),
        tags=_texts(top, "tags", "tags"),
        family=Family(family) if family else None,
        annotations=MappingProxyType(annotations),
    )


def _sources(tree: object, where: str) -> Iterator[SpecSource]:
    entry = _table(tree, where, _ENTRY)
    image = _text(entry, "image", f"{where}.image")
    if not image:
        raise UsageError(f"{where}.image is missing")
    if "platform" in entry and "platforms" in entry:
        raise UsageError(f"{where} has both platform and platforms")
    platforms: list[Platform | None] = []
    if "platforms" in entry:
        platforms += [Platform.parse(text) for text in _texts(entry, "platforms", f"{where}.platforms")]
        if not platforms:
            raise UsageError(f"{where}.platforms is empty")
    else:
        platforms.append(_platform(entry.get("platform"), f"{where}.platform"))
    for platform in platforms:
        yield SpecSource(_fill(image, platform, where), platform)


def _fill(image: str, platform: Platform | None, where: str) -> str:
    if "{" not in image:
        return image
    if platform is None:
        raise UsageError(f"{where}.image is a template and there is no platform to fill it with")
    words = {"os": platform.os, "arch": platform.architecture, "variant": platform.variant}
    filled = image
    for name, value in words.items():
        filled = filled.replace(f"{{{name}}}", value)
    if "{" in filled:
        raise UsageError(
            f"{where}.image has an unknown place holder: {image!r}", hint="one of {os} {arch} {variant}"
        )
    return filled


def _platform(tree: object, where: str) -> Platform | None:
    if tree in (None, "", {}):
        return None
    if isinstance(tree, str):
        return Platform.parse(tree)
    table = _table(tree, where, frozenset(_PLATFORM))
    fields: dict[str, Any] = {}
    for key in table:
        name = _PLATFORM[key]
        lists = name in ("os_features", "features")
        fields[name] = _texts(table, key, f"{where}.{key}") if lists else _text(table, key, f"{where}.{key}")
    if not fields.get("os") or not fields.get("architecture"):
        raise UsageError(f"{where} needs os and architecture")
    named = Platform.parse(
        "/".join(p for p in (fields["os"], fields["architecture"], fields.get("variant", "")) if p)
    )
    return Platform(
        named.os,
        named.architecture,
        named.variant,
        fields.get("os_version", ""),
        fields.get("os_features", ()),
        fields.get("features", ()),
    )


def _table(tree: object, where: str, known: frozenset[str] | None = None) -> dict[str, Any]:
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise UsageError(f"{where} is not a table of names and values")
    if known is not None and (unknown := sorted(set(tree) - known)):
        raise UsageError(f"{where} has an unknown key {unknown[0]!r}", hint=f"known are {', '.join(sorted(known))}")
    return tree


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UsageError(f"{where} is not text")
    return value


def _texts(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = table.get(key)
    if value in (None, ""):
        return ()
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise UsageError(f"{where} is not a list of texts")
    return tuple(value)


def _yaml(text: str) -> object:
    """YAML with every scalar as text; aliases and repeated keys are refused."""
    from ocitool.index.yaml import parse_yaml

    return parse_yaml(text)
