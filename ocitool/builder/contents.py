"""The contents of each platform's image: entries in groups, looked at before anything is packed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ocitool.binaries.needs import Missing
from ocitool.builder.compile import compiled_entries, names_of
from ocitool.builder.layer_groups import WORDS, Group, Placed, are_alike, split
from ocitool.builder.programs import (
    DOCKERFILE,
    PROJECT,
    Found,
    Holding,
    check_start,
    lacking,
    refuse_foreign,
    startable,
    survey_layers,
)
from ocitool.builder.request import BuildPlan, ImageContent
from ocitool.errors import UsageError
from ocitool.events import Listener, Noted
from ocitool.image.assemble import apply_options
from ocitool.image.base import BaseImage
from ocitool.image.essentials import (
    CA_BUNDLE,
    GROUP,
    PASSWD,
    STANDARD,
    ZONEINFO,
    Accounts,
    check_user,
    extra_entries,
    with_user,
)
from ocitool.image.options import ImageOptions, env_of
from ocitool.model.numbers import MIB, is_digits
from ocitool.model.platform import Platform
from ocitool.pack.entries import Content, CopyRule, Entry, expand
from ocitool.pack.entry_table import EntryTable
from ocitool.pack.placing import add_parents, place
from ocitool.rootfs.files import Files, Imaged, Layered, is_unread
from ocitool.tasks import Scope, TaskGroup
from ocitool.values import dataclass, replace
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.dockerfile.evaluate import Written
    from ocitool.rootfs.tree import Node
    from ocitool.toolchains.sysroot import Sysroot

_ACCOUNTS_LIMIT: Final = MIB
_TOLD: Final = 5
_WAYS: Final = {
    True: "copy-libraries = true in [sysroot] brings what they lack, and so does a base that has it",
    False: 'a base that has what they lack starts them; libc = "musl" in [compiler] needs none',
}
"""Ways out for compiled programs that lack their loader, by whether there is a sysroot."""
"""Most programs of an image that are told of one by one."""


def gather(
    planned: BuildPlan, workspace: Workspace, sysroots: "Mapping[Platform, Sysroot]" = MappingProxyType({})
) -> tuple[ImageContent, ...]:
    """The contents for every platform, their programs and users looked at; libraries from `sysroots` if asked for.

    Raises WrongPlatform for a program that does not fit (K010), UsageError for a user that does not exist and
    where there is nothing to put into an image, and what reading files and bases raises. Programs that lack
    their loader or libraries are told as warnings (K173).
    """
    with TaskGroup(workspace.scope, 4) as group:
        trees = {p: group.spawn(base_tree, b, workspace, group.scope) for p, b in planned.bases.items()}
    contents = _Gatherer(planned, workspace, sysroots).contents(
        {platform: task.result for platform, task in trees.items()}
    )
    if not any(content.groups for content in contents):
        raise UsageError("nothing to put into the image", hint="name files with --copy SRC:DEST")
    return contents


def look_at(
    written: "Mapping[Platform, Written]", planned: BuildPlan, workspace: Workspace
) -> tuple[ImageContent, ...]:
    """What a Dockerfile comes to as contents, its programs looked at.

    Raises WrongPlatform for a program that does not fit (K010); one that lacks its loader, libraries or
    interpreter is told as a warning (K173). Only what the Dockerfile adds is looked at, and not what RUN leaves.
    A base that no instruction looked into is not read for the sake of a command that it brings itself.
    """
    memo, holding = workspace.machine.memo if planned.request.use_cache else None, Holding()
    contents = []
    for platform, one in written.items():
        layers = [layer for number, layer in enumerate(one.layers) if number not in one.tars]
        found = survey_layers(layers, memo, holding=holding)
        allow = planned.request.allow_foreign
        refuse_foreign(found, one.platform, allow=allow, listener=workspace.listener)
        if one.files is not None:
            lacks = lacking(found, one.files, env_of(one.settings))
            _tell_lacking(platform, lacks, workspace.listener)
        inherited = one.base.config.settings if one.base is not None else {}
        is_inherited = all(one.settings.get(key) == inherited.get(key) for key in ("Entrypoint", "Cmd"))
        if not (is_inherited and is_unread(one.files)):
            check_start(
                one.files if one.files is not None else Layered(()),
                one.settings,
                found,
                one.platform,
                words=DOCKERFILE,
                listener=workspace.listener,
                inherited=inherited,
            )
        groups = tuple((layer, "") for layer in one.layers)
        contents.append(ImageContent(platform, groups, planned.options(platform), one.tars))
    return tuple(contents)


def _tell_lacking(platform: Platform, lacks: Sequence[Missing], listener: Listener) -> None:
    """A warning for each, as long as they are few: a tree of sources may hold any number of scripts."""
    for lack in lacks[:_TOLD]:
        listener(Noted(f"{platform}: {lack}"))
    if len(lacks) > _TOLD:
        listener(Noted(f"{platform}: {len(lacks) - _TOLD} more files will not start"))


@dataclass(frozen=True, slots=True)
class _BaseContent:
    """A file of a base, read from its layer when it is asked for."""

    open: Callable[[], Iterator[bytes]]
    size: int
    identity: str

    @property
    def stamp(self) -> None:
        return

    def pieces(self) -> Iterator[bytes]:
        return self.open()


def _over(entries: tuple[Entry, ...], below: Files | None) -> Files | None:
    """The entries over a tree; the tree itself where there are none."""
    return Layered(entries, below) if entries else below


def _with_parents(entries: Iterable[Entry], below: Files) -> tuple[Entry, ...]:
    table = EntryTable(entries)
    add_parents(table, below)
    return tuple(table)


def base_tree(base: BaseImage, workspace: Workspace, scope: Scope) -> Files:
    """The merged files of a base, whose contents are read from its layers when they are asked for."""
    from ocitool.rootfs.tree import identity_of, read_file, read_tree

    tree = read_tree(base.store, base.manifest, workspace.machine.memo, scope=scope, in_parts=True)

    def content_of(path: str, node: "Node") -> Content:
        read = partial(read_file, base.store, base.manifest, tree, path, scope=workspace.scope)
        return _BaseContent(read, node.size, identity_of(base.manifest, tree, node))

    return Imaged(tree, content_of)


@dataclass(frozen=True, slots=True)
class _Draft:
    """One platform's image before copied files are put into layers; `line` and `compiled_line` are for history."""

    platform: Platform
    extras: tuple[Entry, ...]
    copied: Placed
    line: str
    compiled: tuple[Entry, ...]
    compiled_line: str
    options: ImageOptions


