"""`ocitool index …`, `tag`, `undo` and friends over a layout: what is printed, written, and refused."""

import io
import json
import subprocess
import sys
import tarfile

import pytest

from ocitool.model.mediatype import DOCKER_LIST, OCI_INDEX
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from tests.conftest import process_environment
from tests.fakes.images import put_image


@pytest.fixture
def layout(home, monkeypatch):
    """A layout `app` in the current folder with images amd64, arm64 and armv6, all OCI."""
    monkeypatch.chdir(home)
    store = LayoutStore(home / "app", create=True)
    for tag, platform in (("amd64", "linux/amd64"), ("arm64", "linux/arm64"), ("armv6", "linux/arm/v6")):
        put_image(store, tag, platform)
    return store


@pytest.fixture
def published(layout, run):
    """The same with an index of amd64 and arm64 under `1`."""
    assert 0 == run("index", "create", "oci:app:1", "oci:app:amd64", "oci:app:arm64").exit_code
    return layout


def platforms(store, tag="1"):
    return [str(entry.platform) for entry in view(store.get_manifest(tag)).entries]


class TestCreate:
    def test_prints_one_line_for_each_tag(self, layout, run):
        done = run("index", "create", "oci:app:1", "oci:app:amd64", "oci:app:arm64", "-t", "oci:app:latest")

        digest = layout.head("1").digest
        assert (0, f"oci:app:1@{digest}\noci:app:latest@{digest}\n") == (done.exit_code, done.stdout)
        assert ["linux/amd64", "linux/arm64"] == platforms(layout)

    def test_again_changes_nothing_and_says_so(self, published, run):
        before = published.head("1").digest

        done = run("index", "create", "oci:app:1", "oci:app:amd64", "oci:app:arm64")

        assert (0, f"oci:app:1@{before}\n") == (done.exit_code, done.stdout)
        assert "nothing to change" in done.stderr

    def test_platform_given_with_the_source(self, layout, run):
        run("index", "create", "oci:app:1", "oci:app:amd64=linux/s390x")

        assert ["linux/s390x"] == platforms(layout)

    def test_same_platform_twice_is_refused(self, layout, run):
        """K001: after normalising, with the way out in the hint."""
        put_image(layout, "v8", "linux/arm64/v8")

        done = run("index", "create", "oci:app:1", "oci:app:arm64", "oci:app:v8")

        assert 2 == done.exit_code
        assert "--allow-duplicates" in done.stderr
        assert layout.head("1") is None

    def test_dry_run_writes_nothing_and_shows_the_plan(self, layout, run):
        done = run("index", "create", "oci:app:1", "oci:app:amd64", "--dry-run", "--json")

        data = json.loads(done.stdout)["data"]
        assert ["tag"] == [step["step"] for step in data["steps"]]
        assert data["dryRun"]
        assert layout.head("1") is None

    def test_docker_format_converts_children(self, layout, run):
        """K026: the children are converted with it."""
        run("index", "create", "oci:app:1", "oci:app:amd64", "--format", "docker")

        document = layout.get_manifest("1")
        assert DOCKER_LIST == document.media_type
        assert {"application/vnd.docker.distribution.manifest.v2+json"} == {
            e.media_type for e in view(document).entries
        }

    def test_annotation_on_docker_is_refused(self, layout, run):
        """K032: before anything is written, naming --format oci."""
        done = run("index", "create", "oci:app:1", "oci:app:amd64", "--format", "docker", "--annotation", "a=b")

        assert 2 == done.exit_code
        assert "--format oci" in done.stderr
        assert layout.head("1") is None

    def test_from_spec(self, layout, run, home):
        (home / "app.yaml").write_text(
            "image: oci:app:1\ntags: [latest]\nmanifests:\n- image: oci:app:{arch}\n  platforms: [linux/amd64, linux/arm64]\n"
        )

        done = run("index", "create", "--from-spec", "app.yaml")

        assert 0 == done.exit_code, done.stderr
        assert ["linux/amd64", "linux/arm64"] == platforms(layout, "latest")

    def test_missing_source_is_exit_3(self, layout, run):
        assert 3 == run("index", "create", "oci:app:1", "oci:app:none").exit_code

    def test_smaller_index_warns_of_what_vanishes(self, published, run):
        """K038: never silently."""
        done = run("index", "create", "oci:app:1", "oci:app:amd64")

        assert "1 holds linux/arm64 now and will not any more" in done.stderr


