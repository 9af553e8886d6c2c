"""`config edit`: what configs say, every platform of an index at once; what it changes and what keeps its bytes."""

import json
from base64 import b64encode

import pytest

from ocitool import Client
from ocitool.errors import UsageError
from ocitool.graph.signature_list import signature_tag
from ocitool.graph.walk import MAX_DEPTH
from ocitool.model import mediatype
from ocitool.model.views import ATTESTATION_ARTIFACT, Descriptor, view
from ocitool.store.layout import LayoutStore
from ocitool.store.verify import read_config
from tests.fakes.registry import fake_registry
from tests.fakes.sick import FILES, Ward, member, tar

SCRIPT = tar(member("app", b"\x00", mode=0o755))
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "linux/riscv64")


@pytest.fixture
def registry():
    with fake_registry() as running:
        yield running


def says(tree):
    """A config with what an edit may find there, in an order and with a field of its own."""
    tree["config"] = {
        "Env": ["PATH=/bin", "A=1", "B=2"],
        "Labels": {"z": "1", "a": "2"},
        "Entrypoint": ["/app"],
        "Cmd": ["-v"],
        "X-Own": {"kept": 1.0},
        "ExposedPorts": {"80": {}},
    }
    tree["history"] = [{"created_by": "by hand"}]


def image(ward, platform, **more):
    return ward.image(platform, layers=[SCRIPT], config=says, **more)


@pytest.fixture
def five(app, name):
    """An index of five platforms, each with an attestation behind them."""
    entries = [image(app, platform) for platform in PLATFORMS]
    app.index(*entries, *(app.provenance(one["digest"]) for one in entries), annotations={"made": "by hand"})
    return name


def entries(ward, tag="1"):
    return view(ward.store.get_manifest(tag)).entries


def images(ward, tag="1"):
    """The manifests of the images below a tag, by platform."""
    listed = [one for one in entries(ward, tag) if not one.is_attestation]
    return {str(one.platform): view(ward.store.get_manifest(str(one.digest))) for one in listed}


def configs(ward, tag="1"):
    return {name: read_config(ward.store, manifest.config) for name, manifest in images(ward, tag).items()}


def edit(run, name, *words):
    done = run("config", "edit", name, *words)
    assert 0 == done.exit_code, done.stderr
    return done


def test_every_platform_says_it_and_nothing_else_changes(run, app, five):
    before = {key: one.document.tree() for key, one in configs(app).items()}
    layers = {key: one.layers for key, one in images(app).items()}

    edit(run, five, "--label", "b=3", "--env", "A=9", "--user", "1000:1000", "--drop-attestations")

    after = configs(app)
    assert set(PLATFORMS) == set(after)
    for key, tree in before.items():
        tree["config"] |= {"Env": ["PATH=/bin", "A=9", "B=2"], "User": "1000:1000"}
        tree["config"]["Labels"]["b"] = "3"
        assert tree == after[key].document.tree()
        assert json.dumps(tree) == json.dumps(after[key].document.tree()), "the order of keys"
    assert layers == {key: one.layers for key, one in images(app).items()}


def test_the_result_is_clean_and_undo_gives_the_first_digest(run, app, five):
    first = app.store.head("1").digest

    edit(run, five, "--label", "b=3", "--drop-attestations")
    checked = run("check", "--deep", five)
    undone = run("undo", five)

    assert 0 == checked.exit_code, checked.stdout
    assert (0, first) == (undone.exit_code, app.store.head("1").digest)


def test_of_a_platform_that_is_chosen_only_that_image_changes(run, app, five):
    before = {str(one.platform): one for one in entries(app) if not one.is_attestation}
    told = [one for one in entries(app) if one.is_attestation]

    edit(run, five, "--platform", "linux/arm", "--env", "B=3", "--drop-attestations")

    after = {str(one.platform): one for one in entries(app) if not one.is_attestation}
    assert ["linux/arm/v7"] == [key for key in before if before[key] != after[key]]
    left = [one for one in told if one.attested != str(before["linux/arm/v7"].digest)]
    assert left == [one for one in entries(app) if one.is_attestation]


