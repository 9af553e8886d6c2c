"""`ocitool repair` where it cannot look, where somebody else writes, and where lost children come from."""

import json

import pytest

from ocitool.model.digest import Digest
from ocitool.model.views import view
from tests.fakes.faults import Fault
from tests.fakes.registry import fake_registry
from tests.fakes.sick import member, tar

AT_ONCE = {"Retry-After": "0"}


def tagged(registry):
    return registry.tags["app", "1"]


def sick(ward):
    """An index with a wrong size; the digest of its one image."""
    arm64 = ward.image("linux/arm64")
    ward.index(arm64 | {"size": 9999})
    return arm64["digest"]


class TestCannotLook:
    """K034: nobody mends what could not be looked at, and nothing is taken for gone."""

    def test_a_registry_that_wants_credentials(self, registry, app, name, run):
        sick(app)
        first = tagged(registry)
        registry.basic = "Basic x"

        assert 4 == run("repair", name, "--apply", "--drop-missing").exit_code
        assert first == tagged(registry)

    @pytest.mark.parametrize(
        ("status", "headers", "code"),
        [(401, {}, 4), (403, {}, 4), (429, {"Retry-After": "100000"}, 5), (500, AT_ONCE, 5), (503, AT_ONCE, 5)],
    )
    def test_a_child_that_does_not_answer(self, registry, app, name, run, status, headers, code):
        child = sick(app)
        first = tagged(registry)
        path = f"GET /v2/app/manifests/{child}"
        registry.faults.append(Fault(on=path, status=status, headers=headers, times=1000))

        done = run("repair", name, "--apply", "--drop-missing")

        assert (code, first) == (done.exit_code, tagged(registry))
        assert "it could not be looked at, so nothing is mended" in done.stderr
        assert "is dropped" not in done.stderr + done.stdout

    def test_a_layer_that_does_not_answer(self, registry, app, name, run):
        """The programs would decide, and are not to be had; --without-proof is for images without any."""
        arm64 = app.image("linux/arm64")
        app.index(arm64 | {"platform": {"os": "linux", "architecture": "s390x"}})
        first = tagged(registry)
        [layer] = view(app.store.get_manifest(arm64["digest"])).layers
        path = f"GET /v2/app/blobs/{layer.digest}"
        registry.faults.append(Fault(on=path, status=503, headers=AT_ONCE, times=1000))

        done = run("repair", name, "--apply", "--without-proof")

        assert (5, first) == (done.exit_code, tagged(registry))

    def test_a_tag_that_is_not_there(self, app, name, run):
        app.image(tag="2")

        assert 3 == run("repair", name).exit_code

    def test_a_source_that_does_not_answer(self, registry, app, name, run):
        """Whether it has the child is not known, so nothing is dropped instead."""
        child = sick(app)
        del registry.manifests["app", child]
        first = tagged(registry)
        path = f"HEAD /v2/mirror/manifests/{child}"
        registry.faults.append(Fault(on=path, status=503, headers=AT_ONCE, times=1000))

        done = run("repair", name, "--apply", "--drop-missing", "--source", f"{registry.host}/mirror")

        assert (5, first) == (done.exit_code, tagged(registry))
        assert "/mirror" in done.stderr


@pytest.mark.parametrize("child_changes", [False, True], ids=["the index alone", "a child too"])
def test_somebody_else_writes_between_look_and_write(registry, app, name, run, child_changes):
    """K037: theirs stays, exit code 8."""
    if child_changes:
        app.index(app.image("linux/arm64", config=lambda tree: tree.update(architecture="")))
    else:
        sick(app)
    theirs = app.image(config=lambda tree: tree.update(author="somebody else"))["digest"]
    write = lambda: registry.tags.update({("app", "1"): theirs})  # noqa: E731 - what happens at that moment
    registry.faults.append(Fault(on="HEAD /v2/app/manifests/1", first=write, edit={}))
    before = len(registry.asked("PUT"))

    done = run("repair", name, "--apply")

    assert (8, theirs) == (done.exit_code, tagged(registry))
    assert theirs in done.stderr
    assert before == len(registry.asked("PUT"))


