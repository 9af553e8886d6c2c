"""Questions that a build asked its base, and whether a new base answers them as the old one did.

The image says some of them in an annotation; others follow from its history and from what stands in its layers.
Where every answer is the same, a build over the new base makes the same layers and settings.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

from ocitool.dockerfile.syntax.ownership import owner_of
from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.image.assemble import last_time
from ocitool.image.base import BaseImage
from ocitool.image.essentials import CA_BUNDLE, GROUP, PASSWD, ZONEINFO
from ocitool.image.options import PATH, env_of
from ocitool.image.rebase import OwnHistory
from ocitool.image.starting import StartProblem, start_problem, starts_files
from ocitool.model.files import MAX_PATH, WHITEOUT, FileKind, TreeBudget, ancestors
from ocitool.model.numbers import MIB, is_digits
from ocitool.model.printable import shown
from ocitool.model.views import Descriptor, ImageConfig, Manifest
from ocitool.rootfs.tree import Listed, Node, Tree, list_layer, read_file
from ocitool.store.base import Memo, Reader
from ocitool.tasks import Scope
from ocitool.values import dataclass, field

_ACCOUNTS_LIMIT: Final = MIB
_TOLD: Final = 5
"""Paths that one line names; a guess at what is read."""
_MOST_ACCOUNTS: Final = 100
"""Names of accounts that are looked for; a guess at what no Dockerfile has."""
_EXPANDED: Final = ("ENV", "LABEL", "COPY", "ADD", "WORKDIR", "USER", "EXPOSE", "VOLUME", "STOPSIGNAL")
"""Instructions whose words may hold variables."""
_PLACED: Final = ("COPY", "ADD", "WORKDIR")
"""Instructions whose layers say all that they do."""
_STANDARD: Final = {
    "ca-certificates": (CA_BUNDLE,),
    "zoneinfo": (ZONEINFO,),
    "tmp": ("tmp",),
    "passwd": (PASSWD, GROUP),
}
"""The files that each word of --with looks for."""


@dataclass(frozen=True)  # no slots: what is read is kept
class Side:
    """A base with its files, which are listed when they are asked for."""

    base: BaseImage
    memo: Memo | None
    scope: Scope

    @cached_property
    def listings(self) -> tuple[tuple[Listed, ...], ...]:
        """What each layer holds, bottom first."""
        return tuple(listings(self.base.store, self.base.manifest.layers, self.memo, self.scope))

    @cached_property
    def tree(self) -> Tree:
        """The merged files."""
        return Tree(self.listings)

    def text(self, path: str) -> str:
        """A small text file; empty if there is none. Raises MalformedDocument for one that is too large."""
        read = read_file(
            self.base.store, self.base.manifest, self.tree, path, scope=self.scope, limit=_ACCOUNTS_LIMIT
        )
        try:
            return b"".join(read).decode("utf-8", "surrogateescape")
        except NotFound:
            return ""

    def env(self, *, has_path: bool) -> dict[str, str]:
        """The variables; with `has_path` the PATH that a Dockerfile's stage has whatever its base says."""
        standard = {"PATH": PATH.partition("=")[2]} if has_path else {}
        return standard | env_of(self.base.config.settings)


def listings(
    store: Reader, layers: Iterable[Descriptor], memo: Memo | None, scope: Scope
) -> Iterator[tuple[Listed, ...]]:
    """What each of these layers holds."""
    for layer in layers:
        scope.check()
        yield list_layer(store, layer, memo, scope=scope)


