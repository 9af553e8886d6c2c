"""Client: what it gives, what it refuses, and that every error that leaves it is one of ours."""

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import ocitool
from ocitool.builder.outputs import BuildOutputs, StoreOutput
from ocitool.builder.preview import preview
from ocitool.builder.request import BuildRequest
from ocitool.errors import UsageError
from ocitool.pack.entries import parse_copy
from ocitool.pack.own_files import earlier_outputs
from ocitool.store.locate import Locator
from tests.fakes.registry import fake_registry


@pytest.fixture
def registry():
    with fake_registry() as running:
        yield running


@pytest.mark.parametrize(
    ("processors", "jobs", "width"), [(2, None, 2), (64, None, 8), (None, None, 1), (64, 20, 20)]
)
def test_work_is_as_wide_as_the_machine_within_reason(monkeypatch, processors, jobs, width):
    monkeypatch.setattr(os, "cpu_count", lambda: processors)

    with ocitool.Client(jobs=jobs) as opened:
        assert width == opened.workspace.width


@pytest.mark.parametrize("call", ["create", "convert"])
def test_families_have_two_names(client, call):
    editor = client.index("oci:images:app")
    with pytest.raises(UsageError, match="no family is called 'v1'"):
        editor.convert("v1") if call == "convert" else editor.create("oci:images:amd64", family="v1")


def test_looking_takes_words_or_types(client, layout):
    app, arm = f"{layout}:app", ocitool.Platform.parse("linux/arm64")

    assert ["linux/amd64", "linux/arm64/v8"] == [str(image.platform) for image in client.inspect(app).images]
    assert client.digest(app) == client.manifest(app).digest
    assert client.digest(app, arm) == client.digest(app, "linux/arm64") == client.digest(f"{layout}:arm64")
    assert client.digest(app, arm) == client.manifest(app, arm).digest == client.inspect(app, arm).images[0].digest
    assert {"amd64", "app", "arm64", "lost", "s390x"} == set(client.tags(layout))
    assert b"linux/arm64/v8" == client.cat(app, "hello", arm)
    assert ["hello"] == list(client.files(app, "linux/amd64"))
    assert not client.diff(app, f"{layout}:amd64").is_equal


def test_files_are_exported(client, layout, home):
    done = client.export(f"{layout}:app", "root", "linux/amd64")

    assert (1, 11) == (done.files, done.size)
    assert b"linux/amd64" == (home / "root" / "hello").read_bytes()


def test_a_plan_prints_what_dry_run_does_and_is_carried_out(client, layout, run):
    plan = client.index(f"{layout}:app").add(f"{layout}:s390x")

    assert run("index", "add", f"{layout}:app", f"{layout}:s390x", "--dry-run").stdout == f"{plan}\n"
    report = client.apply(plan)
    assert report.changed
    assert "linux/s390x" in {str(image.platform) for image in client.inspect(f"{layout}:app").images}


def test_further_tags_hold_the_same(client, layout):
    client.tag(f"{layout}:app", "v1", "v2")

    assert {client.digest(f"{layout}:app")} == {client.digest(f"{layout}:{tag}") for tag in ("v1", "v2")}


def test_a_copy_into_an_archive_is_whole_when_it_returns(client, layout, home):
    """It was written when the program ended, or never: a temporary file was all that was left."""
    client.copy(f"{layout}:app", "oci-archive:app.tar:v1", "linux/arm64")

    assert ["linux/arm64/v8"] == [str(i.platform) for i in client.inspect("oci-archive:app.tar:v1").images]
    assert ["app.tar"] == [path.name for path in home.iterdir() if path.is_file()]


def test_findings_come_first_and_then_what_could_not_be_seen(client, layout):
    checked = client.check(f"{layout}:lost", f"{layout}:nothing", select="index/dangling")

    findings = []
    with pytest.raises(ocitool.OcitoolError) as caught:
        findings += checked  # what was found before is kept
    assert ["index/dangling"] == [one.rule for one in checked.findings]
    assert "not-found" == caught.value.code


def test_notes_go_to_the_listener(layout):
    heard = []
    with ocitool.Client(listener=heard.append) as client:
        client.inspect(f"{layout}:app", "linux/arm64/v9")

    assert [f"{layout}:app has no linux/arm64/v9; linux/arm64/v8 is what such a host runs"] == [
        e.text for e in heard
    ]