class TestSource:
    """Where a lost child is found by its digest: a mirror, a tag of another repository, a layout."""

    @pytest.fixture
    def dead(self, registry, app):
        """An attested image with a layer of its own that the registry lost, with its blobs; the digest."""
        arm64 = app.image("linux/arm64", layers=[tar(member("data", b"x" * 5000))])
        app.index(app.image(), arm64, app.provenance(arm64["digest"]))
        manifest = view(app.store.get_manifest(arm64["digest"]))
        for blob in (manifest.config, *manifest.layers):
            del registry.blobs["app", str(blob.digest)]
        del registry.manifests["app", arm64["digest"]]
        return arm64["digest"]

    @staticmethod
    def keep(ward, tag="1"):
        return ward.image("linux/arm64", layers=[tar(member("data", b"x" * 5000))], tag=tag)

    def refilled(self, registry, name, run, source, dead):
        first = tagged(registry)
        done = run("repair", name, "--apply", "--source", source)
        assert (0, first) == (done.exit_code, tagged(registry)), done.stderr
        assert dead[:19] in done.stderr
        assert (0, "nothing wrong\n") == (run("check", name).exit_code, run("check", name, "--deep").stdout)

    @pytest.mark.parametrize("reference", ["mirror/app", "mirror/app:old", "mirror/app@DIGEST"])
    def test_a_mirror(self, registry, ward, name, run, dead, reference):
        """Whatever tag the mirror has it under, or none."""
        self.keep(ward(f"{registry.host}/mirror/app"), tag="old")

        self.refilled(registry, name, run, f"{registry.host}/{reference.replace('DIGEST', dead)}", dead)

    def test_another_registry(self, registry, ward, name, run, dead):
        with fake_registry() as other:
            self.keep(ward(f"{other.host}/app"))

            self.refilled(registry, name, run, f"{other.host}/app", dead)

    @pytest.mark.parametrize("reference", ["", ":old"])
    def test_a_layout(self, registry, ward, name, run, dead, tmp_path, reference):
        self.keep(ward(f"oci:{tmp_path}/kept"), tag="old")

        self.refilled(registry, name, run, f"oci:{tmp_path}/kept{reference}", dead)

    def test_an_archive(self, registry, ward, name, run, dead, tmp_path):
        self.keep(ward(f"oci:{tmp_path}/kept"), tag="old")
        assert 0 == run("copy", f"oci:{tmp_path}/kept:old", f"oci-archive:{tmp_path}/kept.tar:old").exit_code

        self.refilled(registry, name, run, f"oci-archive:{tmp_path}/kept.tar", dead)

    def test_the_first_that_has_it(self, registry, ward, name, run, dead, tmp_path):
        ward(f"oci:{tmp_path}/empty").image(tag="other")
        self.keep(ward(f"oci:{tmp_path}/kept"))
        first = tagged(registry)

        words = [word for place in ("empty", "kept") for word in ("--source", f"oci:{tmp_path}/{place}")]
        assert (0, first) == (run("repair", name, "--apply", *words).exit_code, tagged(registry))

    def test_none_has_it(self, registry, ward, name, run, dead, tmp_path):
        ward(f"oci:{tmp_path}/empty").image(tag="other")
        first = tagged(registry)

        done = run("repair", name, "--apply", "--source", f"oci:{tmp_path}/empty")

        assert (1, first) == (done.exit_code, tagged(registry))
        assert f"{dead} is not there, nor in oci:{tmp_path}/empty; --source" in done.stdout

    def test_a_place_that_is_not_there(self, registry, name, run, dead, tmp_path):
        done = run("repair", name, "--apply", "--source", f"oci:{tmp_path}/nowhere")

        assert 3 == done.exit_code

    @pytest.mark.parametrize("what", ["manifest", "layer"])
    def test_wrong_bytes_are_refused(self, registry, ward, name, run, dead, tmp_path, what):
        """The digest decides, not the place."""
        kept = ward(f"oci:{tmp_path}/kept")
        self.keep(kept)
        [layer] = view(kept.store.get_manifest(dead)).layers
        digest = Digest(dead) if what == "manifest" else layer.digest
        path = tmp_path / "kept" / "blobs" / "sha256" / digest.hex
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(
            data.replace(b"layers", b"lAyers") if what == "manifest" else data[:-1] + bytes([data[-1] ^ 255])
        )
        first = tagged(registry)

        done = run("repair", name, "--apply", "--source", f"oci:{tmp_path}/kept")

        assert (6, first) == (done.exit_code, tagged(registry))
        assert ("app", dead) not in registry.manifests
        assert str(digest) in done.stderr

    def test_wrong_bytes_of_a_mirror_are_refused(self, registry, ward, name, run, dead):
        kept = self.keep(ward(f"{registry.host}/mirror"))
        kind, data = registry.manifests["mirror", kept["digest"]]
        registry.manifests["mirror", kept["digest"]] = (kind, data.replace(b"linux", b"xinul") + b" ")

        done = run("repair", name, "--apply", "--source", f"{registry.host}/mirror")

        assert 6 == done.exit_code
        assert ("app", dead) not in registry.manifests

    def test_an_older_tag_is_only_a_substitute_by_consent(self, registry, app, name, run, dead):
        """K034, K022: another image for the platform; the attestation of the lost one does not go to it."""
        older = app.image("linux/arm64", config=lambda tree: tree.update(author="older"))
        app.index(app.image(), older | {"annotations": {"built": "before"}}, tag="old")
        amd64 = app.image()["digest"]
        first = tagged(registry)
        source = ("--source", f"{registry.host}/app:old")

        refused = run("repair", name, "--apply", *source)
        held = tagged(registry)
        done = run("repair", name, "--apply", *source, "--substitute")

        assert (1, first) == (refused.exit_code, held)
        assert f"--substitute takes {older['digest'][:19]} of {registry.host}/app:old instead" in refused.stdout
        assert 0 == done.exit_code, done.stderr
        assert [amd64, older["digest"]] == [
            str(entry.digest) for entry in view(app.store.get_manifest("1")).entries
        ]
        assert "~ linux/arm64 digest" in done.stderr
        assert (0, "nothing wrong\n") == (run("check", name).exit_code, run("check", name, "--deep").stdout)

    def test_a_single_image_stands_in_too(self, registry, ward, app, name, run, dead, tmp_path):
        older = ward(f"oci:{tmp_path}/kept").image("linux/arm64", tag="old")

        done = run("repair", name, "--apply", "--source", f"oci:{tmp_path}/kept:old", "--substitute")

        assert 0 == done.exit_code, done.stderr
        assert older["digest"] in [str(entry.digest) for entry in view(app.store.get_manifest("1")).entries]

    def test_an_image_of_another_platform_stands_in_for_nothing(self, registry, ward, name, run, dead, tmp_path):
        ward(f"oci:{tmp_path}/kept").image("linux/amd64", tag="old")
        first = tagged(registry)

        done = run("repair", name, "--apply", "--source", f"oci:{tmp_path}/kept:old", "--substitute")

        assert (1, first) == (done.exit_code, tagged(registry))
        assert "--substitute" not in done.stdout

    @pytest.mark.parametrize("part", ["config", "layer"])
    def test_a_lost_blob(self, registry, ward, app, name, run, tmp_path, part):
        """K034: the manifest is there, what it names is not."""
        arm64 = app.image("linux/arm64")
        app.index(app.image("linux/amd64", layers=[tar(member("other"))]), arm64)
        manifest = view(app.store.get_manifest(arm64["digest"]))
        lost = str((manifest.config if part == "config" else manifest.layers[0]).digest)
        ward(f"oci:{tmp_path}/kept").image("linux/arm64", tag="1")
        del registry.blobs["app", lost]
        first = tagged(registry)
        left = run("repair", name, "--deep", "--apply")

        done = run("repair", name, "--deep", "--apply", "--source", f"oci:{tmp_path}/kept")

        assert (1, True) == (left.exit_code, f"[{part}/missing]" in left.stderr)
        assert (0, first) == (done.exit_code, tagged(registry)), done.stderr
        assert ("app", lost) in registry.blobs
        assert (0, "nothing wrong\n") == (run("check", name).exit_code, run("check", name, "--deep").stdout)


