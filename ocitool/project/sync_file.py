"""Sync files: which repositories are to be kept alike with which others, as values."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ocitool.errors import UsageError
from ocitool.model.digest import is_digest
from ocitool.model.platform_pattern import PlatformChoice, is_pattern, parse_choices
from ocitool.model.reference import Reference, normalise_host
from ocitool.model.tag_filter import TagFilter
from ocitool.model.versions import VersionRange
from ocitool.project.schema import SYNC_SCHEMA, check_file
from ocitool.project.toml import KeyPath, TomlFile, read_toml
from ocitool.store.locate import SCHEMES, Locator, is_below
from ocitool.values import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SyncEntry:
    """One source and its targets.

    `source` is a place without a tag; `tag` is the one that it names, "" for all that are `wanted`. `repositories`
    is a pattern of repositories on the host that `source` is then. `where` is the place in the file, for messages.
    """

    source: str
    targets: tuple[str, ...]
    where: str
    tag: str = ""
    repositories: str = ""
    wanted: TagFilter = TagFilter()
    platforms: tuple[PlatformChoice, ...] = ()
    referrers: bool = False


def read_sync_file(path: Path) -> tuple[SyncEntry, ...]:
    """What a file says, in its order.

    Raises UsageError with file, line and key, an ExceptionGroup of them if there are several, and LocalIOError.
    """
    file = read_toml(path)
    check_file(file, SYNC_SCHEMA)
    return tuple(_entry(file, number, own) for number, own in enumerate(file.tree["sync"]))


def _entry(file: TomlFile, number: int, own: Mapping[str, Any]) -> SyncEntry:
    here: KeyPath = ("sync", number)
    said = {key: value for key, value in file.tree.items() if key != "sync"} | dict(own)

    def at(key: str, parse: Callable[[Any], T]) -> T:
        try:
            return parse(said[key])
        except UsageError as error:
            raise file.error((*here, key) if key in own else (key,), error.what, error.hint) from error

    source, tag, repositories = at("source", _source)
    if not said.get("targets"):
        raise file.error(here, "has no targets", 'write targets = ["HOST/REPOSITORY"]')
    targets = at("targets", lambda places: tuple(map(_target, places)))
    if repositories and not all(map(is_below, targets)):
        raise file.error((*here, "source"), "is several repositories", "end each of targets with /")
    for place in targets:
        if is_below(place) and Locator.parse(source).reference is None and not repositories:
            raise file.error((*here, "source"), "has no repository to go below a target", f"name one: {place}NAME")
    return SyncEntry(
        source,
        targets,
        f"{file.path} line {file.line(here)}",
        tag,
        repositories,
        TagFilter(
            tuple(said.get("include", ())),
            tuple(said.get("exclude", ())),
            at("semver", VersionRange.parse) if "semver" in said else None,
        ),
        at("platforms", parse_choices) if "platforms" in said else (),
        said.get("referrers", False),
    )


def _source(text: str) -> tuple[str, str, str]:
    """Place, tag and pattern of repositories. Raises UsageError."""
    scheme = text.partition(":")[0]
    if scheme in SCHEMES:
        at = Locator.parse(text)
        return f"{at.scheme}:{at.path}", _tag(at.name, text), ""
    if is_pattern(text):
        host, slash, pattern = text.partition("/")
        if not slash or is_pattern(host) or Reference.parse(f"{host}/x").registry != normalise_host(host):
            raise UsageError(
                f"{text!r} names no registry", hint="write HOST/PATTERN, such as localhost:5000/team/*"
            )
        return normalise_host(host), "", pattern
    reference = Reference.parse(text, default_tag="")
    return reference.repository_name, _tag(reference.name, text), ""


def _tag(name: str, text: str) -> str:
    if is_digest(name):
        raise UsageError(f"{text!r} is a digest, which never changes", hint="ocitool copy brings it once")
    return name


def _target(text: str) -> str:
    """A place without a tag. Raises UsageError."""
    if is_below(text):
        Reference.parse(f"{text}x")
        return text
    at = Locator.parse(text)
    if at.is_archive:
        raise UsageError(
            f"{text!r} is an archive, which is written as a whole", hint=f"ocitool copy SRC --to {text}"
        )
    name = Reference.parse(text, default_tag="").name if at.reference is not None else at.name
    if name:
        raise UsageError(f"{text!r} names a tag, and tags keep their names", hint="leave it out")
    return text
