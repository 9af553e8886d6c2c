"""`ocitool sync`: repositories kept alike by a file, cheaply the second time, and finished after any cut."""

import json
from collections import Counter

import pytest

import ocitool
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.faults import Fault
from tests.fakes.many import PLATFORMS, many
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward

TAGS = 20
SPARE = 10
"""Requests that are no tag and no blob: the list of tags, the first contact."""


@pytest.fixture
def source():
    with fake_registry(page=1000) as registry:
        yield registry


@pytest.fixture
def targets():
    with fake_registry(page=1000) as one, fake_registry(page=1000) as two:
        yield one, two
        assert [] == one.problems + two.problems


@pytest.fixture
def file(source, targets, tmp_path):
    """A sync file from `app` of the source to `mirror/app` of both targets; a call writes another one."""

    def write(**more):
        entry = {"source": f"{source.host}/app", "targets": [f"{one.host}/mirror/" for one in targets]} | more
        lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
        path = tmp_path / "sync.toml"
        path.write_text("\n".join(["[[sync]]", *lines, ""]))
        return path

    return write


def held(registry, name="mirror/app"):
    return {tag: digest for (repository, tag), digest in registry.tags.items() if repository == name}


def asked(*registries):
    """How many requests there were; the logs are empty then."""
    count = sum(len(one.log) for one in registries)
    for one in registries:
        one.log.clear()
    return count


def test_the_second_run_asks_for_tags_and_blobs_alone(run, source, targets, file):
    repository = many(TAGS, shared=False)
    repository.into(source, "app")
    first = run("sync", file())
    assert 0 == first.exit_code, first.stderr
    assert [repository.tags] * 2 == [held(one) for one in targets]
    assert {1} == set(reads(source).values())
    asked(source, *targets)

    second = run("sync", file())
    by_default = asked(source, *targets)
    trusting = run("sync", file(), "--trust")
    by_trust = asked(source, *targets)

    assert (0, 0) == (second.exit_code, trusting.exit_code), second.stderr
    assert f"{TAGS} tags: {2 * TAGS} as they were at targets, 0 written" in second.stderr
    assert by_default <= TAGS * (1 + len(targets)) + len(repository.blobs) * len(targets) + SPARE
    assert by_default >= TAGS * (1 + len(targets)) + len(repository.blobs) * len(
        targets
    )  # every blob was asked for
    assert TAGS <= by_trust <= TAGS + SPARE


def reads(registry):
    return Counter(one.path for one in registry.log if one.method == "GET" and "/sha256:" in one.path)