class TestEdit:
    def test_add_replaces_a_platform_and_tells_old_and_new(self, published, run):
        """K017: old -> new is printed."""
        old = view(published.get_manifest("1")).entries[1].digest
        new = put_image(published, "arm64", "linux/arm64", note="again")

        done = run("index", "add", "oci:app:1", "oci:app:arm64")

        assert f"~ linux/arm64 digest  {old.short} → {new.short}" in done.stderr
        assert new == view(published.get_manifest("1")).entries[1].digest

    def test_remove(self, published, run):
        assert 0 == run("index", "remove", "oci:app:1", "--platform", "linux/arm64/v8").exit_code
        assert ["linux/amd64"] == platforms(published)

    def test_remove_of_nothing_is_a_usage_error(self, published, run):
        assert 2 == run("index", "remove", "oci:app:1").exit_code

    def test_remove_of_a_stranger_lists_what_is_there(self, published, run):
        """K013: exit 3 and the platforms."""
        done = run("index", "remove", "oci:app:1", "--platform", "linux/s390x")

        assert 3 == done.exit_code
        assert "there is linux/amd64, linux/arm64" in done.stderr

    def test_filter(self, published, run):
        run("index", "filter", "oci:app:1", "--platform", "linux/arm64")

        assert ["linux/arm64"] == platforms(published)

    @pytest.mark.parametrize(("pattern", "left"), [("*/arm*", ["linux/arm64"]), ("linux/amd*", ["linux/amd64"])])
    def test_filter_by_a_pattern(self, published, run, pattern, left):
        assert 0 == run("index", "filter", "oci:app:1", "--platform", pattern).exit_code
        assert left == platforms(published)

    def test_annotate_a_member(self, published, run):
        run("index", "annotate", "oci:app:1", "--platform", "linux/arm64", "--variant", "v8", "--annotation", "a=b")

        entry = view(published.get_manifest("1")).entries[1]
        assert ("linux/arm64/v8", {"a": "b"}) == (str(entry.platform), dict(entry.annotations))

    def test_annotate_the_index(self, published, run):
        run("index", "annotate", "oci:app:1", "--annotation", "a=b")

        assert {"a": "b"} == dict(view(published.get_manifest("1")).annotations)

    def test_annotate_into_another_tag(self, published, run):
        before = published.get_manifest("1")

        run("index", "annotate", "oci:app:1", "--annotation", "a=b", "-t", "oci:app:2")

        assert before == published.get_manifest("1")
        assert {"a": "b"} == dict(view(published.get_manifest("2")).annotations)

    @pytest.mark.parametrize("words", [["--variant", "v8"], [], ["--platform", "linux/arm64"]])
    def test_annotate_without_enough_is_a_usage_error(self, published, run, words):
        assert 2 == run("index", "annotate", "oci:app:1", *words).exit_code

    def test_order(self, published, run):
        run("index", "order", "oci:app:1", "--platform", "linux/arm64")

        assert ["linux/arm64", "linux/amd64"] == platforms(published)

    def test_convert_there_and_back(self, published, run):
        """K028: the way back restores the digest."""
        before = published.head("1").digest

        run("index", "convert", "oci:app:1", "--format", "docker")
        converted = published.get_manifest("1").media_type
        run("index", "convert", "oci:app:1", "--format", "oci")

        assert (DOCKER_LIST, before) == (converted, published.head("1").digest)

    def test_flatten(self, published, run):
        """K020: one level."""
        run("index", "create", "oci:app:outer", "oci:app:1", "--append")
        before = published.head("outer").digest

        assert 0 == run("index", "flatten", "oci:app:outer").exit_code
        assert before == published.head("outer").digest

    def test_untouched_bytes_stay(self, published, run):
        """K028: editing one entry leaves the bytes of the other."""
        before = published.get_manifest("1").raw.split(b"    {\n")[1]

        run("index", "annotate", "oci:app:1", "--platform", "linux/arm64", "--variant", "v8")

        assert before == published.get_manifest("1").raw.split(b"    {\n")[1]