def test_an_edit_that_changes_nothing_writes_nothing(run, registry, app, five):
    first = app.store.head("1").digest
    registry.log.clear()

    done = edit(run, five, "--label", "a=2", "--env", "A=1", "--entrypoint", "/app", "--remove-env", "NONE")

    assert first == app.store.head("1").digest
    assert [] == [one.method for one in registry.log if one.method not in {"GET", "HEAD"}]
    assert "nothing to change" in done.stderr


def test_attestations_that_stop_fitting_are_named_and_nothing_is_done(run, app, five):
    first = app.store.head("1").digest

    done = run("config", "edit", five, "--label", "b=3")

    assert (2, first) == (done.exit_code, app.store.head("1").digest)
    assert "5 attestations in the index of images whose digests change" in done.stderr
    assert all(one.digest.short in done.stderr for one in entries(app) if not one.is_attestation)


def test_attestations_are_kept_where_they_are(run, app, five):
    old = [one for one in entries(app) if one.is_attestation]

    edit(run, five, "--label", "b=3", "--keep-attestations")

    assert old == [one for one in entries(app) if one.is_attestation]
    assert "index/stale-attestation" in run("check", five).stdout


def test_attestations_refer_to_the_old_images(run, app, five):
    old = {one.digest for one in entries(app) if not one.is_attestation}
    first = app.store.head("1").digest

    edit(run, five, "--label", "b=3", "--attestations-to-referrers")
    found = [[one.artifact_type for one in app.store.referrers(digest)] for digest in old]
    undone = run("undo", five)

    assert [[ATTESTATION_ARTIFACT]] * 5 == found
    assert (0, first) == (undone.exit_code, app.store.head("1").digest)


@pytest.mark.parametrize("form", ["tag", "both"])
def test_signatures_that_stop_fitting_are_named_and_made_anew(run, app, five, tmp_path, form):
    assert 0 == run("key", "generate", "-o", tmp_path / "a", "--unencrypted", "--type", "ed25519").exit_code
    signing = ("sign", five, "--key", tmp_path / "a.key", "--form", form, "--recursive")
    assert 0 == run(*signing).exit_code
    first = app.store.head("1").digest
    old = [first, *(one.digest for one in entries(app) if not one.is_attestation)]

    done = edit(run, five, "--label", "b=3", "--drop-attestations", "--resign", tmp_path / "a.key")
    verified = run("verify", five, "--key", tmp_path / "a.pub", "--recursive")
    undone = run("undo", five)

    assert all(f"{signature_tag(digest)} will not be of what takes the place of" in done.stderr for digest in old)
    assert 0 == verified.exit_code, verified.stderr
    assert (0, first) == (undone.exit_code, app.store.head("1").digest)


def test_children_come_before_the_index_and_the_tag_last(run, registry, five):
    registry.log.clear()

    edit(run, five, "--label", "b=3", "--drop-attestations")

    puts = [one.path for one in registry.log if one.method in {"PUT", "POST"}]
    manifests = [path for path in puts if "/manifests/" in path]
    assert puts[-6:] == manifests
    assert manifests[-1].endswith("/manifests/1")


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["--remove-env", "PATH"], "Env", ["A=1", "B=2"]),
        (["--env", "A="], "Env", ["PATH=/bin", "A=", "B=2"]),
        (["--remove-label", "a", "--remove-label", "z"], "Labels", None),
        (["--label", "a"], "Labels", {"z": "1", "a": ""}),
        (["--entrypoint", '["/b", "c d"]'], "Entrypoint", ["/b", "c d"]),
        (["--entrypoint", "/b"], "Cmd", None),
        (["--entrypoint", "/b", "--cmd", "-q"], "Cmd", ["-q"]),
        (["--entrypoint", ""], "Entrypoint", None),
        (["--cmd", ""], "Cmd", None),
        (["--user", "app"], "User", "app"),
        (["--workdir", "/srv"], "WorkingDir", "/srv"),
        (["--expose", "81-82/udp"], "ExposedPorts", {"80": {}, "81/udp": {}, "82/udp": {}}),
        (["--expose", "80", "--expose", "81"], "ExposedPorts", {"80": {}, "81/tcp": {}}),
        (["--remove-expose", "80/tcp"], "ExposedPorts", None),
        (["--volume", "/data"], "Volumes", {"/data": {}}),
        (["--stop-signal", "SIGINT"], "StopSignal", "SIGINT"),
        (
            ["--health-cmd", "curl -f localhost", "--health-interval", "1m30s", "--health-retries", "2"],
            "Healthcheck",
            {"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 90 * 10**9, "Retries": 2},
        ),
        (["--health-cmd", '["/app", "-c"]'], "Healthcheck", {"Test": ["CMD", "/app", "-c"]}),
        (["--no-healthcheck"], "Healthcheck", {"Test": ["NONE"]}),
    ],
)  # fmt: skip
def test_a_setting(run, app, name, words, key, value):
    image(app, "linux/amd64", tag="1")

    edit(run, name, *words)

    config = read_config(app.store, view(app.store.get_manifest("1")).config)
    assert value == config.setting(key)
    assert {"kept": 1.0} == config.setting("X-Own")


