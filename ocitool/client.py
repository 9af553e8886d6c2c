"""Client: the one door for programs. Open once, use for everything, close; the command line goes through it too.

The third place where code is loaded late: a method loads what it needs, so that looking at a tag loads no builder
and no HTTP client before one is asked. Methods delegate, and nothing is decided here.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ocitool import values
from ocitool.arguments import digests_of, maybe_text, pairs_of, path_of, paths_of, several_of, text_of, words_of
from ocitool.change_client import ChangeClient, promises_of
from ocitool.errors import NotFound, Unsupported, UsageError, as_one
from ocitool.model.reference import Reference
from ocitool.store.locate import Locator, Opener
from ocitool.workspace import PlatformWords

if TYPE_CHECKING:
    from ocitool.bake.definition import Definition
    from ocitool.builder.outputs import Engine
    from ocitool.builder.pipeline import Built
    from ocitool.builder.publish import BuildReport, Delivery
    from ocitool.builder.request import BuildPlan, BuildRequest
    from ocitool.builder.run_doctor import RunDiagnosis
    from ocitool.builder.verify_build import VerifiedBuild
    from ocitool.change.apply import ChangeReport
    from ocitool.change.plan import Plan
    from ocitool.dockerfile.lint.engine import Report
    from ocitool.dockerfile.outline import Outline
    from ocitool.dockerfile.run.options import RunOptions
    from ocitool.dockerfile.syntax.instructions import Dockerfile
    from ocitool.index.draft_editor import DraftEditor
    from ocitool.index.editor import IndexEditor
    from ocitool.index.image_editor import ImageEditor
    from ocitool.project.source_policy import SourcePolicy
    from ocitool.repair.plan import Repair
    from ocitool.sign.keys import Password
    from ocitool.sign.run import SignKey, VerifyKey


class Client(ChangeClient):
    """What the command line does with images, as methods; safe from several threads.

    Places are written as on the command line: `[registry/]repository[:tag][@digest]`, `oci:DIR[:TAG]`,
    `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:TAG]`; a Reference does too, and a Platform where a platform
    is meant. Every error is an OcitoolError: its `code` and `exit_code` are those of the command line, `hint`
    says what to do, and where several things failed `exceptions` has them all. Close it, or leave its block, when
    done; what is still under way in another thread is then cancelled.
    """

    @as_one()
    def index(self, reference: str | Reference) -> "IndexEditor":
        """Edits of the index under a name, or of one to be made: each method gives a plan for `apply`."""
        from ocitool.index.editor import IndexEditor

        return IndexEditor(self.workspace, text_of(reference))

    @as_one()
    def image(self, reference: str | Reference) -> "ImageEditor":
        """Edits of the images under a name, every platform of an index at once: each gives a plan for `apply`."""
        from ocitool.index.image_editor import ImageEditor

        return ImageEditor(self.workspace, text_of(reference))

    @as_one()
    def plan_append(
        self,
        reference: str | Reference,
        *,
        copy: Iterable[str] | str = (),
        tars: Iterable[str | Path] | str = (),
        source: str | Path = ".",
        platforms: PlatformWords = (),
        digests: Iterable[str] | str = (),
        compression: str = "",
        allow_foreign: bool = False,
        allow_sparse: bool = False,
        attestations: str = "",
        tags: Iterable[str] | str = (),
    ) -> "Plan":
        """The plan that puts files on top of what a name holds, in every image of an index or in chosen ones.

        `copy` has SRC:DEST[:MODE] as for `build`, all of it one layer; each of `tars` is a layer after it. Names
        may hold {os}, {arch} and {variant}; relative ones stand below `source`. The layers are packed when the plan
        is made. `attestations` and `tags` are those of `image(reference).edit_config`.
        """
        from ocitool.builder.append import AppendRequest, ImageAppender
        from ocitool.model.files import from_system
        from ocitool.pack.entries import parse_copy
        from ocitool.pack.tar import parse_epoch

        request = AppendRequest(
            tuple(parse_copy(from_system(text)) for text in words_of(copy, "copy")),
            tuple(str(path) for path in paths_of(tars, "tars")),
            path_of(source, "source"),
            text_of(compression, "compression"),
            parse_epoch(self.environ.get("SOURCE_DATE_EPOCH") or "0"),
            allow_foreign,
            allow_sparse,
        )
        meant = self._meant(platforms, digests, attestations)
        return ImageAppender(self.workspace, text_of(reference)).plan(request, *meant, tags)

    @as_one()
    def plan_rebase(
        self,
        reference: str | Reference,
        *,
        old_base: str | Reference = "",
        new_base: str | Reference = "",
        force: bool = False,
        platforms: PlatformWords = (),
        digests: Iterable[str] | str = (),
        attestations: str = "",
        tags: Iterable[str] | str = (),
    ) -> "Plan":
        """The plan that puts what a name holds onto another base, every image of an index or chosen ones.

        What it was built upon is what annotations say, or `old_base`; what it is to stand on is what the name of
        that holds now, or `new_base`. Where the result is not what a build over the new base makes, that raises
        UsageError with all that the old base was read for, unless it is forced; the plan's notes tell it then.
        `attestations` and `tags` are those of `image(reference).edit_config`.
        """
        from ocitool.builder.rebase import ImageRebaser, RebaseRequest
        from ocitool.index.entries import Selector
        from ocitool.index.image_plans import AttestationChoice

        request = RebaseRequest(
            text_of(old_base, "old_base") if old_base else "",
            text_of(new_base, "new_base") if new_base else "",
            force,
        )
        chosen = Selector(self.workspace.platforms(platforms), digests_of(digests))
        choice = AttestationChoice.named(attestations)
        return ImageRebaser(self.workspace, text_of(reference)).plan(request, chosen, choice, tags)

    @as_one()
    def draft(self, name: str) -> "DraftEditor":
        """The list that `manifest create` keeps here until it is pushed, or one to be made; `index` needs none."""
        from ocitool.index.draft_editor import DraftEditor

        return DraftEditor(self.workspace, text_of(name))

    @as_one()
    def tag(self, reference: str | Reference, *names: str) -> "ChangeReport":
        """Let further tags of the same repository hold what a name holds."""
        return self.apply(self.index(reference).tag(*names))

    @as_one()
    def merge(
        self,
        reference: str | Reference,
        *parts: str,
        expect: PlatformWords = (),
        expect_at_least: PlatformWords = (),
        **options: Any,  # noqa: ANN401 - those of IndexEditor.merge
    ) -> "ChangeReport":
        """Let a name hold the index of the parts that a build matrix pushed, as `index(reference).merge` plans it.

        Where the platforms are not those of `expect`, or at least those, NotExpected is raised and nothing written.
        """
        plan = self.index(reference).merge(*parts, **options)
        return self.apply(self.promise(plan, expect=expect, expect_at_least=expect_at_least))

    @as_one()
    def plan_sign(
        self,
        reference: str | Reference,
        *keys: "SignKey",
        password: "Password | None" = None,
        form: str = "tag",
        recursive: bool = False,
        identity: str = "",
        annotations: Mapping[str, str] | None = None,
        signature: str | Path | None = None,
    ) -> "Plan":
        """The plan that signs what a name holds, with each of the keys: PEM files, cosign's among them.

        `password` opens them, or is asked for one with the name of the file. `form` is tag (cosign's list beside
        the image, which every verifier reads), bundle (a manifest that refers to the image) or both. `recursive`
        signs the children of an index too. `identity` is the repository that it is for [default: that of the name],
        `annotations` stand in it. `signature` is a file with what a device signed of `payload`; the key is
        the public one then. Signatures that are there stay; what a key has signed so already is left alone.
        """
        from ocitool.sign.run import prepare_sign
        from ocitool.sign.signing import SignOptions

        said = dict(pairs_of(annotations, "annotations"))
        options = SignOptions(text_of(form, "form"), recursive, text_of(identity, "identity"), said)
        if signature is not None:
            signature = path_of(signature, "signature")
        return prepare_sign(
            self.workspace, text_of(reference), keys, options, password=password, signature=signature
        )

    @as_one()
    def sign(
        self,
        reference: str | Reference,
        *keys: "SignKey",
        password: "Password | None" = None,
        **options: Any,  # noqa: ANN401 - those of plan_sign
    ) -> "ChangeReport":
        """Carry out what `plan_sign` plans, with its options; `undo` of the name takes it back.

        Where another signer writes the same list meanwhile, it is read again and both signatures stand.
        """
        from ocitool.sign.run import patiently

        return patiently(
            lambda: self.apply(self.plan_sign(reference, *keys, password=password, **options)),
            self.workspace.scope,
        )

    @as_one()
    def plan_resign(
        self,
        plan: "Plan | Repair",
        *keys: "SignKey",
        password: "Password | None" = None,
        form: str = "",
    ) -> "Plan | Repair":
        """The plan that also signs what it writes before a tag holds it: an index edited, an image mended.

        Keys and `password` are as for `plan_sign`; without a `form` it is that in which the old bytes are signed.
        """
        from ocitool.change.plan import Plan
        from ocitool.repair.plan import Repair
        from ocitool.sign.run import prepare_resign

        if not isinstance(plan, (Plan, Repair)):
            raise UsageError("what is signed is a plan, such as the methods of index and repair give")
        inner = plan if isinstance(plan, Plan) else plan.plan
        signed = prepare_resign(self.workspace, inner, keys, password=password, form=text_of(form, "form"))
        return signed if isinstance(plan, Plan) else values.replace(plan, plan=signed)

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
        verify_keys: "Iterable[VerifyKey]" = (),
        verify_identity: Iterable[str] | str = (),
        policy: str | Path | None = None,
    ) -> "Repair":
        """What would mend a name, for `apply`, and what is left for a human; nothing is guessed or written.

        `deep` reads every layer, not only where a platform is in doubt. Lost children may be in `sources`;
        `substitute` lets an image of the same platform stand in for one. `drop_missing` drops entries whose
        manifests are gone, `keep` are digests to keep of several images of a platform, `drop_misfits` drops images
        whose programs are for another platform, `drop_attestations` those of images that change;
        `attestations_to_referrers` makes them referrers. `without_proof` believes configs where no program decides.
        Every source has to be signed with one of `verify_keys` and to fulfil `policy`, as for `plan_copy`.
        """
        from ocitool.repair.run import open_sources, prepare_repair
        from ocitool.repair.work import RepairOptions

        work = self.workspace
        trusted = values.replace(work, admit=self._admission(verify_keys, verify_identity, policy))
        reference = text_of(reference)
        is_archive = Locator.parse(reference).is_archive  # read, and the plan shown; never written (K222)
        opened = work.opener.open if is_archive else work.opener.open_edited
        store, name = opened(reference)
        options = RepairOptions(
            drop_missing=drop_missing,
            drop_misfits=drop_misfits,
            drop_attestations=drop_attestations,
            attestations_to_referrers=attestations_to_referrers,
            without_proof=without_proof,
            sources=open_sources(trusted, words_of(sources, "a source")),
            substitute=substitute,
            keep=frozenset(digests_of(keep)),
        )
        try:
            return prepare_repair(store, name, scope=work.scope, options=options, deep=deep)
        except NotFound as error:
            if error.name == name:
                from ocitool.change.journal import Journal
                from ocitool.change.undo import undo_hint

                hints = (error.hint, undo_hint(store, name, Journal(work.machine.backup)))
                error.hint = "; ".join(filter(None, hints))
            raise

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
        image: str = "",
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
        run: "RunOptions | bool" = True,
        verify_keys: "Iterable[VerifyKey]" = (),
        verify_identity: Iterable[str] | str = (),
        policy: str | Path | None = None,
        sign_keys: "Iterable[SignKey]" = (),
        password: "Password | None" = None,
        sbom: str = "",
        provenance: bool = False,
        attest_form: str = "index",
        source_policy: str | Path | None = None,
    ) -> "Built":
        """Compile and pack what is in a folder for every platform, for `push`; nothing is published.

        The words are those of `ocitool build`: `copy` has SRC:DEST[:MODE], `extras` are the words of --with,
        `family` is docker, oci or auto, `image` one of those that `images_of` names. `tags` name the image in
        archives. `run` says how RUN is carried out, as `run_options` makes it of flags; with False it is refused.
        Every image that is built upon has to be signed with one of `verify_keys` and to fulfil `policy` [default:
        that of the spec file], as for `plan_copy`. `sign_keys` sign the result and each image where it is
        published; `password` opens them, as for `plan_sign`. `sbom` (spdx or cyclonedx) and `provenance` are
        attested of each image, in the index or, with the form referrers, from beside it. Where this machine's store
        cannot be written, another is used until the client is closed. `source_policy` is a file of BuildKit's rules
        for images, such as `lock_bases` gives [default: that of EXPERIMENTAL_BUILDKIT_SOURCE_POLICY].
        """
        from ocitool.attest.options import AttestOptions
        from ocitool.builder.pipeline import build
        from ocitool.builder.request import BuildRequest
        from ocitool.builder.trust import TrustOptions
        from ocitool.dockerfile.request import DockerfileOptions
        from ocitool.dockerfile.run.options import RunOptions
        from ocitool.image.annotations import plain
        from ocitool.image.essentials import parse_extras
        from ocitool.image.options import ImageOptions
        from ocitool.model.files import from_system
        from ocitool.pack.entries import parse_copy
        from ocitool.pack.tar import parse_epoch

        self.borrow_store()
        rules = source_policy or self.environ.get("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY")
        options = (
            run
            if isinstance(run, RunOptions)
            else RunOptions(is_allowed=run and not self.environ.get("OCITOOL_NO_RUN"))
        )
        request = BuildRequest(
            source=path_of(source, "a folder"),
            platforms=self.workspace.platforms(platforms),
            tags=tuple(map(Reference.parse, words_of(tags, "a tag"))),
            toolchain=text_of(toolchain, "toolchain"),
            base=text_of(base, "base"),
            copies=tuple(parse_copy(from_system(text)) for text in words_of(copy, "copy")),
            extras=parse_extras(words_of(extras, "extras")),
            spec_file=None if spec is None else path_of(spec, "spec"),
            images=words_of(image, "image") if image else (),
            format=text_of(family, "family"),
            compression=text_of(compression, "compression"),
            image=ImageOptions(
                entrypoint=None if entrypoint is None else words_of(entrypoint, "entrypoint"),
                cmd=None if cmd is None else words_of(cmd, "cmd"),
                env=pairs_of(env, "env"),
                user=maybe_text(user, "user"),
                workdir=maybe_text(workdir, "workdir"),
                labels=pairs_of(labels, "labels"),
            ),
            annotations=plain(pairs_of(annotations, "annotations")),
            allow_foreign=allow_foreign,
            index=index,
            epoch=parse_epoch(self.environ.get("SOURCE_DATE_EPOCH") or "0"),
            has_epoch=bool(self.environ.get("SOURCE_DATE_EPOCH")),
            version=self.environ.get("OCITOOL_VERSION", ""),
            use_cache=use_cache,
            dockerfile=DockerfileOptions(
                file=None if dockerfile is None else path_of(dockerfile, "dockerfile"),
                target=text_of(target, "target"),
                arguments=pairs_of(build_args, "build_args"),
                contexts=pairs_of(contexts, "contexts"),
                run=values.replace(options, use_cache=use_cache and options.use_cache),
            ),
            environ=self.environ,
            trust=TrustOptions(
                several_of(verify_keys, "verify_keys"),
                words_of(verify_identity, "verify_identity"),
                None if policy is None else path_of(policy, "policy"),
                several_of(sign_keys, "sign_keys"),
                password,
                source_policy=path_of(rules, "source_policy") if rules else None,
            ),
            attest=AttestOptions(text_of(sbom, "sbom"), provenance, text_of(attest_form, "attest_form")),
        )
        return build(self.plan_build(request), self.workspace)

    @as_one()
    def diagnose_run(self, platforms: PlatformWords = ()) -> "RunDiagnosis":
        """For which platforms RUN lines can be carried out here, and by what; without any the usual ones."""
        from ocitool.builder.doctor import USUAL
        from ocitool.builder.run_doctor import diagnose_run

        return diagnose_run(self.workspace.platforms(platforms) or USUAL, self.workspace, self.environ)

    @as_one()
    def plan_build(self, request: "BuildRequest") -> "BuildPlan":
        """Everything that a build would do and where its result would go, for `run_build`; nothing is done.

        The request is what the command line makes of its flags, and `build` of its words.
        """
        return self.plan_builds(request)[0]

    @as_one()
    def plan_builds(self, *requests: "BuildRequest") -> "tuple[BuildPlan, ...]":
        """The plans of several images that are built together, such as those of one spec, for `run_builds`."""
        from ocitool.builder.pipeline import plan_all

        return plan_all(requests, self.workspace)

    @as_one()
    def read_bake(
        self, files: Iterable[str] | str = (), folder: str | Path = ".", stdin: "BinaryIO | None" = None
    ) -> "Definition":
        """What bake files say together: `choose` gives targets, resolved as `buildx bake --print` shows them.

        Without names they are those that buildx looks for in the folder; `-` is `stdin`. Raises NotFound where
        there is none, Unsupported for compose files and functions of HCL that are not here.
        """
        from ocitool.bake.files import read_files

        return read_files(
            words_of(files, "a file"), self.environ, self.workspace.host, path_of(folder, "a folder"), stdin
        )

    @as_one()
    def run_build(self, planned: "BuildPlan") -> "BuildReport":
        """Compile, pack, and take the result everywhere that the request says; archives are whole then."""
        return self.run_builds(planned)[0]

    @as_one()
    def run_builds(self, *plans: "BuildPlan") -> "tuple[BuildReport, ...]":
        """As `run_build` for several images; none gets a tag before all are built and stored below their roots."""
        from ocitool.builder.publish import build_and_deliver

        return build_and_deliver(plans, self.workspace)

    @as_one()
    def images_of(
        self, source: str | Path = ".", images: Iterable[str] | str = (), *, spec: str | Path | None = None
    ) -> tuple[str, ...]:
        """The names of the images that a folder's spec describes, or the wanted ones; none if it describes one."""
        from ocitool.builder.project import images_of

        return images_of(
            path_of(source, "a folder"),
            words_of(images, "images"),
            spec=None if spec is None else path_of(spec, "spec"),
        )

    @as_one()
    def verify_build(self, reference: str | Reference, request: "BuildRequest") -> "VerifiedBuild":
        """Whether a build gives the digest that a name holds, and where not, what differs; nothing is published.

        What the request leaves open is taken from the image: platforms, form, time, the digests of its bases.
        """
        from ocitool.builder.verify_build import verify_build

        return verify_build(text_of(reference), request, self.workspace)

    @as_one()
    def lock_bases(self, request: "BuildRequest") -> "SourcePolicy":
        """The source policy that holds every image that a build would open at the digest its tag has now.

        One that is named by its digest is held already. `raw` is the file that `source_policy` of `build` takes.
        """
        from ocitool.builder.base_lock import lock_bases

        return lock_bases(request, self.workspace)

    @as_one()
    def check_dockerfile(self, request: "BuildRequest") -> "tuple[Report, str]":
        """What is unwise in the Dockerfile of a request, or keeps it from being built, and its text."""
        from ocitool.builder.dockerfile import check_dockerfile

        return check_dockerfile(request, self.workspace)

    @as_one()
    def outline_dockerfile(self, request: "BuildRequest") -> "tuple[Dockerfile, Outline, bytes]":
        """The Dockerfile of a request, what its target takes, and its bytes."""
        from ocitool.builder.dockerfile import outline_dockerfile

        return outline_dockerfile(request, self.workspace)

    @as_one()
    def push(
        self,
        image: "Built | str | Reference",
        place: str | Reference = "",
        *,
        sign_keys: "Iterable[SignKey]" = (),
        password: "Password | None" = None,
        expect: PlatformWords = (),
        expect_at_least: PlatformWords = (),
        no_clobber: bool | None = None,
        keep_platforms: bool | None = None,
    ) -> "ChangeReport":
        """Publish a build under a reference or into a layout or archive; whatever the name held gives way.

        Without a place `image` is a name under which a build was left in this machine's store, and its place too.
        `sign_keys` sign it and each image before a tag is written, as those of `build` do; `password` opens them.
        A tag of a registry keeps to `expect` and the rest as in `promise`, and where nothing is said to what the
        build's spec file promises.
        """
        from ocitool.builder.trust import read_keys

        promises = promises_of(expect, expect_at_least, no_clobber=no_clobber, keep_platforms=keep_platforms)

        keys = read_keys(several_of(sign_keys, "sign_keys"), password)
        if isinstance(image, (str, Reference)):
            from ocitool.builder.push import push_kept

            name = str(image)
            if Locator.parse(name).reference is None:
                raise UsageError(
                    f"{name} is a place, and push takes a name under which a build was left on this machine",
                    hint=f"ocitool copy {name} {place or 'REF'} takes what is there to a registry",
                )
            if place:
                raise UsageError("what is kept here is pushed under its own name", hint="copy takes it elsewhere")
            return push_kept(Reference.parse(name), self.workspace, keys, promises)
        from ocitool.builder.pipeline import Built
        from ocitool.builder.publish import push

        if not isinstance(image, Built):
            raise UsageError(f"what is pushed is a build or the name of one, and not of {type(image).__name__}")
        if not place:
            raise UsageError("where should the build go?", hint="name a reference, oci:DIR or an archive")
        return push(image, text_of(place), self.workspace, keys, promises)

    @as_one()
    def load(self, image: "Built", engine: str = "") -> "Delivery":
        """Stream a build into the engine of that name, else into the first that answers; see `find_engine`.

        docker and podman get the platform that they run, containerd the whole index. Raises Unsupported where none
        answers, LocalIOError with the engine's words where it does not take the image.
        """
        from ocitool.builder.pipeline import Built
        from ocitool.builder.publish import load

        if not isinstance(image, Built):
            raise UsageError(f"what is loaded is a build, and not of {type(image).__name__}")
        found = self.find_engine(engine)
        if found is None:
            raise Unsupported("no docker, podman or containerd answers here", ability="engine")
        return load(image, found, self.workspace)

    def find_engine(self, name: str = "", *, context: str = "") -> "Engine | None":
        """The engine that a build can be loaded into: of that name, else the first that answers, if one does."""
        from ocitool.builder.engines import find_engine

        return find_engine(
            self.environ, self.workspace.host, text_of(name, "an engine"), context=text_of(context, "a context")
        )

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
        access = values.replace(self._access, journal=machine.journal, places=machine.places)
        opener = self._stack.enter_context(Opener(access, work.scope, work.listener))
        self._workspace = values.replace(work, machine=machine, opener=opener)
        self.environ |= machine.tool_caches(self.environ)
