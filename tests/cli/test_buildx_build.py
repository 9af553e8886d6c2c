"""`ocitool buildx build`: outputs, annotations and answers by buildx's words."""

import json
import tarfile
from pathlib import Path

import pytest

from ocitool.store.layout import LayoutStore
from tests.fakes.busybox import put_busybox
from tests.fakes.certificates import Authority
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward, member, tar

BOTH = "linux/amd64,linux/arm64"


@pytest.fixture
def buildx(home, run, monkeypatch):
    """`buildx(*flags)`: a build of a Dockerfile with one file for each platform, in the current folder."""
    monkeypatch.chdir(home)
    for arch in ("amd64", "arm64"):
        (home / arch).write_text(arch)
    (home / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY --chmod=755 ${TARGETARCH} /bin/app\n")

    def call(*flags, platform=BOTH, path=".", stdin=b""):
        return run("buildx", "build", "--platform", platform, *flags, path, stdin=stdin)

    return call


def manifests(folder):
    """The root in a layout, and the manifests below it by architecture."""
    store = LayoutStore(folder)
    root = store.get_manifest("1").tree()
    children = {
        entry["platform"]["architecture"]: store.get_manifest(entry["digest"]).tree()
        for entry in root.get("manifests", ())
    }
    return root, children


def test_annotations_are_for_the_manifests_and_make_them_oci(home, buildx):
    done = buildx(
        *("--annotation", "all=1", "--annotation", "index:top=2", "--annotation", "manifest[linux/arm64]:one=3"),
        *("--annotation", "manifest-descriptor:entry=4", "-o", "oci:out:1"),
    )

    assert 0 == done.exit_code, done.stderr
    root, children = manifests(home / "out")
    assert {"top": "2"} == root["annotations"]
    assert {"amd64": {"all": "1"}, "arm64": {"all": "1", "one": "3"}} == {
        arch: tree["annotations"] for arch, tree in children.items()
    }
    assert [{"entry": "4"}, {"entry": "4"}] == [entry["annotations"] for entry in root["manifests"]]


def test_annotations_of_build_are_for_the_root_also_of_one_image(home, buildx, run):
    flags = ("--annotation", "a=b", "--format", "oci", "-o", "oci:out:1")

    assert 0 == run("build", ".", "--platform", "linux/amd64", *flags).exit_code
    assert {"a": "b"} == manifests(home / "out")[0]["annotations"]
    assert 0 == run("build", ".", "--platform", BOTH, *flags).exit_code
    root, children = manifests(home / "out")
    assert {"a": "b"} == root["annotations"]
    assert [False, False] == ["annotations" in tree for tree in children.values()]


def test_files_of_every_platform_in_folders_of_their_own(home, buildx):
    assert 0 == buildx("-o", "type=local,dest=out").exit_code
    assert 0 == buildx("-o", "one", platform="linux/arm64").exit_code

    assert "amd64" == (home / "out/linux_amd64/bin/app").read_text()
    assert "arm64" == (home / "out/linux_arm64/bin/app").read_text() == (home / "one/bin/app").read_text()
    assert 0o755 == (home / "one/bin/app").stat().st_mode & 0o7777


def test_files_of_an_image_upon_another(home, buildx):
    """The base's layers are fetched: links, owners' modes and its files stand beside those of the Dockerfile."""
    put_busybox(LayoutStore(home / "base", create=True), "1")
    (home / "Dockerfile").write_text("FROM bb\nARG TARGETARCH\nCOPY ${TARGETARCH} /bin/app\n")

    done = buildx("-o", "out", "--build-context", "bb=oci-layout://base:1")

    assert 0 == done.exit_code, done.stderr
    for platform, arch in (("linux/amd64", "amd64"), ("linux/arm64", "arm64")):
        root = home / "out" / platform.replace("/", "_")
        assert Path("usr/bin") == (root / "bin").readlink()
        assert arch == (root / "usr/bin/app").read_text()
        assert f"#!/busybox for {platform}\n" == (root / "usr/bin/sh").read_text()
        assert 0o1777 == (root / "tmp").stat().st_mode & 0o7777


def test_files_of_two_platforms_do_not_go_into_one_folder(home, buildx):
    done = buildx("-o", "type=local,dest=out,platform-split=false")

    assert (9, True) == (done.exit_code, "the files of 2 platforms do not go into one folder out" in done.stderr)
    assert not (home / "out").exists()


def test_devices_of_a_base_are_left_out_of_a_folder_and_told(home, buildx):
    layer = tar(member("dev/null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3), member("etc/a"))
    Ward(LayoutStore(home / "base", create=True)).image(layers=[layer], tag="1")
    (home / "Dockerfile").write_text("FROM bb\nCOPY amd64 /b\n")

    done = buildx("-o", "out", "--build-context", "bb=oci-layout://base:1", platform="linux/amd64")

    assert 0 == done.exit_code, done.stderr
    assert "1 devices or links to nothing of linux/amd64 left out" in done.stderr
    assert (True, False) == ((home / "out/etc/a").is_file(), (home / "out/dev/null").exists())


def test_a_folder_that_is_taken_is_refused_before_the_build(home, buildx):
    (home / "out/linux_arm64").mkdir(parents=True)
    (home / "out/linux_arm64/mine").write_text("")

    done = buildx("-o", "out", "-o", "oci:lay:1")

    assert 2 == done.exit_code
    assert "out/linux_arm64 is there and not empty" in done.stderr
    assert not (home / "lay").exists()


def test_a_tar_of_several_platforms_has_a_folder_for_each(home, buildx):
    """As buildx has it, whatever platform-split says."""
    done = buildx("-o", "type=tar,platform-split=false,dest=out.tar")

    assert 0 == done.exit_code, done.stderr
    with tarfile.open(home / "out.tar") as archive:
        assert ["linux_amd64", "linux_arm64"] == [name for name in archive.getnames() if "/" not in name]
        assert b"arm64" == archive.extractfile("linux_arm64/bin/app").read()
        assert b"amd64" == archive.extractfile("linux_amd64/bin/app").read()


def test_a_tar_of_files_of_one_platform(home, buildx, ocitool):
    assert 0 == buildx("-o", "type=tar,dest=out.tar", platform="linux/arm64").exit_code
    streamed = ocitool("buildx", "build", "--platform", "linux/arm64", "-o", "-", ".")

    with tarfile.open(home / "out.tar") as archive:
        assert b"arm64" == archive.extractfile("bin/app").read()
    assert (home / "out.tar").read_text() == streamed.stdout


def test_a_dockerfile_on_standard_input_has_no_files(buildx):
    text = b"FROM scratch\nLABEL a=b\n"

    assert 0 == buildx(path="-", stdin=text).exit_code
    copied = buildx(path="-", stdin=b"FROM scratch\nCOPY amd64 /\n")
    assert (3, True) == (copied.exit_code, "no amd64 in the context" in copied.stderr)
    assert "hint: the Dockerfile came alone; a folder and -f - give it files" in copied.stderr
    assert 2 == buildx("-f", "-", path="-", stdin=text).exit_code


def test_contexts_that_are_elsewhere_are_refused_with_a_way_out(buildx):
    for path in ("https://git.test/a/b.git", "git@git.test:a/b", "github.com/a/b#main", "a/b.git"):
        done = buildx(path=path)
        assert (9, True) == (done.exit_code, "git clone" in done.stderr), path


def test_quiet_prints_the_image_id(home, buildx):
    one = buildx("-q", "--iidfile", "iid", platform="linux/arm64")
    several = buildx("-q", "--metadata-file", "meta")

    assert (home / "iid").read_text() + "\n" == one.stdout
    assert json.loads((home / "meta").read_text())["containerimage.digest"] + "\n" == several.stdout
    assert "" == one.stderr == several.stderr


def test_an_empty_name_of_a_file_writes_none(home, buildx):
    before = {place.name for place in home.iterdir()}

    assert 0 == buildx("--iidfile", "", "--metadata-file", "").exit_code
    assert before | {".cache"} == {place.name for place in home.iterdir()}
    assert 10 == buildx("--iidfile", ".").exit_code


def test_what_docker_would_load_stays_in_this_machines_store_where_no_engine_is_wanted(buildx, run):
    done = buildx("--load", "-t", "reg.test/app:1")

    assert (0, False) == (done.exit_code, "note:" in done.stderr)
    assert "reg.test/app:1" in run("images").stdout


def test_a_build_that_goes_nowhere_says_that_it_was_not_pushed(buildx):
    told = "note: without --push the image is only kept in this machine's store; ocitool push publishes it\n"

    assert 1 == buildx("-t", "reg.test/app:1").stderr.count(told)
    for elsewhere in ("type=oci,dest=out.tar", "type=cacheonly"):
        assert 0 == buildx("-t", "reg.test/app:1", "-o", elsewhere).stderr.count(told), elsewhere


def test_a_push_by_digest_writes_no_tag(buildx, run):
    """As in docker's own example of a build on several machines, whose results are merged later."""
    with fake_registry() as registry:
        output = f"type=image,name={registry.host}/app,push-by-digest=true,name-canonical=true,push=true"

        done = buildx("--output", output, "--metadata-file", "meta", platform="linux/arm64")

        assert 0 == done.exit_code, done.stderr
        name, _, digest = done.stdout.strip().partition("@")
        assert (f"{registry.host}/app", "") == (name, run("tags", name).stdout)
        other = buildx("--output", output, platform="linux/amd64").stdout.strip()
        merged = run("index", "create", f"{name}:1", f"{name}@{digest}", other, "--json")
        assert 0 == merged.exit_code, merged.stderr
        entries = json.loads(run("inspect", f"{name}:1", "--raw").stdout)["manifests"]
        assert [("arm64", digest), ("amd64", other.partition("@")[2])] == [
            (entry["platform"]["architecture"], entry["digest"]) for entry in entries
        ]


def test_each_reason_is_told_once_and_other_attestations_are_refused(buildx):
    done = buildx("--memory", "1g", "--cgroup-parent", "a", "--builder", "b")

    notes = [line for line in done.stderr.splitlines() if line.startswith("note:")]
    assert ["note: --builder: there is no builder: ", "note: --cgroup-parent, --memory: "] == sorted(
        note[: note.rindex(": ", 0, 45) + 2] for note in notes
    )
    for flag in ("--sbom=generator=x", "--provenance=version=v0.2", "--attest=type=vex"):
        refused = buildx(flag)
        assert (9, True) == (refused.exit_code, "hint: leave" in refused.stderr)
    assert 0 == buildx("--provenance=false", "--sbom=false", "--pull=true", "--load=false").exit_code


def test_an_unknown_flag_is_told_the_nearest(buildx):
    done = buildx("--platfrom", "x")

    assert 2 == done.exit_code
    assert "--platform" in done.stderr


def test_it_builds_the_dockerfile_and_nothing_else(home, buildx, run):
    (home / "Dockerfile").unlink()
    (home / "go.mod").write_text("module x\n")

    assert 3 == buildx().exit_code
    assert 2 == run("buildx", "build").exit_code


def test_a_push_by_digest_takes_no_tag(buildx):
    done = buildx("-o", "type=image,push-by-digest=true,push=true", "-t", "reg.test/app:1")

    assert 2 == done.exit_code
    assert "push-by-digest=true writes no tag, and reg.test/app:1 has one" in done.stderr


def test_the_metadata_file_has_the_fields_of_buildx(home, buildx):
    assert 0 == buildx("--metadata-file", "one", "-t", "user/app:1", platform="linux/arm64").exit_code
    assert 0 == buildx("--metadata-file", "two", "-t", "user/app:1").exit_code

    one, two = (json.loads((home / name).read_text()) for name in ("one", "two"))
    assert {"architecture": "arm64", "os": "linux"} == one["containerimage.descriptor"]["platform"]
    assert one["containerimage.digest"] == one["containerimage.descriptor"]["digest"]
    assert one["containerimage.config.digest"] == one["ocitool"]["platforms"][0]["config"]
    assert "docker.io/user/app:1" == one["image.name"] == two["image.name"]
    assert "containerimage.config.digest" not in two
    assert "platform" not in two["containerimage.descriptor"]


def test_variables_and_arguments_that_speak_to_the_builder(home, buildx, run, monkeypatch):
    monkeypatch.setenv("DOCKER_DEFAULT_PLATFORM", "linux/riscv64")
    (home / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    control = ("--build-arg", "SOURCE_DATE_EPOCH=1700000000", "--build-arg", "BUILDKIT_MULTI_PLATFORM=1")

    done = run("buildx", "build", ".", *control, "-o", "oci:out:1")

    assert (0, False) == (done.exit_code, "declared by no ARG" in done.stderr)
    assert ["riscv64"] == list(manifests(home / "out")[1])
    assert "2023-11-14T22:13:20Z" in run("inspect", "oci:out:1", "--config").stdout


def test_a_spec_file_that_says_more_than_the_dockerfile_may_is_named(home, buildx):
    (home / "ocitool.toml").write_text('files = ["amd64:/x"]\n')

    done = buildx()

    assert 2 == done.exit_code
    assert "a list of files in ocitool.toml has no place beside a Dockerfile" in done.stderr


def test_a_docker_archive_of_several_platforms_is_refused_before_the_build(home, buildx):
    done = buildx("-o", "type=docker,dest=out.tar", "-o", "type=oci,dest=all.tar")

    assert 9 == done.exit_code
    assert "docker-archive:out.tar holds one platform, and 2 are built" in done.stderr
    assert not (home / ".cache/ocitool/content").exists()


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("--build-arg", "=x"), 2, "--build-arg '=x' names no argument"),
        (("--build-context", "x"), 2, "--build-context 'x' is not KEY=VALUE"),
        (("--build-context", "x="), 2, "--build-context x= says no place"),
        (("--build-context", "x=nosuch"), 3, "no folder nosuch for context x"),
        (("--build-context", "x=amd64"), 3, "no folder amd64 for context x"),
        (("--build-context", "Xy=."), 2, "--build-context Xy: "),
        (("-o", "type=tar,dest=.", "--platform", "linux/arm64"), 2, "is a folder, and a tar is a file"),
        (("--target", "2"), 3, "it has 0 (without a name)"),
    ],
)
def test_words_that_mean_nothing_are_said_before_the_build(flags, code, said, buildx):
    done = buildx(*flags, platform="linux/arm64")

    assert (code, True) == (done.exit_code, said in done.stderr), done.stderr
    assert "layer" not in done.stderr


def test_a_push_that_takes_platforms_from_a_tag_says_so(buildx, run):
    """K038: of two jobs of a matrix that push one tag the last would win without a word."""
    with fake_registry() as registry:
        name = f"{registry.host}/app:1"
        first = buildx("--push", "-t", name)
        smaller = buildx("--push", "-t", name, platform="linux/arm64/v8")
        again = buildx("--push", "-t", name, platform="linux/arm64/v8")
        whole = buildx("--push", "-t", name)

    said = f"warning: {name} holds linux/amd64 now and will not any more"
    assert [False, True, False, False] == [said in done.stderr for done in (first, smaller, again, whole)]
    assert [0] * 4 == [done.exit_code for done in (first, smaller, again, whole)]


def test_a_push_of_what_was_kept_says_it_too(buildx, run):
    """K038: `push` after `build -t`."""
    with fake_registry() as registry:
        name = f"{registry.host}/app:1"
        buildx("--push", "-t", name)
        buildx("-t", name, platform="linux/amd64")
        smaller = run("push", name)

    assert 0 == smaller.exit_code, smaller.stderr
    assert f"warning: {name} holds linux/arm64 now and will not any more" in smaller.stderr


def test_a_name_that_is_given_twice_is_written_once(buildx, run):
    with fake_registry() as registry:
        name = f"{registry.host}/app"

        done = buildx("--push", "-t", name, "-t", f"{name}:latest", "-t", f"{name}:2")

    assert [f"{name}:latest", f"{name}:2"] == [line.partition("@")[0] for line in done.stdout.split("\n")[:2]]


def test_docker_has_a_short_word_for_it(home, run, buildx):
    buildx()

    assert 0 == run("buildx", "b", "--platform", "local", "-o", "type=tar,dest=new/folder/x.tar", ".").exit_code
    assert (home / "new/folder/x.tar").is_file()


def test_what_a_scripts_empty_variable_leaves_is_nothing(buildx, run):
    assert 0 == buildx("-o", "", "--annotation", "").exit_code
    assert 2 == run("build", ".", "-o", "").exit_code


def test_an_output_that_says_so_goes_to_a_registry_whose_certificate_nobody_vouches_for(home, buildx, tmp_path):
    with fake_registry(tls=Authority(tmp_path / "ca").context()) as registry:
        output = f"type=registry,name={registry.host}/app:1"

        refused = buildx("-o", output, platform="linux/arm64")
        done = buildx("-o", f"{output},registry.insecure=true", platform="linux/arm64")

        assert (5, 0) == (refused.exit_code, done.exit_code), done.stderr
        assert [("app", "1")] == list(registry.tags)