@pytest.mark.parametrize("shared", [True, False])
def test_a_tag_and_a_blob_that_a_target_lost_are_put_back(run, source, targets, file, shared):
    repository = many(4, shared=shared)
    repository.into(source, "app")
    assert 0 == run("sync", file()).exit_code
    one, two = targets
    blobs = [key for key in one.blobs if key[0] == "mirror/app"]
    for key in blobs[:: len(blobs) // 2]:
        del one.blobs[key]
    del two.tags["mirror/app", "1.2"]
    two.tags["mirror/app", "1.0"] = two.tags["mirror/app", "1.3"]
    sent = {key: value for key, value in one.blobs.items() if key[0] == "app"}

    done = run("sync", file(), "--json")

    assert 0 == done.exit_code, done.stderr
    assert [repository.tags] * 2 == [held(one) for one in targets]
    assert set(blobs) <= set(one.blobs)
    written = {(entry["target"], entry["tag"]) for entry in json.loads(done.stdout)["data"]["written"]}
    assert {(f"{two.host}/mirror/app", tag) for tag in ("1.2", "1.0")} <= written
    assert {} == sent


@pytest.mark.parametrize("moment", [3, 17, 40, 71, 118, 160, 230])
def test_cut_at_a_moment_and_run_again_it_is_finished_and_nothing_is_sent_twice(
    source, targets, file, home, moment
):
    repository = many(3, shared=False)
    repository.into(source, "app")
    path, scope, before = file(), Scope(), iter(range(moment))
    for one in (source, *targets):
        one.faults.append(
            Fault("* *", first=lambda: next(before, None) is None and scope.cancel(), status=0, times=-1)
        )
    cut = None
    try:
        with ocitool.Client(scope=scope, jobs=1) as client:
            client.sync(path).required()
    except ocitool.OcitoolError as error:
        cut = error
    for one in (source, *targets):
        one.wait_idle()
        one.faults.clear()

    with ocitool.Client(jobs=1) as client:
        client.sync(path).required()

    assert [repository.tags] * 2 == [held(one) for one in targets]
    assert "cancelled" == cut.code
    for one in targets:
        bodies = Counter(
            each.path.partition("?")[2] for each in one.log if each.method == "PUT" and "digest=" in each.path
        )
        assert sum(count - 1 for count in bodies.values()) <= 1, "a blob was sent twice that was not in flight"
        manifests = Counter(each.path for each in one.log if each.method == "PUT" and "/manifests/" in each.path)
        assert sum(count - 1 for count in manifests.values()) <= 1


def test_a_target_that_is_down_is_told_and_the_others_are_filled(run, source, targets, file):
    many(3, shared=True).into(source, "app")
    targets[0].faults.append(Fault("* *", status=403, body=b'{"errors":[{"code":"DENIED"}]}', times=-1))

    done = run("sync", file())

    assert 4 == done.exit_code
    assert ({}, 3) == (held(targets[0]), len(held(targets[1]))), done.stderr
    assert f"to {targets[0].host}/mirror/app" in done.stderr
    assert (
        len([one for one in targets[0].log if one.method != "HEAD"]) <= 30
    )  # it is given up, and not asked for each tag


def test_a_target_that_is_given_up_is_asked_for_no_later_tag(run, source, targets, file, monkeypatch):
    many(3, shared=False).into(source, "app")
    targets[0].faults.append(Fault("* *", status=403, body=b'{"errors":[{"code":"DENIED"}]}', times=-1))
    monkeypatch.setattr("ocitool.sync.run._AT_ONCE", 1)  # a look for each tag

    done = run("sync", file())

    assert (4, 3) == (done.exit_code, len(held(targets[1])))
    assert "3 written" in done.stderr
    assert done.stderr.rstrip().endswith("1 failed"), done.stderr
    with ocitool.Client() as client, pytest.raises(ocitool.OcitoolError, match="denied access"):
        client.sync(file()).required()


def test_tags_and_platforms_are_chosen_and_found_again(run, source, targets, file):
    many(5, shared=False).into(source, "app")
    path = file(include=["1.[0-3]"], semver=">=1.1", exclude=["1.2"], platforms=["linux/arm*", "linux/amd64"])

    assert 0 == run("sync", path).exit_code
    asked(source, *targets)
    again = run("sync", path)

    assert [{"1.1", "1.3"}] * 2 == [set(held(one)) for one in targets]
    index = json.loads(targets[0].manifests["mirror/app", held(targets[0])["1.1"]][1])
    assert [one for one in PLATFORMS if "arm" in one or "amd" in one] == [
        "/".join(entry["platform"].values()) if "variant" not in entry["platform"] else "linux/arm/v7"
        for entry in (
            dict(e, platform={"os": "linux", **{k: v for k, v in e["platform"].items() if k != "os"}})
            for e in index["manifests"]
        )
    ]
    assert "4 as they were" in again.stderr
    assert [] == [one.path for one in source.log if "/manifests/" in one.path and one.method == "GET"]


def test_what_is_written_over_comes_back(run, source, targets, file):
    many(2, shared=True).into(source, "app")
    assert 0 == run("sync", file()).exit_code
    first = held(targets[0])["1.0"]
    source.tags["app", "1.0"] = source.tags["app", "1.1"]

    moved = run("sync", file())
    undone = run("undo", f"{targets[0].host}/mirror/app:1.0")

    assert (0, 0) == (moved.exit_code, undone.exit_code)
    assert f"{targets[1].host}/mirror/app:1.0@{source.tags['app', '1.1']}" in moved.stdout
    assert first == held(targets[0])["1.0"]


def test_several_tags_on_one_digest_are_brought_at_once(run, source, targets, file):
    """As `1`, `1.2` and `latest` are: what they hold is read once, and asked for once at each target."""
    repository = many(1, shared=True)
    repository.into(source, "app")
    for tag in ("1", "latest"):
        source.tags["app", tag] = repository.tags["1.0"]

    done = run("sync", file())

    assert 0 == done.exit_code, done.stderr
    assert [dict.fromkeys(("1.0", "1", "latest"), repository.tags["1.0"])] * 2 == [held(one) for one in targets]
    assert {1} == set(reads(source).values())
    for one in targets:
        heads = Counter(each.path for each in one.log if each.method == "HEAD" and "/sha256:" in each.path)
        assert max(heads.values()) == 1


def test_a_dry_run_writes_nothing_and_tells_what_would_be(run, source, targets, file):
    repository = many(2, shared=True)
    repository.into(source, "app")

    done = run("sync", file(), "--dry-run", "--json")

    data = json.loads(done.stdout)["data"]
    assert ({}, {}, True) == (targets[0].tags, targets[0].blobs, data["dryRun"]), done.stderr
    size = sum(map(len, repository.blobs.values())) + sum(
        len(raw) for digest, (_, raw) in repository.manifests.items() if digest != repository.tags["1.1"]
    )
    assert {size} == {one["toMove"]["bytes"] for one in data["written"] if one["tag"] == "1.0"}

    assert 0 == run("sync", file()).exit_code
    after = json.loads(run("sync", file(), "--dry-run", "--json").stdout)["data"]
    assert (4, []) == (after["unchanged"], after["written"])


def test_signatures_that_are_new_come_too(run, source, targets, file, tmp_path):
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(f"{source.host}/app", write=True)[0])
        ward.index(ward.image("linux/arm64"), ward.image(), tag="1")
    path = file(referrers=True)
    assert 0 == run("sync", path).exit_code
    assert 0 == run("key", "generate", "--unencrypted", "-o", tmp_path / "k").exit_code
    for form in ("tag", "bundle"):
        assert 0 == run("sign", f"{source.host}/app:1", "--key", tmp_path / "k.key", "--form", form).exit_code

    done = run("sync", path)

    assert 0 == done.exit_code, done.stderr
    for one in targets:
        verified = run(
            "verify", f"{one.host}/mirror/app:1", "--key", tmp_path / "k.pub", "--identity", f"{source.host}/app"
        )
        assert 0 == verified.exit_code, verified.stderr
        assert 2 == len(held(one))  # the tag and cosign's