class _Gatherer:
    """One build's contents, platform after platform.

    What several platforms have in common is made once, so that they hold the same objects and share a layer.
    """

    def __init__(self, planned: BuildPlan, workspace: Workspace, sysroots: "Mapping[Platform, Sysroot]") -> None:
        self._planned = planned
        self._sysroots = sysroots
        self._workspace = workspace
        self._rules: dict[CopyRule, tuple[Entry, ...]] = {}
        self._extras: dict[object, tuple[Entry, ...]] = {}
        self._holding = Holding()
        self._memo = workspace.machine.memo if planned.request.use_cache else None

    def contents(self, trees: Mapping[Platform, Files]) -> tuple[ImageContent, ...]:
        """The groups for each platform, the one that changes least first; each is placed over those before."""
        planned = self._planned
        drafts = [self._draft(platform, trees.get(platform)) for platform in planned.platforms]
        parts = split([draft.copied for draft in drafts], self._memo, self._holding)
        shared: tuple[Entry, ...] = ()
        contents = []
        for draft, groups in zip(drafts, parts, strict=True):
            image = _over(draft.extras, trees.get(draft.platform))
            layers = [(draft.extras, f"ocitool build --with {','.join(planned.extras)}")]
            for group, entries in groups.items():
                # The first has every directory that it stands in, for all of them were placed together.
                is_first = entries is next(iter(groups.values()))
                complete = entries if is_first or image is None else _with_parents(entries, image)
                if group is Group.SHARED:  # equal files under other paths of this machine are one layer
                    shared = shared if are_alike(shared, complete) else complete
                    complete = shared
                layers.append((complete, draft.line + (WORDS[group] if len(groups) > 1 else "")))
                image = _over(complete, image) if len(groups) > 1 else image
            layers.append((draft.compiled, draft.compiled_line))
            found = tuple((entries, line) for entries, line in layers if entries)
            contents.append(ImageContent(draft.platform, found, draft.options))
        return tuple(contents)

    def _draft(self, platform: Platform, tree: Files | None) -> "_Draft":
        """What one platform's image will hold, its programs looked at."""
        planned = self._planned
        files = self._files(platform, tree)
        compiled = [entry for job in planned.jobs if job.platform == platform for entry in compiled_entries(job)]
        if planned.request.debug_files is not None:
            from ocitool.builder.debug_files import without_debug

            kept, work = planned.request.debug_files, planned.workplace.folder
            compiled = list(without_debug(compiled, platform, kept, work, self._workspace.listener))
        options = planned.options(platform)
        image, below, placed = tree, tree, []
        for entries in (self._extra(tree, files, options.user or ""), files, compiled):
            below = image
            placed.append(place(entries, image))
            image = _over(placed[-1], image)
        found = survey_layers(placed, self._memo, holding=self._holding)
        listener = self._workspace.listener
        refuse_foreign(found, platform, allow=planned.request.allow_foreign, listener=listener)
        over, env = image or Layered(()), _environment(planned.bases.get(platform), options)
        if planned.spec.part(platform).sysroot.copy_libraries and platform in self._sysroots:
            from ocitool.builder.libraries import missing_libraries

            libraries = missing_libraries(found, over, env, self._sysroots[platform], platform)
            placed[2] = place((*compiled, *libraries), below)
            over = Layered(placed[2], below)
        lacks = lacking(found, over, env)
        _tell_lacking(platform, lacks, listener)
        if (
            planned.jobs
            and planned.toolchain != "command"
            and any(one.loader and not one.is_script for one in lacks)
        ):
            listener(Noted(f"{platform}: {_WAYS[platform in self._sysroots]}", "notice"))
        options = _with_entrypoint(planned, platform, options, found, listener)
        base = planned.bases.get(platform)
        inherited = dict(base.config.settings) if base is not None else {}
        settings = dict(inherited)
        apply_options(settings, options)
        check_start(over, settings, found, platform, words=PROJECT, listener=listener, inherited=inherited)
        programs = frozenset(one.path for one in found if not one.binary.is_portable)
        return _Draft(
            platform,
            placed[0],
            Placed(placed[1], programs),
            "; ".join(f"COPY {rule.source} {rule.destination}" for rule in planned.rules(platform)),
            placed[2],
            f"ocitool build {planned.toolchain}: {names_of(compiled)}",
            options,
        )

    def _files(self, platform: Platform, tree: Files | None) -> list[Entry]:
        """What the copy rules say."""
        files: list[Entry] = []
        request = self._planned.request
        for rule in self._planned.rules(platform):
            if "{" in rule.source or tree is not None:
                files += expand(
                    rule, platform, request.source, tree, allow_sparse=request.allow_sparse, own=self._workspace.own
                )
            else:
                if rule not in self._rules:
                    self._rules[rule] = expand(
                        rule, platform, request.source, allow_sparse=request.allow_sparse, own=self._workspace.own
                    )
                files += self._rules[rule]
        return files

    def _extra(self, tree: Files | None, files: Sequence[Entry], user: str) -> tuple[Entry, ...]:
        """What `--with` adds where neither the base nor the copied files have it; raises for an unknown user."""
        copied = {entry.path: entry.content for entry in files}

        def exists(path: str) -> bool:
            return (tree is not None and tree.lookup(path) is not None) or path in copied

        # A copied etc/passwd is the user's own word on accounts.
        words = tuple(word for word in self._planned.extras if word != "passwd" or PASSWD not in copied)
        names = [name for name in user.split(":") if name and not is_digits(name)]
        accounts = self._accounts(tree, copied) if names or "passwd" in words else None
        check_user(user, with_user(accounts or STANDARD, user)[0] if "passwd" in words else accounts)
        key = (words, accounts, user, *(exists(path) for path in (CA_BUNDLE, ZONEINFO, "tmp")))
        if key not in self._extras:
            self._extras[key] = extra_entries(words, exists, user=user, accounts=accounts)
        return self._extras[key]

    def _accounts(self, tree: Files | None, copied: Mapping[str, Content | None]) -> Accounts | None:
        """The accounts as copied files and the base make them; None if there is no etc/passwd."""

        def text(path: str) -> str | None:
            content = copied.get(path)
            if content is not None:
                return _text(content)
            return self._base_text(tree, path) if tree is not None else None

        passwd, group = text(PASSWD), text(GROUP)
        return None if passwd is None else Accounts(passwd, group or "")

    def _base_text(self, base: Files, path: str) -> str | None:
        """A small file of the base, None if it has none; remembered, so that its layer is fetched once."""
        entry = base.lookup(path)
        if entry is None or entry.content is None:
            return None
        memo, key = self._workspace.machine.memo, f"text:{entry.content.identity}"
        known = memo.recall(key)
        if known is not None:
            return str(known["text"])
        text = _text(entry.content)
        memo.remember(key, {"text": text})
        return text


