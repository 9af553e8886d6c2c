"""Standard output that is closed, full, or a pipe nobody reads: every command, one code for each (K242, K252).

A command runs in a forked process whose first three files are what the test makes them.
"""

import json
import os
import pty
import secrets
import select
import subprocess
import sys

import pytest

from ocitool.cli.table import COMMANDS
from ocitool.model.platform import Platform
from ocitool.store.layout import LayoutStore
from tests.conftest import process_environment
from tests.fakes.images import put_image, tar
from tests.fakes.killed import begin_on
from tests.fakes.registry import fake_registry

WORDS = {
    "build": "build app --platform linux/amd64 -o oci:out:1",
    "push": "push HOST/kept:1",
    "images": "images",
    "cache prune": "cache prune",
    "login": "login HOST -u me --password-stdin --no-check",
    "logout": "logout HOST",
    "doctor": "doctor --platform linux/amd64",
    "inspect": "inspect oci:img:1",
    "diff": "diff oci:img:a oci:img:b",
    "files": "files oci:img:a",
    "cat": "cat oci:img:a etc/motd",
    "export": "export oci:img:a -o -",
    "digest": "digest oci:img:1",
    "tags": "tags oci:img",
    "run": "run --privileged --rm tonistiigi/binfmt --install all",
    "buildx build": "buildx build app --platform linux/amd64 -o type=tar,dest=-",
    "buildx bake": "buildx bake -f bake.json",
    "buildx imagetools create": "buildx imagetools create --dry-run HOST/app:a -t HOST/app:x",
    "buildx imagetools inspect": "buildx imagetools inspect HOST/app:1",
    "buildx create": "buildx create",
    "buildx use": "buildx use x",
    "buildx ls": "buildx ls",
    "buildx inspect": "buildx inspect",
    "buildx stop": "buildx stop",
    "buildx rm": "buildx rm x",
    "buildx prune": "buildx prune -f",
    "buildx version": "buildx version",
    "merge": "merge oci:img:merged oci:img:a oci:img:b",
    "index create": "index create oci:img:new oci:img:a oci:img:b",
    "index add": "index add oci:img:1 oci:img:c",
    "index remove": "index remove oci:img:1 --platform linux/arm64 --dry-run",
    "index filter": "index filter oci:img:1 --platform linux/amd64",
    "index annotate": "index annotate oci:img:1 --annotation a=b",
    "index convert": "index convert oci:img:1 --format docker --drop-annotations",
    "index flatten": "index flatten oci:img:1",
    "index order": "index order oci:img:1",
    "config edit": "config edit oci:img:1 --label a=b",
    "config get": "config get oci:img:a",
    "squash": "squash oci:img:1",
    "strip": "strip oci:img:1 etc/motd --dry-run",
    "recompress": "recompress oci:img:1 --compression none",
    "base status": "base status oci:img:1",
    "base lock": "base lock app --platform linux/amd64",
    "verify-build": "verify-build oci:img:1 app --toolchain prebuilt --copy data:/srv/",
    "rebase": "rebase oci:img:1 --old-base oci:img:1 --new-base oci:img:1",
    "append": "append oci:img:1 --copy app/data:/srv/",
    "manifest create": "manifest create --amend HOST/other:1 HOST/app:a",
    "manifest annotate": "manifest annotate HOST/list:1 HOST/app:a --arch amd64",
    "manifest inspect": "manifest inspect HOST/app:1",
    "manifest push": "manifest push HOST/list:1",
    "manifest rm": "manifest rm HOST/list:1",
    "manifest get": "manifest get oci:img:a",
    "manifest put": "manifest put oci:img:put manifest.json",
    "blob get": "blob get BLOB",
    "blob put": "blob put oci:img app/data",
    "blob head": "blob head BLOB",
    "catalog": "catalog HOST",
    "delete": "delete oci:img:c --dry-run",
    "prune": "prune HOST/app --keep-last 9",
    "check": "check oci:img:1",
    "repair": "repair oci:img:1",
    "copy": "copy oci:img:1 oci:copied:1",
    "sync": "sync sync.toml --dry-run",
    "tag": "tag oci:img:1 two",
    "undo": "undo oci:img:1 --dry-run",
    "sign": "sign oci:img:a --key k.key --dry-run",
    "verify": "verify oci:img:b --key k.pub --identity example.com/img",
    "sbom": "sbom oci:img:a",
    "artifact push": "artifact push HOST/files:1 app/data",
    "artifact pull": "artifact pull HOST/files:1 -o pulled",
    "artifact list": "artifact list HOST/files:1",
    "referrers": "referrers oci:img:b",
    "attach": "attach oci:img:a k.pub --artifact-type text/x-key --dry-run",
    "detach": "detach oci:img:c ATTACHED --dry-run",
    "key generate": "key generate --unencrypted -o FRESH",
    "key public": "key public k.key",
    "explain": "explain 5",
    "init": "init app --dry-run",
    "schema": "schema",
    "completion": "completion bash",
}