class TestUndo:
    def test_first_digest_is_there_again(self, published, run):
        before = published.head("1").digest
        run("index", "annotate", "oci:app:1", "--annotation", "a=b")

        done = run("undo", "oci:app:1")

        assert (0, f"oci:app:1@{before}\n") == (done.exit_code, done.stdout)
        assert before == published.head("1").digest

    def test_from_another_folder_it_is_the_same_layout(self, published, run, home, monkeypatch):
        before = published.head("1").digest
        run("index", "annotate", "oci:app:1", "--annotation", "a=b")
        monkeypatch.chdir("/")

        assert 0 == run("undo", f"oci:{home}/app:1").exit_code
        assert before == published.head("1").digest

    def test_after_somebody_else_wrote_it_is_refused(self, published, run):
        run("index", "annotate", "oci:app:1", "--annotation", "a=b")
        published.put_manifest(published.get_manifest("amd64"), "1")

        done = run("undo", "oci:app:1")

        assert 8 == done.exit_code
        assert str(published.head("amd64").digest) in done.stderr

    def test_dry_run_leaves_the_change_to_be_undone(self, published, run):
        run("index", "annotate", "oci:app:1", "--annotation", "a=b")

        shown = run("undo", "oci:app:1", "--dry-run")

        assert "- annotations" in shown.stdout
        assert 0 == run("undo", "oci:app:1").exit_code

    def test_nothing_to_undo_is_exit_3(self, published, run):
        assert 3 == run("undo", "oci:app:arm64").exit_code


class TestNames:
    def test_tag_further_names(self, published, run):
        done = run("tag", "oci:app:1", "stable", "oci:app:2")

        digest = published.head("1").digest
        assert f"oci:app:stable@{digest}\noci:app:2@{digest}\n" == done.stdout
        assert digest == published.head("2").digest

    def test_tag_that_is_none(self, published, run):
        assert 2 == run("tag", "oci:app:1", "-x-").exit_code

    def test_digest(self, published, run):
        assert f"{published.head('1').digest}\n" == run("digest", "oci:app:1").stdout

    def test_digest_of_a_platform(self, published, run):
        """K002: with a variant or without."""
        assert (
            f"{published.head('arm64').digest}\n"
            == run("digest", "oci:app:1", "--platform", "linux/arm64/v8").stdout
        )

    def test_digest_of_nothing(self, published, run):
        assert 3 == run("digest", "oci:app:none").exit_code

    def test_tags(self, published, run):
        assert "amd64\narm64\narmv6\n1\n" == run("tags", "oci:app").stdout


def test_index_is_written_with_its_media_type(published):
    """K044: what we write carries it."""
    assert OCI_INDEX == published.get_manifest("1").tree()["mediaType"]


class TestCopy:
    def test_to_another_layout(self, published, run, home):
        """K041: everything, the digest unchanged, one line to read it from."""
        done = run("copy", "oci:app:1", "oci:other:v1")

        digest = published.head("1").digest
        assert (0, f"oci:other:v1@{digest}\n") == (done.exit_code, done.stdout)
        assert 2 == len(view(LayoutStore(home / "other").get_manifest("v1")).entries)

    def test_of_one_platform(self, published, run, home):
        """K040: a smaller index, and it is told."""
        done = run("copy", "oci:app:1", "oci:other:v1", "--platform", "linux/arm64")

        assert "only linux/arm64" in done.stderr
        assert 1 == len(view(LayoutStore(home / "other").get_manifest("v1")).entries)

    def test_over_something_else_is_exit_8(self, published, run):
        run("copy", "oci:app:amd64", "oci:other:v1")

        assert 8 == run("copy", "oci:app:1", "oci:other:v1").exit_code
        assert 0 == run("copy", "oci:app:1", "oci:other:v1", "--replace").exit_code

    def test_all_tags(self, published, run, home):
        run("copy", "oci:app", "oci:other", "--all-tags")

        assert {"amd64", "arm64", "armv6", "1"} == set(LayoutStore(home / "other").tags())


