"""`ocitool undo` after repairs: what there is to take back, what is left, and how to have the change again."""

import json
import re
import shlex
from pathlib import Path

import pytest

from ocitool.model.digest import Digest
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from tests.fakes.faults import Fault
from tests.fakes.registry import fake_registry

MOMENT = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"


class TestRefill:
    """A repair that only put back what was lost left the tag as it was."""

    @pytest.fixture
    def mended(self, app, kept, name, run):
        """An index whose size was mended, then its child lost and brought back; the three digests."""
        kept.image("linux/arm64", tag="1")
        arm64 = app.image("linux/arm64")
        first = app.index(app.image(), arm64 | {"size": 9})["digest"]
        assert 0 == run("repair", name, "--apply").exit_code
        second = app.store.head("1").digest
        app.store.delete(arm64["digest"])
        assert 0 == run("repair", name, "--apply", "--source", kept.store.label).exit_code
        return first, str(second), arm64["digest"]

    def test_is_told_and_not_the_change_before_it_is_taken_back(self, app, name, run, mended):
        _, second, child = mended

        done = run("undo", name)

        assert (0, second) == (done.exit_code, app.store.head("1").digest)
        told = f"put {child[:19]} back and left 1 as it was: there is nothing to take back; undo again takes back"
        assert re.search(f"the last change, of {MOMENT}, {told} the change of {MOMENT}", done.stderr), done.stderr
        assert app.store.head(child) is not None

    def test_once_more_takes_back_the_change_before(self, app, name, run, mended):
        first, _, _ = mended
        run("undo", name)

        assert (0, first) == (run("undo", name).exit_code, app.store.head("1").digest)
        assert 3 == run("undo", name).exit_code

    def test_a_look_at_it_changes_nothing(self, name, run, mended):
        looks = [run("undo", name, "--dry-run") for _ in range(2)]

        assert [0, 0] == [one.exit_code for one in looks]
        assert all("there is nothing to take back" in one.stdout for one in looks)

    def test_as_data(self, name, run, mended):
        _, second, child = mended

        data = json.loads(run("undo", name, "--json").stdout)["data"]

        assert ([], False) == (data["steps"], data["undoes"]["before"] != data["undoes"]["after"])
        assert (second, [child]) == (data["undoes"]["after"], data["undoes"]["stored"])

    def test_with_nothing_before_it(self, app, kept, name, run):
        kept.image("linux/arm64", tag="1")
        arm64 = app.image("linux/arm64")
        held = app.index(arm64)["digest"]
        app.store.delete(arm64["digest"])
        done = run("repair", name, "--apply", "--source", kept.store.label)

        undone = run("undo", name)

        assert f"{app.store.label}: 1 put back, and no tag changed" in done.stderr
        assert "brings them back" not in done.stderr
        assert (0, held) == (undone.exit_code, app.store.head("1").digest)
        assert undone.stderr.rstrip().splitlines()[0].endswith("there is nothing to take back")
        assert 3 == run("undo", name).exit_code

    def test_lost_blobs_of_a_child_count_too(self, registry, app, kept, name, run):
        """K034: the manifest stayed; its layer was lost and came back."""
        kept.image("linux/arm64", tag="1")
        arm64 = app.image("linux/arm64")
        app.index(arm64)
        [layer] = view(app.store.get_manifest(arm64["digest"])).layers
        del registry.blobs["app", str(layer.digest)]
        done = run("repair", name, "--deep", "--apply", "--source", kept.store.label)

        assert "1 put back, and no tag changed" in done.stderr
        assert "nothing to take back" in run("undo", name).stderr

    def test_again_there_is_nothing_to_note(self, app, kept, name, run, mended):
        """Copied once more, all of it is there: the change before stays the last one."""
        run("undo", name)

        assert 0 == run("copy", name, name).exit_code
        assert (0, mended[0]) == (run("undo", name).exit_code, app.store.head("1").digest)


def test_a_tag_that_moves_before_the_refill_is_left_alone(registry, app, kept, name, run):
    """K037: nothing is brought below a tag that is not what was looked at."""
    kept.image("linux/arm64", tag="1")
    arm64 = app.image("linux/arm64")
    app.index(arm64)
    app.store.delete(arm64["digest"])
    plan = json.loads(run("repair", name, "--json", "--source", kept.store.label).stdout)["data"]
    theirs = app.image()["digest"]

    write = lambda: registry.tags.update({("app", "1"): theirs})  # noqa: E731 - what happens at that moment
    registry.faults.append(Fault(on="HEAD /v2/app/manifests/1", first=write, edit={}))
    done = run("repair", name, "--apply", "--source", kept.store.label)

    assert ["bring", "tag"] == [step["step"] for step in plan["steps"]]
    assert (8, theirs) == (done.exit_code, registry.tags["app", "1"])
    assert ("app", arm64["digest"]) not in registry.manifests