@pytest.fixture
def seeded(home):
    """A folder with a layout, sources, and a registry that has an image; files of standard input and error."""
    img = LayoutStore(home / "img", create=True)
    for tag, platform in (("a", "linux/amd64"), ("b", "linux/arm64"), ("c", "linux/s390x")):
        put_image(img, tag, platform, layers=[tar(**{"etc/motd": tag.encode()})])
    (home / "app").mkdir()
    (home / "app" / "Dockerfile").write_text("FROM scratch\nCOPY data /\n")
    (home / "app" / "data").write_text("x")
    (home / "stdin").write_text("secret\n")
    with fake_registry() as registry:
        yield home, registry


def call(seeded, argv, output):
    """Exit code and what stderr got."""
    home, _ = seeded
    argv = [word.replace("FRESH", secrets.token_hex(4)) for word in argv]  # no key is written over
    argv = [(home / word.lower()).read_text() if word in {"ATTACHED", "BLOB"} else word for word in argv]
    process = begin_on(output, home, *argv)
    process.join(60)
    return process.exitcode, (home / "stderr").read_text()


def prepare(seeded, run, monkeypatch):
    """What the commands need to succeed."""
    home, registry = seeded
    monkeypatch.chdir(home)
    assert 0 == run("index", "create", "oci:img:1", "oci:img:a", "oci:img:b").exit_code
    for tag in ("1", "a"):
        assert 0 == run("copy", f"oci:img:{tag}", f"{registry.host}/app:{tag}").exit_code
    assert 0 == run("build", "app", "--platform", "linux/amd64", "-t", f"{registry.host}/kept:1").exit_code
    assert 0 == run("push", f"{registry.host}/kept:1").exit_code
    assert 0 == run("manifest", "create", f"{registry.host}/list:1", f"{registry.host}/app:a").exit_code
    assert 0 == run("login", registry.host, "-u", "me", "--password-stdin", "--no-check", stdin=b"p\n").exit_code
    assert 0 == run("key", "generate", "--unencrypted", "-o", "k").exit_code
    assert 0 == run("artifact", "push", f"{registry.host}/files:1", "app/data").exit_code
    assert 0 == run("attach", "oci:img:c", "k.pub", "--artifact-type", "text/x-key").exit_code
    (home / "bake.json").write_text(
        '{"target": {"default": {"context": "app", "output": ["type=oci,dest=o.tar"]}}}'
    )
    (home / "sync.toml").write_text(
        f'[[sync]]\nsource = "oci:img"\ninclude = ["b"]\ntargets = ["{registry.host}/synced"]\n'
    )
    img = LayoutStore(home / "img")
    (home / "attached").write_text(str(img.referrers(img.head("c").digest)[0].digest))
    (home / "manifest.json").write_bytes(img.get_manifest("a").raw)
    (home / "blob").write_text(f"oci:img@{img.get_manifest('a').tree()['config']['digest']}")
    signed = run("sign", "oci:img:b", "--key", "k.key", "--identity", "example.com/img")
    assert 0 == signed.exit_code, signed.output