def test_one_part_of_a_health_check_is_changed_and_taken_away(run, app, name):
    image(app, "linux/amd64", tag="1")
    edit(run, name, "--health-cmd", "true", "--health-timeout", "3s", "--health-retries", "3")

    edit(run, name, "--health-timeout", "4s", "--health-retries", "0")

    config = read_config(app.store, view(app.store.get_manifest("1")).config)
    assert {"Test": ["CMD-SHELL", "true"], "Timeout": 4 * 10**9} == config.setting("Healthcheck")
    edit(run, name, "--health-cmd", "")
    assert None is read_config(app.store, view(app.store.get_manifest("1")).config).setting("Healthcheck")


@pytest.mark.parametrize(
    ("text", "created"),
    [
        ("0", "1970-01-01T00:00:00Z"),
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("99999999999", "5138-11-16T09:46:39Z"),
        ("2026-01-02T03:04:05.678+02:00", "2026-01-02T03:04:05.678+02:00"),
    ],
)
def test_created(run, app, name, text, created):
    image(app, "linux/amd64", tag="1")

    edit(run, name, "--created", text)

    assert created == read_config(app.store, view(app.store.get_manifest("1")).config).created


def test_a_name_that_stands_twice_stands_once_afterwards(run, app, name):
    app.image(config=lambda tree: tree.update(config={"Env": ["A=1", "B=2", "A=3", "C"]}), tag="1")

    edit(run, name, "--env", "A=4", "--env", "C=5")

    config = read_config(app.store, view(app.store.get_manifest("1")).config)
    assert ["A=4", "B=2", "C=5"] == config.setting("Env")


def test_history_is_left_alone(run, app, name):
    image(app, "linux/amd64", tag="1")
    before = read_config(app.store, view(app.store.get_manifest("1")).config).history

    edit(run, name, "--env", "A=4")

    assert before == read_config(app.store, view(app.store.get_manifest("1")).config).history


def test_a_platform_is_changed_in_the_config_and_in_the_entry(run, app, name):
    app.index(app.image("windows/amd64", layers=[FILES]), app.image())

    edit(run, name, "--platform", "windows/amd64", "--os-version", "10.0.20348.1", "--os-features", "win32k")

    found = next(one for one in entries(app) if one.platform.os == "windows")
    config = read_config(app.store, view(app.store.get_manifest(str(found.digest))).config)
    assert ("10.0.20348.1", ("win32k",)) == (found.platform.os_version, found.platform.os_features)
    assert found.platform == config.platform
    edit(run, name, "--platform", "windows/amd64", "--os-version", "")
    assert "" == next(one for one in entries(app) if one.platform.os == "windows").platform.os_version


def test_two_images_are_never_made_to_be_for_one_platform(run, app, five):
    first = app.store.head("1").digest

    done = run("config", "edit", five, "--arch", "arm64", "--variant", "", "--drop-attestations")

    assert (2, first) == (done.exit_code, app.store.head("1").digest)
    assert "would both be for linux/arm64" in done.stderr


