"""`rebase`: what is put onto a newer base is what a build over that makes, byte for byte, or it is said why not."""

import json

import pytest

from ocitool.image.base_note import DIGEST, NAME, READS
from ocitool.model.views import view
from ocitool.store.verify import read_config
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
                one, layers=[tar(*members(one, version, **files)), tar(member("etc/fixed", version.encode()))], config=config
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


@pytest.fixture
def build(run, project, registry):
    """`build(words, tag)`: build upon base:1, push and give the digest."""

    def call(how, tag="1", *flags):
        base = f"{registry.host}/base:1"
        words = ["--platform", ",".join(PLATFORMS), "-t", f"{registry.host}/app:{tag}", "--push", *flags]
        if isinstance(how, str):
            (project / "Dockerfile").write_text(how.replace("BASE", base))
            words += ["-f", "Dockerfile"]
        else:
            words += ["--toolchain", "prebuilt", "--base", base, *how]
        done = run("build", ".", *words)
        assert 0 == done.exit_code, done.stderr
        return registry.tags["app", tag]

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
    for name, how in {**PROJECTS, **DOCKERFILES}.items()
    for move in MOVES
    if move != "user" or "WORKDIR" not in how
]


@pytest.mark.parametrize(("how", "move"), CASES)
def test_it_is_what_a_build_over_the_new_base_makes(run, base, build, registry, how, move):
    base("1", says={"Labels": {"release": "1", "vendor": "x"}})
    first = build(how)
    base("2", **MOVES[move])

    done = run("rebase", f"{registry.host}/app:1", "--json")

    fresh = build(how, "fresh")
    assert 0 == done.exit_code, done.stderr
    assert first != fresh
    told = run("diff", f"{registry.host}/app:1", f"{registry.host}/app:fresh").stdout
    assert fresh == registry.tags["app", "1"], told
