"""Client: the one door for programs. Open once, use for everything, close; the command line goes through it too.

The third place where code is loaded late: a method loads what it needs, so that looking at a tag loads no builder
and no HTTP client before one is asked. Methods delegate, and nothing is decided here.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ocitool.errors import Cancelled, NotFound, UsageError, as_one
from ocitool.events import Listener, Noted, silent
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.registry.hosts import CONNECTIONS, MIB, Access
from ocitool.store.base import Store
from ocitool.store.locate import Locator, Opener
from ocitool.store.machine import MachineStore, default_root
from ocitool.tasks import Retry, Scope
from ocitool.toolchains.host import host_platform
from ocitool.workspace import PlatformWords, Workspace

if TYPE_CHECKING:
    from ocitool.builder.pipeline import Built
    from ocitool.change.apply import ChangeReport
    from ocitool.change.plan import Plan
    from ocitool.check.runner import Checked
    from ocitool.index.editor import IndexEditor
    from ocitool.model.document import Document
    from ocitool.repair.plan import Repair
    from ocitool.report.compare import Comparison
    from ocitool.report.images import Kept
    from ocitool.report.survey import Survey
    from ocitool.rootfs.export import Exported
    from ocitool.rootfs.merged import MergedFiles


class Client:
    """Everything the command line does, as methods; safe from several threads.

    Places are written as on the command line: `[registry/]repository[:tag][@digest]`, `oci:DIR[:TAG]`,
    `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:TAG]`; a Reference does too, and a Platform where a platform
    is meant. Every error is an OcitoolError: its `code` and `exit_code` are those of the command line, `hint`
    says what to do, and where several things failed `exceptions` has them all. Close it, or leave its block, when
    done; what is still under way in another thread is then cancelled.
    """

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
        cache_dir: str | Path | None = None,
        environ: Mapping[str, str] | None = None,
        listener: Listener = silent,
        scope: Scope | None = None,
    ) -> None:
        """A client that has opened nothing yet.

        `plain_http`, `insecure` (no check of certificates) and `anonymous` (no credentials) name hosts as
        HOST[:PORT]; `credentials` has a (user, password) or a token for a host, and goes before what `docker
        login` kept. `ca_files` are trusted beside the system's. Uploads go in parts of `part_mib` MiB, 0 lets the
        size be learned. A request that gets no answer is tried again for at most `retry_s` seconds. `jobs` is how
        many things are done at once, 0 as many as sensible. `cache_dir` is this machine's store, where `undo`
        finds old bytes [default: ~/.cache/ocitool]. `environ` stands in for this process's environment.
        `listener` is called with each Event, from any thread. Cancel `scope` to end whatever is under way.
        """
        self.environ = dict(os.environ if environ is None else environ)
        self._has_chosen_store = cache_dir is not None
        machine = MachineStore(Path(cache_dir) if cache_dir is not None else default_root(self.environ))
        self._access = Access(
            plain_http=tuple(plain_http),
            insecure=tuple(insecure),
            ca_files=tuple(map(Path, ca_files)),
            anonymous=tuple(anonymous),
            connections=jobs or CONNECTIONS,
            part_bytes=part_mib * MIB,
            retry=Retry(total_s=retry_s),
            journal=machine.journal,
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

    def __enter__(self) -> "Client":
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

    # Looking

    @as_one()
    def open(self, place: str | Reference, *, write: bool = False) -> tuple[Store, str]:
        """The store that a place means and the name in it, for whoever needs manifests and blobs themselves.

        What is opened to be written is entered (`with store:`) by its user: an archive is whole when the block
        ends.
        """
        return self.workspace.opener.open(str(place), write=write)

    @as_one()
    def digest(self, place: str | Reference, platform: str | Platform | None = None) -> Digest:
        """The digest that a place means, by one HEAD request; with a platform that of its image in the index."""
        from ocitool.graph.select import entry_of

        store, name = self.open(place)
        if platform is not None:
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
    def files(self, place: str | Reference, platform: str | Platform | None = None) -> "MergedFiles":
        """The files of an image as a container would see them; the listing is kept on this machine."""
        from ocitool.graph.select import select
        from ocitool.rootfs.merged import MergedFiles
        from ocitool.rootfs.tree import read_tree

        work = self.workspace
        store, name = self.open(place)
        found = select(store, name, None if platform is None else self.workspace.platform(platform))
        if found.note:
            work.listener(Noted(found.note))
        tree = read_tree(store, found.manifest, work.machine.memo, scope=work.scope, width=work.width)
        return MergedFiles(store, found.manifest, tree, work.scope)

    @as_one()
    def cat(self, place: str | Reference, path: str, platform: str | Platform | None = None) -> bytes:
        """The bytes of one file of an image, links followed; `files` has `open` for those that are too large."""
        from ocitool.model.files import from_system

        return b"".join(self.files(place, platform).open(from_system(path)))

    @as_one()
    def export(
        self, place: str | Reference, destination: str | Path, platform: str | Platform | None = None
    ) -> "Exported":
        """Write the files of an image into a new or empty folder, or into a file whose name ends with .tar."""
        from ocitool.rootfs.export import export

        return export(self.files(place, platform), Path(destination))

    @as_one()
    def tags(self, repository: str | Reference) -> tuple[str, ...]:
        """Every tag of a repository or layout."""
        return tuple(self.open(repository)[0].tags())

    @as_one()
    def images(self) -> "tuple[Kept, ...]":
        """The images that builds left in this machine's store."""
        from ocitool.report.images import kept_images

        return kept_images(self.workspace.machine.content, self.workspace.scope)

    @as_one()
    def check(
        self,
        *places: str | Reference,
        deep: bool = False,
        all_tags: bool = False,
        blobs: bool = True,
        select: Iterable[str] | str = (),
        ignore: Iterable[str] | str = (),
        config: str | Path | None = None,
    ) -> "Checked":
        """What is wrong with what places hold, and with everything below; writes nothing.

        Iterate for the findings: the loop raises, after the last one, what kept us from seeing the rest. `deep`
        reads every layer; without `blobs` it is not asked whether layers are there. `all_tags` looks at every tag
        of the repositories. `select` and `ignore` are ids of rules or patterns; `config` is a file with `[check]`
        [default: ocitool.toml of the current folder, if there is one].
        """
        from ocitool.check.config import idle_notes, read_selection
        from ocitool.check.runner import check, open_places

        work, path = self.workspace, Path(config) if config is not None else None
        chosen, rules = read_selection(path, select=_words(select), ignore=_words(ignore))
        checked = check(
            open_places(work.opener, map(str, places), all_tags=all_tags),
            scope=work.scope,
            all_tags=all_tags,
            selection=chosen,
            rules=rules,
            deep=deep,
            blobs=blobs,
            at_once=self._jobs,
            listener=work.listener,
        )
        for note in idle_notes(chosen, rules, checked, deep=deep, all_tags=all_tags):
            work.listener(Noted(note))
        return checked

    # Changing

    @as_one()
    def index(self, reference: str | Reference) -> "IndexEditor":
        """Edits of the index under a name, or of one to be made: each method gives a plan for `apply`."""
        from ocitool.index.editor import IndexEditor

        return IndexEditor(self.workspace, str(reference))

    @as_one()
    def apply(self, plan: "Plan | Repair") -> "ChangeReport":
        """Carry a plan out, or raise Conflict if a tag no longer holds what it held when the plan was made.

        Old bytes are kept on this machine first, and `undo` brings them back. An archive is whole when this
        returns.
        """
        from ocitool.change.apply import apply, refuse
        from ocitool.change.copy import WarnOnce
        from ocitool.change.journal import Journal

        work = self.workspace
        plan = plan.agreed()
        store, _ = work.opener.open(plan.target, write=True, full_names=plan.full_names)
        if plan.steps and plan.must_keep:  # what is changed is backed up: told before anything is sent
            work.machine.check_writable()
        journal = Journal(work.machine.backup)
        workspace: AbstractContextManager[None] = nullcontext()
        if plan.returns:
            from ocitool.change.undo import taking_back

            workspace = taking_back(plan, store, journal)
        with store, workspace:
            return apply(
                plan,
                store,
                journal,
                work.scope,
                work.listener,
                width=work.transfers,
                unkept=refuse if plan.must_keep else WarnOnce(store, work.listener),
            )

    @as_one()
    def tag(self, reference: str | Reference, *names: str) -> "ChangeReport":
        """Let further tags of the same repository hold what a name holds."""
        return self.apply(self.index(reference).tag(*names))

    @as_one()
    def plan_copy(
        self,
        source: str | Reference,
        destination: str | Reference,
        platforms: PlatformWords = (),
        *,
        sparse: bool = False,
        all_tags: bool = False,
        referrers: bool = False,
        replace: bool = False,
        trust: bool = False,
    ) -> "Plan":
        """The plan that lets the destination hold what the source holds, with the same digest.

        With `platforms` only these, as a smaller index; `sparse` keeps the index as it is while the others stay
        behind. `all_tags` takes every tag under its own name, `referrers` signatures and SBOMs too. Without
        `replace` a tag that holds something else raises Conflict. `trust` believes that a destination with a
        manifest has everything below it.
        """
        from ocitool.index.copy_plans import CopyOptions, plan_copy, plan_copy_tags
        from ocitool.store.locate import Locator, names_of

        if sparse and not platforms:
            raise UsageError("--sparse goes with --platform: it keeps the index while some children stay behind")
        origin, name = self.open(source)
        store, tag = self.open(destination, write=True)
        wanted = self.workspace.platforms(platforms)
        options = CopyOptions(wanted, sparse, replace, referrers, trust)
        if all_tags:
            plan = plan_copy_tags(origin, store, options, scope=self.workspace.scope)
        else:
            plan = plan_copy(origin, name, store, [tag], options, scope=self.workspace.scope)
        full = names_of(origin, name, Locator.parse(str(source)).reference, every=all_tags)
        return dataclasses.replace(plan, full_names=full)

    @as_one()
    def copy(
        self,
        source: str | Reference,
        destination: str | Reference,
        platforms: PlatformWords = (),
        **options: bool,
    ) -> "ChangeReport":
        """Carry out what `plan_copy` plans, with its options: children before parents, the tag last."""
        return self.apply(self.plan_copy(source, destination, platforms, **options))

    @as_one()
    def plan_undo(
        self,
        reference: str | Reference,
        *,
        to: str = "",
        replace: bool = False,
        sources: Iterable[str] | str = (),
        drop_referrers: bool = False,
    ) -> "Plan":
        """The plan that lets a name hold again what it held before the last change made on this machine.

        `to` is a digest that it is to hold instead, which needs no record of a change. `replace` writes over what
        somebody else wrote since, which raises Conflict else. Lost children may be in `sources`; `drop_referrers`
        deletes what the change attached to images.
        """
        from ocitool.change.journal import Journal
        from ocitool.change.undo import plan_return, plan_undo
        from ocitool.index.editor import parse_digests

        store, name = self.workspace.opener.open_edited(str(reference))
        journal = Journal(self.workspace.machine.backup)
        opened = [self.open(source)[0] for source in _words(sources)]
        if not to:
            return plan_undo(
                store.label,
                name,
                store,
                journal,
                sources=opened,
                drop_referrers=drop_referrers,
                replaces=replace,
            )
        if drop_referrers:
            raise UsageError("--to names what REF is to hold, --drop-referrers what a change of ours attached")
        return plan_return(store.label, name, parse_digests(to)[0], store, journal, sources=opened)

    @as_one()
    def undo(
        self,
        reference: str | Reference,
        *,
        to: str = "",
        replace: bool = False,
        sources: Iterable[str] | str = (),
        drop_referrers: bool = False,
    ) -> "ChangeReport":
        """Carry out what `plan_undo` plans; once more takes back the change before that."""
        plan = self.plan_undo(reference, to=to, replace=replace, sources=sources, drop_referrers=drop_referrers)
        return self.apply(plan)

    @as_one()
    def repair(
        self,
        reference: str | Reference,
        *,
        deep: bool = False,
        sources: Iterable[str] | str = (),
        substitute: bool = False,
        drop_missing: bool = False,
        keep: Iterable[str] | str = (),
        drop_misfits: bool = False,
        drop_attestations: bool = False,
        attestations_to_referrers: bool = False,
        without_proof: bool = False,
    ) -> "Repair":
        """What would mend a name, for `apply`, and what is left for a human; nothing is guessed or written.

        `deep` reads every layer, not only where a platform is in doubt. Lost children may be in `sources`;
        `substitute` lets an image of the same platform stand in for one. `drop_missing` drops entries whose
        manifests are gone, `keep` are digests to keep of several images of a platform, `drop_misfits` drops images
        whose programs are for another platform, `drop_attestations` those of images that change;
        `attestations_to_referrers` makes them referrers. `without_proof` believes configs where no program decides.
        """
        from ocitool.index.editor import parse_digests
        from ocitool.repair.run import open_sources, prepare_repair
        from ocitool.repair.work import RepairOptions

        work = self.workspace
        is_archive = Locator.parse(str(reference)).is_archive  # read, and the plan shown; never written (K222)
        opened = work.opener.open if is_archive else work.opener.open_edited
        store, name = opened(str(reference))
        options = RepairOptions(
            drop_missing=drop_missing,
            drop_misfits=drop_misfits,
            drop_attestations=drop_attestations,
            attestations_to_referrers=attestations_to_referrers,
            without_proof=without_proof,
            sources=open_sources(work.opener, _words(sources)),
            substitute=substitute,
            keep=frozenset(parse_digests(keep)),
        )
        return prepare_repair(store, name, scope=work.scope, options=options, deep=deep)

    @as_one()
    def build(
        self,
        source: str | Path = ".",
        *,
        platforms: PlatformWords = (),
        tags: Iterable[str | Reference] | str = (),
        copy: Iterable[str] | str = (),
        base: str = "",
        toolchain: str = "",
        dockerfile: str | Path | None = None,
        target: str = "",
        build_args: Mapping[str, str] | None = None,
        contexts: Mapping[str, str] | None = None,
        spec: str | Path | None = None,
        extras: Iterable[str] | str = (),
        entrypoint: Iterable[str] | None = None,
        cmd: Iterable[str] | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        family: str = "",
        compression: str = "",
        index: bool | None = None,
        allow_foreign: bool = False,
        use_cache: bool = True,
    ) -> "Built":
        """Compile and pack what is in a folder for every platform, for `push`; nothing is published.

        The words are those of `ocitool build`: `copy` has SRC:DEST[:MODE], `extras` are the words of --with,
        `family` is docker, oci or auto. `tags` name the image in archives. Where this machine's store cannot be
        written, another is used until the client is closed.
        """
        from ocitool.builder.pipeline import build, plan
        from ocitool.builder.request import BuildRequest
        from ocitool.dockerfile.request import DockerfileOptions
        from ocitool.image.annotations import plain
        from ocitool.image.essentials import parse_extras
        from ocitool.image.options import ImageOptions
        from ocitool.model.files import from_system
        from ocitool.pack.entries import parse_copy
        from ocitool.pack.own_files import OwnFiles, earlier_outputs
        from ocitool.pack.tar import parse_epoch

        self.borrow_store()
        work = self.workspace
        own = OwnFiles((work.machine.root,), earlier_outputs(work.machine.memo), work.listener)
        workspace = dataclasses.replace(work, own=own)
        request = BuildRequest(
            source=Path(source),
            platforms=workspace.platforms(platforms),
            tags=tuple(Reference.parse(str(tag)) for tag in _words(tags)),
            toolchain=toolchain,
            base=base,
            copies=tuple(parse_copy(from_system(text)) for text in _words(copy)),
            extras=parse_extras(_words(extras)),
            spec_file=None if spec is None else Path(spec),
            format=family,
            compression=compression,
            image=ImageOptions(
                entrypoint=None if entrypoint is None else tuple(entrypoint),
                cmd=None if cmd is None else tuple(cmd),
                env=tuple((env or {}).items()),
                user=user,
                workdir=workdir,
                labels=tuple((labels or {}).items()),
            ),
            annotations=plain((annotations or {}).items()),
            allow_foreign=allow_foreign,
            index=index,
            epoch=parse_epoch(self.environ.get("SOURCE_DATE_EPOCH") or "0"),
            version=self.environ.get("OCITOOL_VERSION", ""),
            use_cache=use_cache,
            dockerfile=DockerfileOptions(
                file=None if dockerfile is None else Path(dockerfile),
                target=target,
                arguments=tuple((build_args or {}).items()),
                contexts=tuple((contexts or {}).items()),
            ),
            environ=self.environ,
        )
        return build(plan(request, workspace), workspace)

    @as_one()
    def push(self, image: "Built | str | Reference", place: str | Reference = "") -> "ChangeReport":
        """Publish a build under a reference or into a layout or archive; whatever the name held gives way.

        Without a place `image` is a name under which a build was left in this machine's store, and its place too.
        """
        from ocitool.builder.publish import push, push_kept

        if isinstance(image, (str, Reference)):
            if place:
                raise UsageError("what is kept here is pushed under its own name", hint="copy takes it elsewhere")
            return push_kept(Reference.parse(str(image)), self.workspace)
        if not place:
            raise UsageError("where should the build go?", hint="name a reference, oci:DIR or an archive")
        return push(image, str(place), self.workspace)

    def borrow_store(self) -> None:
        """Before anything is opened: use another store where this machine's cannot be written.

        As in a read-only home. It is gone when the client is closed; a store that somebody chose is left as it is.
        """
        work = self.workspace
        if (
            self._has_chosen_store
            or (machine := work.machine.or_temporary(self._stack, work.listener)) is work.machine
        ):
            return
        access = dataclasses.replace(self._access, journal=machine.journal)
        opener = self._stack.enter_context(Opener(access, work.scope, work.listener))
        self._workspace = dataclasses.replace(work, machine=machine, opener=opener)
        self.environ |= machine.tool_caches(self.environ)


def _words(words: Iterable[str | Reference] | str) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(map(str, words))


def _variables(credentials: Mapping[str, tuple[str, str] | str] | None) -> dict[str, str]:
    """Credentials as the variables that are looked into before others."""
    if not credentials:
        return {}
    from ocitool.registry.credentials import as_variables

    return as_variables(credentials)
