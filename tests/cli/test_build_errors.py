"""What can go wrong with a build: one clear line, its exit code, nothing half-made, and never a traceback."""

import base64
import json
import os
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from ocitool.store.layout import LayoutStore
from tests.fakes.programs import Elf


@pytest.fixture
def project(home, monkeypatch):
    """A ready program for amd64 of 2 MiB that does not compress."""
    (home / "app").write_bytes(Elf(62).build() + os.urandom(2 << 20))
    (home / "app").chmod(0o755)
    (home.parent / "outside").write_text("x")
    monkeypatch.chdir(home)
    return home


def build(*flags: str) -> tuple[str, ...]:
    ready = ("--toolchain", "prebuilt", "--copy", "app:/bin/", "--platform", "linux/amd64")
    return ("build", ".", *ready, *flags, "--verbose")


def check(done, code: int, *words: str) -> None:
    """One error, its words, and no trace of Python."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert (code, 1) == (done.exit_code, len(errors)), done.stderr
    assert [] == [word for word in words if word not in done.stderr], done.stderr
    assert "Traceback" not in done.stderr
    assert 'File "' not in done.stderr
    assert "" == done.stdout


DIGEST = f"sha256:{'0' * 64}"
CASES = {
    "unknown platform": (2, ("unknown platform 'linux/x87'",), build("--platform", "linux/x87")),
    "not a platform": (2, ("not a platform",), build("--platform", "a/b/c/d")),
    "bad reference": (2, ("REPO",), build("-t", "UPPER/REPO")),
    "bare output": (2, ("does not say what to write", "oci:out"), build("-o", "out")),
    "bare archive": (2, ("does not say what to write", "oci-archive:out.tar"), build("-o", "out.tar")),
    "push without a name": (2, ("--push needs a name",), build("--push")),
    "unknown compression": (2, ("unknown compression 'lzma'",), build("--compression", "lzma")),
    "unknown --with": (2, ("unknown --with certs",), build("--with", "certs")),
    "unknown user": (2, ("no user 'web'",), build("--user", "web")),
    "unknown toolchain": (9, ("no toolchain 'cobol'",), build("--toolchain", "cobol")),
    "bad copy rule": (2, ("not a copy rule",), build("--copy", "app")),
    "copy out of the project": (2, ("leads out of",), build("--copy", "../outside:/x")),
    "missing source": (3, ("gone",), build("--copy", "gone:/x")),
    "missing folder": (3, ("no folder nowhere",), ("build", "nowhere")),
    "a file for a folder": (2, ("app is a file",), ("build", "app")),
    "nothing says how": (2, ("says how to build",), ("build", ".")),
    "missing spec": (10, ("nowhere.toml",), ("build", ".", "--spec", "nowhere.toml")),
    "missing base": (3, ("no OCI layout at nowhere",), build("--base", "oci:nowhere:1")),
    "annotations on docker": (2, ("annotations have no place", "--format oci"), build("--annotation", "a=b")),
    "a port that is none": (2, ("not a port: 'http'",), build("--expose", "http")),
    "a signal that is none": (2, ("no signal 'SIGSTOPP'",), build("--stop-signal", "SIGSTOPP")),
    "a volume without a path": (2, ("a volume without a path",), build("--volume", "")),
    "a relative folder": (2, ("'srv' is not absolute", "write /srv"), build("--workdir", "srv")),
    "an unknown placeholder": (3, ("{platform}", "{os}, {arch} and {variant}"), build("--copy", "{platform}/x:/")),
    "a digest in a name": (2, ("names a digest", "write reg.test/app:1;"), build("-t", f"reg.test/app:1@{DIGEST}")),
    "a digest for a name": (
        2,
        ("names a digest", "write reg.test/app;"),
        build("--push", "-t", f"reg.test/app@{DIGEST}"),
    ),
    "bad epoch": (2, ("SOURCE_DATE_EPOCH",), build()),
}


@pytest.mark.parametrize(("code", "words", "argv"), CASES.values(), ids=CASES)
def test_requests_that_cannot_be(project, run, monkeypatch, request, code, words, argv):
    if "bad epoch" in request.node.name:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "tomorrow")

    check(run(*argv), code, *words)


def test_no_compiler(project, run, monkeypatch):
    (project / "go.mod").write_text("module example.com/x\n")
    (project / "main.go").write_text("package main\n")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.path", [])

    check(run("build", ".", "-v"), 9, "no go compiler on PATH", "pip install 'ocitool[go]'")


def test_a_source_that_cannot_be_read(project, run):
    (project / "loop").symlink_to("loop")
    check(run(*build("--copy", "loop:/x")), 10, "loop")

    if os.getuid():
        (project / "secret").write_text("x")
        (project / "secret").chmod(0)
        check(run(*build("--copy", "secret:/x")), 10, "secret", "permission")


def test_a_spec_that_is_a_folder(project, run):
    (project / "spec.toml").mkdir()

    done = run("build", ".", "--spec", "spec.toml")

    assert 2 == done.exit_code
    assert "Traceback" not in done.stderr


def test_a_cache_that_is_a_file(project, run):
    (project / "file").write_text("x")

    check(run(*build("--cache-dir", "file/cache")), 10, "cannot write this machine's store", "--cache-dir")


@pytest.fixture
def mount(project, peer):  # the folder that is built
    """`mount("size=1m")`: a small file system of its own, or a skip that says why there is none.

    It is outside of the runner's folder: what a killed run leaves mounted stops no other run.
    """
    command = peer("mount")
    place = Path(tempfile.mkdtemp(prefix="ocitool-small-"))

    def attach(options: str):
        argv = [command, "-t", "tmpfs", "-o", options, "tmpfs", place]
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
        return place

    yield attach
    subprocess.run(["umount", "--lazy", place], capture_output=True)
    place.rmdir()


def test_a_read_only_cache(mount, run):
    check(run(*build("--cache-dir", mount("ro"))), 10, "read-only file system", "--cache-dir")


def test_a_full_disk_under_the_cache_leaves_no_half_file(mount, run):
    place = mount("size=1m")

    check(run(*build("--cache-dir", place)), 10, "no space left on device", "free some space")

    blobs = place / "content" / "blobs"
    assert [] == [path for path in place.rglob("*") if path.is_file() and path.stat().st_size > 100_000]
    assert not blobs.exists() or not any(blobs.rglob("sha256/*"))


def test_a_full_disk_under_the_output_leaves_no_tag(mount, run, project):
    place = mount("size=1m")

    done = run(*build("-o", f"oci:{place}/img:1"))

    check(done, 10, "no space left on device")
    assert [] == list(LayoutStore(place / "img").entries())


def test_a_full_disk_under_a_compiler(mount, run, project):
    """The command's own words are kept, and its half-written program is not packed."""
    place = mount("size=1m")
    (project / "ocitool.toml").write_text(
        'name = "app"\nplatforms = ["linux/amd64"]\n[command]\nrun = ["cp", "app", "{output}"]\n'
    )

    done = run("build", ".", "--cache-dir", place, "-o", "oci:img:1")

    check(done, 7, "cannot compile app for linux/amd64: cp exited with 1", "No space left on device")
    assert not (project / "img").exists()


