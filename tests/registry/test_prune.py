"""`prune` on real registries: nothing that stays is broken, not by their own garbage collection either, nor by a kill."""

import json
import os
import random
import subprocess
import threading

import pytest

from ocitool.graph.walk import walk
from ocitool.model.reference import referrers_tag
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.amounts import amount
from tests.conftest import homes
from tests.fakes.killed import begin
from tests.fakes.proxy import proxy
from tests.fakes.repositories import Part, Sketch, blobs_of, build, has_to_stay, sketch, tags_of
from tests.fakes.sick import Ward

pytestmark = pytest.mark.registry

SEEDS = range(amount(3, 60))
KILLS = amount(3, 50)
REGISTRIES = ("docker_registry", "distribution_v3")
SHAPE = Sketch(
    (
        Part("image", created="2024-01-01T00:00:00Z"),
        Part("image", created="2020-01-01T00:00:00Z"),
        Part("image", created="2019-01-01T00:00:00Z"),
        Part("index", (0, 1)),
        Part("index", (1, 2)),
        Part("artifact", subject=2),
        Part("artifact"),
        Part("index", (4,)),
    ),
    {"new": 3, "old": 4, "nested": 7, "oldest": 2},
    ((2, 0, 6), (0, 0, 6)),
)
"""An index that stays shares an image with one that goes, another of whose images has a referrer and a signature."""