def test_no_platform_is_made_up(run, app, five):
    done = run("config", "edit", five, "--platform", "linux/amd64", "--arch", "amd46", "--drop-attestations")

    assert 2 == done.exit_code
    assert "which is no platform" in done.stderr


def test_annotations_have_their_places(run, app, five):
    words = (
        "index:i=1",
        "manifest-descriptor[linux/s390x]:e=2",
        "manifest:m=3",
        "manifest[linux/arm64]:own=4",
        "n=5",
    )

    edit(run, five, *(word for text in words for word in ("--annotation", text)), "--drop-attestations")

    index = view(app.store.get_manifest("1"))
    assert {"made": "by hand", "i": "1"} == dict(index.annotations)
    assert {"linux/s390x": {"e": "2"}} == {
        str(e.platform): dict(e.annotations) for e in index.entries if e.annotations
    }
    manifests = images(app)
    assert {"m": "3", "own": "4", "n": "5"} == dict(manifests["linux/arm64"].annotations)
    assert {"m": "3", "n": "5"} == dict(manifests["linux/amd64"].annotations)
    edit(run, five, "--remove-annotation", "index:i", "--remove-annotation", "m", "--platform", "linux/amd64")
    assert {"made": "by hand"} == dict(view(app.store.get_manifest("1")).annotations)
    assert {"n": "5"} == dict(images(app)["linux/amd64"].annotations)


def test_an_annotation_of_the_index_alone_changes_no_image(run, app, five):
    before = entries(app)

    edit(run, five, "--annotation", "index:i=1")

    assert before == entries(app)


@pytest.mark.parametrize("place", ["manifest[linux/ppc64le]", "manifest-descriptor[linux/ppc64le]"])
def test_an_annotation_of_a_platform_that_is_not_there(run, five, place):
    done = run("config", "edit", five, "--annotation", f"{place}:a=b", "--drop-attestations")

    assert 3 == done.exit_code
    assert "linux/ppc64le" in done.stderr


def test_docker_images_are_edited_and_not_annotated(run, app, name):
    kind = mediatype.DOCKER_MANIFEST
    both = [app.image(one, media_type=kind) for one in PLATFORMS[:2]]
    app.index(*both, media_type=mediatype.DOCKER_LIST)

    edit(run, name, "--label", "a=b")
    refused = run("config", "edit", name, "--annotation", "a=b")

    assert {"a": "b"} == configs(app)["linux/arm64"].setting("Labels")
    assert [kind] * 2 == [one.media_type for one in entries(app)]
    assert 0 == run("check", "--deep", name).exit_code
    assert 2 == refused.exit_code
    assert "cannot carry annotations" in refused.stderr


def test_images_of_an_index_in_an_index(run, app, name):
    inner = app.index(image(app, "linux/arm64"), tag="inner")
    app.index(image(app, "linux/amd64"), inner)
    first = app.store.head("1").digest

    edit(run, name, "--platform", "linux/arm64", "--label", "b=3")

    outer = entries(app)
    [deep] = view(app.store.get_manifest(str(outer[1].digest))).entries
    config = read_config(app.store, view(app.store.get_manifest(str(deep.digest))).config)
    assert "3" == config.setting("Labels")["b"]
    assert (0, first) == (run("undo", name).exit_code, app.store.head("1").digest)


def test_a_layout_is_edited(run, tmp_path):
    ward = Ward(LayoutStore(tmp_path / "out", create=True))
    ward.index(image(ward, "linux/amd64"), image(ward, "linux/arm64"))
    first = ward.store.head("1").digest
    name = f"oci:{tmp_path / 'out'}:1"

    edit(run, name, "--label", "b=3")

    assert {"3"} == {one.setting("Labels")["b"] for one in configs(ward).values()}
    assert 0 == run("check", "--deep", name).exit_code
    assert (0, first) == (run("undo", name).exit_code, ward.store.head("1").digest)


def test_the_result_under_another_tag(run, registry, app, five):
    first = app.store.head("1").digest

    done = edit(run, five, "--label", "b=3", "--drop-attestations", "-t", f"{registry.host}/app:2")

    assert first == app.store.head("1").digest
    assert "3" == configs(app, "2")["linux/amd64"].setting("Labels")["b"]
    assert done.stdout.startswith(f"{registry.host}/app:2@")