def test_a_registry_that_is_down(project, run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        host = f"127.0.0.1:{taken.getsockname()[1]}"

        done = run(*build("-t", f"{host}/app:1", "--push"))

    check(done, 5, host)


def test_an_unknown_host(project, run):
    check(run(*build("-t", "registry.invalid/app:1", "--push")), 5, "registry.invalid")


@pytest.mark.registry
def test_a_wrong_password(project, run, registry_with_auth, home):
    secret = base64.b64encode(b"hello:wrong-secret").decode()
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(
        json.dumps({"auths": {registry_with_auth.host: {"auth": secret}}})
    )

    done = run(*build("-t", f"{registry_with_auth.repository()}:1", "--push"))

    check(done, 4, registry_with_auth.host)
    assert "wrong-secret" not in done.stderr


def test_folders_in_folders_end(run, home, monkeypatch):
    """K238's kind: each WORKDIR is a layer with all folders above it, so that n lines write n³ characters."""
    monkeypatch.chdir(home)
    (home / "Dockerfile").write_text("FROM scratch\n" + "WORKDIR dddddddddd\n" * 370)

    refused = run("build", "-o", "oci:out:1", "--platform", "linux/amd64")

    assert 2 == refused.exit_code
    assert "the paths of these files are longer, all in all, than those of any image" in refused.stderr
    assert "error: Dockerfile:" in refused.stderr
