"""Pushes: plans that write over whatever tags hold, and what a build left in this machine's store sent by one."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from ocitool.builder.trust import signed
from ocitool.change.apply import ChangeReport, apply
from ocitool.change.journal import Journal, WarnOnce
from ocitool.change.plan import Plan, PutSnapshot, Tag
from ocitool.change.promises import NO_PROMISES, Promises, promised
from ocitool.events import Listener, Noted
from ocitool.graph.copy import read_all
from ocitool.image.base import open_base
from ocitool.model.document import Document
from ocitool.model.platform import Platform
from ocitool.model.reference import Reference
from ocitool.model.views import Index, view
from ocitool.store.base import Reader, Store, StoreSource
from ocitool.workspace import Workspace

if TYPE_CHECKING:
    from ocitool.sign.run import SignKey


def push_kept(
    reference: Reference, workspace: Workspace, keys: "Iterable[SignKey]" = (), promises: Promises = NO_PROMISES
) -> ChangeReport:
    """Publish what `keep` left in this machine's store, under the same name. As `publish`, and NotFound."""
    name, content = str(reference), workspace.machine.content
    workspace.machine.image(name)
    store, tag = workspace.opener.open(name, write=True)
    root = content.get_manifest(name)
    plan, platforms = _plan(content, root, store, [tag], workspace), open_base(content, name).platforms()
    plan = signed(promised(plan, store, promises, platforms), store, keys, workspace)
    return push_over(plan, store, platforms, workspace)


def push_over(
    plan: Plan, store: Store, platforms: Collection[Platform] | None, workspace: Workspace
) -> ChangeReport:
    """Carry out a plan that writes over what tags hold; with `platforms`, what they offer besides is told."""

    def replacing(tag: str, before: Document) -> None:
        if platforms is not None:
            tell_gone(f"{store.label}:{tag}", before, platforms, workspace.listener)

    return apply(
        plan,
        store,
        Journal.of(workspace.machine),
        workspace.scope,
        workspace.listener,
        width=workspace.transfers,
        unkept=WarnOnce(store, workspace.listener),
        replacing=replacing,
    )


def _plan(source: Reader, root: Document, target: Store, tags: Iterable[str], workspace: Workspace) -> Plan:
    """The plan that takes `root` and all below it from `source` to `target`, whose tags hold it then.

    Reads every manifest of the source, and nothing of the target. Raises NotFound for what the source lacks.
    """
    snapshot = read_all(source, root, scope=workspace.scope, width=workspace.transfers)
    content = PutSnapshot(snapshot, lambda descriptor: StoreSource(descriptor, source))
    return Plan(target.label, (content, *(Tag(tag, root, replaces=True) for tag in tags)))


def tell_gone(place: str, before: Document, platforms: Iterable[Platform], listener: Listener) -> None:
    """Warn of the platforms that a tag offers and that are none of these (K038)."""
    offered = view(before)
    gone = offered.without(platforms) if isinstance(offered, Index) else ()
    if gone:
        what = f"{place} holds {', '.join(map(str, gone))} now and will not any more"
        listener(Noted(f"{what}; ocitool index add puts an image beside others"))
