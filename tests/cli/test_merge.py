"""`ocitool merge`: an index of what the jobs of a build matrix pushed, from whatever they hand on."""

import json

import pytest

from ocitool.index.parts import MOST
from ocitool.model.views import view

ARM = "linux/arm64"


@pytest.fixture
def part(app, name):
    """`part("linux/amd64", "r1")`: the digest of an image of a revision, in the repository and without a tag."""

    def put(platform="linux/amd64", revision="", **more):
        def says(tree):
            if revision:
                tree["config"] = {"Labels": {"org.opencontainers.image.revision": revision}}

        return str(app.image(platform, config=says, **more)["digest"])

    return put


@pytest.fixture
def merged(app):
    """What the tag holds: platforms with digests."""
    return lambda tag="1": {
        str(one.runs_on): str(one.digest) for one in view(app.store.get_manifest(tag)).platforms
    }


def metadata(path, digest, names=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"containerimage.digest": digest} | ({"image.name": names} if names else {})))
    return path


class TestWhatIsHandedOn:
    def test_digests_of_the_repository(self, run, name, part, merged):
        parts = {"linux/amd64": part(), ARM: part(ARM)}

        done = run("merge", name, *parts.values())

        assert 0 == done.exit_code, done.stderr
        assert parts == merged()

    def test_metadata_files(self, run, name, part, merged, home):
        parts = {"linux/amd64": part(), ARM: part(ARM)}
        files = [metadata(home / f"{n}.json", one, name.rpartition(":")[0]) for n, one in enumerate(parts.values())]

        assert 0 == run("merge", name, *files).exit_code
        assert parts == merged()

    def test_a_folder_of_both_in_folders_of_their_own(self, run, name, part, merged, home):
        parts = {"linux/amd64": part(), ARM: part(ARM)}
        metadata(home / "parts/amd64/metadata.json", parts["linux/amd64"])
        (home / "parts/arm64").mkdir()
        (home / "parts/arm64" / parts[ARM].removeprefix("sha256:")).touch()

        assert 0 == run("merge", name, "--parts", home / "parts").exit_code
        assert parts == merged()

    def test_a_file_of_bake(self, run, name, part, merged, home):
        parts = {"linux/amd64": part(), ARM: part(ARM)}
        tree = {n: {"containerimage.digest": one} for n, one in enumerate(parts.values())}
        (home / "bake.json").write_text(json.dumps({"buildx.build.warnings": []} | tree))

        assert 0 == run("merge", name, home / "bake.json").exit_code
        assert parts == merged()

    def test_a_pattern_of_tags_that_fits_the_index_too(self, run, app, name, part, merged):
        parts = {"linux/amd64": part(tag="1-amd64"), ARM: part(ARM, tag="1-arm64")}
        part("linux/s390x", layers=[b"s"], tag="2-s390x")

        for _ in range(2):  # now the tag itself fits
            assert 0 == run("merge", name, f"{name}*").exit_code
            assert parts == merged()

    def test_an_index_with_an_attestation(self, run, app, name, merged):
        image = app.image()
        app.index(image, app.provenance(image["digest"]), tag="part")
        plain = app.image(ARM, tag="plain")

        assert 0 == run("merge", name, f"{name[:-1]}part", f"{name[:-1]}plain", "--format", "oci").exit_code
        assert {"linux/amd64": image["digest"], ARM: plain["digest"]} == merged()
        (attestation,) = (one for one in view(app.store.get_manifest("1")).entries if one.is_attestation)
        assert image["digest"] == attestation.attested

        assert 0 == run("merge", name, f"{name[:-1]}part", "--no-attestations").exit_code
        assert [] == [one for one in view(app.store.get_manifest("1")).entries if one.is_attestation]

    def test_a_part_of_another_repository_is_mounted(self, run, ward, registry, name, part, merged):
        other = ward(f"{registry.host}/other").image(ARM, tag="x")
        registry.log.clear()

        assert 0 == run("merge", name, part(), f"{registry.host}/other:x").exit_code
        assert other["digest"] == merged()[ARM]
        assert any("mount=" in one.path for one in registry.log)

    def test_the_name_in_a_metadata_file_that_is_in_the_repository_of_the_index(
        self, run, name, part, merged, home
    ):
        digest = part()
        file = metadata(home / "m.json", digest, f"absent.example/app,{name}")

        assert 0 == run("merge", name, file).exit_code
        assert {"linux/amd64": digest} == merged()

    def test_a_platform_that_the_part_does_not_say(self, run, app, name, merged):
        image = app.image(config=lambda tree: tree.update(architecture=""))

        assert 0 == run("merge", name, f"{image['digest']}={ARM}").exit_code
        assert {ARM: image["digest"]} == merged()