@pytest.fixture(params=REGISTRIES)
def registry(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def repository(registry):
    return registry.repository()


@pytest.fixture
def store(repository):
    with Opener(Access(), Scope()) as opener:
        yield opener.open(repository, write=True)[0]


@pytest.fixture
def collect_garbage(registry):
    """The registry's own garbage collection, without removing what has no tag."""

    def call():
        command = [registry.process.args[0], "garbage-collect", registry.root.parent / "config.yml"]
        environ = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
        subprocess.run(command, check=True, capture_output=True, timeout=120, env=environ)

    return call


def check_whole(store, documents):
    """Fail unless manifests are there with all of their blobs."""
    for digest, document in documents.items():
        assert store.get_manifest(str(digest)).raw == document.raw
        assert [] == [blob.digest for blob in blobs_of(document) if not store.has_blob(blob)]


def held_by(store, made):
    """All manifests: those that were made, and lists of referrers."""
    tagged = {document.digest: document for tag in store.tags() if (document := store.get_manifest(tag))}
    return {document.digest: document for document in made} | tagged


@pytest.mark.parametrize("seed", SEEDS)
def test_what_stays_outlives_garbage_collection(repository, store, collect_garbage, seed, run):
    chance = random.Random(seed)
    made = build(store, sketch(chance), salt=f"{seed}.")
    documents, tags = held_by(store, made), tags_of(store)
    rules = chance.choice([["--keep", "[12]*"], ["--keep-last", "2"], ["--keep-versions", "2", "--keep", "latest"]])

    done = run("prune", repository, *rules, "--apply", "--json")

    assert 0 == done.exit_code, done.stderr
    data = json.loads(done.stdout)["data"]
    kept, going = [one["tag"] for one in data["keep"]], [one["tag"] for one in data["delete"]]
    left = tags_of(store)
    assert {tag: tags[tag] for tag in kept} == {tag: left[tag] for tag in kept}
    assert set() == set(going) & set(left)
    staying = {digest: documents[digest] for digest in has_to_stay(documents, tags, kept)}
    check_whole(store, staying)
    collect_garbage()
    check_whole(store, staying)
    gone = {document.digest for document in made if store.head(str(document.digest)) is None}
    freed = {blob.digest: blob for digest in gone for blob in blobs_of(documents[digest])}
    named = {blob.digest for document in made if document.digest not in gone for blob in blobs_of(document)}
    assert [] == [digest for digest, blob in freed.items() if digest not in named and store.has_blob(blob)]


def test_what_goes_is_shown_with_its_reason_and_nothing_deleted(repository, store, run):
    build(store, SHAPE)
    before = tags_of(store)

    done = run("prune", repository, "--keep-within", "1h", "--keep", "n*", "--unknown-age", "delete")

    assert 0 == done.exit_code, done.stderr
    lines = [" ".join(line.split()[:2]) for line in done.stdout.splitlines()[1:]]
    assert ["delete old", "delete oldest"] == sorted(lines)[:2]
    assert "from 2020-01-01, older than 1h" in done.stdout
    assert "keep 2  --keep n*" in done.stdout
    assert before == tags_of(store)
    for words in (
        "nothing was deleted; --apply deletes 2 tags",
        "until the registry itself has collected its garbage",
    ):
        assert words in done.stderr


def test_shared_images_referrers_and_signatures(repository, store, run):
    made = build(store, SHAPE)
    documents, tags = held_by(store, made), tags_of(store)

    done = run("prune", repository, "--keep", "new", "--apply")

    assert 0 == done.exit_code, done.stderr
    signature = f"{referrers_tag(made[0].digest)}.sig"
    assert {"new": tags["new"], signature: tags[signature]} == tags_of(store)
    assert {made[n].digest for n in (0, 1, 3, 6)} == {
        digest for digest in documents if store.head(str(digest)) is not None
    }
    again = run("prune", repository, "--keep", "new", "--apply")
    assert (0, "nothing to delete\n") == (again.exit_code, again.stderr)


def test_a_prune_is_taken_back_as_a_whole_or_tag_by_tag(repository, store, run):
    made = build(store, SHAPE)
    tags = tags_of(store)
    assert 0 == run("prune", repository, "--keep", "new", "--apply").exit_code

    one = run("undo", f"{repository}:nested")
    assert (0, tags["nested"]) == (one.exit_code, store.head("nested").digest), one.stderr
    assert walk(store, "nested", scope=Scope()).documents.keys() == {made[n].digest for n in (1, 2, 4, 7)}
    assert {made[5].digest} == {one.digest for one in store.referrers(made[2].digest)}
    assert store.head("old") is None
    whole = run("undo", repository, "--prune")

    assert (0, tags) == (whole.exit_code, tags_of(store)), whole.stderr
    assert 3 == run("undo", repository, "--prune").exit_code


def test_after_garbage_collection_undo_is_9_and_names_blobs(repository, store, collect_garbage, run):
    made = build(store, SHAPE, salt="lost.")
    assert 0 == run("prune", repository, "--keep", "new", "--apply").exit_code
    collect_garbage()

    for words in ([f"{repository}:oldest"], [repository, "--prune"]):
        undone = run("undo", *words)

        assert 9 == undone.exit_code
        assert any(blob.digest in undone.stderr for blob in blobs_of(made[2]))


@pytest.fixture
def planned(repository, store, tmp_path, run):
    """A plan in a file that deletes `old` and `oldest`."""
    build(store, SHAPE)
    file = tmp_path / "plan.json"
    done = run("prune", repository, "--keep", "n*", "--plan", file)
    assert 0 == done.exit_code, done.stderr
    assert f"ocitool prune {repository} --plan {file} --apply deletes 2 tags" in done.stderr
    return file


def test_a_plan_in_a_file_is_looked_at_and_carried_out(repository, store, planned, run):
    assert ["old", "oldest"] == sorted(row["tag"] for row in json.loads(planned.read_text())["delete"])
    assert {"new", "nested"} <= set(tags_of(store))

    shown = run("prune", repository, "--plan", planned)
    done = run("prune", repository, "--plan", planned, "--apply")

    assert (0, 0) == (shown.exit_code, done.exit_code), done.stderr
    assert {"new", "nested"} == {tag for tag in tags_of(store) if "-" not in tag}


def test_an_entry_that_somebody_moved_to_the_others_stays(repository, store, planned, run):
    tree = json.loads(planned.read_text())
    moved = next(row for row in tree["delete"] if row["tag"] == "old")
    tree["delete"].remove(moved)
    tree["keep"].append(moved)
    planned.write_text(json.dumps(tree))

    assert 0 == run("prune", repository, "--plan", planned, "--apply").exit_code
    assert {"new", "nested", "old"} == {tag for tag in tags_of(store) if "-" not in tag}


@pytest.mark.parametrize("change", ["made", "moved", "gone", "signed"])
def test_a_plan_for_a_repository_that_has_moved_is_refused(repository, store, planned, change, run):
    held = store.get_manifest("new")
    if change == "gone":
        assert 0 == run("delete", f"{repository}:new").exit_code
    else:
        name = {"made": "other", "moved": "nested", "signed": f"{referrers_tag(held.digest)}.att"}[change]
        store.put_manifest(held, name)

    done = run("prune", repository, "--plan", planned, "--apply")

    assert 8 == done.exit_code, done.stderr
    assert "has moved" in done.stderr
    assert store.head("old") is not None


def test_a_plan_is_for_one_repository(registry, planned, run):
    other = registry.repository()
    with Opener(Access(), Scope()) as opener:
        Ward(opener.open(other, write=True)[0]).image(tag="old")

    assert 2 == run("prune", other, "--plan", planned, "--apply").exit_code


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"form": "ocitool-prune-1"}', '{"form": "x"}', "no JSON", '{"form": ["ocitool-prune-1"]}'],
)
def test_a_file_that_is_no_plan(docker_registry, tmp_path, text, run):
    (tmp_path / "plan").write_text(text)

    assert 6 == run("prune", docker_registry.repository(), "--plan", tmp_path / "plan", "--apply").exit_code


