"""What Client.copy does, between stores that are open already."""

from ocitool.change.apply import apply
from ocitool.events import silent
from ocitool.graph.copy import CopyReport
from ocitool.index.copy_plans import CopyOptions, plan_copy


def copy(source, name, target, *tags, scope, width=16, trust=False, listener=silent) -> CopyReport:
    """Let tags of `target` hold what `name` holds in `source`, whatever they held; nothing is kept for undo."""
    plan = plan_copy(source, name, target, tags, CopyOptions(replaces=True, trust=trust), scope=scope)
    return apply(plan, target, None, scope, listener, width=width, unkept=lambda *_: None).copies[0]