def test_a_dry_run_says_what_changes_for_whom_and_writes_nothing(run, registry, five):
    registry.log.clear()

    done = edit(run, five, "--label", "b=3", "--drop-attestations", "--dry-run")

    assert "linux/amd64, linux/arm64, linux/arm/v7, linux/s390x, linux/riscv64: + config/Labels/b  3" in done.stdout
    assert {one.method for one in registry.log} <= {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "what should be set?"),
        (["--env", "A"], "is not KEY=VALUE"),
        (["--env", "=1"], "is not KEY=VALUE"),
        (["--env", "A\n=1"], "a control character is in the variable"),
        (["--label", "a\x1b[31m=1"], "a control character is in the label"),
        (["--env", "A=1", "--remove-env", "A"], "to be set and to be taken away"),
        (["--expose", "80", "--remove-expose", "80/tcp"], "to be set and to be taken away"),
        (["--expose", "99999"], "not a port"),
        (["--workdir", "srv"], "is not absolute"),
        (["--volume", ""], "a volume without a path"),
        (["--stop-signal", "SIGNONE"], "no signal"),
        (["--created", "yesterday"], "no moment"),
        (["--created", "9" * 40], "no moment"),
        (["--health-interval", "5"], "no interval of a health check"),
        (["--health-interval", "5s"], "there is no health check"),
        (["--health-cmd", "x", "--no-healthcheck"], "leave one of them out"),
        (["--entrypoint", "['a']"], "is not a JSON array"),
        (["--annotation", "index:a=b"], "is one image"),
        (["--label", "a=\udcff"], "is not UTF-8"),
        (["--digest", "x", "--label", "a=b"], "digest"),
    ],
)
def test_what_is_refused(run, app, name, words, said):
    app.image(tag="1")
    first = app.store.head("1").digest

    done = run("config", "edit", name, *words)

    assert 2 == done.exit_code, done.stderr
    assert said in done.stderr
    assert "\x1b" not in done.stderr
    assert first == app.store.head("1").digest


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"Env": {"A": "1"}}, ["--env", "A=2"]),
        ({"Env": ["A=1", 2]}, ["--remove-env", "A"]),
        ({"Labels": ["a"]}, ["--label", "a=b"]),
        ({"Labels": "a"}, ["--remove-label", "a"]),
        ({"ExposedPorts": ["80"]}, ["--expose", "80"]),
        ({"Volumes": 7}, ["--volume", "/a"]),
        ({"Healthcheck": "true"}, ["--health-interval", "5s"]),
        ([], ["--user", "a"]),
    ],
)
def test_a_config_of_other_kinds_is_told_and_left(run, app, name, setting, words):
    app.image(config=lambda tree: tree.update(config=setting), tag="1")
    first = app.store.head("1").digest

    done = run("config", "edit", name, *words)

    assert 6 == done.exit_code, done.stderr
    assert first == app.store.head("1").digest
    assert "Traceback" not in done.stderr


def test_what_is_of_another_kind_and_not_edited_keeps_its_bytes(run, app, name):
    app.image(config=lambda tree: tree.update(config={"Labels": 7, "Env": None, "Cmd": "x"}), tag="1")

    edit(run, name, "--user", "a")

    config = read_config(app.store, view(app.store.get_manifest("1")).config)
    assert {"Labels": 7, "Env": None, "Cmd": "x", "User": "a"} == dict(config.settings)


def test_a_config_that_nobody_could_read_is_not_written(run, app, name):
    app.image(config=lambda tree: tree.update(config={"Env": [f"A={'x' * (8 * 1024 * 1024 - 2000)}"]}), tag="1")
    first = app.store.head("1").digest

    done = run("config", "edit", name, "--label", f"a={'x' * 4000}")

    assert (9, first) == (done.exit_code, app.store.head("1").digest)


def test_a_platform_that_is_not_there(run, app, five):
    done = run("config", "edit", five, "--platform", "linux/ppc64le", "--label", "a=b")

    assert 3 == done.exit_code
    assert "there is linux/amd64, linux/arm64" in done.stderr


