"""`ocitool repair` where a human chooses, and where a store holds other bytes than a digest says."""

import json

import pytest

from ocitool.model.digest import Digest
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from tests.fakes.sick import Ward, member, program, tar


@pytest.fixture
def layout(tmp_path):
    """`layout("kept")`: a layout to fill."""
    return lambda name: Ward(LayoutStore(tmp_path / name, create=True))


def entries(ward):
    return [str(entry.digest) for entry in view(ward.store.get_manifest("1")).entries]


class TestKeep:
    """K001, K017: of several images of one platform a human says which stays."""

    @pytest.fixture
    def two(self, app):
        """An attested image and a second one for its platform, beside another; the digests of the three."""
        amd64, old = app.image(), app.image("linux/arm64", config=lambda tree: tree.update(author="old"))
        new = app.image("linux/arm64/v8", config=lambda tree: tree.update(created="2025-01-02T03:04:05Z"))
        app.index(amd64, old, new, app.attestation(old["digest"]))
        return amd64["digest"], old["digest"], new["digest"]

    def test_without_a_word_both_are_named_and_nothing_is_written(self, app, name, run, two):
        _, old, new = two
        held = app.store.head("1").digest

        done = run("repair", name, "--apply")

        says = f"{old} (created 2024-05-06T07:08:09Z) and {new} (created 2025-01-02T03:04:05Z) are for one platform"
        assert f"left: linux/arm64: {says}; --keep DIGEST says which stays" in done.stderr
        assert (1, held) == (done.exit_code, app.store.head("1").digest)

    def test_the_other_goes_with_what_attests_it(self, app, name, run, two):
        amd64, old, new = two

        done = run("repair", name, "--apply", "--keep", new)

        assert (0, [amd64, new]) == (done.exit_code, entries(app)), done.stderr
        assert f"linux/arm64 {old[:19]} is dropped: {new[:19]} is kept  [index/duplicate-platform]" in done.stderr
        assert (0, "nothing wrong\n") == (run("check", name).exit_code, run("check", name).stdout)

    def test_the_one_that_is_attested_keeps_its_attestation(self, app, name, run, two):
        amd64, old, _ = two

        assert 0 == run("repair", name, "--apply", "--keep", old).exit_code
        assert [amd64, old] == entries(app)[:2]
        assert 3 == len(entries(app))

    def test_again_there_is_nothing_to_do(self, name, run, two):
        *_, new = two
        run("repair", name, "--apply", "--keep", new)

        again = run("repair", name, "--apply", "--keep", new)

        assert (0, True) == (again.exit_code, "nothing to change" in again.stderr)

    def test_what_is_wrong_with_the_other_is_no_matter(self, registry, app, name, run, two):
        """It is gone anyway."""
        amd64, old, new = two
        del registry.manifests["app", old]

        done = run("repair", name, "--apply", "--keep", new)

        assert (0, [amd64, new]) == (done.exit_code, entries(app)), done.stderr

    def test_two_that_are_told_apart_by_their_programs_both_stay(self, app, name, run):
        """K008: two amd64 entries, one of which is really arm64; there is nothing to choose."""
        amd64, arm64 = app.image(), app.image("linux/arm64")
        app.index(amd64, arm64 | {"platform": amd64["platform"]})

        assert 0 == run("repair", name, "--apply", "--keep", amd64["digest"]).exit_code
        assert [amd64["digest"], arm64["digest"]] == entries(app)

    def test_an_image_for_two_platforms_leaves_only_the_one(self, app, name, run):
        both = app.image("linux/arm64", layers=[tar(member("data"))])
        other = app.image("linux/arm64", layers=[program("arm64")])
        riscv = both | {"platform": {"os": "linux", "architecture": "riscv64"}}
        app.index(both, riscv, other)

        run("repair", name, "--apply", "--keep", other["digest"])

        held = view(app.store.get_manifest("1")).entries
        assert [("linux/riscv64", both["digest"]), ("linux/arm64", other["digest"])] == [
            (str(entry.platform), str(entry.digest)) for entry in held
        ]

    @pytest.mark.parametrize("word", ["both", "a stranger", "no digest"])
    def test_what_is_no_choice_is_refused(self, app, name, run, two, word):
        _, old, new = two
        keeps = {"both": [old, new], "a stranger": [f"sha256:{'0' * 64}"], "no digest": ["newest"]}[word]
        held = app.store.head("1").digest

        done = run("repair", name, "--apply", *(part for keep in keeps for part in ("--keep", keep)))

        assert (2, held) == (done.exit_code, app.store.head("1").digest)

    def test_one_that_is_gone_cannot_be_kept(self, registry, app, name, run, two):
        """K034: dropping the other and then the lost one would leave the platform to nobody."""
        _, old, new = two
        held = app.store.head("1").digest
        del registry.manifests["app", new]

        done = run("repair", name, "--apply", "--keep", new, "--drop-missing")

        assert (2, held) == (done.exit_code, app.store.head("1").digest)
        assert f"{new} is to be kept, and is not there" in done.stderr
        assert 0 == run("repair", name, "--apply", "--keep", old, "--drop-missing").exit_code

    @pytest.mark.parametrize("more", [[], ["--drop-misfits"]], ids=["", "misfits"])
    def test_a_misfit_that_is_kept_takes_the_place_of_the_other(self, app, name, run, more):
        """K010: its programs are for arm64, so it is kept in place of the arm64 image, and not dropped beside it."""
        amd64, arm64 = app.image(), app.image("linux/arm64")
        misfit = app.image(layers=[program("arm64"), tar(member("data"))])
        app.index(amd64, arm64, misfit)

        done = run("repair", name, "--apply", "--deep", "--keep", misfit["digest"], *more)

        held = view(app.store.get_manifest("1")).entries
        assert (0, ["linux/amd64", "linux/arm64"]) == (done.exit_code, [str(entry.platform) for entry in held])
        assert [amd64["digest"]] == [one.digest for one in held if one.digest in {amd64["digest"], arm64["digest"]}]

    def test_two_misfits_do_not_both_go_for_a_platform_that_nobody_else_has(self, app, name, run):
        """K010: which of them becomes the arm64 image is said with --keep, and not by dropping both."""
        one = app.image("linux/s390x", layers=[program("arm64"), tar(member("one"))])
        two = app.image("linux/riscv64", layers=[program("arm64"), tar(member("two"))])
        held = app.index(app.image(), one, two)["digest"]

        done = run("repair", name, "--apply", "--deep", "--drop-misfits")

        assert (1, held) == (done.exit_code, app.store.head("1").digest)
        told = "linux/s390x: its programs are for linux/arm64, as are those of linux/riscv64; --keep DIGEST"
        assert told in done.stderr
        kept = run("repair", name, "--apply", "--deep", "--keep", two["digest"])
        platforms = [str(entry.platform) for entry in view(app.store.get_manifest("1")).entries]
        assert (0, ["linux/amd64", "linux/arm64"]) == (kept.exit_code, platforms)

    def test_of_a_single_image_there_is_nothing_to_choose(self, app, name, run):
        one = app.image(tag="1")

        done = run("repair", name, "--keep", one["digest"])

        assert (2, True) == (done.exit_code, "1 holds no index" in done.stderr)


