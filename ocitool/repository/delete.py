"""One name deleted, as a plan: a tag without its siblings, or a manifest with all that this takes along."""

from ocitool.change.plan import Delete, Plan
from ocitool.events import Listener, silent
from ocitool.model.digest import as_digest
from ocitool.repository.graph import RepositoryGraph, reached, read_graph
from ocitool.store.base import Store, called
from ocitool.store.placeholder import stands_for
from ocitool.tasks import Scope
from ocitool.values import dataclass


@dataclass(frozen=True, slots=True)
class Deletion:
    """A name that is to be deleted, and the plan for it.

    Of a manifest, named by its digest, `tags` are those that go with it, `broken` those whose index lists it, and
    `orphans` what refers to it or belongs to it and stays.
    """

    name: str
    plan: Plan
    tags: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()

    @property
    def is_of_manifest(self) -> bool:
        """Whether a manifest is deleted, which may take along more than its name says."""
        return as_digest(self.name) is not None

    @property
    def told(self) -> tuple[str, ...]:
        """What else goes, breaks or is left behind, as lines."""
        lines = (
            ("these tags go with it", self.tags),
            ("these tags hold an index that lists it, and will lack it", self.broken),
            ("these are about it, and stay", self.orphans),
        )
        return tuple(f"{what}: {', '.join(names)}" for what, names in lines if names)


def plan_delete(store: Store, name: str, *, scope: Scope, listener: Listener = silent) -> Deletion:
    """The plan that deletes a tag, or a manifest by its digest.

    For a manifest every tag of the repository is looked at, and what each lists. Raises NotFound where there is no
    such name, and as `read_graph`.
    """
    document = store.get_manifest(name)
    place = called(store, name)
    if as_digest(name) is None:
        if stands_for(document) is not None:  # what an earlier deletion left that died
            return Deletion(name, Plan(store.label, (Delete(str(document.digest), document, (name,)),)))
        note = (
            f"what {name} held stays as {called(store, str(document.digest))} until the registry removes what has "
            f"no tag; ocitool undo {place} brings the tag back until then"
        )
        return Deletion(name, Plan(store.label, (Delete(name, document),), notes=(note,)))
    graph = read_graph(store, store.tags(), scope=scope, tolerant=True, also=[document.digest], listener=listener)
    tags = tuple(sorted(graph.tags_on.get(document.digest, ())))
    referring = tuple(str(one.digest) for one in store.referrers(document.digest))
    note = f"ocitool undo {place} brings it back until the registry has collected its garbage"
    plan = Plan(store.label, (Delete(name, document, tags),), notes=(note,), names=(name,))
    return Deletion(name, plan, tags, _broken(graph, name), (*referring, *graph.beside_of(document.digest)))


def _broken(graph: RepositoryGraph, name: str) -> tuple[str, ...]:
    """The tags whose index lists a manifest, at any depth."""
    digest = as_digest(name)
    above = reached(graph.listed_by.get(digest, ()) if digest else (), lambda one: graph.listed_by.get(one, ()))
    return tuple(sorted(tag for one in above for tag in graph.tags_on.get(one, (str(one),))))
