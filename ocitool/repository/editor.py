"""Edits of a repository as a whole: words in, plans out. Reads, and writes nothing."""

import time
from collections.abc import Iterable
from pathlib import Path

from ocitool.arguments import count_of, path_of, text_of, words_of
from ocitool.change.journal import Journal, unfinished
from ocitool.change.plan import Plan
from ocitool.errors import Unsupported, UsageError, as_one
from ocitool.model import mediatype
from ocitool.model.digest import Digest, as_digest
from ocitool.model.moments import span_of
from ocitool.model.tag_filter import TagFilter
from ocitool.model.versions import VersionRange
from ocitool.model.views import Descriptor
from ocitool.repository.content import file_blob, plan_put_blob, plan_put_manifest
from ocitool.repository.delete import Deletion, plan_delete
from ocitool.repository.graph import RepositoryGraph, read_graph
from ocitool.repository.plan_file import read_plan, write_plan
from ocitool.repository.policy import PrunePolicy, decide
from ocitool.repository.prune import Prune, plan_prune
from ocitool.store.base import BytesSource, Source, Store, StoreSource, ingested
from ocitool.store.locate import Locator, said_name
from ocitool.values import dataclass
from ocitool.workspace import Workspace


@dataclass(frozen=True, slots=True)
class RepositoryEditor:
    """A repository or layout, by the name of something in it: each method gives a plan that `Client.apply` does.

    Raises UsageError for what cannot be meant, Unsupported for an archive, and what the registry answers.
    """

    work: Workspace
    place: str

    @as_one()
    def put_manifest(self, data: bytes, *, media_type: str = "") -> Plan:
        """The bytes stored as a manifest, under the tag of the place, whatever it holds, or by its digest alone.

        Where the place names a digest the bytes have to have it, else DigestMismatch is raised. `media_type` is
        needed where the bytes do not say what they are.
        """
        if not isinstance(data, bytes):
            raise UsageError("a manifest is given as bytes")
        at = Locator.parse(self.place)
        store, name = self.work.opener.open_edited(self.place)
        tag = at.reference.tag if at.reference is not None else name if as_digest(name) is None else ""
        wanted = as_digest(name)
        return plan_put_manifest(
            store, [tag] if tag else [], data, media_type=text_of(media_type, "media_type"), digest=wanted
        )

    @as_one()
    def put_blob(self, content: bytes | str | Path | Iterable[bytes]) -> Plan:
        """A blob stored: bytes, a file, or pieces, which are kept in this machine's store on their way.

        Where the place names a digest the content has to have it, else DigestMismatch is raised.
        """
        store, name = self.work.opener.open_edited(self.place)
        return plan_put_blob(store, *self._blob(content), digest=as_digest(name))

    @as_one()
    def delete(self) -> Deletion:
        """What the place names deleted: its `plan`, and what else goes with a manifest that is named by digest.

        A tag goes alone, and what else it held keeps its tags.
        """
        store, name = self.work.opener.open_edited(self.place)
        return plan_delete(store, name, scope=self.work.scope, listener=self.work.listener)

    @as_one()
    def prune(
        self,
        *,
        keep: Iterable[str] | str = (),
        keep_versions: int = 0,
        keep_semver: str = "",
        keep_last: int = 0,
        keep_within: str = "",
        only: Iterable[str] | str = (),
        unknown_age: str = "keep",
    ) -> Prune:
        """What goes from a repository if all goes that no rule keeps, as a plan, and why; deletes nothing.

        `keep` are patterns; `keep_versions` keeps all tags of so many of the highest versions, `keep_semver` those
        of a range; `keep_last` the tags of so many of the newest manifests, `keep_within` those not older than
        `12h`, `30d`, `6w` or `1y`. With `only` the others are kept. What says no date that can be believed is kept
        by the rules about age, unless `unknown_age` is delete. Whatever stays keeps its images, what refers to it,
        and the tags that belong to it.
        """
        within = text_of(keep_within, "keep_within")
        span = span_of(within)
        if within and span is None:
            raise UsageError(f"not a span of time: {within[:40]!r}", hint="such as 12h, 30d, 6w or 1y")
        if unknown_age not in {"keep", "delete"}:
            raise UsageError(f"unknown_age is given as {unknown_age!r}", hint="it is keep or delete")
        policy = PrunePolicy(
            words_of(keep, "keep"),
            VersionRange.parse(text_of(keep_semver, "keep_semver")) if keep_semver else None,
            count_of(keep_versions, "keep_versions"),
            count_of(keep_last, "keep_last"),
            span or 0.0,
            within,
            TagFilter(words_of(only, "only")),
            deletes_unknown_age=unknown_age == "delete",
        )
        store, leftovers = self._pruned()
        graph = self._graph(store, leftovers, dates=policy.needs_dates)
        return plan_prune(graph, decide(graph, policy, time.time()), leftovers)

    @as_one()
    def read_prune(self, path: str | Path) -> Prune:
        """The prune that a file holds, which `save_prune` wrote and somebody may have looked at.

        Raises Conflict where a tag of the repository is not what it was then.
        """
        planned = read_plan(path_of(path, "a file"))
        store, leftovers = self._pruned()
        graph = self._graph(store, leftovers)
        planned.check(graph)
        return plan_prune(graph, planned.decisions, leftovers)

    @as_one()
    def save_prune(self, prune: Prune, path: str | Path) -> None:
        """Write a prune into a file for people to look at, and for `read_prune`."""
        write_plan(path_of(path, "a file"), prune)

    def _pruned(self) -> tuple[Store, tuple[Digest, ...]]:
        """The store that is pruned, and what prunes that died left there."""
        if Locator.parse(self.place).reference is None:
            raise Unsupported(
                f"{self.place} is no repository of a registry, and only those are pruned",
                ability="prune",
                hint="copy what is to stay into a new layout",
            )
        if name := said_name(self.place):
            raise UsageError(
                f"a whole repository is pruned, and {self.place} names {name}",
                hint="leave it out; --only PATTERN judges some tags alone, and ocitool delete takes one",
            )
        store, _ = self.work.opener.open_edited(self.place)
        return store, unfinished(Journal(self.work.machine.backup), store.label)

    def _graph(self, store: Store, leftovers: tuple[Digest, ...], *, dates: bool = False) -> RepositoryGraph:
        work = self.work
        return read_graph(
            store, scope=work.scope, referrers=True, dates=dates, also=leftovers, listener=work.listener
        )

    def _blob(self, content: bytes | str | Path | Iterable[bytes]) -> tuple[Descriptor, Source]:
        if isinstance(content, bytes):
            return Descriptor(mediatype.OCTETS, Digest.of(content), len(content)), BytesSource(content)
        if isinstance(content, (str, Path)):
            return file_blob(Path(content), self.work.scope)
        kept = self.work.machine.content
        descriptor = Descriptor(mediatype.OCTETS, *ingested(kept.ingest(), self.work.scope.pieces(content)))
        return descriptor, StoreSource(descriptor, kept)
