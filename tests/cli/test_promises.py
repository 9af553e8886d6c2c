"""Promises about tags: the platforms that one is for, that it loses none, that it is not written over."""

import pytest

from ocitool.model.views import view

AMD64, ARM64, BOTH = "linux/amd64", "linux/arm64", "linux/amd64,linux/arm64"


publishing = pytest.mark.parametrize(
    "words",
    [
        ("push", "{}:1"),
        ("merge", "{}:1", "{}:new"),
        ("index", "create", "{}:1", "{}:new"),
        ("tag", "{}:new", "1"),
        ("copy", "{}:new", "{}:1", "--replace"),
    ],
    ids=lambda words: words[0],
)
"""Command lines that publish something as 1, `{}` being the repository."""


@pytest.fixture
def project(home, monkeypatch):
    """`project("text")`: a folder with a file for each platform, and an ocitool.toml that also says this."""
    monkeypatch.chdir(home)

    def put(text=""):
        for arch in ("amd64", "arm64"):
            (home / arch).write_text(arch)
        (home / "ocitool.toml").write_text(f'toolchain = "prebuilt"\nfiles = ["{{arch}}:/srv/"]\n{text}')
        return home

    put()
    return put


@pytest.fixture
def build(run, name, project):
    """`build("linux/amd64", …)`: build it and push it under the name."""
    return lambda platforms, *flags: run("build", ".", "--platform", platforms, "-t", name, "--push", *flags)


@pytest.fixture
def held(app):
    """What the tag holds: its platforms; None where there is no such tag."""

    def look(tag="1"):
        if app.store.head(tag) is None:
            return None
        return sorted(str(one.runs_on) for one in view(app.store.get_manifest(tag)).platforms)

    return look


def requests(registry, *methods):
    return [one for one in registry.log if one.method in methods]


class TestWhatIsExpected:
    def test_a_build_of_other_platforms_is_refused_before_it_begins(self, build, held, registry):
        registry.log.clear()

        done = build(AMD64, "--expect", BOTH)

        assert 1 == done.exit_code
        assert f"would have no {ARM64}, which is expected" in done.stderr
        assert [] == requests(registry, "POST", "PUT", "PATCH")

    def test_one_too_many(self, build, held):
        done = build(BOTH, "--expect", AMD64)

        assert 1 == done.exit_code
        assert f"would have {ARM64}, which is not expected" in done.stderr
        assert held() is None
        assert 0 == build(BOTH, "--expect-at-least", AMD64).exit_code

    def test_the_file_says_it_and_a_flag_goes_before(self, build, project, held):
        project(f'[check]\nexpect = ["{BOTH}"]\n')

        assert 1 == build(AMD64).exit_code
        assert held() is None
        assert 0 == build(AMD64, "--no-index", "--expect", AMD64).exit_code
        assert 0 == build(BOTH).exit_code

    def test_a_push_by_digest_writes_no_tag_and_is_free(self, run, name, project):
        project(f'[check]\nexpect = ["{BOTH}"]\n')
        words = ("build", ".", "--platform", AMD64, "-t", name.rpartition(":")[0], "--push-by-digest")

        assert 0 == run(*words).exit_code

    def test_a_flag_without_a_tag_that_is_pushed(self, run, name, project):
        words = ("build", ".", "--platform", AMD64, "--expect", AMD64)

        assert 2 == run(*words, "-t", name).exit_code
        assert 2 == run(*words, "-t", name.rpartition(":")[0], "--push-by-digest").exit_code

    def test_what_is_kept_here_is_free_and_its_push_is_not(self, run, name, project, held, registry):
        project(f'[check]\nexpect = ["{BOTH}"]\n')
        assert 0 == run("build", ".", "--platform", AMD64, "-t", name).exit_code

        done = run("push", name)

        assert 1 == done.exit_code
        assert f"no {ARM64}" in done.stderr
        assert [] == requests(registry, "POST", "PUT", "PATCH")
        assert 0 == run("push", name, "--expect-at-least", AMD64).exit_code

    def test_merge_keeps_to_the_file_and_an_edit_does_not(self, run, app, name, project, held):
        project(f'[check]\nexpect = ["{BOTH}"]\n')
        one = app.image()["digest"]

        assert 1 == run("merge", name, one).exit_code
        assert 0 == run("index", "create", name, f"{name[:-2]}@{one}").exit_code
        assert 1 == run("index", "create", name, f"{name[:-2]}@{one}", "--expect", BOTH).exit_code

    def test_a_copy_of_one_image_is_read_where_it_comes_from(self, run, app, name, ward, registry):
        ward(f"{registry.host}/other").image(tag="x")

        assert 1 == run("copy", f"{registry.host}/other:x", name, "--expect", ARM64).exit_code
        assert 0 == run("copy", f"{registry.host}/other:x", name, "--expect", AMD64).exit_code

    def test_a_tag_of_one_image(self, run, app, name, held):
        app.image(tag="x")

        assert 1 == run("tag", f"{name[:-1]}x", "1", "--expect", ARM64).exit_code
        assert app.store.head("1") is None
        assert 0 == run("tag", f"{name[:-1]}x", "1", "--expect", AMD64).exit_code

    def test_both_lists_are_too_many(self, build):
        done = build(AMD64, "--expect", AMD64, "--expect-at-least", AMD64)

        assert 2 == done.exit_code
        assert "--expect is the whole list" in done.stderr