def test_an_attestation_is_no_image(run, app, five):
    statement = next(one for one in entries(app) if one.is_attestation)

    done = run("config", "edit", five, "--digest", statement.digest, "--label", "a=b")

    assert 9 == done.exit_code
    assert "is an attestation" in done.stderr


def test_an_artifact_is_no_image(run, registry, tmp_path):
    (tmp_path / "a").write_text("a")
    assert 0 == run("artifact", "push", f"{registry.host}/files:1", tmp_path / "a").exit_code

    assert 9 == run("config", "edit", f"{registry.host}/files:1", "--label", "a=b").exit_code


def test_an_inline_config_does_not_stay_behind(run, app, name):
    def inline(tree):
        held = read_config(app.store, Descriptor.from_tree(tree["config"]))
        tree["config"]["data"] = b64encode(held.document.raw).decode()

    app.image(manifest=inline, tag="1")

    edit(run, name, "--label", "a=b")

    assert "data" not in app.store.get_manifest("1").tree()["config"]


def test_a_program_edits_by_words(app, five):
    with Client() as client:
        plan = client.image(five).edit_config(
            env={"A": None, "C": "3"}, labels={"a": None}, platforms="linux/arm64", attestations="drop"
        )
        client.apply(plan)

        with pytest.raises(UsageError, match="burn"):
            client.image(five).edit_config(env={"A": "1"}, attestations="burn")
        with pytest.raises(UsageError, match="NUL"):
            client.image(five).edit_config(env={"A": "\0"})

    config = configs(app)["linux/arm64"]
    assert ["PATH=/bin", "B=2", "C=3"] == config.setting("Env")
    assert {"z": "1"} == config.setting("Labels")


def test_what_of_an_index_is_no_image_stays_as_it_is_and_an_index_without_any_is_told(run, registry, app, name):
    artifact = app.manifest(
        {"schemaVersion": 2, "artifactType": "a/b", "config": app.blob(b"{}", "x/y"), "layers": []}
    )
    app.index(image(app, "linux/amd64"), artifact)
    app.index(tag="empty")

    done = edit(run, name, "--label", "b=3")
    refused = run("config", "edit", f"{registry.host}/app:empty", "--label", "b=3")

    assert "is no image, and stays as it is" in done.stderr
    kept = [one["digest"] for one in app.store.get_manifest("1").tree()["manifests"]]
    assert (artifact["digest"], 2) == (kept[1], len(kept))
    assert (9, True) == (refused.exit_code, "has no image in it" in refused.stderr)


def test_an_image_of_another_platform_than_is_asked_for_is_not_edited(run, app, name):
    image(app, "linux/amd64", tag="1")
    before = app.store.head("1").digest

    done = run("config", "edit", name, "--platform", "linux/arm64", "--label", "b=3")

    assert (3, before) == (done.exit_code, app.store.head("1").digest), done.stderr
    assert "linux/arm64" in done.stderr


def test_indexes_in_indexes_have_a_bound(run, app, name):
    inner = app.index(image(app, "linux/amd64"), tag="")
    for _ in range(MAX_DEPTH):
        inner = app.index(inner, tag="")
    app.index(inner)

    done = run("config", "edit", name, "--label", "b=3")

    assert (6, True) == (done.exit_code, f"indexes nested deeper than {MAX_DEPTH} levels" in done.stderr), (
        done.stderr
    )


def test_images_that_nobody_says_a_platform_of_are_no_two_for_one(run, app, name):
    def silent(tree):
        says(tree)
        del tree["os"], tree["architecture"]

    named = image(app, "linux/amd64")
    nameless = [app.image(layers=[tar(member(word))], config=silent) for word in ("a", "b")]
    app.index(named, *({key: value for key, value in one.items() if key != "platform"} for one in nameless))

    edit(run, name, "--label", "b=3")

    listed = view(app.store.get_manifest("1")).entries
    assert [True, False, False] == [entry.platform is not None for entry in listed]
    assert [] == [
        entry.digest for entry in listed if str(entry.digest) in {one["digest"] for one in (named, *nameless)}
    ]