def test_every_command_is_called_here():
    assert {row.path for row in COMMANDS} == set(WORDS)


OUTPUTS = {"closed": 10, "/dev/full": 10, "pipe": 141}


@pytest.mark.slow
def test_every_command_ends_with_one_code_when_its_output_cannot_be_written(seeded, run, monkeypatch):
    """K242, K252: with what it has to say as JSON, so that each has something to say."""
    prepare(seeded, run, monkeypatch)
    wrong = {}
    for path, words in WORDS.items():
        if words.endswith((" -", "dest=-")) or path == "run":
            continue  # these print a stream, and words of another program
        argv = [*words.replace("HOST", seeded[1].host).split(), "--json"]
        for output, code in OUTPUTS.items():
            got, said = call(seeded, argv, output)
            if got != code or "Traceback" in said or "internal error" in said:
                wrong[path, output] = (got, said)

    assert {} == wrong


@pytest.mark.slow
def test_commands_that_print_for_people_end_so_too(seeded, run, monkeypatch):
    """K242, K252: and whoever reads with `head` is told of no error."""
    prepare(seeded, run, monkeypatch)
    wrong, printing = {}, 0
    for path, words in [*WORDS.items(), ("help", "--help"), ("version", "--version"), ("group", "index --help")]:
        argv = words.replace("HOST", seeded[1].host).split()
        right, said = call(seeded, argv, "stdout")
        if right != (1 if path in {"diff", "verify-build"} else 0):
            wrong[path] = (right, said)
        if not os.path.getsize("stdout"):
            continue
        printing += 1
        for output, code in {"/dev/full": 10, "pipe": 141}.items():
            got, said = call(seeded, argv, output)
            if got != code or "Traceback" in said or ("error" in said) != (output != "pipe"):
                wrong[path, output] = (got, said)

    assert {} == wrong
    assert printing > 25


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_is_not_the_next_file_that_is_opened(ocitool, home, closed):
    """K242: what is written to it must not land in a blob."""
    put_image(LayoutStore(home / "img", create=True), "a", "linux/amd64", layers=[tar(x=b"x" * 1000)])

    done = subprocess.run(
        f"{sys.executable} -m ocitool copy oci:img:a oci:new:a --json {closed}>&-",
        shell=True,
        cwd=home,
        env=process_environment(),
        capture_output=True,
        check=False,
    )

    assert (10 if closed == 1 else 0) == done.returncode, done.stderr
    assert 0 == ocitool("check", "oci:new:a", "--deep").exit_code


def test_json_is_read_in_every_encoding(ocitool, home):
    """K265, K244: a stream that is not UTF-8 gets escapes, and no terminal is obeyed."""
    store = LayoutStore(home / "img", create=True)
    put_image(store, "a", "linux/amd64", note="é \N{GRINNING FACE} \x9b2J")

    for encoding in ("ascii", "latin-1", "utf-8", "koi8-r"):
        done = ocitool("inspect", "oci:img:a", "--config", "--json", env={"PYTHONIOENCODING": encoding})

        assert 0 == done.exit_code, done.stderr
        assert "\x9b" not in done.stdout
        assert "é \N{GRINNING FACE} \x9b2J" in json.dumps(json.loads(done.stdout), ensure_ascii=False)


def test_text_is_printed_in_every_encoding(ocitool, home):
    """K265: what an encoding lacks is an escape."""
    (home / "é").mkdir()
    done = ocitool("tags", "oci:é", env={"PYTHONIOENCODING": "ascii"})

    assert (3, True) == (done.exit_code, "\\xe9" in done.stderr)