def calls(place, other):
    """One call of each method, for a place that is bad."""
    return {
        "open": lambda c: c.open(place)[0].get_manifest("nothing"),
        "digest": lambda c: c.digest(place),
        "digest of a platform": lambda c: c.digest(place, "linux/amd64"),
        "manifest": lambda c: c.manifest(place),
        "inspect": lambda c: c.inspect(place),
        "inspect a platform": lambda c: c.inspect(place, ["linux/amd64"]),
        "diff": lambda c: c.diff(place, other),
        "files": lambda c: c.files(place),
        "cat": lambda c: c.cat(place, "etc/passwd"),
        "export": lambda c: c.export(place, "root"),
        "check": lambda c: list(c.check(place)),
        "check deep": lambda c: list(c.check(place, deep=True)),
        "copy from": lambda c: c.copy(place, "oci:new:1"),
        "tag": lambda c: c.tag(place, "other"),
        "create of": lambda c: c.index(other).create(place),
        "create of two": lambda c: c.index(other).create(place, f"{place}2"),
        "add": lambda c: c.index(place).add(other),
        "add it": lambda c: c.index(other).add(place),
        "remove": lambda c: c.index(place).remove("linux/amd64"),
        "filter": lambda c: c.index(place).filter("linux/amd64"),
        "annotate": lambda c: c.index(place).annotate({"a": "b"}),
        "edit configs": lambda c: c.image(place).edit_config(labels={"a": "b"}),
        "convert": lambda c: c.index(place).convert("docker"),
        "flatten": lambda c: c.index(place).flatten(),
        "order": lambda c: c.index(place).order(),
    }


def codes(client, place, other):
    """The code of the error that each call ends in."""
    found = {}
    for name, call in calls(place, other).items():
        try:
            call(client)
        except ocitool.OcitoolError as error:
            found[name] = error.code
    return found


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("UPPER case", "usage"),
        ("oci:", "usage"),
        ("oci:images\0:app", "usage"),
        ("localhost:1/app\udce4", "usage"),
        ("oci:images:nothing", "not-found"),
        ("oci:nowhere:1", "not-found"),
        ("DEAD/app:1", "network"),
        ("LIVE/app:1", "not-found"),
    ],
)
def test_every_error_is_ours(layout, registry, place, code):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = f"127.0.0.1:{taken.getsockname()[1]}"
    place = place.replace("DEAD", dead).replace("LIVE", registry.host)
    with ocitool.Client(retry_s=0) as client:
        found = codes(client, place, f"{layout}:app")

    assert dict.fromkeys(calls("", ""), code) == found


def test_a_closed_client_refuses(layout):
    client = ocitool.Client()
    client.close()
    client.close()

    assert dict.fromkeys(calls("", ""), "usage") == codes(client, f"{layout}:app", f"{layout}:app")


def test_a_store_that_was_opened_before_refuses_too(registry):
    client = ocitool.Client()
    store, _ = client.open(f"{registry.host}/app:1")
    client.close()

    with pytest.raises(ocitool.OcitoolError, match="closed"):
        store.get_manifest("1")


@pytest.mark.slow
def test_eight_threads_share_one_client(layout, registry):
    remote = [f"{registry.host}/app:{number}" for number in range(8)]
    begin = threading.Barrier(8)

    def work(client, place):
        begin.wait()
        client.copy(f"{layout}:app", place)
        client.cat(place, "hello", "linux/amd64")
        return client.inspect(place).root.digest, [one.rule for one in client.check(place, deep=True)]

    with ocitool.Client() as client, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: work(client, place), remote))
        wanted = client.digest(f"{layout}:app")

    assert {wanted} == {digest for digest, _ in found}
    assert [found[0][1]] * 8 == [rules for _, rules in found]
    assert [] == registry.problems


def test_cancelling_the_scope_ends_what_is_under_way(registry, layout):
    scope = ocitool.Scope()
    with ocitool.Client(scope=scope) as client, pytest.raises(ocitool.OcitoolError) as caught:
        scope.cancel()
        client.copy(f"{layout}:app", f"{registry.host}/app:1")

    assert "cancelled" == caught.value.code


def test_credentials_of_the_constructor_go_before_others(layout, registry_with_auth):
    """Those of a host are sent to that host alone; a token of the environment is meant for others."""
    here = registry_with_auth
    environ = {**os.environ, "OCITOOL_TOKEN": "another"}
    with ocitool.Client(environ=environ) as client, pytest.raises(ocitool.OcitoolError) as caught:
        client.tags(here.repository())
    with ocitool.Client(environ=environ, credentials={here.host: (here.user, here.password)}) as client:
        client.copy(f"{layout}:app", place := f"{here.repository()}:1")

        assert client.digest(place) == client.digest(f"{layout}:app")
    assert "auth" == caught.value.code


@pytest.fixture
def project(home):
    """A folder with a file for each of two platforms."""
    for arch in ("amd64", "arm64"):
        (home / "app" / arch).mkdir(parents=True)
        (home / "app" / arch / "f").write_text(arch)
    return home / "app"


def test_a_request_is_planned_and_goes_where_it_says(client, registry, project, home):
    """What the command line calls: one call decides everything, another one does it."""
    request = BuildRequest(
        project,
        client.workspace.platforms("linux/amd64,linux/arm64"),
        (ocitool.Reference.parse(f"{registry.host}/app:1"),),
        toolchain="prebuilt",
        copies=(parse_copy("{arch}:/srv/"),),
        outputs=BuildOutputs((StoreOutput(Locator.parse(f"oci-archive:{home / 'a.tar'}")),), push=True),
    )

    planned = client.plan_build(request)
    before = (home / "a.tar").exists()
    report = client.run_build(planned)

    assert not before
    assert [f"oci-archive:{home / 'a.tar'}", f"{registry.host}/app:1"] == preview(planned)["send"]
    digest = report.built.root.digest
    assert digest == client.digest(f"oci-archive:{home / 'a.tar'}:1") == client.digest(f"{registry.host}/app:1")
    assert [str(home / "a.tar")] == list(map(str, earlier_outputs(client.workspace.machine.memo)))