class TestWhatIsRefused:
    def test_a_part_of_another_revision(self, run, name, part, merged):
        words = ("merge", name, part(revision="r1"), part(ARM, "r2"))

        done = run(*words)

        assert 8 == done.exit_code
        assert "(linux/arm64) is of revision r2" in done.stderr
        assert "(linux/amd64) of r1" in done.stderr
        assert 3 == run("digest", name).exit_code
        assert 0 == run(*words, "--any-revision").exit_code
        assert {"linux/amd64", ARM} == set(merged())

    def test_an_annotation_tells_where_no_label_does(self, run, app, name, part):
        said = {"org.opencontainers.image.revision": "r2"}
        other = app.image(ARM, manifest=lambda tree: tree.update(annotations=said))

        assert 8 == run("merge", name, part(revision="r1"), other["digest"]).exit_code

    def test_who_says_no_revision_is_told(self, run, name, part):
        done = run("merge", name, part(revision="r1"), part(ARM))

        assert 0 == done.exit_code
        assert "(linux/arm64) names no revision" in done.stderr

    def test_two_parts_of_one_platform(self, run, name, part):
        one, other = part(), part(layers=[b"other"])

        done = run("merge", name, one, other)

        assert 8 == done.exit_code
        assert one in done.stderr
        assert other in done.stderr

    def test_a_part_that_is_named_twice_is_one(self, run, name, part, merged, home):
        digest = part()
        file = metadata(home / "m.json", digest)

        assert 0 == run("merge", name, digest, digest, file, f"{name.rpartition(':')[0]}@{digest}").exit_code
        assert {"linux/amd64": digest} == merged()

    def test_a_lost_part_is_named(self, run, name, part):
        gone = "sha256:" + "0" * 64

        done = run("merge", name, part(), gone)

        assert 3 == done.exit_code
        assert gone in done.stderr

    def test_the_platform_that_lacks_is_named(self, run, name, part):
        done = run("merge", name, part(), "--expect", f"linux/amd64,{ARM}")

        assert 1 == done.exit_code
        assert f"would have no {ARM}, which is expected" in done.stderr
        assert 3 == run("digest", name).exit_code

    def test_also_where_the_tag_holds_that_already(self, run, name, part):
        digest = part()
        assert 0 == run("merge", name, digest).exit_code

        assert 1 == run("merge", name, digest, "--expect", f"linux/amd64,{ARM}").exit_code

    @pytest.mark.parametrize(
        ("content", "code", "told"),
        [
            ("{}", 2, "no containerimage.digest"),
            ("[1]", 2, "no containerimage.digest"),
            ('{"containerimage.digest": "sha256:1"}', 2, "names no digest"),
            ('{"containerimage.digest": 5}', 2, "names no digest"),
            ("{", 6, "JSON"),
            ("[" * 5000, 6, ""),
        ],
    )
    def test_a_file_that_is_none_of_a_build(self, run, name, home, content, code, told):
        (home / "x.json").write_text(content)

        done = run("merge", name, home / "x.json")

        assert code == done.exit_code
        assert told in done.stderr
        assert "x.json" in done.stderr

    def test_files_and_folders_that_are_not_as_they_should(self, run, name, home, part):
        (home / "empty").mkdir()
        (home / "mixed").mkdir()
        (home / "mixed" / "app.tar").touch()
        (home / "many").mkdir()
        for number in range(MOST + 1):
            (home / "many" / f"{number}.json").touch()

        assert 3 == run("merge", name, home / "absent.json").exit_code
        assert 3 == run("merge", name, "--parts", home / "empty").exit_code
        assert 2 == run("merge", name, "--parts", home / "mixed").exit_code
        assert 2 == run("merge", name, "--parts", home / "many").exit_code
        assert 2 == run("merge", name, "--parts", home / "nowhere").exit_code
        assert 3 == run("merge", name, f"{name}-*").exit_code
        assert 2 == run("merge", name).exit_code
        assert 2 == run("merge", name, "a" * 5000).exit_code
        assert 10 == run("merge", name, "a" * 5000 + ".json").exit_code
        assert 2 == run("merge", name, part(), "--retry").exit_code


