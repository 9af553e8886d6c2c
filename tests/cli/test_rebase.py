"""`rebase`: what is put onto a newer base is what a build over that makes, byte for byte, or it is said why not."""

import pytest

from ocitool.image.base_note import DIGEST, NAME
from ocitool.model.views import view
from tests.fakes.based import COPIES, PASSWD, annotations, folder, held, link, members, settings
from tests.fakes.sick import member, tar

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
    "user": {"says": {"User": "3", "OnBuild": []}},
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
def test_it_is_what_a_build_over_the_new_base_makes(run, base, build_upon, how, move):
    base("1", says={"Labels": {"release": "1", "vendor": "x"}})
    first = build_upon(how)
    base("2", **MOVES[move])

    done = run("rebase", "oci:app:1")

    fresh = build_upon(how, "fresh")
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


def test_a_shell_that_both_bases_have_is_no_reason(run, base, build_upon):
    says = {"Shell": ["/bin/ash", "-c"]}
    base("1", says=says)
    build_upon("FROM BASE\nCOPY conf /c\nCMD x\n")
    base("2", says=says | {"StopSignal": "SIGQUIT"})

    assert 0 == run("rebase", "oci:app:1").exit_code


@pytest.mark.parametrize(("how", "move", "what"), READ.values(), ids=READ)
def test_what_the_build_read_is_named_and_needs_force(run, base, build_upon, how, move, what):
    base("1")
    first = build_upon(how)
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


def test_docker_manifests_say_nothing_and_are_rebased_by_words(run, base, build_upon, registry):
    base("1")
    assert 0 == run("copy", f"{registry.host}/base:1", f"{registry.host}/base:old").exit_code
    how = ("--copy", "conf:/c/", "--format", "docker")
    build_upon(how)
    unnamed = run("rebase", "oci:app:1")
    base("2")

    done = run(
        "rebase", "oci:app:1", "--old-base", f"{registry.host}/base:old", "--new-base", f"{registry.host}/base:1"
    )

    assert 2 == unnamed.exit_code
    assert "--old-base" in unnamed.stderr
    assert 0 == done.exit_code, done.stderr
    assert build_upon(how, "fresh") == held("1")


def test_some_images_move_and_the_index_speaks_for_all_no_more(run, base, build_upon, registry):
    base("1")
    build_upon(COPIES)
    old = registry.tags["base", "1"]
    base("2")

    done = run("rebase", "oci:app:1", "--platform", "linux/arm64")

    assert 0 == done.exit_code, done.stderr
    index, *images = annotations()
    assert {} == index
    assert {old, registry.tags["base", "1"]} == {one[DIGEST] for one in images}


def test_a_new_base_without_a_platform_is_refused(run, base, build_upon, ward, registry):
    base("1")
    first = build_upon(COPIES)
    ward(f"{registry.host}/base").image("linux/amd64", tag="1")

    done = run("rebase", "oci:app:1")

    assert (6, first) == (done.exit_code, held("1"))
    assert "is for linux/amd64, not for linux/arm64" in done.stderr


@pytest.fixture
def published(run, base, build_upon, registry):
    """An image that is pushed upon a base that moved since, and its name."""
    base("1")
    name = f"{registry.host}/app:1"
    build_upon(COPIES)
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


def test_attestations_in_the_index_need_a_word(run, base, build_upon):
    base("1")
    first = build_upon(COPIES, "1", "--provenance", "mode=max")
    base("2")

    refused = run("rebase", "oci:app:1")
    there = held("1")
    dropped = run("rebase", "oci:app:1", "--drop-attestations")

    assert (2, first, 0) == (refused.exit_code, there, dropped.exit_code)
    assert "--drop-attestations" in refused.stderr
    assert build_upon(COPIES, "fresh") == held("1")


def test_a_build_for_the_bases_platforms_asks_which_there_are(run, base, sources, ward, registry):
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


def test_onto_a_base_of_this_machine_it_says_no_name_any_more(run, base, build_upon, registry):
    base("1")
    build_upon(COPIES)
    base("2")
    assert 0 == run("copy", f"{registry.host}/base:1", "oci:mine:1").exit_code

    done = run("rebase", "oci:app:1", "--new-base", "oci:mine:1")

    assert 0 == done.exit_code, done.stderr
    assert [{DIGEST: registry.tags["base", "1"]}] * 3 == [
        {key: value for key, value in one.items() if key in {NAME, DIGEST}} for one in annotations()
    ]
