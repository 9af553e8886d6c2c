"""The cache of RUN: what executions left behind, by their keys, on this machine and where other builds left theirs.

Elsewhere each is an artifact of its own, `run-KEY`: a config that says the key, the diff_id and the size, and one
layer, none where nothing changed. Nothing of it is believed that does not fit (docs/reference/run-cache.md).
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ocitool.codec.codecs import decompress, parse_codec
from ocitool.dockerfile.run.tar_entries import tar_entries
from ocitool.errors import (
    Cancelled,
    Conflict,
    DigestMismatch,
    MalformedDocument,
    NotFound,
    OcitoolError,
    UsageError,
)
from ocitool.events import Noted
from ocitool.graph.copy import put_watched
from ocitool.model.digest import Digest
from ocitool.model.document import Document, JsonTree, write
from ocitool.model.mediatype import OCI_EMPTY, Family
from ocitool.model.numbers import KIB
from ocitool.model.views import Descriptor, Manifest, view
from ocitool.pack.layer import StoredTar, pack_tar
from ocitool.store.base import BytesSource, Expect, Reader, StoreSource, ingested
from ocitool.store.verify import read_blob, verified
from ocitool.tasks import Scope
from ocitool.values import dataclass, replace

if TYPE_CHECKING:
    from ocitool.workspace import Workspace

CONFIG_TYPE: Final = "application/vnd.ocitool.run.config.v1+json"
"""The type of the config, and so of the artifact."""
_CONFIG_LIMIT: Final = 64 * KIB
_TYPES: Final = ("registry", "local")


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What an execution left behind: its tar, None where nothing changed, and what there is to tell of it."""

    tar: StoredTar | None
    warnings: tuple[str, ...] = ()

    def to_tree(self) -> dict[str, Any]:
        """As it is remembered."""
        tar = {"diff_id": str(self.tar.diff_id), "size": self.tar.size} if self.tar is not None else {}
        return {**tar, "warnings": list(self.warnings)}

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> "RunOutcome":
        """The inverse of `to_tree`. Raises KeyError, TypeError, ValueError, UsageError for what is none."""
        tar = StoredTar(Digest(tree["diff_id"]), int(tree["size"])) if "diff_id" in tree else None
        return cls(tar, tuple(map(str, tree["warnings"])))


@dataclass(frozen=True, slots=True)
class CachePlace:
    """Where other builds leave executions: a locator without a tag. `is_optional`: a build goes on without it."""

    locator: str
    is_optional: bool = False

    @classmethod
    def parse(cls, flag: str, text: str) -> "CachePlace | None":
        """What a --cache-from or --cache-to says; None for a type that others have. Raises UsageError."""
        if "=" not in text:
            text = f"type=registry,ref={text}"
        said = dict(word.partition("=")[::2] for word in text.split(","))
        kind = said.get("type", "")
        if kind not in _TYPES:
            return None
        key = "ref" if kind == "registry" else "src" if flag == "--cache-from" else "dest"
        place = said.get(key, "")
        if not place:
            raise UsageError(f"{flag} type={kind} says no {key}", hint=f"as in type={kind},{key}=PLACE")
        return cls(place if kind == "registry" else f"oci:{place}", said.get("ignore-error") == "true")


def places_of(flag: str, texts: Iterable[str], workspace: "Workspace") -> tuple[CachePlace, ...]:
    """The places that a flag names; a type that only others have is told. Raises UsageError."""
    found = []
    for text in texts:
        place = CachePlace.parse(flag, text)
        if place is None:
            what = f"note: {flag} {text.partition(',')[0]}: only type=registry and type=local hold what RUN leaves"
            workspace.listener(Noted(what, "notice"))
        else:
            found.append(place)
    return tuple(found)


