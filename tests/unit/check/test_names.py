"""Several names looked at: side by side, in the order given, and on where one of them is not there."""

import threading

import pytest

from ocitool.check.engine import exit_code
from ocitool.check.finding import Finding, Location
from ocitool.check.runner import CheckOptions, check_names, check_tags
from ocitool.errors import (
    AuthError,
    Cancelled,
    LocalIOError,
    MalformedDocument,
    NetworkError,
    NotFound,
    RegistryError,
    UsageError,
)
from ocitool.findings import Severity
from ocitool.model.digest import Digest
from ocitool.tasks import Scope
from tests.fakes.sick import Loose, Ward
from tests.unit.check.test_runner import PATIENCE, Watched

BAD = Finding("index/empty", Severity.ERROR, "nothing to run", Location(Digest.of(b"root")))
GONE, REFUSED, SILENT = NotFound("gone"), AuthError("refused"), NetworkError("silent")


@pytest.fixture
def ward():
    """Tags a to h, each of whose index names no mediaType; nothing else is wrong."""
    ward = Ward(Loose("held"))
    for tag in "abcdefgh":
        ward.index(ward.image(), tag=tag, mediaType=None, annotations={"tag": tag})
    return ward


def look(*places, **more):
    return check_names(places, CheckOptions(**more), scope=Scope())


def test_the_others_are_looked_at_where_one_is_not_there(ward):
    done = look(*((ward.store, tag, f"held:{tag}") for tag in "axb"))

    assert ("held:a", "held:b") == done.names
    assert ["held:a", "held:b"] == [one.where for one in done.findings]
    ((name, error),) = done.failed
    assert ("held:x", NotFound, 3) == (name, type(error), done.exit_code)


def test_a_store_that_could_not_be_opened_is_one_of_them(ward):
    done = look((GONE, "", "oci:nowhere"), (ward.store, "a", "held:a"))

    assert ((("oci:nowhere", GONE),), ("held:a",)) == (done.failed, done.names)


def test_names_are_looked_at_side_by_side_and_told_in_order(ward):
    """The first is answered only when the last was asked for."""
    watched, asked = Watched(ward.store), threading.Event()

    def wait(verb, name):
        if (verb, name) == ("get", "a"):
            assert asked.wait(PATIENCE)
        elif (verb, name) == ("get", "h"):
            asked.set()

    watched.before = wait

    done = look(*((watched, tag, tag) for tag in "abcdefgh"))

    assert tuple("abcdefgh") == done.names
    assert list("abcdefgh") == [one.where for one in done.findings]


@pytest.mark.parametrize("more", [{"deep": True}, {"at_once": 1}])
def test_one_after_the_other_where_memory_or_the_user_says_so(ward, more):
    watched, threads = Watched(ward.store), set()

    def note(verb, name):
        if name in "abcdefgh":
            threads.add(threading.current_thread())

    watched.before = note

    assert 8 == len(look(*((watched, tag, tag) for tag in "abcdefgh"), **more).names)
    assert {threading.current_thread()} == threads


def test_a_child_that_names_share_and_that_cannot_be_read_is_told_once(ward):
    watched, child = Watched(ward.store), ward.image()["digest"]

    def refuse(verb, name):
        if name == child:
            raise SILENT

    watched.before = refuse
    done = look((watched, "a", "a"), (watched, "b", "b"))

    assert (5, (SILENT,)) == (done.exit_code, done.unanswered)


def test_an_interruption_ends_it(ward):
    watched, scope = Watched(ward.store), Scope()
    watched.before = lambda verb, name: scope.cancel()

    with pytest.raises(Cancelled):
        check_names([(watched, "a", "a"), (watched, "b", "b")], scope=scope)


@pytest.mark.parametrize(
    ("code", "found", "unanswered", "failed"),
    [
        (0, [], [], []),
        (1, [BAD], [], []),
        (3, [BAD], [], [GONE]),
        (3, [], [], [UsageError("several"), GONE]),
        (6, [BAD], [], [GONE, MalformedDocument("not JSON")]),
        (10, [], [], [LocalIOError("unreadable"), MalformedDocument("not JSON")]),
        (5, [BAD], [], [SILENT, LocalIOError("unreadable")]),
        (5, [], [RegistryError("503")], [GONE]),
        (4, [], [], [SILENT, REFUSED]),
        (4, [BAD], [SILENT], [GONE, REFUSED]),
        (4, [], [REFUSED], [SILENT]),
    ],
)
def test_the_gravest_counts(code, found, unanswered, failed):
    """What was not let in, what was not answered, what gave nothing to look at, findings."""
    assert code == exit_code(found, unanswered, failed)


def test_a_repository_without_tags_is_not_one_that_is_well():
    """Some registries answer an empty list for what they do not know."""
    done = check_tags([(Loose("reg.test/ap"), "", "reg.test/ap")], scope=Scope())

    ((name, error),) = done.failed
    assert ("reg.test/ap", "reg.test/ap has no tags", 3) == (name, str(error), done.exit_code)
    assert ((), 0) == (done.names, done.tags)


def test_the_others_are_looked_at_where_a_repository_cannot_be_listed(ward):
    class Closed(Loose):
        def tags(self):
            raise REFUSED

    done = check_tags([(Closed(), "", "closed"), (GONE, "", "gone"), (ward.store, "", "held")], scope=Scope())

    assert (("closed", REFUSED), ("gone", GONE)) == done.failed
    assert (8, 8, 4) == (done.tags, len(done.findings), done.exit_code)


def test_reading_layers_is_heard(ward):
    """K178: a large image takes minutes, and nothing else is said while its layers are read."""
    heard = []
    look((ward.store, "a", "a"), deep=True, listener=heard.append)
    started, *advanced, done = heard

    layer = ward.store.get_manifest(ward.image()["digest"]).tree()["layers"][0]
    assert ("held: layers", layer["size"]) == (started.label, started.total)
    assert layer["size"] == sum(event.size for event in advanced)
    assert {started.key} == {event.key for event in (*advanced, done)}


def test_a_look_that_reads_no_layer_is_silent(ward):
    heard = []
    look((ward.store, "a", "a"), listener=heard.append)

    assert [] == heard