@dataclass(frozen=True)
class Reads:
    """One image between its old base and a new one. `noted` is what its annotation says was read, None if none is.

    `config` is its config of before, `after` the one over the new base; `layers` lists its own layers when that is
    asked for.
    """

    old: Side
    new: Side
    manifest: Manifest
    config: ImageConfig
    after: ImageConfig
    history: OwnHistory
    noted: frozenset[str] | None
    layers: Iterable[tuple[Listed, ...]] = field(repr=False)

    @cached_property
    def own(self) -> tuple[tuple[Listed, ...], ...]:
        """What its own layers hold."""
        return tuple(self.layers)

    def differences(self) -> tuple[str, ...]:
        """What was read of the old base and is not so in the new one, or cannot be known; a line for each."""
        found = (*self._of_history(), *self._of_settings(), *self._of_accounts())
        return (*found, *self._of_standard(), *self._of_places(), *self._of_start())

    @property
    def _is_dockerfile(self) -> bool:
        return not self.history.is_of_project

    def _of_history(self) -> Iterator[str]:
        if not self.history.fits:
            yield "its history does not fit its layers and those of the base, so how they were made is not known"
        lines: dict[str, None] = {}
        for line, step in zip(self.history.lines, self.history.steps, strict=True):
            word = line.partition(" ")[0]
            if word == "RUN" or not (step.empty_layer or word in _PLACED or step.comment == "ocitool"):
                lines[shown(line if len(line) < 80 else f"{line[:77]}…")] = None
        yield from (f"{line}  may have read any of its files" for line in lines)
        noted = self.noted or frozenset()
        if "run" in noted and not lines:
            yield "RUN may have read any of its files"
        if "stages" in noted:
            yield "another stage stands on the same base, or files are copied from it"
        if "libraries" in noted:
            yield "libraries were copied that it lacked"

    def _of_settings(self) -> Iterator[str]:
        old, new = self.old.base, self.new.base
        family = self.manifest.effective_type
        if old.family is not new.family and old.manifest.effective_type == family:
            yield f"the family of manifests: {old.family.value} was the base's, and is {new.family.value} now"
        if not self._is_dockerfile:
            return
        if not self.history.steps and last_time(old.config.history) and not last_time(new.config.history):
            yield "the time of its newest step, and the new one says none"
        yield from self._of_variables()
        said = {line.partition(" ")[0] for line in self.history.lines}
        for key, words in (("OnBuild", {"FROM"}), ("Shell", said & {"CMD", "ENTRYPOINT", "RUN", "HEALTHCHECK"})):
            if words and (old.config.setting(key) or None) != (new.config.setting(key) or None):
                yield f"{key} of its config, which is not the same in the new one"
        before, after = (str(one.config.setting("WorkingDir") or "/") for one in (old, new))
        if before != after and self._starts_relative(before):
            yield f"its working directory, which was {shown(before)} and is {shown(after)}"
        before, after = (str(one.config.setting("User") or "root") for one in (old, new))
        if before != after and self._makes_workdir_first():
            yield f"its user, which was {shown(before)} and is {shown(after)}: WORKDIR made a directory of that"

    def _of_variables(self) -> Iterator[str]:
        before, after = self.old.env(has_path=True), self.new.env(has_path=True)
        moved = sorted(name for name in {**before, **after} if before.get(name) != after.get(name))
        if self.noted is not None:
            for name in moved:
                if f"env:{name}" in self.noted:
                    yield f"variable {shown(name)}, which was {_value(before, name)} and is {_value(after, name)}"
        elif moved and any(self.history.says(word) for word in _EXPANDED):
            yield (
                f"variables that are not the same in the new one ({_few(moved)}): "
                "the image does not say which of them its build read"
            )

    def _starts_relative(self, workdir: str) -> bool:
        """Whether a path may have been meant from the base's working directory on."""
        for line in self.history.lines:
            word, _, rest = line.partition(" ")
            if word == "WORKDIR":
                return rest.startswith(workdir)
            if word in {"COPY", "ADD"} and not all(one.startswith("/") for one in _destinations(line)):
                return True
        return False

    def _makes_workdir_first(self) -> bool:
        """Whether a WORKDIR made a directory before any USER."""
        for line, step in zip(self.history.lines, self.history.steps, strict=True):
            word = line.partition(" ")[0]
            if word == "USER" or (word == "WORKDIR" and not step.empty_layer):
                return word == "WORKDIR"
        return False

    def _of_accounts(self) -> Iterator[str]:
        names: dict[str, None] = {}
        for line in self.history.lines:
            word, *flags = line.split(" ")
            if word in {"COPY", "ADD"}:
                for flag in flags:
                    if flag.startswith("--chown="):
                        names.setdefault(flag.partition("=")[2])
            elif word == "USER":
                names.setdefault(line.partition(" ")[2])
        names |= {str(one.setting("User") or ""): None for one in (self.config, self.old.base.config)}
        named = [name for name in names if not all(map(is_digits, filter(None, name.split(":"))))]
        if len(named) > _MOST_ACCOUNTS:
            yield f"more than {_MOST_ACCOUNTS} accounts"
        if not 0 < len(named) <= _MOST_ACCOUNTS:
            return
        sides = [(side.text(PASSWD), side.text(GROUP)) for side in (self.old, self.new)]
        for name in named:
            before, after = (_owner(name, *texts) for texts in sides)
            if before != after:
                yield f"account {shown(name)}, which was {before} and is {after}"

    def _of_standard(self) -> Iterator[str]:
        """Files that `--with` adds where they are missing."""
        if self.noted is None and not self.history.is_of_project:
            return
        for word, paths in _STANDARD.items():
            if self.noted is not None and f"with:{word}" not in self.noted:
                continue
            for path in paths:
                before, after = (side.tree.lookup(path) is not None for side in (self.old, self.new))
                if before != after:
                    yield f"/{path}, which is {'not ' if before else ''}there now, and --with {word} asks for it"
            if word == "passwd" and self.noted is not None:
                texts = [[side.text(path) for path in paths] for side in (self.old, self.new)]
                if texts[0] != texts[1]:
                    yield "its accounts, which --with passwd adds to"

    def _of_places(self) -> Iterator[str]:
        """Whatever stands where the layers lead, and what a link that led there is now."""
        entries = {listed.path: listed.node.kind for listing in self.own for listed in listing}
        entries = {path: kind for path, kind in entries.items() if path and WHITEOUT not in path}
        budget = TreeBudget()
        above: set[str] = set()
        for path in entries:
            _climb(path, above, budget)
        folders = above | {path for path, kind in entries.items() if kind is FileKind.DIRECTORY}
        wanted: set[str] = set()
        for path in self._destinations():
            if len(path) <= MAX_PATH:  # no other can be there
                _climb(f"{path.strip('/')}/", wanted, budget)
        places = _with_links(folders | entries.keys() | wanted, self.old.tree)
        found: list[str] = []
        count = 0
        for path in sorted(places):
            before, after = self.old.tree.get(path), self.new.tree.get(path)
            if path not in folders:  # a file takes the place of a file; only what is placed below a folder is in it
                before, after = (_bare(one, is_entry=path in entries) for one in (before, after))
            if _answer(before) != _answer(after):
                count += 1
                if count <= _TOLD:
                    found.append(f"/{shown(path)} was {_answer(before)} and is {_answer(after)}")
        if found:
            more = f"; and {count - _TOLD} more" if count > _TOLD else ""
            yield f"places that its files went to: {'; '.join(found)}{more}"

    def _destinations(self) -> Iterator[str]:
        """Where lines of history say that files go, absolute."""
        workdir = str(self.old.base.config.setting("WorkingDir") or "/")
        for line in self.history.lines:
            if line.startswith("WORKDIR "):
                workdir = posixpath.join(workdir, line.partition(" ")[2])
                yield posixpath.normpath(workdir)
            elif line.startswith(("COPY ", "ADD ")):
                yield from (posixpath.normpath(posixpath.join("/", workdir, one)) for one in _destinations(line))

    def _of_start(self) -> Iterator[str]:
        """The program that is started, where it was there over the old base."""
        if not starts_files(self.after.platform):
            return
        problem = self._problem(self.new, self.after)
        if problem is None:
            return
        was_own, is_own = (
            config.setting("Entrypoint") != side.base.config.setting("Entrypoint")
            for config, side in ((self.config, self.old), (self.after, self.new))
        )
        if self._problem(self.old, self.config) is None or is_own > was_own:  # a build refuses its own alone
            yield f"the program that it starts: {problem.reason}"

    def _problem(self, side: Side, config: ImageConfig) -> StartProblem | None:
        return start_problem(Tree((*side.listings, *self.own)), config.settings)