def test_what_a_push_wrote_is_no_input_of_the_next_build(client, project):
    words = {"toolchain": "prebuilt", "platforms": "linux/amd64", "copy": ".:/srv/"}
    before = client.build(project, **words)
    with pytest.raises(UsageError, match="where should the build go"):
        client.push(before)
    client.push(before, f"oci-archive:{project / 'app.tar'}")

    assert before.root.digest == client.build(project, **words).root.digest


def test_a_push_without_a_name_is_refused_by_the_plan(client, project):
    request = BuildRequest(project, toolchain="prebuilt", outputs=BuildOutputs(push=True))

    with pytest.raises(ocitool.OcitoolError, match="--push needs a name"):
        client.plan_build(request)


@pytest.mark.slow
def test_a_draft_is_kept_until_it_is_pushed(client, layout, registry):
    for arch in ("amd64", "arm64"):
        client.copy(f"{layout}:{arch}", f"{registry.host}/app:{arch}")
    draft = client.draft(f"{registry.host}/app:list")

    draft.create(f"{registry.host}/app:amd64")
    draft.create(f"{registry.host}/app:arm64", amend=True)
    client.apply(draft.plan_push(draft.drawn()))

    found = client.inspect(f"{registry.host}/app:list").images
    assert {"linux/amd64", "linux/arm64/v8"} == {str(image.platform) for image in found}
    draft.remove()
    with pytest.raises(ocitool.OcitoolError, match="No such manifest"):
        draft.loaded()


def test_a_login_is_kept_where_it_says_and_forgotten(layout, registry_with_auth, tmp_path):
    here = registry_with_auth
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    with ocitool.Client(environ=environ, cache_dir=tmp_path / "store") as client:
        with pytest.raises(ocitool.OcitoolError) as caught:
            client.log_in(here.host, here.user, "wrong")
        kept = client.log_in(here.host, here.user, here.password)
    with ocitool.Client(environ=environ, cache_dir=tmp_path / "store") as client:
        client.copy(f"{layout}:app", f"{here.repository()}:1")
        forgotten = client.log_out(here.host)

    assert "auth" == caught.value.code
    assert str(tmp_path / ".docker" / "config.json") == kept == forgotten
    assert here.host not in (tmp_path / ".docker" / "config.json").read_text()


@pytest.mark.slow
def test_a_registry_and_this_machine_are_examined(client, registry, project):
    assert client.examine(registry.host).speaks_v2
    assert "prebuilt" == client.diagnose(project, "linux/amd64", toolchain="prebuilt").toolchain


ZEROS = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: c.plan_copy("oci:images:app", "oci:new:1", sparse=True), "--sparse goes with --platform"),
        (lambda c: c.plan_undo("oci:images", prune=True, to=ZEROS), "--prune takes back a whole prune"),
        (lambda c: c.plan_undo("oci:images:app", to=ZEROS, drop_referrers=True), "--to names what REF is to hold"),
        (
            lambda c: c.verify("oci:images:app", policy="policy.toml", recursive=True),
            "the policy says what is asked",
        ),
        (lambda c: c.index("").create("oci:images:app"), "where should the index go"),
        (lambda c: c.index("oci:images:app").tag("a b"), "not a tag: 'a b'"),
        (lambda c: c.index("oci:images:app").tag("oci:other:2"), "oci:other:2 is not in oci:images"),
        (lambda c: c.index("oci:images:app").tag(f"oci:images@{ZEROS}"), "is a digest, not a tag to write to"),
        (lambda c: c.repository("oci:images:new").put_manifest("{}"), "a manifest is given as bytes"),
        (lambda c: c.repository("oci:images").prune(keep_last=1, unknown_age="no"), "unknown_age is given as 'no'"),
        (lambda c: c.plan_detach("oci:images:app"), "what should be detached"),
    ],
)
def test_what_the_command_line_cannot_say_is_refused_in_words(client, home, call, said):
    (home / "policy.toml").write_text('version = 1\ndefault = "accept"\n')

    with pytest.raises(UsageError, match=said):
        call(client)

    assert {"images", "policy.toml", ".cache"} >= {path.name for path in home.iterdir()}


def test_the_bytes_of_a_blob_are_put(client, layout):
    client.apply(client.repository(layout).put_blob(b"bytes of a blob"))

    with client.blob(f"{layout}@{ocitool.Digest.of(b'bytes of a blob')}") as pieces:
        assert b"bytes of a blob" == b"".join(pieces)


def test_what_an_image_lacks_of_a_platform_that_it_also_runs_on_is_told(layout):
    told = []
    with ocitool.Client(listener=told.append) as opened:
        assert ["hello"] == list(opened.files(f"{layout}:app", "linux/arm64/v9"))

    assert ["app has no linux/arm64/v9; linux/arm64/v8 is what such a host runs"] == [
        one.text.removeprefix("oci:images:") for one in told if "has no" in getattr(one, "text", "")
    ]