class TestNoClobber:
    def test_a_tag_that_holds_something_else_stays(self, build, app, home, registry):
        assert 0 == build(BOTH, "--no-clobber").exit_code
        before = app.store.head("1").digest
        (home / "amd64").write_text("new")

        done = build(BOTH, "--no-clobber")

        assert 8 == done.exit_code
        assert f"holds {before}, which --no-clobber keeps" in done.stderr
        assert before == app.store.head("1").digest
        assert 0 == build(BOTH, "--no-clobber", "--clobber").exit_code

    def test_the_same_again_succeeds_and_writes_nothing(self, build, registry):
        assert 0 == build(BOTH, "--no-clobber").exit_code
        registry.log.clear()

        done = build(BOTH, "--no-clobber")

        assert 0 == done.exit_code, done.stderr
        assert [] == requests(registry, "POST", "PUT", "PATCH")

    def test_a_writer_who_comes_between_keeps_the_tag(self, run, app, name, build, registry, home):
        """The tag is free when it is looked at, and taken when it is to be written."""
        theirs = app.image(layers=[b"theirs"], tag="theirs")
        document = app.store.get_manifest("theirs")

        looked = []

        def meanwhile(request):
            if looked:
                registry.tags.setdefault(("app", "1"), str(document.digest))
            if request.path.endswith("/manifests/1"):
                looked.append(request)

        registry.guard = meanwhile
        done = build(BOTH, "--no-clobber")

        assert 8 == done.exit_code
        assert ["GET"] == [one.method for one in looked[:1]]
        assert theirs["digest"] == app.store.head("1").digest

    def test_of_several_tags_none_is_written(self, run, app, name, build):
        app.image(layers=[b"theirs"], tag="taken")

        assert 8 == build(BOTH, "-t", f"{name[:-1]}taken", "--no-clobber").exit_code
        assert app.store.head("1") is None

    @publishing
    def test_everything_that_publishes(self, run, app, name, project, words):
        assert 0 == run("build", ".", "--platform", AMD64, "-t", name).exit_code
        app.image(layers=[b"new"], tag="new")
        app.image(layers=[b"theirs"], tag="1")
        before = app.store.head("1").digest
        line = [word.replace("{}", name[:-2]) for word in words]

        done = run(*line, "--no-clobber")

        assert 8 == done.exit_code, done.stderr
        assert before == app.store.head("1").digest
        assert 0 == run(*line, "--clobber").exit_code

    def test_the_file_says_it(self, run, app, name, project, build):
        project("[push]\nno-clobber = true\n")
        app.image(layers=[b"theirs"], tag="1")

        assert 8 == build(AMD64).exit_code
        assert 0 == run("build", ".", "--platform", AMD64, "-t", name).exit_code
        assert 8 == run("push", name).exit_code
        assert 0 == build(AMD64, "--clobber").exit_code


