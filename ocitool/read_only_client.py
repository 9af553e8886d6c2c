"""ReadOnlyClient: how a client is opened and closed, and all of it that looks and writes nothing."""

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ocitool.arguments import (
    count_of,
    mapping_of,
    pairs_of,
    path_of,
    paths_of,
    platforms_of,
    several_of,
    text_of,
    words_of,
)
from ocitool.errors import Cancelled, NotFound, UsageError, as_one
from ocitool.events import Listener, Noted, silent
from ocitool.model.digest import Digest, as_digest
from ocitool.model.numbers import MIB
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference, parse_registry
from ocitool.model.tag_filter import TagFilter
from ocitool.model.versions import VersionRange
from ocitool.model.views import Descriptor
from ocitool.registry.hosts import CONNECTIONS, Access
from ocitool.registry.throttle import Rate
from ocitool.store.base import BlobStream, Store, called
from ocitool.store.locate import Locator, Opener
from ocitool.store.machine import MachineStore, default_root
from ocitool.tasks import Retry, Scope
from ocitool.workspace import PlatformWords, Workspace, host_platform

if TYPE_CHECKING:
    from ocitool.attest.sbom import Sbom
    from ocitool.attest.statement import Statement
    from ocitool.builder.doctor import Diagnosis
    from ocitool.check.runner import Checked
    from ocitool.model.document import Document
    from ocitool.registry.examine import Examined
    from ocitool.report.base_status import BaseStatus
    from ocitool.report.compare import Comparison
    from ocitool.report.images import Kept
    from ocitool.report.referrer_tree import ReferrerTree
    from ocitool.report.survey import Survey
    from ocitool.repository.tags import TagInfo, TagQuery
    from ocitool.rootfs.export import Exported
    from ocitool.rootfs.merged import MergedFiles
    from ocitool.sign.policy import Admission
    from ocitool.sign.run import VerifyKey
    from ocitool.sign.verification import Verification