def _climb(path: str, found: set[str], budget: TreeBudget) -> None:
    """Add the directories above a path. Raises MalformedDocument for more characters than any image has."""
    for step in ancestors(path):
        if step not in found:
            budget.add(len(step))
            found.add(step)


def _with_links(places: set[str], tree: Tree) -> set[str]:
    """The places, and every link of the tree that leads to one of them, with all above it."""
    leading: dict[str, list[str]] = {}
    for path, node in tree.walk():
        if node.kind is FileKind.SYMLINK:
            try:
                leading.setdefault(tree.resolve(path), []).append(path)
            except MalformedDocument:  # it leads nowhere
                continue
    todo, found = list(places), set(places)
    todo.append("")
    while todo:
        for link in leading.pop(todo.pop(), ()):
            for step in (*ancestors(link), link):
                if step not in found:
                    found.add(step)
                    todo.append(step)
    return found


def _bare(node: Node | None, *, is_entry: bool) -> Node | None:
    """The node as far as it matters to what is put there or goes through it."""
    if node is None or node.kind is FileKind.SYMLINK:
        return node
    if node.kind is FileKind.DIRECTORY:
        return Node(FileKind.DIRECTORY)
    return None if is_entry else Node(FileKind.FILE)


def _answer(node: Node | None) -> str:
    """What stands somewhere, in words that are equal for what a build takes alike."""
    if node is None:
        return "not there"
    if node.kind is FileKind.SYMLINK:
        return f"a link to {shown(node.link)}"
    if node.kind is not FileKind.DIRECTORY:
        return "a file"
    more = f" with {', '.join(shown(f'{key}={value.hex()}') for key, value in node.xattrs)}" if node.xattrs else ""
    return f"a directory ({node.mode & 0o7777:04o} {node.uid}:{node.gid}{more})"


def _destinations(line: str) -> Sequence[str]:
    """The last word of each COPY and ADD that a line of history tells."""
    text = line.partition(" # ")[0]
    return [part.split()[-1] for part in text.split("; ") if len(part.split()) > 1]


def _owner(name: str, passwd: str, group: str) -> str:
    try:
        user, owner = owner_of(name, passwd, group)
    except UsageError:
        return "not there"
    return f"{user}:{owner}"


def _value(env: Mapping[str, str], name: str) -> str:
    return shown(repr(env[name][:100])) if name in env else "not set"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(map(shown, names[:_TOLD])) + more
