"""A repair from the name to the plan: look, look deeper where that is needed, decide, ask who refers to it."""

from collections.abc import Sequence

from ocitool.change.followers import with_followers
from ocitool.check.inspection import Inspection, look, look_at
from ocitool.errors import AuthError
from ocitool.events import Listener, silent
from ocitool.repair.fallback import FallbackReader, FallbackSource
from ocitool.repair.plan import Repair, doubtful, plan_repair
from ocitool.repair.work import RepairOptions
from ocitool.store.base import Reader
from ocitool.tasks import Scope
from ocitool.values import replace
from ocitool.workspace import Workspace

_DEFAULT = RepairOptions()


def prepare_repair(
    store: Reader,
    name: str,
    *,
    scope: Scope,
    options: RepairOptions = _DEFAULT,
    deep: bool = False,
    listener: Listener = silent,
) -> Repair:
    """What mends `name`, and what is left for a human; nothing is written, `change.apply` carries the plan out.

    With `deep` the layers of every image are read, else of those alone whose platform is in doubt. Raises what
    keeps us from looking, an ExceptionGroup of several: nobody mends what was not seen; and what `plan_repair`
    raises.
    """
    fallback = FallbackReader(store, options.sources, name)
    seen = _all_of(look(fallback, name, scope=scope), fallback)
    wanted = doubtful(seen)
    if deep or wanted:
        seen = look_at(
            fallback,
            seen.snapshot,
            scope=scope,
            deep=lambda manifest: deep or manifest.document.digest in wanted,
            listener=listener,
        )
        seen = _all_of(seen, fallback)
    repair = plan_repair(seen, name, options, fallback)
    plan = with_followers(repair.plan, store, scope=scope)
    return replace(repair, plan=replace(plan, names=(name,)))


def open_sources(work: Workspace, texts: Sequence[str]) -> tuple[FallbackSource, ...]:
    """The places where lost content may still be, opened. Raises NotVerified for one that is not trusted."""
    return tuple(FallbackSource(*work.open_image(text), text) for text in texts)


def _all_of(seen: Inspection, fallback: FallbackReader) -> Inspection:
    """The inspection, if everything was seen."""
    unseen = {id(error): error for error in (*fallback.errors, *seen.unanswered)}.values()
    errors = sorted(unseen, key=lambda error: not isinstance(error, AuthError))
    for error in errors:
        error.add_note("it could not be looked at, so nothing is mended")
    if len(errors) > 1:
        raise ExceptionGroup("could not look", errors)
    for error in errors:
        raise error
    return seen
