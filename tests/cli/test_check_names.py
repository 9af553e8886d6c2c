"""`ocitool check A B C` where some of them are not there, and registries that hide what they do not know."""

import json

import pytest

from ocitool.store.layout import LayoutStore
from tests.fakes.faults import Fault
from tests.fakes.many import many
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward


@pytest.fixture
def places(home, monkeypatch):
    """oci:img:good is right, oci:img:bad lost its arm64 image."""
    monkeypatch.chdir(home)
    with LayoutStore(home / "img", create=True) as store:
        ward = Ward(store)
        gone = ward.image("linux/arm64")
        ward.index(ward.image(), gone, tag="bad")
        ward.index(ward.image(), tag="good")
        store.delete(gone["digest"])
    return gone["digest"]


def test_one_that_is_not_there_is_told_and_the_others_are_looked_at(places, run):
    done = run("check", "oci:img:nope", "oci:nowhere", "oci:img:bad", "oci:img:good")

    assert 3 == done.exit_code
    assert (
        f"""\
oci:img:bad
  error   linux/arm64: {places} is not there  [index/dangling] (fixable)
1 error in 2 of 4 places
"""
        == done.stdout
    )
    assert (
        """\
error: no image 'nope' in oci:img
hint: it holds bad, good
error: no OCI layout at nowhere
see: ocitool explain 3, or docs/reference/exit-codes.md#3-not-found
hint: ocitool repair oci:img:bad shows what would mend it
see: ocitool explain index/dangling, or docs/reference/rules.md#indexdangling
"""
        == done.stderr
    )


def test_a_tag_that_a_registry_does_not_have_comes_with_the_way_to_those_it_has(run):
    with fake_registry() as registry:
        done = run("check", f"{registry.host}/app")

    assert 3 == done.exit_code
    assert f"hint: ocitool tags {registry.host}/app lists what is there\n" in done.stderr


def test_json_has_both(places, run):
    done = run("check", "oci:img:nope", "oci:img:bad", "--json")
    tree = json.loads(done.stdout)

    assert (3, 3, False) == (done.exit_code, tree["exit_code"], tree["ok"])
    assert ["not-found"] == [error["code"] for error in tree["errors"]]
    assert [("oci:img:nope", "not-found")] == [(one["name"], one["code"]) for one in tree["data"]["failed"]]
    assert (["oci:img:bad"], ["index/dangling"]) == (
        tree["data"]["looked"],
        [finding["rule"] for finding in tree["data"]["findings"]],
    )


def test_only_one_that_is_not_there(places, run):
    """Nothing was looked at, so nothing is said about it on stdout."""
    done = run("check", "oci:img:nope")

    assert (3, "") == (done.exit_code, done.stdout)
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("form", ["github", "sarif"])
def test_logs_of_services_name_it(places, run, form):
    done = run("check", "oci:img:nope", "oci:img:good", "--format", form)

    assert 3 == done.exit_code
    if form == "github":
        assert done.stdout.startswith("::error title=could not look::oci:img:nope: ")
    else:
        (invocation,) = json.loads(done.stdout)["runs"][0]["invocations"]
        assert not invocation["executionSuccessful"]
        assert "oci:img:nope: " in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_what_is_no_place_stops_it_before_anything_is_looked_at(places, run):
    done = run("check", "oci:img:good", "Not A Place")

    assert (2, "") == (done.exit_code, done.stdout)


def test_a_registry_that_answers_an_empty_list_for_what_it_does_not_know(registry, run):
    empty = Fault(on="GET /v2/ap/tags/list*", status=200, body=b'{"name": "ap", "tags": null}', times=1)
    registry.faults.append(empty)

    done = run("check", f"{registry.host}/ap", "--all-tags")

    assert (3, "") == (done.exit_code, done.stdout)
    assert f"error: {registry.host}/ap has no tags\n" in done.stderr


@pytest.mark.parametrize(("status", "code"), [(401, 4), (500, 5)])
def test_tags_that_cannot_be_listed_say_nothing_about_the_others(registry, run, places, status, code):
    """K034."""
    registry.faults.append(Fault(on="GET /v2/app/tags/list*", status=status, times=-1))

    done = run("check", f"{registry.host}/app", "oci:img", "--all-tags")

    assert code == done.exit_code
    assert done.stdout.endswith("1 error in 1 of 2 places, 2 tags\n")


def test_what_to_do_next(places, registry, run):
    """On stderr, so that what is piped stays as it is; not with --quiet, not for programs."""
    repair = "hint: ocitool repair oci:img:bad{} shows what would mend it\n"
    repair += "see: ocitool explain index/dangling, or docs/reference/rules.md#indexdangling\n"

    assert repair.format("") == run("check", "oci:img:bad").stderr
    assert repair.format(" --deep") == run("check", "oci:img:bad", "oci:img:good", "--deep").stderr
    assert "" == run("check", "oci:img:bad", "--quiet").stderr
    assert "" == run("check", "oci:img:bad", "--format", "github").stderr
    assert "" == run("check", "oci:img:bad", "--json").stderr
    assert "" == run("check", "oci:img:good").stderr


def test_what_to_do_next_about_many(home, run):
    with LayoutStore(home / "many", create=True) as store:
        ward = Ward(store)
        for number in range(5):
            ward.index(ward.image(), tag=f"t{number}", mediaType=None, annotations={"n": str(number)})

    told = run("check", f"oci:{home}/many", "--all-tags").stderr.splitlines()

    assert [f"hint: ocitool repair oci:{home}/many:t{n} shows what would mend it" for n in range(3)] == told[-5:-2]
    assert "hint: so it is for 2 more" == told[-2]


def test_what_to_do_where_a_registry_lets_nobody_in(registry, run, home):
    """The way in is told once, however many things were closed."""
    many(3, shared=False).into(registry, "app")
    registry.faults.append(Fault(on="GET /v2/app/blobs/*", status=401, times=-1))

    done = run("check", f"{registry.host}/app", "--all-tags", "--quiet")
    told = run("check", f"{registry.host}/app", "--all-tags").stderr

    assert (4, "") == (done.exit_code, done.stderr)
    assert 1 == told.count(f"hint: log in with ocitool login {registry.host}")