def test_a_digest_is_not_a_tag_to_write(registry, app, run):
    """The plan can be seen; bytes under a digest are what they are."""
    sick(app)
    name = f"{registry.host}/app@{tagged(registry)}"

    assert 1 == run("repair", name).exit_code
    assert 2 == run("repair", name, "--apply").exit_code


class TestPlan:
    """What is shown before anything is written, and what is said afterwards."""

    def test_every_line_says_why_and_how_to_go_on(self, app, name, run):
        sick(app)

        done = run("repair", name)

        assert 1 == done.exit_code
        assert "  ~ linux/arm64 size  9999 → 419  [index/child-size]" in done.stdout.splitlines()
        assert "nothing was written; --apply carries this out" in done.stderr

    def test_names_of_others_do_not_reach_the_terminal(self, app, name, run):
        """A label that colours, or looks like a line of ours."""
        platform = {"os": "linux", "architecture": "arm64", "variant": "\x1b[2J\nleft: nothing \ud800"}
        child = app.image("linux/arm64")
        app.index(child | {"size": 9, "platform": platform})

        done = run("repair", name)

        label = "linux/arm64/\\x1b[2J\\nleft: nothing \\ud800"
        assert f"  {label} {child['digest'][:19]} becomes linux/arm64  [index/impossible-platform]" in done.stdout
        assert "  - linux/arm64 platform/variant  \\x1b[2J\\nleft: nothing \\ud800  [" in done.stdout
        assert "\x1b" not in done.stdout + done.stderr
        assert 1 == json.loads(run("repair", name, "--json").stdout)["exit_code"]

    def test_json_says_why(self, app, name, run):
        sick(app)

        data = json.loads(run("repair", name, "--json").stdout)["data"]

        assert [["index/child-size"]] == [change["why"] for change in data["changes"]]
        assert [["index/child-size"]] == [reason["why"] for reason in data["reasons"]]
        assert (False, []) == (data["applied"], data["left"])

    def test_the_backup_is_named_and_holds_the_old_bytes(self, registry, app, name, run, home):
        sick(app)
        first = tagged(registry)
        held = registry.manifests["app", first][1]

        done = run("repair", name, "--apply")

        place = str(home / ".cache" / "ocitool" / "backup")
        assert f"the old bytes are in {place}; ocitool undo {name} brings them back" in done.stderr
        assert held.decode() == run("inspect", "--raw", f"oci:{place}@{first}").stdout

    def test_the_way_back_names_a_source_where_a_child_was_given_up(self, registry, app, name, run):
        """Without one undo would end with exit code 9: the registry does not take the old index."""
        arm64 = app.image("linux/arm64")
        app.index(app.image(), arm64)
        del registry.manifests["app", arm64["digest"]]

        done = run("repair", name, "--apply", "--drop-missing")

        assert f"ocitool undo {name} --source PLACE brings them back" in done.stderr
        assert 9 == run("undo", name).exit_code

    def test_the_backup_is_there_before_anything_is_sent(self, registry, app, name, run, home):
        """Cut off at the first byte that would change the registry."""
        app.index(app.image("linux/arm64", config=lambda tree: tree.update(architecture="")))
        first = tagged(registry)
        place = home / ".cache" / "ocitool" / "backup" / "blobs" / "sha256" / Digest(first).hex
        kept = []
        see = lambda: kept.append(place.exists())  # noqa: E731 - what happens at that moment
        registry.faults.append(Fault(on="POST *", first=see, status=403))

        done = run("repair", name, "--apply")

        assert (4, [True], first) == (done.exit_code, kept, tagged(registry))

    @pytest.mark.parametrize("part", ["", "/records", "/blobs"])
    def test_a_place_that_cannot_be_written_stops_the_repair_before_anything_is_sent(
        self, registry, app, name, run, home, part
    ):
        """The bytes, or the note that makes undo possible."""
        app.index(app.image("linux/arm64", config=lambda tree: tree.update(architecture="")))
        first = tagged(registry)
        place = home / ".cache" / "ocitool" / f"backup{part}"
        place.parent.mkdir(parents=True)
        place.write_text("in the way")
        sent = len(registry.asked("POST")) + len(registry.asked("PUT"))

        done = run("repair", name, "--apply")

        assert (10, first) == (done.exit_code, tagged(registry))
        assert sent == len(registry.asked("POST")) + len(registry.asked("PUT"))

    def test_an_archive_is_not_edited_and_the_way_out_is_told(self, kept, run, tmp_path):
        kept.index(kept.image("linux/arm64", config=lambda tree: tree.update(architecture="")))
        archive = f"oci-archive:{tmp_path}/kept.tar:1"
        assert 0 == run("copy", f"oci:{tmp_path}/kept:1", archive).exit_code
        before = (tmp_path / "kept.tar").read_bytes()

        done = run("repair", archive, "--apply")

        assert (9, True) == (done.exit_code, "is an archive, which is written in one piece" in done.stderr)
        assert f"ocitool copy {archive} oci:DIR:TAG takes what is there" in done.stderr
        assert before == (tmp_path / "kept.tar").read_bytes()