class ReadOnlyClient:
    """What a client is made of, and what it can tell of places without changing them."""

    def __init__(
        self,
        *,
        plain_http: Iterable[str] = (),
        insecure: Iterable[str] = (),
        anonymous: Iterable[str] = (),
        ca_files: Iterable[str | Path] = (),
        credentials: Mapping[str, tuple[str, str] | str] | None = None,
        part_mib: int = 0,
        retry_s: float = 300.0,
        jobs: int = 0,
        rates: Iterable[str] | str = (),
        cache_dir: str | Path | None = None,
        environ: Mapping[str, str] | None = None,
        listener: Listener = silent,
        scope: Scope | None = None,
    ) -> None:
        """A client that has opened nothing yet.

        `plain_http`, `insecure` (no check of certificates) and `anonymous` (no credentials) name hosts as
        HOST[:PORT]; `credentials` has a (user, password) or a token for a host, and goes before what `docker login`
        kept. `ca_files` are trusted beside the system's. Uploads go in parts of `part_mib` MiB, 0 lets the size be
        learned. A request that gets no answer is tried again for at most `retry_s` seconds. `jobs` is how many
        things are done at once, 0 as many as sensible; `rates` is what a host gets in a span of time, such as
        `10/s` (requests), `5MiB/s` (bytes), or of one host `docker.io=100/6h`. `cache_dir` is this machine's store,
        where `undo` finds old bytes [default: ~/.cache/ocitool]. `environ` stands in for the environment of this
        process. `listener` is called with each Event, from any thread. Cancel `scope` to end whatever is under way.
        """
        self.environ = dict(os.environ if environ is None else environ)
        self._has_chosen_store = cache_dir is not None
        machine = MachineStore(
            path_of(cache_dir, "cache_dir") if cache_dir is not None else default_root(self.environ)
        )
        self._access = Access(
            plain_http=words_of(plain_http, "plain_http"),
            insecure=words_of(insecure, "insecure"),
            ca_files=paths_of(ca_files, "ca_files"),
            anonymous=words_of(anonymous, "anonymous"),
            connections=jobs or CONNECTIONS,
            rates=tuple(map(Rate.parse, words_of(rates, "rates"))),
            part_bytes=part_mib * MIB,
            retry=Retry(total_s=retry_s),
            journal=machine.journal,
            places=machine.places,
            environ=self.environ | _variables(credentials),
        )
        self._jobs = jobs
        self._stack = ExitStack()
        self._stack.callback(machine.let_go)
        scope = (scope or Scope()).child()
        self._workspace = Workspace(
            machine=machine,
            opener=self._stack.enter_context(Opener(self._access, scope, listener)),
            scope=scope,
            host=host_platform(),
            width=jobs or min(os.cpu_count() or 1, 8),
            transfers=self._access.connections,
            listener=listener,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Cancel what is under way, and close connections and files; to close it again does nothing."""
        self._workspace.scope.cancel(Cancelled("the client was closed"))
        self._workspace.scope.close()
        self._stack.close()

    @property
    def workspace(self) -> Workspace:
        """What the command line needs for what is no method here. Raises UsageError once the client is closed."""
        self._workspace.opener.check_open()
        return self._workspace

    @as_one()
    def open(self, place: str | Reference, *, write: bool = False) -> tuple[Store, str]:
        """The store that a place means and the name in it, for whoever needs manifests and blobs themselves.

        What is opened to be written is entered (`with store:`) by its user: an archive is whole when the block
        ends.
        """
        return self.workspace.opener.open(text_of(place), write=write)

    @as_one()
    def digest(self, place: str | Reference, platform: str | Platform | None = None) -> Digest:
        """The digest that a place means, by one HEAD request; with a platform that of its image in the index."""
        store, name = self.open(place)
        if platform is not None:
            from ocitool.graph.select import entry_of

            return entry_of(store, name, self.workspace.platform(platform)).digest
        found = store.head(name)
        if found is None:
            raise NotFound(f"no manifest {name} in {store.label}", name=name, where=store.label)
        return found.digest

    @as_one()
    def manifest(self, place: str | Reference, platform: str | Platform | None = None) -> "Document":
        """The exact bytes of a manifest; with a platform those of its image."""
        store, name = self.open(place)
        if platform is not None:
            name = str(self.inspect(place, platform).images[0].descriptor.digest)
        return store.get_manifest(name)

    @as_one()
    def config(self, place: str | Reference, platform: str | Platform | None = None) -> "Document":
        """The exact bytes of the config of an image; of an index of several, that of a platform."""
        from ocitool.graph.select import select
        from ocitool.model.document import Document
        from ocitool.store.verify import CONFIG_LIMIT, read_blob

        store, name = self.open(place)
        found = select(store, name, None if platform is None else self.workspace.platform(platform))
        if found.note:
            self.workspace.listener(Noted(found.note))
        held = found.manifest.config
        return Document(read_blob(store, held, CONFIG_LIMIT), held.media_type)

    @as_one()
    def blob(self, place: str | Reference) -> "BlobStream":
        """The bytes of a blob, `REPO@DIGEST`: `with client.blob(place) as pieces`; what does not have it raises.

        They are compared with the digest as they pass: believe none before the last. Raises NotFound.
        """
        descriptor, store = self._blob(place)
        return store.open_blob(descriptor)

    @as_one()
    def blob_size(self, place: str | Reference) -> int:
        """The bytes of a blob, `REPO@DIGEST`, by a HEAD request. Raises NotFound."""
        return self._blob(place)[0].size

    def _blob(self, place: str | Reference) -> "tuple[Descriptor, Store]":
        from ocitool.model.mediatype import OCTETS

        store, name = self.open(place)
        digest = as_digest(name)
        if digest is None:
            raise UsageError(f"{place} names no blob", hint="a blob has no tag: write REPO@sha256:…")
        size = store.blob_size(digest)
        if size is None:
            raise NotFound(f"no blob {digest} in {store.label}", name=str(digest), where=store.label)
        return Descriptor(OCTETS, digest, size), store

    @as_one()
    def inspect(
        self,
        place: str | Reference,
        platforms: PlatformWords = (),
        *,
        referrers: bool = False,
    ) -> "Survey":
        """What a place holds: its images with platform, digest, layers and config; with `platforms` only these.

        A child that is gone is told in its image's `problem`. `referrers` also asks for what refers to each.
        """
        from ocitool.report.survey import pick, survey, with_referrers

        store, name = self.open(place)
        wanted, scope = self.workspace.platforms(platforms), self.workspace.scope
        found, notes = pick(survey(store, name, scope=scope, label=str(place)), wanted)
        for note in notes:
            self.workspace.listener(Noted(note))
        return with_referrers(found, store, scope=scope) if referrers else found

    @as_one()
    def base_status(
        self, *places: str | Reference, base: str | Reference = "", platforms: PlatformWords = ()
    ) -> "BaseStatus":
        """Whether the bases of images are underneath, and whether their names hold something else by now.

        `base` is compared with instead of what annotations call the base.
        """
        from ocitool.index.bases import Bases
        from ocitool.report.base_status import base_status

        bases, wanted = Bases(self.workspace, new=text_of(base, "base") if base else ""), platforms_of(platforms)
        surveys = {text_of(place): self.inspect(place, wanted) for place in places}
        return base_status(surveys, bases, scope=self.workspace.scope)

    @as_one()
    def referrers(self, place: str | Reference) -> "ReferrerTree":
        """What refers to what a place holds and to each image below: signatures, SBOMs, attached files."""
        from ocitool.report.referrer_tree import referrer_tree

        store, name = self.open(place)
        return referrer_tree(store, name, scope=self.workspace.scope)

    @as_one()
    def diff(
        self,
        before: str | Reference,
        after: str | Reference,
        platforms: PlatformWords = (),
        *,
        files: bool = False,
    ) -> "Comparison":
        """What differs between two images or indexes, platform by platform; with `files` also in their files."""
        from ocitool.report.compare import compare
        from ocitool.report.filediff import compare_all
        from ocitool.report.survey import pick, survey

        work, wanted = self.workspace, self.workspace.platforms(platforms)
        sides = []
        for place in (before, after):
            store, name = self.open(place)
            sides.append((store, pick(survey(store, name, scope=work.scope, label=str(place)), wanted)[0]))
        old, new = sides
        changes = compare_all(old, new, work.machine.memo, scope=work.scope) if files else {}
        return compare(old[1], new[1], changes)

    @as_one()
    def files(
        self, place: str | Reference, platform: str | Platform | None = None, *, whole: bool = False
    ) -> "MergedFiles":
        """The files of an image as a container would see them; the listing is kept on this machine.

        Of layers with a table of contents (eStargz, zstd:chunked, `gzip,toc`) only that is read, and what is opened
        of their files; with `whole` all layers are read whole, as it is better for who wants everything of them.
        """
        from ocitool.graph.select import select
        from ocitool.rootfs.merged import MergedFiles
        from ocitool.rootfs.tree import read_tree

        work = self.workspace
        store, name = self.open(place)
        found = select(store, name, None if platform is None else self.workspace.platform(platform))
        if found.note:
            work.listener(Noted(found.note))
        memo = work.machine.memo
        tree = read_tree(store, found.manifest, memo, scope=work.scope, width=work.width, in_parts=not whole)
        return MergedFiles(store, found.manifest, tree, work.scope)

    @as_one()
    def cat(self, place: str | Reference, path: str, platform: str | Platform | None = None) -> bytes:
        """The bytes of one file of an image, links followed; `files` has `open` for those that are too large."""
        from ocitool.model.files import from_system

        return b"".join(self.files(place, platform).open(from_system(text_of(path, "a path in the image"))))

    @as_one()
    def export(
        self, place: str | Reference, destination: str | Path, platform: str | Platform | None = None
    ) -> "Exported":
        """Write the files of an image into a new or empty folder, or into a file whose name ends with .tar."""
        from ocitool.rootfs.export import export

        folder = path_of(destination, "a destination")
        return export(self.files(place, platform, whole=True), folder)

    @as_one()
    def sbom(self, place: str | Reference, platforms: PlatformWords = ()) -> "tuple[Sbom, ...]":
        """What is in the images of a place, a bill of materials for each; with `platforms` only of these.

        `document` of a bill gives SPDX 2.3 or CycloneDX 1.6 as JSON, `inventory` the packages.
        """
        from ocitool.attest.sbom import bills_of

        return bills_of(self.workspace, text_of(place), self.workspace.platforms(platforms), self.environ)

    @as_one()
    def statements(
        self, place: str | Reference, kind: str, platform: str | Platform | None = None
    ) -> "tuple[Statement, ...]":
        """What stands beside an image about it: its `sbom` or its `provenance`, of the index or of referrers.

        Nothing is verified: a statement `is_signed` where it stands in an envelope with a signature.
        """
        from ocitool.attest.find import find_statements

        store, name = self.open(place)
        wanted = None if platform is None else self.workspace.platform(platform)
        return find_statements(store, name, text_of(kind, "a kind"), wanted)

    @as_one()
    def tags(
        self,
        repository: str | Reference,
        patterns: Iterable[str] | str = (),
        **choice: Any,  # noqa: ANN401 - that of tag_details
    ) -> tuple[str, ...]:
        """The tags of a repository or layout, chosen and in order as for `tag_details`."""
        from ocitool.repository.tags import find_tags

        work, query = self.workspace, _tag_query(patterns, **choice)
        return find_tags(self.open(repository)[0], query, scope=work.scope, listener=work.listener)

    @as_one()
    def tag_details(
        self,
        repository: str | Reference,
        patterns: Iterable[str] | str = (),
        *,
        exclude: Iterable[str] | str = (),
        versions: str = "",
        order: str = "listed",
        reverse: bool = False,
        limit: int = 0,
    ) -> "tuple[TagInfo, ...]":
        """The tags of a repository or layout with what they hold, by one request each.

        With `patterns`, as a shell has them, only tags that one fits; without those that one of `exclude` fits;
        with `versions`, a range such as `>=1.2 <2`, only versions in it. `order` is listed (as the registry has
        them), name, version or date, which reads the images too. At most `limit` of them, 0 for all.
        """
        from ocitool.repository.tags import describe_tags

        query = _tag_query(patterns, exclude=exclude, versions=versions, order=order, reverse=reverse, limit=limit)
        work = self.workspace
        return describe_tags(self.open(repository)[0], query, scope=work.scope, listener=work.listener)

    @as_one()
    def catalog(self, registry: str, patterns: Iterable[str] | str = (), *, limit: int = 0) -> tuple[str, ...]:
        """The repositories of a registry, `HOST`, that one of the patterns fits; at most `limit`, 0 for all.

        Raises Unsupported where the registry does not list them, as most public ones do not.
        """
        from ocitool.repository.catalog import list_repositories

        host, most = parse_registry(text_of(registry, "a registry")), count_of(limit, "limit")
        return list_repositories(self.workspace.opener.session, host, words_of(patterns, "patterns"), most)

    @as_one()
    def images(self) -> "tuple[Kept, ...]":
        """The images that builds left in this machine's store."""
        from ocitool.report.images import kept_images

        return kept_images(self.workspace.machine.content, self.workspace.scope)

    @as_one()
    def diagnose(
        self,
        source: str | Path | None = None,
        platforms: PlatformWords = (),
        *,
        toolchain: str = "",
        spec: str | Path | None = None,
        image: str = "",
    ) -> "Diagnosis":
        """Which platforms can be compiled here and by what; with a `source` what a build of it would do.

        `image` is the one of several that the spec file describes.
        """
        from ocitool.builder.doctor import diagnose

        return diagnose(
            None if source is None else path_of(source, "a folder"),
            self.workspace.platforms(platforms),
            self.environ,
            toolchain=text_of(toolchain, "toolchain"),
            spec_file=None if spec is None else path_of(spec, "spec"),
            image=text_of(image, "image"),
        )

    @as_one()
    def examine(self, registry: str) -> "Examined":
        """How a registry, `HOST[/REPOSITORY]`, is reached, with which credentials, and what it supports."""
        host, _, repository = text_of(registry, "a registry").partition("/")
        return self.workspace.opener.examine(parse_registry(host), repository)

    @as_one()
    def payload(
        self,
        reference: str | Reference,
        *,
        form: str = "tag",
        identity: str = "",
        annotations: Mapping[str, str] | None = None,
    ) -> bytes:
        """The bytes that a device is to sign, for `signature` of `plan_sign` with the same options."""
        from ocitool.sign.run import payload
        from ocitool.sign.signing import SignOptions

        return payload(
            self.workspace,
            text_of(reference),
            SignOptions(
                text_of(form, "form"),
                identity=text_of(identity, "identity"),
                annotations=dict(pairs_of(annotations, "annotations")),
            ),
        )

    @as_one()
    def verify(
        self,
        reference: str | Reference,
        *keys: "VerifyKey",
        every_key: bool = False,
        recursive: bool = False,
        identity: Iterable[str] | str = (),
        annotations: Mapping[str, str] | None = None,
        attested: Iterable[str] | str = (),
        policy: str | Path | None = None,
    ) -> "Verification":
        """What holds of the signatures of a name; its `digest` is what was verified, and what is to be used.

        One of the keys (PEM files of public keys) has to have signed, with `every_key` each of them; with
        `recursive` every child of an index too. `identity` are repositories that it may have been signed for
        [default: that of the name], `annotations` what it has to say. `attested` are kinds (`sbom`, `provenance`)
        or predicate types, of each of which one of the keys has to vouch for a statement about it. It also has to
        fulfil `policy`, a file with rules [default: that of ocitool.toml]. Raises NotVerified, which has what was
        found, and Unsupported for what is only signed without a key.
        """
        from ocitool.sign.run import demand_of, verify_document

        keys = tuple(keys)
        admit = self._admission((), (), policy)
        at = Locator.parse(text_of(reference))
        if admit is not None and not keys:
            if every_key or recursive or identity or annotations or attested:
                raise UsageError("the policy says what is asked", hint="add --key FILE to ask for more")
            store, name = self.open(reference)
            return admit.verified(at, store, name, store.get_manifest(name))
        demand = demand_of(
            text_of(reference),
            keys,
            every_key=every_key,
            identities=words_of(identity, "identity"),
            annotations=dict(pairs_of(annotations, "annotations")),
            attested=words_of(attested, "attested"),
        )
        store, name = self.open(reference)
        document = store.get_manifest(name)
        place = called(store, name)
        found = verify_document(self.workspace, store, place, document, demand, recursive=recursive).required()
        if admit is not None:
            admit.verified(at, store, name, document)
        return found

    @as_one()
    def check(
        self,
        *places: str | Reference,
        deep: bool = False,
        all_tags: bool = False,
        blobs: bool = True,
        select: Iterable[str] | str = (),
        ignore: Iterable[str] | str = (),
        expect: PlatformWords = (),
        expect_at_least: PlatformWords = (),
        config: str | Path | None = None,
        policy: str | Path | None = None,
    ) -> "Checked":
        """What is wrong with what places hold, and with everything below; writes nothing.

        Iterate for the findings: the loop raises, after the last one, what kept us from seeing the rest. `deep`
        reads every layer; without `blobs` it is not asked whether layers are there. `all_tags` looks at every tag
        of the repositories. `select` and `ignore` are ids of rules or patterns; `expect` are platforms that have to
        be there and no others, `expect_at_least` those beside which there may be more. `config` is a file with
        `[check]` [default: ocitool.toml of the current folder, if there is one]. What `policy` refuses is a finding
        too [default: what the table `[trust]` of that file names].
        """
        from ocitool.check.config import idle_notes, read_wanted
        from ocitool.check.runner import CheckOptions, check, open_places

        work, path = self.workspace, None if config is None else path_of(config, "config")
        wanted = read_wanted(
            path,
            select=words_of(select, "select"),
            ignore=words_of(ignore, "ignore"),
            expect=platforms_of(expect),
            expect_at_least=platforms_of(expect_at_least),
        )
        admit = self._admission((), (), policy, path)
        options = CheckOptions(
            wanted.selection, wanted.rules, deep, blobs, self._jobs, work.listener, admit, wanted.expects
        )
        opened = open_places(work.opener, words_of(places, "a place"), all_tags=all_tags)
        checked = check(opened, options, scope=work.scope, all_tags=all_tags)
        for note in idle_notes(wanted, checked, deep=deep, all_tags=all_tags):
            work.listener(Noted(note))
        return checked

    def _admission(
        self,
        keys: "Iterable[VerifyKey]",
        identity: Iterable[str] | str,
        policy: str | Path | None,
        config: Path | None = None,
    ) -> "Admission | None":
        """What lets images be used: None where no key is given and no policy, nor one in ocitool.toml."""
        from ocitool.project.trust import named_policy

        keys, identities = several_of(keys, "verify_keys"), words_of(identity, "verify_identity")
        file = named_policy(config) if policy is None else path_of(policy, "policy")
        if not (keys or identities or file):
            return None
        from ocitool.sign.policy import admission

        return admission(self.workspace, keys, identities, file)


def _tag_query(
    patterns: Iterable[str] | str,
    *,
    exclude: Iterable[str] | str = (),
    versions: str = "",
    order: str = "listed",
    reverse: bool = False,
    limit: int = 0,
) -> "TagQuery":
    """Words about tags as what is asked. Raises UsageError."""
    from ocitool.repository.tags import TagOrder, TagQuery

    known = [one.value for one in TagOrder]
    if order not in known:
        raise UsageError(f"order is given as {order!r}", hint=f"it is one of {', '.join(known)}")
    wanted = tag_filter(patterns, exclude, versions)
    return TagQuery(wanted, TagOrder(order), reverse, count_of(limit, "limit"))


def tag_filter(patterns: Iterable[str] | str, exclude: Iterable[str] | str, versions: str) -> TagFilter:
    """Words that choose tags as what they mean. Raises UsageError."""
    return TagFilter(
        words_of(patterns, "patterns"),
        words_of(exclude, "exclude"),
        VersionRange.parse(text_of(versions, "versions")) if versions else None,
    )


def _variables(credentials: Mapping[str, tuple[str, str] | str] | None) -> dict[str, str]:
    """Credentials as the variables that are looked into before others."""
    mapping_of(credentials, "credentials")
    if not credentials:
        return {}
    from ocitool.registry.credentials import as_variables

    return as_variables(credentials)