class TestWhatIsWritten:
    def test_undo_takes_it_back(self, run, app, name, part, merged):
        old = part(layers=[b"old"])
        assert 0 == run("merge", name, old).exit_code
        assert 0 == run("merge", name, part(), part(ARM)).exit_code

        assert 0 == run("undo", name).exit_code
        assert {"linux/amd64": old} == merged()

    def test_append_keeps_other_platforms(self, run, name, part, merged):
        first = part("linux/s390x", layers=[b"s"])
        assert 0 == run("merge", name, first).exit_code

        assert 0 == run("merge", name, part(), "--append").exit_code
        assert {"linux/amd64", "linux/s390x"} == set(merged())

        assert 0 == run("merge", name, part(ARM)).exit_code
        assert {ARM} == set(merged())

    @pytest.mark.parametrize("there_is_one", [True, False])
    def test_what_another_job_appends_meanwhile_stands_beside_it(
        self, run, app, name, part, merged, registry, there_is_one
    ):
        """K267: the tag, or none, is changed between our write and our last look."""
        first = [app.image("linux/s390x", layers=[b"s"])]
        if there_is_one:
            app.index(*first)
        theirs = app.index(*(first if there_is_one else []), app.image(ARM), tag="theirs")["digest"]
        seen = []

        def meanwhile(asked):
            if asked.path.endswith("/manifests/1"):
                if asked.method == "HEAD" and seen[-1:] == ["PUT"] and "theirs" not in seen:
                    registry.tags[("app", "1")] = theirs
                    seen.append("theirs")
                seen.append(asked.method)

        registry.guard = meanwhile
        done = run("merge", name, part(), "--append")

        assert 0 == done.exit_code, done.stderr
        assert "theirs" in seen
        assert "trying again on top of that" in done.stderr
        assert {"linux/amd64", ARM, *(["linux/s390x"] if there_is_one else [])} == set(merged())

    def test_what_another_run_merges_meanwhile_is_a_conflict(self, run, app, name, part, merged, registry):
        app.index(app.image(layers=[b"old"]))
        theirs = app.index(app.image(ARM), tag="theirs")["digest"]
        seen = []

        def meanwhile(asked):
            if asked.path.endswith("/manifests/1"):
                if asked.method == "HEAD" and seen[-1:] == ["PUT"]:
                    registry.tags[("app", "1")] = theirs
                seen.append(asked.method)

        registry.guard = meanwhile

        assert 8 == run("merge", name, part()).exit_code
        assert {ARM} == set(merged())

    def test_what_a_pipeline_reads(self, run, name, part, home, monkeypatch, app):
        for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "OCITOOL_DOTENV"):
            monkeypatch.setenv(variable, str(home / variable))
        words = ("merge", name, "-t", f"{name[:-1]}two", part(), part(ARM), "--metadata-file", home / "out.json")

        for _ in range(2):  # also where the tags hold it already
            assert 0 == run(*words).exit_code
            digest = str(app.store.head("1").digest)
            names = f"{name},{name[:-1]}two"
            told = (home / "GITHUB_OUTPUT").read_text().splitlines()[-4:]
            assert [
                f"digest={digest}",
                f"imageid={digest}",
                f"names={names}",
                f"platforms=linux/amd64,{ARM}",
            ] == told
            assert f"OCITOOL_DIGEST={digest}\n" in (home / "OCITOOL_DOTENV").read_text()
            assert f"| {ARM} |" in (home / "GITHUB_STEP_SUMMARY").read_text()
            tree = json.loads((home / "out.json").read_text())
            assert (digest, names) == (tree["containerimage.digest"], tree["image.name"])
            assert digest == tree["containerimage.descriptor"]["digest"]
            assert (home / "out.json").read_text() == json.dumps(tree, indent=2) + "\n"

    def test_a_refusal_leaves_no_file_of_an_earlier_run(self, run, name, part, home):
        assert 0 == run("merge", name, part(), "--metadata-file", home / "out.json").exit_code

        assert 3 == run("merge", name, "sha256:" + "0" * 64, "--metadata-file", home / "out.json").exit_code
        assert not (home / "out.json").exists()

    def test_a_dry_run_writes_nothing(self, run, name, part, home):
        done = run("merge", name, part(), "--dry-run", "--metadata-file", home / "out.json", "--json")

        assert 0 == done.exit_code
        assert json.loads(done.stdout)["data"]["dryRun"]
        assert not (home / "out.json").exists()
        assert 3 == run("digest", name).exit_code

    def test_into_a_layout(self, run, home, ward):
        there = ward(f"oci:{home}/img")
        one, other = there.image(), there.image(ARM)

        assert 0 == run("merge", f"oci:{home}/img:all", one["digest"], other["digest"]).exit_code
        assert 2 == len(view(there.store.get_manifest("all")).platforms)


def test_metadata_of_a_push_by_digest(run, home, name, merged, monkeypatch):
    """What a runner of a matrix does, one after the other."""
    monkeypatch.chdir(home)
    repository = name.rpartition(":")[0]
    for arch in ("amd64", "arm64"):
        (home / arch).write_text(arch)
        done = run(
            *("build", ".", "--toolchain", "prebuilt", "--copy", "{arch}:/srv/", "--platform", f"linux/{arch}"),
            *("-t", repository, "--push-by-digest", "--metadata-file", home / f"{arch}.json"),
        )
        assert 0 == done.exit_code, done.stderr
    assert 3 == run("digest", name).exit_code

    assert 0 == run("merge", name, home / "amd64.json", home / "arm64.json").exit_code
    assert {"linux/amd64", ARM} == set(merged())


def test_a_tag_of_the_spec_file_is_left_out_of_a_push_by_digest(run, home, name, registry, monkeypatch):
    monkeypatch.chdir(home)
    (home / "data").write_text("x")
    (home / "ocitool.toml").write_text(f'toolchain = "prebuilt"\ntags = ["{name}"]\nfiles = ["data:/srv/"]\n')

    assert 0 == run("build", ".", "--platform", "linux/amd64", "--push-by-digest").exit_code
    assert {} == registry.tags
    assert 2 == run("build", ".", "--platform", "linux/amd64", "--push-by-digest", "-t", name).exit_code