@pytest.mark.parametrize(
    "words", ["tags oci:img --json", "images", "doctor", "build . -o oci:img:1", "copy oci:img oci:b"]
)
def test_a_working_directory_that_is_gone_is_no_bug(ocitool, home, words):
    """K265."""
    (home / "gone").mkdir()
    done = subprocess.run(
        ["sh", "-c", f"cd gone && rmdir ../gone && exec {sys.executable} -P -m ocitool {words}"],
        cwd=home,
        env=process_environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode in {0, 3, 10}, done.stderr
    assert "internal error" not in done.stderr


@pytest.mark.parametrize(
    "words", [["build", ".", "--platform"], ["digest"], ["build", ".", "-t"], ["tags"], ["tag", "localhost:1/x"]]
)
def test_words_that_are_not_utf_8_are_refused(home, words):
    """K232: with the code for a wrong command line."""
    done = subprocess.run(
        [sys.executable, "-m", "ocitool", *words, b"linux/arm:\xa7/v7"],
        cwd=home,
        env=process_environment(),
        capture_output=True,
        check=False,
    )

    assert 2 == done.returncode, done.stderr
    assert b"internal error" not in done.stderr


def test_progress_is_drawn_on_a_terminal_and_gone_at_the_end(home):
    """K252: what is drawn is erased, and the answer stays."""
    put_image(
        LayoutStore(home / "img", create=True), "a", str(Platform("linux", "amd64")), layers=[tar(x=b"x" * 1000)]
    )
    leader, follower = pty.openpty()

    with fake_registry() as registry:
        process = subprocess.Popen(
            [sys.executable, "-m", "ocitool", "copy", "oci:img:a", f"{registry.host}/app:1"],
            cwd=home,
            env=process_environment({"TERM": "xterm", "COLUMNS": "100"}),
            stderr=follower,
            stdout=subprocess.DEVNULL,
        )
        os.close(follower)
        seen = b""
        try:
            while piece := os.read(leader, 65_536):
                seen += piece
        except OSError:  # Linux says so when the other side is closed
            pass
        assert 0 == process.wait(60)
    os.close(leader)

    assert b"\x1b[?25l" in seen  # the cursor is hidden while it draws
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")  # and shown again
    assert b"blob sha256:" in seen


EXACT = {
    *("files", "completion", "schema", "init", "sbom", "key public"),
    *("config get", "blob get", "manifest get", "manifest inspect"),
    *("buildx ls", "buildx inspect", "buildx bake", "buildx imagetools create"),
}
"""Commands that print what other programs read, or what is copied: a terminal changes no line of it."""


@pytest.mark.slow
def test_no_line_is_wider_than_the_terminal(seeded, run, monkeypatch):
    """Sixty columns: each line of every command fits, or is one word that cannot be cut."""
    prepare(seeded, run, monkeypatch)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    wide, printing = {}, 0
    for path, words in WORDS.items():
        if words.endswith((" -", "dest=-")) or path in EXACT:
            continue
        code, shown = on_terminal(seeded, words.replace("HOST", seeded[1].host).split())
        assert code in {0, 1}, (path, shown)
        printing += bool(shown)
        lines = [line for line in shown.splitlines() if len(line) > 60 and " " in line.strip()]
        wide |= {path: lines} if lines else {}

    assert {} == wide
    assert printing > 25


def on_terminal(seeded, argv):
    """Exit code of a command, and what a terminal gets that is its standard output."""
    leader, follower = pty.openpty()
    home, _ = seeded
    argv = [word.replace("FRESH", secrets.token_hex(4)) for word in argv]
    argv = [(home / word.lower()).read_text() if word in {"ATTACHED", "BLOB"} else word for word in argv]
    process = begin_on(os.ttyname(follower), home, *argv)
    shown = b""
    while process.is_alive() or select.select([leader], [], [], 0)[0]:
        if select.select([leader], [], [], 0.05)[0]:
            shown += os.read(leader, 65_536)
    process.join(60)
    os.close(leader)
    os.close(follower)
    return process.exitcode, shown.decode().replace("\r\n", "\n")
