"""`rebase`: what is put onto a newer base is what a build over that makes, byte for byte, or it is said why not."""

import json
from pathlib import Path

import pytest

from ocitool.image.base_note import DIGEST, NAME, READS
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from tests.fakes.programs import Elf
from tests.fakes.sick import MACHINES, member, tar

PLATFORMS = ("linux/amd64", "linux/arm64")
PASSWD = b"root:x:0:0::/:/bin/sh\nweb:x:7:7::/:/bin/sh\n"


def folder(name, mode=0o755, **fields):
    return member(name, b"", type=b"5", mode=mode, **fields)


def link(name, target):
    return member(name, b"", type=b"2", linkname=target)


def program(platform):
    return Elf(machine=MACHINES[platform.partition("/")[2]]).build()


def members(platform, version, *, passwd=PASSWD, opt=0o755, lib=True, extra=()):
    """A small distribution, whose release says which one it is."""
    found = [
        folder("usr"),
        folder("usr/bin"),
        member("usr/bin/sh", program(platform), mode=0o755),
        link("bin", "usr/bin"),
        folder("etc"),
        member("etc/release", version.encode()),
        member("etc/passwd", passwd),
        folder("opt", opt),
    ]
    return [*found, *([link("lib", "usr/bin")] if lib else []), *extra]


def settings(version, **more):
    return {
        "Env": ["PATH=/usr/bin:/bin", f"VERSION={version}", "TZ=UTC"],
        "Cmd": ["sh"],
        "WorkingDir": "/",
        "Labels": {"release": version, "vendor": "x"},
        **more,
    }