class RunCache:
    """What executions left behind; whoever asks may do so from several threads."""

    def __init__(
        self, workspace: "Workspace", sources: Iterable[CachePlace] = (), targets: Iterable[CachePlace] = ()
    ) -> None:
        self._workspace = workspace
        self._machine = workspace.machine
        self._sources = tuple(sources)
        self._targets = tuple(targets)
        self._gone: set[str] = set()
        self.used: dict[str, RunOutcome] = {}

    def find(self, key: str, scope: Scope) -> RunOutcome | None:
        """What is known under a key, its tar in this machine's store."""
        scope.check()
        known = self._recalled(key)
        for place in self._sources if known is None else ():
            if known is None and place.locator not in self._gone:
                known = self._fetched(key, place, scope)
        return known

    def keep(self, key: str, outcome: RunOutcome) -> None:
        """Remember what was left behind, and what is to be said of it whenever it is used."""
        outcome = replace(outcome, warnings=tuple(one for one in outcome.warnings if one.startswith("owners ")))
        self._machine.memo.remember(f"run:{key}", outcome.to_tree())

    def _recalled(self, key: str) -> RunOutcome | None:
        tree = self._machine.memo.recall(f"run:{key}")
        if tree is None:
            return None
        try:
            outcome = RunOutcome.of(tree)
        except (KeyError, TypeError, ValueError, UsageError):
            return None
        if outcome.tar is not None and not self._machine.content.has_blob(outcome.tar.descriptor):
            return None
        return outcome

    # From elsewhere

    def _fetched(self, key: str, place: CachePlace, scope: Scope) -> RunOutcome | None:
        """What a place has under a key; one that does not answer is not asked again, and what does not fit told."""
        listener = self._workspace.listener
        try:
            store, name = self._workspace.open_image(place.locator, _tag(key))
            outcome = self._taken(key, store, name, scope)
        except NotFound:
            return None
        except Cancelled:
            raise
        except (MalformedDocument, DigestMismatch, UsageError) as error:
            why = "is refused, for a digest differs" if isinstance(error, DigestMismatch) else "is refused"
            listener(Noted(f"--cache-from {place.locator}: run-{key[:12]} {why}: {error.what}"))
            return None
        except OcitoolError as error:
            self._gone.add(place.locator)
            listener(Noted(f"--cache-from {place.locator} is left out: {error.what}"))
            return None
        self.keep(key, outcome)
        return outcome

    def _taken(self, key: str, store: Reader, name: str, scope: Scope) -> RunOutcome:
        """The outcome in an artifact, its tar brought here.

        Raises NotFound, MalformedDocument, DigestMismatch, and what reading raises.
        """
        manifest = view(store.get_manifest(name))
        if not isinstance(manifest, Manifest) or manifest.config.media_type != CONFIG_TYPE:
            raise MalformedDocument("it is no artifact of a RUN")
        try:
            tree = json.loads(read_blob(store, manifest.config, _CONFIG_LIMIT))
            outcome = RunOutcome.of(tree)
            is_own = tree["key"] == key
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            raise MalformedDocument("its config is not that of a RUN") from None
        if not is_own:
            raise MalformedDocument("it says another key")
        if len(manifest.layers) != 1 or (outcome.tar is None) != (manifest.layers[0].media_type == OCI_EMPTY):
            raise MalformedDocument("its layer is not what its config says")
        if outcome.tar is not None and not self._machine.content.has_blob(outcome.tar.descriptor):
            self._bring(store, manifest.layers[0], outcome.tar, scope)
        return outcome

    def _bring(self, store: Reader, layer: Descriptor, tar: StoredTar, scope: Scope) -> None:
        """Unpack a layer into this machine's store. Raises DigestMismatch for another one than was said."""
        content = self._machine.content
        with store.open_blob(layer) as pieces:
            unpacked = verified(decompress(scope.pieces(pieces)), tar.descriptor, "its layer")
            digest, _ = ingested(content.ingest(), unpacked)
        path = content.blob_path(digest)
        try:
            tar_entries(path, tar)
        except OcitoolError:
            path.unlink(missing_ok=True)
            raise

    # To elsewhere

    def export(self, scope: Scope) -> None:
        """Leave what this build used at every place of --cache-to. Raises what writing there raises."""
        for place in self._targets:
            try:
                store, _ = self._workspace.opener.open(place.locator, write=True)
                with store:
                    for key, outcome in self.used.items():
                        self._left(key, outcome, store, scope)
            except Cancelled:
                raise
            except OcitoolError as error:
                if not place.is_optional:
                    error.add_note(f"--cache-to {place.locator}; with ignore-error=true the build goes on")
                    raise
                self._workspace.listener(Noted(f"--cache-to {place.locator}: {error.what}"))

    def _left(self, key: str, outcome: RunOutcome, store: Any, scope: Scope) -> None:  # noqa: ANN401 - a Store
        if store.head(_tag(key)) is not None:
            return
        content, listener = self._machine.content, self._workspace.listener
        empty = Document(b"{}", OCI_EMPTY)
        config = Document(json.dumps({"key": key, **outcome.to_tree()}, sort_keys=True).encode(), CONFIG_TYPE)
        layer = Descriptor.of(empty)
        put_watched(store, Descriptor.of(config), BytesSource(config.raw), scope, listener)
        if outcome.tar is None:
            put_watched(store, layer, BytesSource(empty.raw), scope, listener)
        else:
            packed = pack_tar(
                outcome.tar,
                content,
                parse_codec("gzip"),
                scope=scope,
                memo=self._machine.memo,
                label="cache of RUN",
            )
            layer = packed.descriptor(Family.OCI)
            put_watched(store, layer, StoreSource(layer, content), scope, listener)
        tree: dict[str, JsonTree] = {
            "schemaVersion": 2,
            "mediaType": Family.OCI.manifest,
            "config": Descriptor.of(config).to_tree(),
            "layers": [layer.to_tree()],
        }
        with suppress(Conflict):  # another build left the same
            store.put_manifest(write(tree, Family.OCI.manifest), _tag(key), expect=Expect(None))


def _tag(key: str) -> str:
    return f"run-{key}"