def test_what_was_taken_back_can_be_had_again(app, name, run):
    """By the command that undo names."""
    app.index(app.image("linux/arm64") | {"size": 9})
    run("repair", name, "--apply")
    mended = app.store.head("1").digest
    undone = run("undo", name)

    [words] = re.findall(r"ocitool (tag .*) brings that back", undone.stderr)
    assert f"it held {mended}, which is kept in " in undone.stderr
    assert (0, mended) == (run(*shlex.split(words)).exit_code, app.store.head("1").digest)


class TestReferrers:
    """Attestations that a repair attached to their images: they stay and are told, or go by a word."""

    @pytest.fixture(params=[True, False], ids=["referrers API", "fallback tag"])
    def registry(self, request):
        with fake_registry(referrers=request.param) as running:
            yield running

    @pytest.fixture
    def image(self, app, name, run):
        """The attested image of an index whose attestation became a referrer; its digest."""
        image = app.image()
        app.index(image, app.provenance(image["digest"]))
        assert 0 == run("repair", name, "--apply", "--attestations-to-referrers").exit_code
        return Digest(image["digest"])

    def test_stay_and_are_told(self, app, name, run, image):
        [referrer] = app.store.referrers(image)

        done = run("undo", name)

        assert [referrer] == app.store.referrers(image)
        assert f"{referrer.digest} still refer to images there; undo with --drop-referrers" in done.stderr

    def test_go_by_a_word(self, app, name, run, image):
        [referrer] = app.store.referrers(image)

        done = run("undo", name, "--drop-referrers")

        assert (0, []) == (done.exit_code, app.store.referrers(image)), done.stderr
        assert app.store.head(referrer.digest) is None
        assert "still refer" not in done.stderr
        assert (0, "nothing wrong\n") == (run("check", name).exit_code, run("check", name).stdout)

    def test_one_that_was_there_before_stays(self, app, name, run, image):
        """Another tag was mended first: its attestations are not this change's."""
        index = view(app.store.get_manifest("1"))
        assert 0 == run("undo", name).exit_code
        assert 0 == run("repair", name, "--apply", "--attestations-to-referrers").exit_code
        assert index.document.digest == app.store.head("1").digest

        done = run("undo", name, "--drop-referrers")

        assert (0, 1) == (done.exit_code, len(app.store.referrers(image)))


class TestFirstPush:
    """The tag held nothing before, so undo deletes it, and says so."""

    @pytest.fixture
    def pushed(self, home, run, monkeypatch):
        """`oci:out:v1`, written by a build; its digest."""
        monkeypatch.chdir(home)
        (home / "app").mkdir()
        (home / "app" / "f").write_text("x")
        ready = ("--toolchain", "prebuilt", "--copy", "f:/srv/", "--platform", "linux/amd64")
        assert 0 == run("build", "app", *ready, "-o", "oci:out:v1").exit_code
        return run("digest", "oci:out:v1").stdout.strip()

    def test_is_told_to_delete_before_and_after(self, run, pushed):
        planned = run("undo", "oci:out:v1", "--dry-run")
        done = run("undo", "oci:out:v1")

        assert "before which v1 held nothing: it is deleted" in planned.stdout
        told = f"oci:out:v1 is deleted, as it held nothing before; ocitool undo oci:out:v1 --to {pushed} brings it back"
        assert (0, told) == (done.exit_code, done.stderr.splitlines()[-1])
        assert "" == run("tags", "oci:out").stdout

    def test_comes_back_as_the_words_say(self, run, pushed):
        hint = run("undo", "oci:out:v1").stderr.splitlines()[-1]

        assert 0 == run(*shlex.split(re.search(r"ocitool (.*) brings", hint)[1])).exit_code
        assert pushed == run("digest", "oci:out:v1").stdout.strip()

    def test_a_digest_is_no_tag_to_take_back(self, run, pushed):
        done = run("undo", f"oci:out@{pushed}")

        assert 2 == done.exit_code
        assert f"oci:out@{pushed} is a digest" in done.stderr
        assert f"ocitool undo oci:out:TAG takes its last change back, and with --to {pushed}" in done.stderr

    def test_a_repair_of_the_lost_tag_points_here(self, run, pushed):
        LayoutStore(Path("out")).delete("v1")

        done = run("repair", "oci:out:v1")

        assert (3, True) == (done.exit_code, "ocitool undo oci:out:v1 brings back" in done.stderr), done.stderr

    def test_a_repair_of_what_was_never_there_does_not(self, run, pushed):
        assert "undo" not in run("repair", "oci:out:v2").stderr


def test_a_push_of_a_place_is_a_copy(home, run, monkeypatch):
    monkeypatch.chdir(home)

    one, two = run("push", "oci:out:v1"), run("push", "oci:out:v1", "localhost:1/app:1")

    assert (2, 2) == (one.exit_code, two.exit_code)
    assert "hint: ocitool copy oci:out:v1 REF takes what is there to a registry" in one.stderr
    assert "hint: ocitool copy oci:out:v1 localhost:1/app:1\n" in two.stderr