def test_only_what_is_signed_is_copied_and_the_rest_is_told(run, source, targets, file, tmp_path):
    with Opener(Access(), Scope()) as opener:
        ward = Ward(opener.open(f"{source.host}/app", write=True)[0])
        for tag in ("1", "2"):
            ward.image(layers=[tag.encode()], tag=tag)
    assert 0 == run("key", "generate", "--unencrypted", "-o", tmp_path / "k").exit_code
    assert 0 == run("sign", f"{source.host}/app:2", "--key", tmp_path / "k.key").exit_code

    done = run("sync", file(), "--verify-key", tmp_path / "k.pub")
    signed = run("sync", file(referrers=True, include=["2"]), "--verify-key", tmp_path / "k.pub")

    assert (1, 0) == (done.exit_code, signed.exit_code), done.stderr + signed.stderr
    assert f"from {source.host}/app:1" in done.stderr
    assert [{"2"}, True] == [{tag for tag in held(targets[0]) if len(tag) == 1}, 2 == len(held(targets[0]))]


def test_copies_are_no_sources_of_the_next_run(run, source, file):
    """A mirror below the pattern that it is of."""
    many(1, shared=True).into(source, "team/a")

    done = [
        run("sync", file(source=f"{source.host}/team/*", targets=[f"{source.host}/team/mirror/"])) for _ in "12"
    ]
    itself = run("sync", file(source=f"{source.host}/team/*", targets=[f"{source.host}/team/"]))

    assert [0, 0] == [one.exit_code for one in done], done[1].stderr
    assert {"team/a", "team/mirror/team/a"} == {name for name, _ in source.tags}
    assert (2, True) == (itself.exit_code, "below a target of its own" in itself.stderr)


def test_repositories_by_a_pattern_and_a_layout(run, source, targets, file, tmp_path):
    for name in ("team/a", "team/b", "other"):
        many(2, shared=True).into(source, name)

    several = run("sync", file(source=f"{source.host}/team/*"))
    layout = run("sync", file(source=f"{source.host}/other", targets=[f"oci:{tmp_path}/layout"]))
    again = run("sync", file(source=f"{source.host}/other", targets=[f"oci:{tmp_path}/layout"]))
    back = run("sync", file(source=f"oci:{tmp_path}/layout", targets=[f"{targets[0].host}/back"]))

    none = run("sync", file(source=f"{source.host}/nobody/*"))

    assert 3 == none.exit_code
    assert f"{source.host} has no repository nobody/*" in none.stderr
    assert [0] * 4 == [one.exit_code for one in (several, layout, again, back)], several.stderr + layout.stderr
    assert {"mirror/team/a", "mirror/team/b", "back"} == {name for name, _ in targets[0].tags}
    assert "2 as they were at targets, 0 written" in again.stderr
    assert held(source, "other") == held(targets[0], "back")


def test_one_tag_and_a_tag_that_is_gone(run, source, targets, file):
    many(2, shared=True).into(source, "app")

    one = run("sync", file(source=f"{source.host}/app:1.1"))
    none = run("sync", file(source=f"{source.host}/app", include=["9"]))

    assert ({"1.1"}, 0) == (set(held(targets[0])), one.exit_code)
    assert 3 == none.exit_code
    assert "no tags that are meant" in none.stderr


def test_what_the_state_says_is_forgotten_anew(run, source, targets, file):
    """Also a manifest below a tag that is gone at a target, which nobody asks for else."""
    repository = many(1, shared=True)
    repository.into(source, "app")
    assert 0 == run("sync", file()).exit_code
    child = json.loads(repository.manifests[repository.tags["1.0"]][1])["manifests"][0]["digest"]
    del targets[0].manifests["mirror/app", child]
    assert "0 written" in run("sync", file()).stderr

    done = run("sync", file(), "--anew")

    assert (0, f"{targets[0].host}/mirror/app:1.0@{repository.tags['1.0']}\n") == (done.exit_code, done.stdout)
    assert ("mirror/app", child) in targets[0].manifests
