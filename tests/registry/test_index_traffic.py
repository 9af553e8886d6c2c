"""How many requests index work takes on a real registry; peers need several times as many."""

import pytest

from ocitool.change.apply import apply
from ocitool.change.journal import Journal
from ocitool.index import edit
from ocitool.index.edit import EntryChanges
from ocitool.index.entries import Selector
from ocitool.index.plans import IndexRequest, plan_add, plan_create, plan_edit
from ocitool.index.sources import MemberSource
from ocitool.model.platform import Platform
from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.report.survey import survey
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.images import PLATFORMS, put_image

pytestmark = pytest.mark.registry


@pytest.fixture
def repository(docker_registry):
    """A repository with 32 tagged images of 32 platforms."""
    name = docker_registry.repository()
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(name, write=True)
        for number, platform in enumerate(PLATFORMS):
            put_image(store, f"t{number}", platform)
    return name


@pytest.fixture
def measured(repository, tmp_path, monkeypatch, home):
    """`measured(act)`: what `act(store, carry_out)` took in requests, with a session of its own."""

    def run(act):
        with Opener(Access(), Scope()) as opener:
            store, _ = opener.open(repository, write=True)
            act(store, lambda plan: apply(plan, store, Journal(tmp_path / "changes"), Scope()))
            return opener.traffic.requests

    return run


def create(store, carry_out):
    """One index of all the images."""
    sources = tuple(MemberSource(store, f"t{number}") for number in range(32))
    carry_out(plan_create(store, ["all"], IndexRequest(sources), scope=Scope()))


def test_index_of_32_tagged_images(measured):
    """imagetools takes 354, crane 131, docker manifest 98."""
    assert measured(create) <= 70


def test_annotating_one_member(measured):
    """Read, look, write, look again; the old bytes cost nothing more."""
    measured(create)
    first = Selector((Platform("windows", "amd64"),))

    def annotate(store, carry_out):
        carry_out(
            plan_edit(store, "all", lambda index: edit.annotate(index, first, EntryChanges(os_version="10.0.1")))
        )

    assert measured(annotate) <= 6


def test_replacing_one_platform(measured):
    """Two more for the new image: its manifest and its config."""
    measured(create)

    def add(store, carry_out):
        put_image(store, "new", "windows/amd64", note="again")
        carry_out(plan_add(store, "all", IndexRequest((MemberSource(store, "new"),)), scope=Scope()))

    def only_put(store, carry_out):
        put_image(store, "newer", "windows/amd64", note="once more")

    assert measured(add) - measured(only_put) <= 8


def test_inspect_of_32_platforms_with_all_configs(measured):
    """The index, 32 manifests and 32 configs."""
    measured(create)

    def inspect(store, carry_out):
        assert 32 == len([image for image in survey(store, "all", scope=Scope()).images if image.config])

    assert measured(inspect) <= 67


def test_edit_that_changes_nothing_writes_nothing(measured, repository):
    measured(create)

    def order(store, carry_out):
        before = store.get_manifest("all")
        carry_out(plan_edit(store, "all", edit.order))
        carry_out(plan_edit(store, "all", edit.order))
        assert 32 == len(view(before).entries)

    def read(store, carry_out):
        plan_edit(store, "all", edit.order)

    measured(order)
    assert measured(read) <= 2