class TestOtherBytes:
    """What is served under a child's digest does not have it: a bad disk, or somebody's hand."""

    @staticmethod
    def fill(ward):
        arm64 = ward.image("linux/arm64", layers=[program("arm64"), tar(member("data"))])
        ward.index(ward.image(), arm64)
        return arm64["digest"]

    @staticmethod
    def spoil(ward, digest):
        path = ward.store.blob_path(Digest(digest))
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data.replace(b"layers", b"lAyers"))

    @pytest.fixture
    def spoiled(self, layout):
        """A layout with other bytes under a child's digest, and one with the right ones."""
        mine, kept = layout("mine"), layout("kept")
        digest = self.fill(mine)
        self.fill(kept)
        self.spoil(mine, digest)
        return mine, kept, digest

    def test_the_ways_out_are_named(self, run, spoiled):
        mine, _, digest = spoiled

        done = run("repair", f"{mine.store.label}:1", "--apply")

        assert 1 == done.exit_code
        [line] = [line for line in done.stderr.splitlines() if line.startswith("left: ")]
        assert (
            f"--source PLACE puts its own bytes back, ocitool index remove REF --digest {digest} drops it" in line
        )
        assert line.endswith("[index/child-digest]")

    def test_its_own_bytes_are_put_back(self, run, spoiled):
        mine, kept, digest = spoiled
        place = f"{mine.store.label}:1"
        held = mine.store.head("1").digest

        done = run("repair", place, "--apply", "--source", kept.store.label)
        again = run("repair", place, "--apply", "--source", kept.store.label)

        assert (0, held) == (done.exit_code, mine.store.head("1").digest), done.stderr
        assert f"linux/arm64 {digest[:19]} is put there anew from {kept.store.label}" in done.stderr
        assert (0, "nothing wrong\n") == (run("check", place).exit_code, run("check", place).stdout)
        assert (0, True) == (again.exit_code, "nothing to change" in again.stderr)
        assert "nothing to take back" in run("undo", place).stderr

    def test_a_registry_that_keeps_the_other_bytes_is_told(self, registry, app, name, run, layout):
        """As docker-registry, distribution v3 and olareg do: 201, and the bytes on their disk stay."""
        kept = layout("kept")
        self.fill(kept)
        digest = self.fill(app)
        kind, data = registry.manifests["app", digest]
        registry.manifests["app", digest] = kind, data.replace(b"layers", b"lAyers")

        done = run("repair", name, "--apply", "--source", kept.store.label)

        assert 6 == done.exit_code
        assert "took the right bytes and kept the others" in done.stderr
        assert f"ocitool index remove REF --digest {digest}" in done.stderr

    def test_a_source_with_other_bytes_too_is_refused(self, run, spoiled, layout):
        mine, kept, digest = spoiled
        self.spoil(kept, digest)

        done = run("repair", f"{mine.store.label}:1", "--apply", "--source", kept.store.label)

        assert 6 == done.exit_code

    def test_the_entry_can_be_removed(self, run, spoiled):
        """By the command that is named, with the place in front."""
        mine, _, digest = spoiled
        place = f"{mine.store.label}:1"

        assert 0 == run("index", "remove", place, "--digest", digest).exit_code
        assert (0, "nothing wrong\n") == (run("check", place).exit_code, run("check", place).stdout)


def test_a_single_image_gets_its_lost_layer_back(registry, app, name, run, layout):
    """K034: there is no index whose entry would name it."""
    kept = layout("kept")
    kept.image(tag="1")
    held = app.image(tag="1")["digest"]
    [layer] = view(app.store.get_manifest(held)).layers
    del registry.blobs["app", str(layer.digest)]
    left = run("repair", name, "--deep", "--json")

    done = run("repair", name, "--deep", "--apply", "--source", kept.store.label)

    assert ["[layer/missing]" in line for line in json.loads(left.stdout)["data"]["left"]] == [True]
    assert (0, held) == (done.exit_code, str(app.store.head("1").digest)), done.stderr
    assert ("app", str(layer.digest)) in registry.blobs