def _text(content: Content) -> str:
    if content.size > _ACCOUNTS_LIMIT:
        raise UsageError(f"a file of accounts has {content.size} bytes, more than {_ACCOUNTS_LIMIT}")
    return b"".join(content.pieces()).decode("utf-8", "surrogateescape")


def _environment(base: BaseImage | None, options: ImageOptions) -> dict[str, str]:
    """The environment that programs of the image start with."""
    given = base.config.setting("Env") if base is not None else None
    items = [item for item in given if isinstance(item, str)] if isinstance(given, list) else []
    return {**dict(item.split("=", 1) for item in items if "=" in item), **dict(options.env)}


def _with_entrypoint(
    planned: BuildPlan, platform: Platform, options: ImageOptions, found: Sequence[Found], listener: Listener
) -> ImageOptions:
    """The options, with the only program as the entry point unless something else was said.

    Where several were made here, it is told that none starts.
    """
    if options.entrypoint is not None or (options.cmd is not None and platform in planned.bases):
        return options
    compiled = [job.place for job in planned.jobs if job.platform == platform and job.job.tree is None]
    programs = compiled or [f"/{path}" for path in startable(found)]
    if len(programs) == 1:
        return replace(options, entrypoint=(programs[0],))
    if programs and planned.jobs and options.cmd is None and platform not in planned.bases:
        few = f"{', '.join(programs[:_TOLD])}{' …' if len(programs) > _TOLD else ''}"
        text = f"{platform}: the image starts none of its programs {few}: entrypoint in [image] names one"
        listener(Noted(text, "notice"))
    return options