class TestKeepPlatforms:
    def test_a_build_that_would_take_one_away_is_refused_before_it_begins(self, build, held, registry):
        assert 0 == build(BOTH).exit_code
        registry.log.clear()

        done = build(AMD64, "--keep-platforms")

        assert 8 == done.exit_code
        assert f"holds {ARM64}, which it would lose" in done.stderr
        assert [] == requests(registry, "POST", "PUT", "PATCH")
        assert [AMD64, ARM64] == held()

    def test_without_it_is_told(self, build, held):
        assert 0 == build(BOTH).exit_code

        done = build(AMD64, "--index")

        assert 0 == done.exit_code
        assert f"holds {ARM64} now and will not any more" in done.stderr

    def test_more_platforms_and_others_bytes_are_fine(self, build, held, home):
        assert 0 == build(AMD64, "--keep-platforms").exit_code
        (home / "amd64").write_text("new")

        assert 0 == build(BOTH, "--keep-platforms").exit_code
        assert [AMD64, ARM64] == held()

    def test_one_image_in_place_of_another_platforms(self, build, app):
        """Neither is an index."""
        assert 0 == build(AMD64).exit_code
        before = app.store.head("1").digest

        assert 8 == build(ARM64, "--keep-platforms").exit_code
        assert before == app.store.head("1").digest

    @publishing
    def test_everything_that_publishes(self, run, app, name, project, held, words):
        assert 0 == run("build", ".", "--platform", AMD64, "-t", name).exit_code
        app.image(layers=[b"new"], tag="new")
        app.index(app.image(), app.image(ARM64), tag="1")
        line = [word.replace("{}", name[:-2]) for word in words]

        done = run(*line, "--keep-platforms")

        assert 8 == done.exit_code, done.stderr
        assert [AMD64, ARM64] == held()
        assert 0 == run(*line, "--no-keep-platforms").exit_code

    def test_the_file_says_it(self, run, build, project):
        project("[push]\nkeep-platforms = true\n")
        assert 0 == build(BOTH).exit_code

        assert 8 == build(AMD64).exit_code
        assert 0 == build(AMD64, "--no-keep-platforms").exit_code


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("[push]\nclobber = true\n", "push.clobber unknown key"),
        ('[push]\nno-clobber = "yes"\n', "push.no-clobber must be"),
        ('[check]\nexpect = ["linux/amd46"]\n', "check.expect[0]"),
        ('[check]\nexpect = ["linux/amd64", ","]\n', "check.expect[1] names no platform"),
    ],
)
def test_a_file_that_promises_nothing_that_is_known(run, name, project, build, table, told):
    assert 0 == run("build", ".", "--platform", AMD64, "-t", name).exit_code
    project(table)

    for done in (build(AMD64), run("push", name), run("merge", name, "sha256:" + "0" * 64)):
        assert 2 == done.exit_code
        assert told in done.stderr


@pytest.mark.parametrize("option", ["--expect", "--expect-at-least"])
@pytest.mark.parametrize("words", ["", " ", ","])
def test_an_empty_list_of_platforms_is_no_promise_that_is_kept(run, build, name, held, option, words):
    """What `--expect "$PLATFORMS"` says where a pipeline forgot the variable."""
    done, checked = build(AMD64, option, words), run("check", f"{name}", option, words)

    assert (2, 2, None) == (done.exit_code, checked.exit_code, held())
    assert "names no platform" in done.stderr
    assert "names no platform" in checked.stderr


def test_a_program_has_them_too(app, name):
    import ocitool

    one, other = (app.image(platform) for platform in (AMD64, ARM64))
    with ocitool.Client() as client:
        client.merge(name, one["digest"], other["digest"], expect=BOTH)
        plan = client.index(name).merge(one["digest"])
        with pytest.raises(ocitool.OcitoolError, match="which it would lose") as caught:
            client.promise(plan, keep_platforms=True)
        assert "conflict" == caught.value.code
        with pytest.raises(ocitool.OcitoolError, match="which is expected") as caught:
            client.merge(name, one["digest"], expect=[AMD64, ARM64])
        assert "not-expected" == caught.value.code
