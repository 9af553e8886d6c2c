"""Shell completion: what candidates there are, and what the three shells make of them."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

import pytest

from ocitool.cli.completion import SCRIPTS, split_line
from ocitool.store.layout import LayoutStore
from tests.conftest import process_environment, untraced
from tests.fakes.images import put_image
from tests.fakes.registry import fake_registry

SHELLS = ["bash", "zsh", "fish"]
HOSTILE = ("1;touch pwned", "$(touch pwned)", "`touch pwned`", "a b", "1\ttouch", "*", "'", "1|x", "\x1b[2J")


@pytest.fixture
def candidates(run, home, monkeypatch):
    """What a script is told for a line: the texts, in order."""
    monkeypatch.chdir(home)

    def ask(line, *, shell="zsh", breaks=""):
        monkeypatch.setenv("_OCITOOL_COMPLETE", f"{shell}_complete")
        monkeypatch.setenv("_OCITOOL_LINE", line)
        monkeypatch.setenv("_OCITOOL_BREAKS", breaks)
        done = run()
        assert (0, "") == (done.exit_code, done.stderr)
        return [row.split("\t")[1] if "\t" in row else row for row in done.stdout.splitlines() if row]

    return ask


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_its_script(run, shell):
    assert (0, SCRIPTS[shell]) == (run("completion", shell).exit_code, run("completion", shell).stdout)


@pytest.mark.parametrize("shell", SHELLS)
def test_click_s_own_way_to_a_script_gives_the_same(ocitool, shell):
    assert SCRIPTS[shell].strip() == ocitool(env={"_OCITOOL_COMPLETE": f"{shell}_source"}).stdout.strip()


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("ocitool index a", ["add", "annotate"]),
        ("ocitool buildx ", ["build", "ls"]),
        ("ocitool inspect --lay", ["--layers"]),
        ("ocitool inspect --plain", ["--plain-http"]),
        ("ocitool inspect x --platform linux/arm", ["linux/arm64", "linux/arm/v7"]),
        ("ocitool inspect --platform=linux/arm64,linux/am", ["--platform=linux/arm64,linux/amd64"]),
        ("ocitool build . --toolchain c", ["c", "cmake", "command"]),
        ("ocitool build --with pass", ["passwd"]),
        ("ocitool recompress x --compression zs", ["zstd"]),
        ("ocitool check x --select index/mis", ["index/missing-platform"]),
        ("ocitool explain 1", ["1", "130"]),
        ("ocitool explain Auto", ["AutomaticArgDefault"]),
        ("ocitool completion ", SHELLS),
        ("ocitool index convert x --format d", ["docker"]),
        ("ocitool inspect oci-", ["oci-archive:"]),
    ],
)
def test_words_and_values_are_offered(candidates, line, some):
    assert some == [one for one in candidates(line) if one in some]


def test_a_platform_that_is_named_is_not_offered_again(candidates):
    assert "linux/amd64,linux/amd64" not in candidates("ocitool inspect x --platform linux/amd64,l")


def test_paths_are_left_to_the_shell(candidates):
    assert ["file"] == candidates("ocitool check x --ca f")
    assert ["dir"] == candidates("ocitool check x --cache-dir f")


def test_layouts_and_their_tags_are_offered(candidates, home):
    put_image(LayoutStore(home / "img", create=True), "v1", "linux/amd64")
    (home / "other").mkdir()

    assert ["oci:img:", "oci:other/"] == candidates("ocitool inspect oci:")
    assert ["oci:img:v1"] == candidates("ocitool inspect oci:img:")


def test_images_of_this_machine_s_store_are_offered(candidates, run, home):
    (home / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    os.environ.pop("_OCITOOL_COMPLETE", None)
    assert 0 == run("build", home, "-t", "registry.example/app:1").exit_code

    assert ["registry.example/app:1"] == candidates("ocitool push registry")


@pytest.fixture
def registry():
    """A registry whose tags are one that is good, and hostile ones."""
    with fake_registry() as one:
        one.page = 100
        for tag in ("v1.0", *HOSTILE):
            one.tags["app", tag] = "sha256:" + "0" * 64
        yield one


def test_tags_of_the_registry_are_offered_once_there_is_a_colon(candidates, registry):
    name = f"{registry.host}/app"

    assert f"{name}:v1.0" not in candidates(f"ocitool inspect {name}")
    assert [f"{name}:v1.0"] == candidates(f"ocitool inspect {name}:")
    assert ["v1.0"] == candidates(f"ocitool inspect {name}:v", shell="bash", breaks=":=@")
    assert [f"{name}:v1.0"] == candidates(f"ocitool inspect {name}:v", shell="bash", breaks=" ")


def test_a_registry_that_says_nothing_ends_in_no_candidates(candidates):
    """Nobody listens: it is asked once, and nothing is said."""
    assert [] == candidates("ocitool inspect localhost:1/app:")


def test_no_program_is_asked_for_a_password(candidates, registry, home):
    """It could ask back in the middle of a line; the registry is read without credentials."""
    program = home / "docker-credential-spy"
    program.write_text(f"#!/bin/sh\ntouch {home}/asked\n")
    program.chmod(0o755)
    os.environ["PATH"] = f"{home}:{os.environ['PATH']}"
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text('{"credsStore": "spy"}')

    assert [f"{registry.host}/app:v1.0"] == candidates(f"ocitool inspect {registry.host}/app:")
    assert not (home / "asked").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ocitool ", (["ocitool"], "")),
        ("ocitool in", (["ocitool"], "in")),
        ("ocitool tags 'a b' x", (["ocitool", "tags", "a b"], "x")),
        ("ocitool tags 'a b", (["ocitool", "tags"], "a b")),
        ('ocitool tags "$(x', (["ocitool", "tags"], "$(x")),
        ("", ([], "")),
    ],
)
def test_lines_that_are_not_finished_are_split(line, words):
    assert words == split_line(line)


def in_shell(shell, home, line):
    """The command line that a real shell on a terminal has after `line` and a tab, as its own `echo` prints it."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    program = home / "bin" / "ocitool"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ocitool "$@"\n')
    program.chmod(0o755)
    path = {"PATH": f"{program.parent}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "$ "}
    env = untraced(process_environment(path))
    (home / "script").write_text(SCRIPTS[shell])
    begin = {"bash": "set +m", "zsh": "autoload -Uz compinit; compinit -u -D; unsetopt zle_bracketed_paste"}[shell]
    argv = {"bash": ["bash", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell]
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        argv, stdin=follower, stdout=follower, stderr=follower, cwd=home, env=env, start_new_session=True
    )
    os.close(follower)
    try:
        os.write(leader, f"{begin}; source ./script; echo RE''ADY\n".encode())
        read_until(leader, rb"READY\r")
        os.write(leader, f"{line}\t\x01echo 'GO''T' \x05 'E''ND'\n".encode())
        return read_until(leader, rb"GOT (.*?) END").strip()
    finally:
        process.kill()
        process.wait(20)
        os.close(leader)


def read_until(leader, pattern):
    """What the pattern's group matches of what a terminal shows."""
    seen, end = b"", time.monotonic() + 120
    while not (found := re.search(pattern, seen)):
        assert time.monotonic() < end, seen
        if select.select([leader], [], [], 1)[0]:
            seen += os.read(leader, 65_536)
    return (found.group(1) if found.re.groups else b"").decode()


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("ocitool index remo", "ocitool index remove"),
        ("ocitool inspect --platform=linux/s39", "ocitool inspect --platform=linux/s390x"),
        ("ocitool copy HOST/app:", "ocitool copy HOST/app:v1.0"),
    ],
)
def test_a_shell_completes_the_line(shell, home, registry, line, whole):
    found = in_shell(shell, home, line.replace("HOST", registry.host))

    assert whole.replace("HOST", registry.host) == found
    assert not (home / "pwned").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("ocitool index remo", "remove"),
        ("ocitool copy HOST/app:", "HOST/app:v1.0"),
        ("ocitool completion b", "bash"),
    ],
)
def test_fish_is_offered_the_same(home, registry, line, some):
    if shutil.which("fish") is None:
        pytest.skip("no fish here")
    (home / "ocitool").write_text(f'#!/bin/sh\nexec {sys.executable} -m ocitool "$@"\n')
    (home / "ocitool").chmod(0o755)
    (home / "script").write_text(SCRIPTS["fish"])
    line = line.replace("HOST", registry.host)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source script; complete -C '{line}'"],
        cwd=home,
        env=untraced(process_environment({"PATH": f"{home}:{os.environ['PATH']}"})),
        capture_output=True,
        text=True,
        check=True,
    )

    assert [some.replace("HOST", registry.host)] == [row.split("\t")[0] for row in done.stdout.splitlines()]
    assert not (home / "pwned").exists()