@pytest.fixture
def base(ward, registry):
    """`base("1")`: let base:1 hold an image of two layers for each platform, whose words and files can be said."""
    repository = ward(f"{registry.host}/base")

    def put(version, *, says=None, top=None, **files):
        def config(tree):
            tree["created"] = f"2026-01-0{version}T00:00:00Z"
            tree["config"] = settings(version) | (says or {})
            tree["config"] = {key: value for key, value in tree["config"].items() if value is not None}
            tree["history"] = [
                {"created": f"2026-01-0{version}T00:00:00Z", "created_by": "base"},
                {"created_by": "CMD", "empty_layer": True},
                {"created_by": "RUN security"},
            ]
            tree.update(top or {})

        entries = [
            repository.image(
                one,
                layers=[tar(*members(one, version, **files)), tar(member("etc/fixed", version.encode()))],
                config=config,
            )
            for one in PLATFORMS
        ]
        repository.index(*entries)

    return put


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with files for both platforms."""
    monkeypatch.chdir(tmp_path)
    for platform in PLATFORMS:
        arch = platform.partition("/")[2]
        (tmp_path / arch).write_bytes(program(platform))
        (tmp_path / arch).chmod(0o755)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "a").write_text("a")
    return tmp_path


def held(tag):
    return LayoutStore(Path("app")).head(tag).digest


@pytest.fixture
def build(run, project, registry):
    """`build(words, tag)`: build upon base:1, push and give the digest."""

    def call(how, tag="1", *flags):
        base = f"{registry.host}/base:1"
        words = ["--platform", ",".join(PLATFORMS), "-o", f"oci:app:{tag}", *flags]
        if isinstance(how, str):
            (project / "Dockerfile").write_text(how.replace("BASE", base))
            words += ["-f", "Dockerfile"]
        else:
            words += ["--toolchain", "prebuilt", "--base", base, *how]
        done = run("build", ".", *words)
        assert 0 == done.exit_code, done.stderr
        return held(tag)

    return call


COPIES = ("--copy", "{arch}:/bin/app:755", "--copy", "conf:/etc/app/")
PROJECTS = {
    "files": COPIES,
    "settings": (
        *(*COPIES, "--entrypoint", "/bin/app", "--cmd", "serve", "--env", "TZ=UTC", "--env", "A=b c"),
        *("--user", "7:7", "--workdir", "/srv", "--expose", "80", "--volume", "/data", "--stop-signal", "SIGINT"),
        *("--label", "vendor=x", "--label", "a=1"),
    ),
    "entrypoint": (*COPIES, "--entrypoint", "/bin/app"),
    "annotated": (*COPIES, "--annotation", "manifest:b=c", "--annotation", "index:a=b"),
    "extras": (*COPIES, "--with", "passwd,tmp", "--user", "nonroot"),
    "labels": (*COPIES, "--label", "release=1"),
}
DOCKERFILES = {
    "copy": "FROM BASE\nARG TARGETARCH\nCOPY $TARGETARCH /bin/app\nCOPY conf /etc/app/\n",
    "settings": (
        "FROM BASE\nARG TARGETARCH\nENV TZ=UTC A=b\nENV Z=$A\nLABEL vendor=x z=1 b=2\nCOPY --chown=web:7 conf /opt/conf\n"
        'WORKDIR /srv\nUSER web\nEXPOSE 80\nVOLUME /data\nSTOPSIGNAL SIGINT\nENTRYPOINT ["/bin/sh"]\n'
    ),
    "command": 'FROM BASE\nCOPY conf /c\nCMD ["sh"]\nHEALTHCHECK CMD true\n',
    "add": "FROM BASE\nADD conf/a /lib/\nWORKDIR /srv/x\nWORKDIR y\nCOPY conf/a b\nONBUILD RUN x\nMAINTAINER me\n",
    "stages": "FROM BASE AS one\nENV A=1\nCOPY conf /c\nFROM one\nENV B=$A\nARG NOBODY=\nUSER $NOBODY\n",
    "link": "FROM BASE\nCOPY --link conf /opt/conf/\n",
    "nothing": "FROM BASE\n",
    "labels": "FROM BASE\nLABEL release=1\nCOPY conf /c\n",
}
MOVES = {
    "files": {},
    "settings": {
        "says": {
            "Cmd": ["sh", "-x"],
            "Entrypoint": ["/bin/sh"],
            "Env": ["A=base", "VERSION=2", "PATH=/usr/bin:/bin", "NEW=1"],
            "Labels": {"release": "2", "zoo": "y", "a": "1"},
            "ExposedPorts": {"443/tcp": {}},
            "Volumes": {"/data": {}},
            "StopSignal": "SIGQUIT",
            "Healthcheck": {"Test": ["NONE"]},
        },
        "top": {"author": "somebody", "own": {"kept": 1.0}},
    },
    "user": {"says": {"User": "3"}},
    "less": {
        "says": {"Cmd": None, "Labels": None, "Env": ["VERSION=2", "PATH=/usr/bin:/bin"], "WorkingDir": ""},
        "top": {"container": "x", "docker_version": "1"},
    },
}


CASES = [
    pytest.param(how, move, id=f"{name}-{move}")
    for name, how in (*PROJECTS.items(), *((f"dockerfile {name}", how) for name, how in DOCKERFILES.items()))
    for move in MOVES
    if move == "settings" or how in {PROJECTS["settings"], DOCKERFILES["copy"]}
]


@pytest.mark.parametrize(("how", "move"), CASES)
def test_it_is_what_a_build_over_the_new_base_makes(run, base, build, how, move):
    base("1", says={"Labels": {"release": "1", "vendor": "x"}})
    first = build(how)
    base("2", **MOVES[move])

    done = run("rebase", "oci:app:1")

    fresh = build(how, "fresh")
    assert 0 == done.exit_code, done.stderr
    assert first != fresh
    assert fresh == held("1"), run("diff", "oci:app:1", "oci:app:fresh").stdout


READ = {
    "PATH": (
        "FROM BASE\nENV PATH=/x:$PATH\nCOPY conf /c\n",
        {"says": {"Env": ["PATH=/bin"]}},
        "variable PATH, which was '/usr/bin:/bin' and is '/bin'",
    ),
    "a variable that was not set": (
        "FROM BASE\nENV A=${NEW:+x}\nCOPY conf /c\n",
        {"says": {"Env": ["PATH=/usr/bin:/bin", "NEW=1"]}},
        "variable NEW, which was not set and is '1'",
    ),
    "accounts": (
        "FROM BASE\nCOPY --chown=web conf /c\n",
        {"passwd": b"web:x:8:8::/:/bin/sh\n"},
        "account web, which was 7:7 and is 8:8",
    ),
    "a user that is gone": (
        (*COPIES, "--user", "web"),
        {"passwd": b""},
        "account web, which was 7:7 and is not there",
    ),
    "a link that is gone": (
        "FROM BASE\nCOPY conf/a /lib/\n",
        {"lib": False},
        "/lib was a link to usr/bin and is not there",
    ),
    "a link that is new": (
        "FROM BASE\nCOPY conf /srv\n",
        {"extra": [link("srv", "opt")]},
        "/srv was not there and is a link to opt",
    ),
    "a directory's mode": (
        (*COPIES, "--copy", "conf:/opt/conf/"),
        {"opt": 0o700},
        "/opt was a directory (0755 0:0) and is a directory (0700 0:0)",
    ),
    "a directory of WORKDIR": (
        "FROM BASE\nWORKDIR /opt\nCOPY conf /c\n",
        {"extra": [link("opt", "usr")]},
        "/opt was a directory (0755 0:0) and is a link to usr",
    ),
    "another stage": (
        "FROM BASE AS one\nFROM BASE\nCOPY --from=one /etc/release /r\n",
        {},
        "another stage stands on the same base, or files are copied from it",
    ),
    "triggers": (
        "FROM BASE\nCOPY conf /c\n",
        {"says": {"OnBuild": ["ENV A=1"]}},
        "OnBuild of its config, which is not the same in the new one",
    ),
    "a working directory": (
        "FROM BASE\nCOPY conf c\n",
        {"says": {"WorkingDir": "/opt"}},
        "its working directory, which was / and is /opt",
    ),
    "a user": ("FROM BASE\nWORKDIR /x\n", {"says": {"User": "3"}}, "its user, which was root and is 3"),
    "a shell": (
        "FROM BASE\nCOPY conf /c\nCMD x\n",
        {"says": {"Shell": ["/bin/ash", "-c"]}},
        "Shell of its config, which is not the same in the new one",
    ),
    "what it starts": (
        'FROM BASE\nCOPY conf /c\nENTRYPOINT ["sh"]\n',
        {"says": {"Env": ["PATH=/sbin"]}},
        "the program that it starts: sh is in no folder of the PATH",
    ),
    "what --with looks for": (
        (*COPIES, "--with", "tmp"),
        {"extra": [folder("tmp", 0o1777)]},
        "/tmp, which is there now, and --with tmp asks for it",
    ),
    "the accounts that --with adds to": (
        (*COPIES, "--with", "passwd", "--user", "app"),
        {"passwd": PASSWD + b"other:x:1000:1000::/:/\n"},
        "its accounts, which --with passwd adds to",
    ),
}


@pytest.mark.parametrize(("how", "move", "what"), READ.values(), ids=READ)
def test_what_the_build_read_is_named_and_needs_force(run, base, build, how, move, what):
    base("1")
    first = build(how)
    base("2", **move)

    refused = run("rebase", "oci:app:1")
    there = held("1")
    forced = run("rebase", "oci:app:1", "--force")

    assert (2, first) == (refused.exit_code, there)
    assert what in refused.stderr
    assert "\n  linux/amd64, linux/arm64: " in refused.stderr
    assert "--force" in refused.stderr
    assert 0 == forced.exit_code, forced.stderr
    assert what in forced.stderr
    assert first != held("1")


def test_run_is_named_whoever_ran_it(run, base, ward, registry, tmp_path):
    """Of an image of other builders history tells, which also knows layers that nothing explains."""
    base("1")
    lowest = view(ward(f"{registry.host}/base").store.get_manifest("1"))
    app = ward(f"{registry.host}/app")
    layers = [tar(*members("linux/amd64", "1")), tar(member("etc/fixed", b"1"))]

    def config(tree):
        tree["config"] = settings("1")
        tree["history"] = [
            {"created": "2026-01-01T00:00:00Z", "created_by": "base"},
            {"created_by": "CMD", "empty_layer": True},
            {"created_by": "RUN security"},
            {"created_by": "RUN /bin/sh -c make # buildkit", "comment": "buildkit.dockerfile.v0"},
            {"created_by": "/bin/sh -c apt-get upgrade"},
            {"created_by": "bazel build ..."},
        ]

    def manifest(tree):
        tree["annotations"] = {NAME: f"{registry.host}/base:1", DIGEST: str(lowest.document.digest)}

    app.image(
        "linux/amd64",
        layers=[*layers, *(tar(member(name)) for name in "abc")],
        config=config,
        manifest=manifest,
        tag="1",
    )
    base("2")

    done = run("rebase", f"{registry.host}/app:1")

    assert 2 == done.exit_code
    for line in ("RUN /bin/sh -c make # buildkit", "RUN /bin/sh -c apt-get upgrade", "bazel build ..."):
        assert f"linux/amd64: {line}  may have read any of its files" in done.stderr


def annotations(tag="1"):
    return [dict(one.annotations) for one in (view(LayoutStore(Path("app")).get_manifest(tag)), *manifests(tag))]


def manifests(tag="1"):
    store = LayoutStore(Path("app"))
    return [view(store.get_manifest(str(one.digest))) for one in view(store.get_manifest(tag)).entries]


def test_images_and_their_index_say_what_they_are_built_upon(base, build, ward, registry):
    base("1")
    digest = ward(f"{registry.host}/base").store.head("1").digest

    build("FROM BASE\nARG A=1\nENV B=$A PATH=/x:$PATH\nCOPY conf /c\n")

    said = {NAME: f"{registry.host}/base:1", DIGEST: str(digest)}
    assert [said, *[said | {READS: '["env:PATH"]'}] * 2] == annotations()


@pytest.mark.parametrize("how", [COPIES, DOCKERFILES["copy"]], ids=["project", "dockerfile"])
def test_no_base_annotations_are_written_where_nobody_wants_them(base, build, project, how):
    base("1")
    build(how, "1", "--no-base-annotations")
    build(how, "own", "--annotation", f"manifest:{NAME}=mine")
    (project / "ocitool.toml").write_text("base-annotations = false\n")
    build(how, "spec")

    assert [{}] * 3 == annotations() == annotations("spec")
    assert ["mine"] * 2 == [one[NAME] for one in annotations("own")[1:]]


def test_a_base_of_this_machine_has_a_digest_and_no_name(run, base, build, project, registry):
    base("1")
    assert 0 == run("copy", f"{registry.host}/base:1", "oci:mine:1").exit_code

    done = run("build", ".", "--toolchain", "prebuilt", "--base", "oci:mine:1", *COPIES, "-o", "oci:app:1")

    assert 0 == done.exit_code, done.stderr
    digest = LayoutStore(Path("mine")).head("1").digest
    assert [{DIGEST: str(digest)}] * 3 == [{k: v for k, v in one.items() if k != READS} for one in annotations()]
    assert b"mine" not in LayoutStore(Path("app")).get_manifest("1").raw


def test_docker_manifests_say_nothing_and_are_rebased_by_words(run, base, build, registry):
    base("1")
    assert 0 == run("copy", f"{registry.host}/base:1", f"{registry.host}/base:old").exit_code
    how = ("--copy", "conf:/c/", "--format", "docker")
    build(how)
    unnamed = run("rebase", "oci:app:1")
    base("2")

    done = run(
        "rebase", "oci:app:1", "--old-base", f"{registry.host}/base:old", "--new-base", f"{registry.host}/base:1"
    )

    assert 2 == unnamed.exit_code
    assert "--old-base" in unnamed.stderr
    assert 0 == done.exit_code, done.stderr
    assert build(how, "fresh") == held("1")


def test_status_tells_what_moved(run, base, build, registry):
    base("1")
    build(COPIES)
    before = run("base", "status", "oci:app:1")
    base("2")

    after = run("base", "status", "oci:app:1", "--json")
    done = run("rebase", "oci:app:1")
    again = run("rebase", "oci:app:1")

    assert (0, 2) == (before.exit_code, before.stdout.count(" current\n")), before.stdout
    assert 1 == after.exit_code
    images = json.loads(after.stdout)["data"]["images"]
    assert [("moved", True, f"{registry.host}/base:1")] * 2 == [
        (one["state"], one["underneath"], one["base"]["name"]) for one in images
    ]
    assert 0 == done.exit_code, done.stderr
    assert "nothing to change" in again.stderr
    assert 0 == run("base", "status", "oci:app:1").exit_code


def test_a_base_that_is_not_underneath_is_told_and_refused(run, base, build, ward, registry):
    base("1")
    first = build(COPIES)
    ward(f"{registry.host}/other").image("linux/amd64", layers=[tar(member("a"))], tag="1")
    other = f"{registry.host}/other:1"

    status = run("base", "status", "oci:app:1", "--base", other, "--platform", "linux/amd64")
    refused = run("rebase", "oci:app:1", "--old-base", other, "--platform", "linux/amd64")

    assert (1, True) == (status.exit_code, "moved" in status.stdout)
    assert (2, first) == (refused.exit_code, held("1"))
    assert f"{other} is not underneath the image" in refused.stderr


def test_status_of_images_that_name_no_base(run, base, build, registry):
    base("1")
    build(COPIES, "1", "--no-base-annotations")
    said = (("no base is named", 0, ()), ("current", 0, ("--base", f"{registry.host}/base:1")))
    for word, code, words in said:
        done = run("base", "status", "oci:app:1", *words)

        assert (code, 2) == (done.exit_code, done.stdout.count(f"{word}\n")), done.stdout
    base("2")

    moved = run("base", "status", "oci:app:1", "--base", f"{registry.host}/base:1")

    assert (1, 2) == (moved.exit_code, moved.stdout.count("not underneath\n"))


def test_some_images_move_and_the_index_speaks_for_all_no_more(run, base, build, registry):
    base("1")
    build(COPIES)
    old = registry.tags["base", "1"]
    base("2")

    done = run("rebase", "oci:app:1", "--platform", "linux/arm64")

    assert 0 == done.exit_code, done.stderr
    index, *images = annotations()
    assert {} == index
    assert {old, registry.tags["base", "1"]} == {one[DIGEST] for one in images}


@pytest.mark.parametrize("word", ["oci:/etc", "no reference", "../x", "http://x/y"])
def test_what_an_annotation_calls_the_base_is_a_reference_or_refused(run, base, build, word):
    base("1")
    build(COPIES)
    assert 0 == run("config", "edit", "oci:app:1", "--annotation", f"{NAME}={word}").exit_code

    for command in (("rebase",), ("base", "status")):
        done = run(*command, "oci:app:1")

        assert done.exit_code in {5, 6}, done.stderr
        assert "Traceback" not in done.stderr


def test_a_new_base_without_a_platform_is_refused(run, base, build, ward, registry):
    base("1")
    first = build(COPIES)
    ward(f"{registry.host}/base").image("linux/amd64", tag="1")

    done = run("rebase", "oci:app:1")

    assert (6, first) == (done.exit_code, held("1"))
    assert "is for linux/amd64, not for linux/arm64" in done.stderr


def test_squashed_it_stands_on_nothing_and_says_so(run, base, build):
    base("1")
    build(COPIES)

    assert 0 == run("squash", "oci:app:1").exit_code

    assert [{}] * 3 == annotations()


def test_an_index_says_what_its_images_say_then(run, base, build, registry):
    """Whatever edit moves a base: what all images say afterwards is said of all."""
    base("1")
    build(COPIES)
    digest = annotations()[0][DIGEST]
    words = ("config", "edit", "oci:app:1", "--annotation")

    assert 0 == run(*words, f"{NAME}=example.com/b:1").exit_code
    all_of_them = annotations()[0]
    assert 0 == run(*words, f"manifest[linux/arm64]:{NAME}=example.com/b:2").exit_code

    assert {NAME: "example.com/b:1", DIGEST: digest} == all_of_them
    assert {} == annotations()[0]


@pytest.fixture
def published(run, base, build, registry):
    """An image that is pushed upon a base that moved since, and its name."""
    base("1")
    name = f"{registry.host}/app:1"
    build(COPIES)
    assert 0 == run("copy", "oci:app:1", name).exit_code
    base("2")
    return name


def test_it_is_signed_anew_and_taken_back(run, published, registry, tmp_path):
    assert 0 == run("key", "generate", "-o", tmp_path / "k", "--unencrypted", "--type", "ed25519").exit_code
    assert 0 == run("sign", published, "--key", f"{tmp_path}/k.key").exit_code
    first = registry.tags["app", "1"]

    done = run("rebase", published, "--resign", f"{tmp_path}/k.key")
    new = registry.tags["app", "1"]
    verified = run("verify", published, "--key", f"{tmp_path}/k.pub")
    undone = run("undo", published)

    assert (0, 0, new) == (done.exit_code, verified.exit_code, verified.stdout.strip()), done.stderr
    assert (0, first) == (undone.exit_code, registry.tags["app", "1"])
    assert 0 == run("verify", published, "--key", f"{tmp_path}/k.pub").exit_code


def test_layers_of_a_base_in_the_same_registry_are_mounted_and_never_sent(run, published, registry):
    registry.log.clear()

    assert 0 == run("rebase", published).exit_code

    writes = [one for one in registry.log if one.method in {"POST", "PUT", "PATCH"} and "/blobs/" in one.path]
    posts, puts = ([one.path for one in writes if one.method == method] for method in ("POST", "PUT"))
    assert (3, 2) == (sum("mount=" in path for path in posts), len(puts))  # what is put are the configs


def test_dry_run_writes_nothing_and_another_tag_leaves_the_name(run, published, registry):
    first = registry.tags["app", "1"]

    shown = run("rebase", published, "--dry-run")
    after_dry_run = dict(registry.tags)
    done = run("rebase", published, "-t", published.replace(":1", ":2"))

    assert (0, 0) == (shown.exit_code, done.exit_code)
    assert "linux/amd64: layers of sha256:" in shown.stdout
    assert "VERSION=2" in shown.stdout
    assert {("app", "1"): first} == {key: value for key, value in after_dry_run.items() if key[0] == "app"}
    assert first == registry.tags["app", "1"] != registry.tags["app", "2"]


def test_an_old_base_that_is_gone_is_named_elsewhere(run, published, base, registry, ward):
    old = ward(f"{registry.host}/base")
    [gone] = {one[DIGEST] for one in annotations()}
    kept = old.store.get_manifest(gone)
    old.store.delete(gone)

    status = run("base", "status", published)
    refused = run("rebase", published)
    old.store.put_manifest(kept, "copy")
    done = run("rebase", published, "--old-base", f"{registry.host}/base:copy")

    assert (1, True) == (status.exit_code, "moved; what it was built on is gone" in status.stdout)
    assert 3 == refused.exit_code
    assert "--old-base names another place that has it" in refused.stderr
    assert 0 == done.exit_code, done.stderr


def test_attestations_in_the_index_need_a_word(run, base, build):
    base("1")
    first = build(COPIES, "1", "--provenance", "mode=max")
    base("2")

    refused = run("rebase", "oci:app:1")
    there = held("1")
    dropped = run("rebase", "oci:app:1", "--drop-attestations")

    assert (2, first, 0) == (refused.exit_code, there, dropped.exit_code)
    assert "--drop-attestations" in refused.stderr
    assert build(COPIES, "fresh") == held("1")


def test_a_build_for_the_bases_platforms_asks_which_there_are(run, base, project, ward, registry):
    base("1")
    words = ("--toolchain", "prebuilt", "--copy", "conf:/c/", "--base", f"{registry.host}/base:1")
    assert 0 == run("build", ".", *words, "-o", "oci:app:1").exit_code
    base("2")
    store = ward(f"{registry.host}/base")
    two = view(store.store.get_manifest("1")).document.tree()["manifests"]
    store.index(*two, store.image("linux/s390x", layers=[tar(member("a"))]), tag="1")

    refused = run("rebase", "oci:app:1")

    assert 2 == refused.exit_code
    assert (
        "its platforms, for which it was built; the new one has linux/amd64, linux/arm64, linux/s390x"
        in refused.stderr
    )


@pytest.mark.parametrize("place", ["index", "manifest-descriptor"])
def test_status_reads_what_stands_above_the_images(run, base, build, registry, place):
    base("1")
    digest = registry.tags["base", "1"]
    said = [
        f"--annotation={place}:{key}={value}"
        for key, value in ((NAME, f"{registry.host}/base:1"), (DIGEST, digest))
    ]
    build(COPIES, "1", "--no-base-annotations", *said)

    before = run("base", "status", "oci:app:1")
    base("2")

    assert (0, 2) == (before.exit_code, before.stdout.count(" current\n"))
    assert 1 == run("base", "status", "oci:app:1").exit_code