@pytest.mark.parametrize(
    "words",
    [
        ["--apply"],
        ["--keep", "a", "--plan", "new.json", "--apply"],
        ["--keep-within", "30"],
        ["--keep-semver", "newest"],
        ["--keep-last", "0"],
        ["--unknown-age", "delete"],
        ["--unknown-age", "maybe", "--keep", "a"],
    ],
)
def test_what_cannot_be_meant_is_2(docker_registry, words, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert 2 == run("prune", docker_registry.repository(), *words).exit_code


def test_a_layout_is_not_pruned(run, tmp_path):
    assert 9 == run("prune", f"oci:{tmp_path}/layout", "--keep", "a").exit_code


@pytest.mark.slow
def test_kills_leave_what_stays_whole_and_the_next_run_finishes(docker_registry, home, run):
    """kill -9 before requests from the first to the last (`make long`: fifty); what was deleted comes back all the same."""
    ended, total = set(), 0
    with proxy(docker_registry.host) as between:
        for kill in range(KILLS + 1):
            name = docker_registry.repository().partition("/")[2]
            repository = f"{between.host}/{name}"
            with Opener(Access(), Scope()) as opener:
                store = opener.open(f"{docker_registry.host}/{name}", write=True)[0]
                made = build(store, SHAPE, salt=f"kill {kill}.")
                documents, tags = held_by(store, made), tags_of(store)
                staying = {digest: documents[digest] for digest in has_to_stay(documents, tags, ["new"])}
                # The first run counts its requests; the last third of them deletes.
                number = 2 * total // 3 + (kill * (total // 3)) // KILLS if total else 10**9
                between.seen.clear()
                killed_at(between, number, "prune", repository, "--keep", "new", "--apply", home=home)
                total = total or len(between.seen)

                check_whole(store, staying)
                ended.add(frozenset(n for n, one in enumerate(made) if store.head(str(one.digest)) is not None))
                finished = run("prune", repository, "--keep", "new", "--apply")
                assert 0 == finished.exit_code, finished.stderr
                check_whole(store, staying)
                assert set(staying) == {digest for digest in documents if store.head(str(digest)) is not None}
                tag = ("nested", "oldest", "old")[kill % 3]
                undone = run("undo", f"{repository}:{tag}")
                assert (0, tags[tag]) == (undone.exit_code, store.head(tag).digest), undone.stderr
                assert all(store.has_blob(blob) for blob in walk(store, tag, scope=Scope()).blobs)
    assert len(ended) > (1 if KILLS < 20 else 3), f"kills came before the first deletion or after the last: {ended}"


def killed_at(between, number, *argv, home):
    """A run of the command line as a process, which is killed before its request of that number."""
    steps, running = iter(range(1, 10**9)), threading.Event()

    def step(_method, _path):
        running.wait(60)
        if next(steps) == number:
            process.kill()
            raise ConnectionAbortedError

    between.before = step
    process = begin(*argv, variables=homes(home))
    running.set()
    process.join(60)
    between.before = lambda method, path: None