class TestArchives:
    def test_copy_there_and_index_from_there(self, published, run):
        """An archive is complete when the command ends, and a source like any other."""
        copied = run("copy", "oci:app:1", "oci-archive:x.tar:1")
        made = run("index", "create", "oci:app:2", "oci-archive:x.tar:1", "oci:app:armv6")

        assert (0, 0) == (copied.exit_code, made.exit_code), made.stderr
        assert ["linux/amd64", "linux/arm64", "linux/arm/v6"] == platforms(published, "2")

    def test_docker_archive_has_a_name_with_a_colon(self, published, run):
        """K062: a colon alone makes no digest."""
        done = run("copy", "oci:app:amd64", "docker-archive:d.tar:reg.test/app:1")

        assert (0, True) == (done.exit_code, done.stdout.startswith("docker-archive:d.tar:reg.test/app:1@sha256:"))

    def test_index_into_a_docker_archive_leaves_nothing(self, published, run, home):
        assert 9 == run("copy", "oci:app:1", "docker-archive:d.tar:reg.test/app:1").exit_code
        assert ["app"] == [path.name for path in home.iterdir() if "tar" in path.name or path.name == "app"]

    def test_edit_of_an_archive_says_how(self, published, run):
        run("copy", "oci:app:1", "oci-archive:x.tar:1")

        done = run("index", "annotate", "oci-archive:x.tar:1", "--annotation", "a=b")

        assert 9 == done.exit_code
        assert "copy it to oci:DIR" in done.stderr

    def test_stream_carries_nothing_but_the_archive(self, published, home):
        """What names the result goes to stderr where stdout is the archive."""
        words = [sys.executable, "-m", "ocitool", "copy", "oci:app:1", "oci-archive:-:1"]
        done = subprocess.run(words, env=process_environment(), cwd=home, capture_output=True, check=True)

        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            assert {"oci-layout", "index.json"} <= set(archive.getnames())
        assert b"oci-archive:-:1@sha256:" in done.stderr


class TestAnnotationPlaces:
    """K224: one grammar of places for create, annotate and build."""

    @pytest.fixture
    def layout(self, home, monkeypatch):
        monkeypatch.chdir(home)
        store = LayoutStore(home / "app", create=True)
        for platform in ("linux/amd64", "linux/arm64"):
            put_image(store, platform[6:], platform)
        return store

    @pytest.fixture
    def create(self, layout, run):
        def call(*texts):
            flags = [word for text in texts for word in ("--annotation", text)]
            return run("index", "create", "oci:app:1", "oci:app:amd64", "oci:app:arm64", *flags)

        return call

    def test_create_writes_where_it_is_asked_to(self, create, layout, run):
        done = create("index:a=1", "b.c=2", "manifest-descriptor:d=3", "manifest-descriptor[linux/arm64]:e=4")

        assert 0 == done.exit_code, done.stderr
        index = view(layout.get_manifest("1"))
        assert {"a": "1", "b.c": "2"} == index.annotations
        assert [{"d": "3"}, {"d": "3", "e": "4"}] == [entry.annotations for entry in index.entries]
        told = run("inspect", "oci:app:1").stdout
        assert "  a: 1\n" in told
        assert "every entry  d: 3\nlinux/arm64 entry  e: 4\n" in told

    @pytest.mark.parametrize(
        ("text", "code", "says"),
        [
            ("indx:a=1", 2, "did you mean index?"),
            ("manifest:a=1", 2, "manifest-descriptor:a annotates their entries"),
            ("manifest-descriptor[linux/s390x]:a=1", 3, "no entry linux/s390x"),
            ("index-descriptor:a=1", 9, "index:KEY=VALUE"),
        ],
    )
    @pytest.mark.parametrize("command", ["create", "annotate"])
    def test_what_is_no_place_is_refused(self, create, run, command, text, code, says):
        create()
        done = create(text) if command == "create" else run("index", "annotate", "oci:app:1", "--annotation", text)

        assert code == done.exit_code
        assert says in done.stderr

    def test_annotate_knows_the_same_places(self, create, layout, run):
        create("index:old=1")
        flags = ["--annotation", "index:a=1", "--annotation", "manifest-descriptor[linux/amd64]:b=2"]

        done = run(
            "index",
            "annotate",
            "oci:app:1",
            *flags,
            "--remove-annotation",
            "index:old",
            "--platform",
            "linux/arm64",
            "--annotation",
            "c=3",
        )

        assert 0 == done.exit_code, done.stderr
        index = view(layout.get_manifest("1"))
        assert {"a": "1"} == index.annotations
        assert [{"b": "2"}, {"c": "3"}] == [entry.annotations for entry in index.entries]

    def test_an_index_of_one_image_is_told(self, layout, run):
        """K244: the entry is listed, and the image's own digest is another one's."""
        done = run("index", "create", "oci:app:one", "oci:app:arm64")

        assert 0 == done.exit_code
        assert (
            "note: an index of one image, linux/arm64; ocitool tag and copy name an image itself\n" in done.stderr
        )
