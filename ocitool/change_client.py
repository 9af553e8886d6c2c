"""ChangeClient: plans carried out and taken back, and all that is done to a repository rather than to an image."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocitool.arguments import count_of, digests_of, path_of, platforms_of, several_of, text_of, words_of
from ocitool.errors import UsageError, as_one
from ocitool.model.reference import Reference, api_host, parse_registry
from ocitool.model.tag_filter import TagFilter
from ocitool.read_only_client import ReadOnlyClient, tag_filter
from ocitool.store.locate import Locator
from ocitool.workspace import PlatformWords

if TYPE_CHECKING:
    import httpx

    from ocitool.artifact.artifact import Artifact
    from ocitool.change.apply import ChangeReport
    from ocitool.change.lacking import Lacking
    from ocitool.change.plan import Plan
    from ocitool.change.promises import Promises
    from ocitool.index.entries import Selector
    from ocitool.index.image_plans import AttestationChoice
    from ocitool.model.digest import Digest
    from ocitool.repair.plan import Repair
    from ocitool.repository.editor import RepositoryEditor
    from ocitool.sign.run import VerifyKey
    from ocitool.store.base import Reader
    from ocitool.sync.report import SyncReport


def promises_of(expect: PlatformWords, expect_at_least: PlatformWords, **said: bool | None) -> "Promises":
    """Promises in the words of methods, which are those of Promises.parse."""
    from ocitool.change.promises import Promises

    return Promises.parse(platforms_of(expect), platforms_of(expect_at_least), **said)


class ChangeClient(ReadOnlyClient):
    """What a client changes in registries, whatever a plan is about: tags, manifests, blobs, copies, logins."""

    @as_one()
    def apply(self, plan: "Plan | Repair") -> "ChangeReport":
        """Carry a plan out, or raise Conflict if a tag no longer holds what it held when the plan was made.

        Old bytes are kept on this machine first, and `undo` brings them back. An archive is whole when this
        returns.
        """
        from ocitool.change.apply import apply, refuse
        from ocitool.change.journal import Journal, WarnOnce
        from ocitool.change.plan import Plan

        work = self.workspace
        if not isinstance(plan, Plan):
            from ocitool.repair.plan import Repair

            if not isinstance(plan, Repair):
                raise UsageError("what is carried out is a plan, such as index, plan_copy and repair give")
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
    def promise(
        self,
        plan: "Plan",
        *,
        expect: PlatformWords = (),
        expect_at_least: PlatformWords = (),
        no_clobber: bool | None = None,
        keep_platforms: bool | None = None,
    ) -> "Plan":
        """The plan that keeps promises about its tags, or NotExpected or Conflict where it cannot.

        A tag is written for the platforms of `expect` and no others, or those of `expect_at_least`. With
        `no_clobber` none is that holds something else, with `keep_platforms` none loses a platform. What tags hold
        is looked at, and is what they have to hold still when the plan is carried out.
        """
        from ocitool.change.plan import Plan
        from ocitool.change.promises import promised

        if not isinstance(plan, Plan):
            raise UsageError("what is promised is about a plan, such as index and plan_copy give")
        promises = promises_of(expect, expect_at_least, no_clobber=no_clobber, keep_platforms=keep_platforms)
        store, _ = self.open(plan.target, write=True)
        return promised(plan, store, promises)

    @as_one()
    def plan_copy(
        self,
        source: str | Reference,
        destination: str | Reference,
        platforms: PlatformWords = (),
        **options: Any,  # noqa: ANN401 - those of plan_copies
    ) -> "Plan":
        """The plan that lets one destination hold what one source holds: see `plan_copies`."""
        plans = self.plan_copies(source, destination, platforms, **options)
        if len(plans) != 1:
            raise UsageError(f"{destination} would be {len(plans)} repositories", hint="plan_copies takes several")
        return plans[0]

    @as_one()
    def plan_copies(
        self,
        sources: Iterable[str | Reference] | str | Reference,
        destinations: Iterable[str | Reference] | str | Reference,
        platforms: PlatformWords = (),
        *,
        sparse: bool = False,
        all_tags: bool = False,
        include: Iterable[str] | str = (),
        exclude: Iterable[str] | str = (),
        versions: str = "",
        referrers: bool = False,
        replace: bool = False,
        trust: bool = False,
        lacking: Iterable[str | Reference] | str | Reference = (),
        verify_keys: "Iterable[VerifyKey]" = (),
        verify_identity: Iterable[str] | str = (),
        policy: str | Path | None = None,
    ) -> "tuple[Plan, ...]":
        """The plans that let destinations hold what sources hold, with the same digests; for `apply_all`.

        With `platforms`, also patterns such as `linux/*`, only these, as a smaller index; `sparse` keeps the index
        as it is while the others stay behind. `all_tags` takes every tag under its own name; `include`, `exclude`
        and `versions` choose tags as for `tags`. `referrers` takes signatures and SBOMs too, children's as well. A
        destination that ends with `/` takes each source below it under its own repository, a layout or archive
        takes several under their full names. Without `replace` a tag that holds something else raises Conflict.
        `trust` believes that a destination with a manifest has everything below it. OCI archives are made without
        the blobs that one of the places `lacking` has. With `verify_keys` the sources have to be signed with one of
        them, for their own repository or one of `verify_identity`; `policy` is a file with rules [default: that of
        ocitool.toml]. The digest that was verified is what is copied; else NotVerified is raised.
        """
        from ocitool.index.copies import CopyRequest, plan_copies
        from ocitool.index.copy_plans import CopyOptions

        if sparse and not platforms:
            raise UsageError("--sparse goes with --platform: it keeps the index while some children stay behind")
        wanted = tag_filter(include, exclude, versions)
        wish = CopyOptions(self.workspace.platform_choices(platforms), sparse, replace, referrers, trust)
        request = CopyRequest(
            words_of(sources, "a source"),
            words_of(destinations, "a destination"),
            wish,
            all_tags or wanted != TagFilter(),
            wanted,
            words_of(lacking, "a place"),
        )
        return plan_copies(self.workspace, request, self._admission(verify_keys, verify_identity, policy))

    @as_one()
    def copy(
        self,
        source: str | Reference,
        destination: str | Reference,
        platforms: PlatformWords = (),
        **options: Any,  # noqa: ANN401 - those of plan_copies
    ) -> "ChangeReport":
        """Carry out what `plan_copy` plans, with its options: children before parents, the tag last."""
        return self.apply(self.plan_copy(source, destination, platforms, **options))

    @as_one()
    def apply_all(self, plans: "Iterable[Plan]") -> "tuple[ChangeReport, ...]":
        """Carry plans out in their order; what one has brought, those after it take from there and not again.

        The first that fails is the last; those before it are done.
        """
        from ocitool.change.plan import Plan
        from ocitool.index.copies import brought, taken_from

        near: dict[Digest, Reader] = {}
        reports = []
        for plan in several_of(plans, "plans"):
            if not isinstance(plan, Plan):
                raise UsageError("what is carried out are plans, such as plan_copies gives")
            reports.append(self.apply(taken_from(plan, near)))
            if not Locator.parse(plan.target).is_archive:
                store, _ = self.open(plan.target)
                near = {**dict.fromkeys(brought(plan), store), **near}
        return tuple(reports)

    @as_one()
    def sync(
        self,
        file: str | Path,
        *,
        trust: bool = False,
        anew: bool = False,
        dry_run: bool = False,
        verify_keys: "Iterable[VerifyKey]" = (),
        verify_identity: Iterable[str] | str = (),
        policy: str | Path | None = None,
    ) -> "SyncReport":
        """Let targets hold the tags of sources as a sync file says; what failed is in the report, the rest is done.

        What earlier runs found out is kept on this machine: then the tags are compared, and each distinct blob is
        asked for. `trust` believes earlier runs and asks for tags of sources alone; `anew` forgets them. A
        `dry_run` writes nothing and reports what would be. Images have to be signed as for `plan_copies`.
        """
        from ocitool.project.sync_file import read_sync_file
        from ocitool.sync.run import SyncOptions, SyncRun

        path, options = path_of(file, "a sync file"), SyncOptions(trust, anew, dry_run)
        admit = self._admission(verify_keys, verify_identity, policy)
        return SyncRun(self.workspace, options, self.apply, admit).run(read_sync_file(path))

    @as_one()
    def lacking(self, plan: "Plan") -> "Lacking":
        """What a plan would bring to its target because that is not there yet; asks for each blob."""
        from ocitool.change.lacking import lacking
        from ocitool.change.plan import Plan

        if not isinstance(plan, Plan):
            raise UsageError("what brings something is a plan, such as plan_copy gives")
        store, _ = self.open(plan.target, write=True)
        return lacking(plan, store, scope=self.workspace.scope, width=self.workspace.transfers)

    @as_one()
    def plan_undo(
        self,
        reference: str | Reference,
        *,
        to: str = "",
        replace: bool = False,
        sources: Iterable[str] | str = (),
        drop_referrers: bool = False,
        prune: bool = False,
    ) -> "Plan":
        """The plan that lets a name hold again what it held before the last change made on this machine.

        `to` is a digest that it is to hold instead, which needs no record of a change. `replace` writes over what
        somebody else wrote since, which raises Conflict else. Lost children may be in `sources`; `drop_referrers`
        deletes what the change attached to images. With `prune` it is the last prune of the whole repository
        that is taken back, whatever the tag.
        """
        from ocitool.change.journal import Journal
        from ocitool.change.undo import plan_return, plan_undo, plan_undo_removal

        store, name = self.workspace.opener.open_edited(text_of(reference))
        journal = Journal(self.workspace.machine.backup)
        opened = [self.open(source)[0] for source in words_of(sources, "a source")]
        if prune:
            if to or replace or drop_referrers:
                raise UsageError("--prune takes back a whole prune, and goes with --source alone")
            return plan_undo_removal(store, journal, sources=opened, scope=self.workspace.scope)
        if not to:
            return plan_undo(
                store,
                name,
                journal,
                sources=opened,
                drop_referrers=drop_referrers,
                replaces=replace,
                scope=self.workspace.scope,
            )
        if drop_referrers:
            raise UsageError("--to names what REF is to hold, --drop-referrers what a change of ours attached")
        return plan_return(store, name, digests_of(text_of(to, "to"))[0], journal, sources=opened)

    @as_one()
    def undo(
        self,
        reference: str | Reference,
        *,
        to: str = "",
        replace: bool = False,
        sources: Iterable[str] | str = (),
        drop_referrers: bool = False,
        prune: bool = False,
    ) -> "ChangeReport":
        """Carry out what `plan_undo` plans; once more takes back the change before that."""
        return self.apply(
            self.plan_undo(
                reference, to=to, replace=replace, sources=sources, drop_referrers=drop_referrers, prune=prune
            )
        )

    @as_one()
    def plan_detach(self, reference: str | Reference, *digests: str) -> "Plan":
        """The plan that deletes manifests that refer to what a name holds, or to an image below it."""
        from ocitool.change.attachment import plan_detach

        store, name = self.workspace.opener.open_edited(text_of(reference))
        return plan_detach(store, name, digests_of(digests), scope=self.workspace.scope)

    @as_one()
    def plan_recompress(
        self,
        reference: str | Reference,
        compression: str,
        *,
        force: bool = False,
        platforms: PlatformWords = (),
        digests: Iterable[str] | str = (),
        attestations: str = "",
        tags: Iterable[str] | str = (),
    ) -> "Plan":
        """The plan that compresses the layers below a name otherwise, in every image of an index or in chosen ones.

        `compression` is as for `build`, and with two of them zstd images join; configs keep their bytes. Layers in
        that form are left alone unless `force`. They are packed when the plan is made. `attestations` and `tags`
        are those of `image(reference).edit_config`.
        """
        from ocitool.builder.recompress import ImageRecompressor

        words = text_of(compression, "compression")
        meant = self._meant(platforms, digests, attestations)
        return ImageRecompressor(self.workspace, text_of(reference)).plan(words, *meant, tags, force=force)

    @as_one()
    def plan_squash(
        self,
        reference: str | Reference,
        *,
        first: int = 1,
        base: str | Reference = "",
        compression: str = "",
        platforms: PlatformWords = (),
        digests: Iterable[str] | str = (),
        attestations: str = "",
        tags: Iterable[str] | str = (),
    ) -> "Plan":
        """The plan that makes one layer of those below a name, in every image of an index or in chosen ones.

        `first` is the lowest layer that is squashed, 1 at the bottom; with `base` those above that image's are. The
        layer is packed when the plan is made. `compression` is as for `build`, `attestations` and `tags` are those
        of `image(reference).edit_config`.
        """
        from ocitool.builder.squash import ImageSquasher

        words = text_of(compression, "compression")
        meant = self._meant(platforms, digests, attestations)
        return ImageSquasher(self.workspace, text_of(reference)).plan(
            words, *meant, tags, first=count_of(first, "first"), base=text_of(base, "base")
        )

    @as_one()
    def plan_strip(
        self,
        reference: str | Reference,
        *paths: str,
        platforms: PlatformWords = (),
        digests: Iterable[str] | str = (),
        attestations: str = "",
        tags: Iterable[str] | str = (),
    ) -> "Plan":
        """The plan that takes files out of all layers below a name, in every image of an index or in chosen ones.

        `paths` are those of the image, or patterns as in .dockerignore; directories go with all below them. Layers
        without any keep their bytes; others are packed when the plan is made. Raises NotFound for a path that no
        layer has. `attestations` and `tags` are those of `image(reference).edit_config`.
        """
        from ocitool.builder.strip import ImageStripper
        from ocitool.model.files import from_system

        wanted = tuple(from_system(path) for path in words_of(paths, "a path"))
        meant = self._meant(platforms, digests, attestations)
        return ImageStripper(self.workspace, text_of(reference)).plan(wanted, *meant, tags)

    def _meant(
        self, platforms: PlatformWords, digests: Iterable[str] | str, attestations: str
    ) -> "tuple[Selector, AttestationChoice]":
        """Which images an edit is about, and what becomes of attestations."""
        from ocitool.index.entries import Selector
        from ocitool.index.image_plans import AttestationChoice

        chosen = Selector(self.workspace.platform_choices(platforms), digests_of(digests))
        return chosen, AttestationChoice.named(attestations)

    @as_one()
    def repository(self, place: str | Reference) -> "RepositoryEditor":
        """A repository or layout: manifests and blobs put, names deleted, tags pruned, as plans for `apply`."""
        from ocitool.repository.editor import RepositoryEditor

        return RepositoryEditor(self.workspace, text_of(place))

    @as_one()
    def http(self, registry: str, scopes: Iterable[str] | str = ()) -> "httpx.Client":
        """An httpx.Client for one registry (`host[:port]`), for what no method asks, say its vendor's interface.

        Its requests go over this client's connections, with its logins, certificates, proxies, rates and retries,
        and by its rule for redirects; headers, hooks and the reading of answers are httpx's. `scopes` are what a
        token has to allow, such as `repository:team/app:pull`. Manifests are not written by it: plans do. Paths
        are below the registry, and other hosts are refused. Close it before this client.
        """
        from ocitool.registry.httpx_client import httpx_client

        home = api_host(parse_registry(text_of(registry, "a registry")))
        return httpx_client(self.workspace.opener.session, home, words_of(scopes, "scopes"))

    @as_one()
    def tag_kept(self, reference: str | Reference, *names: str | Reference) -> tuple[str, ...]:
        """Let further names of this machine's store hold a build that is kept under one, for `push`.

        Gives the names in full. Raises NotFound where nothing is kept under it.
        """
        from ocitool.builder.publish import tag_kept

        further = [Reference.parse(text_of(one, "a name")) for one in names]
        return tag_kept(Reference.parse(text_of(reference)), further, self.workspace)

    @as_one()
    def delete(self, reference: str | Reference) -> "ChangeReport":
        """Delete a tag without its siblings, or a manifest by its digest with all its tags; `undo` brings it back.

        What else goes with a manifest is told by `repository(reference).delete()`, whose `plan` this carries out.
        """
        return self.apply(self.repository(reference).delete().plan)

    @as_one()
    def prune(
        self,
        repository: str | Reference,
        **rules: Any,  # noqa: ANN401 - those of RepositoryEditor.prune
    ) -> "ChangeReport":
        """Delete the tags that no rule keeps, and what only they reach; `undo` with `prune` brings all of it back.

        The rules are those of `repository(repository).prune`, which tells what would go, and why.
        """
        return self.apply(self.repository(repository).prune(**rules).plan)

    @as_one()
    def artifact(self, reference: str | Reference) -> "Artifact":
        """The files under a name, by the conventions of ORAS: pushed by a plan for `apply`, listed, pulled."""
        from ocitool.artifact.artifact import Artifact

        return Artifact(self.workspace, text_of(reference), self.environ)

    @as_one()
    def log_in(self, registry: str, username: str, password: str, *, check: bool = True) -> str:
        """Keep a login where docker looks for it, and say where; with `check` the registry is asked first.

        A program that needs credentials for itself alone gives them to the constructor.
        """
        from ocitool.registry.login import keep, place_for

        host = parse_registry(text_of(registry, "a registry"))
        username, password = text_of(username, "a user name"), text_of(password, "a password")
        if check:
            self.workspace.opener.with_login(username, password).log_in(host)
        place = place_for(host, self.environ)
        keep(place, username, password, self.environ)
        return str(place)

    @as_one()
    def log_out(self, registry: str) -> str:
        """Forget the login that is kept for a registry, and say where it was."""
        from ocitool.registry.login import forget, place_for

        host = parse_registry(text_of(registry, "a registry"))
        place = place_for(host, self.environ)
        forget(place, self.environ)
        return str(place)
