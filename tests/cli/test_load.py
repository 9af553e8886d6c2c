"""`--load`: a build streamed into an engine that was found by asking, and what happens where there is none."""

import json
import os
import re
import signal
import subprocess
import sys
import tarfile

import pytest

from ocitool import Client
from ocitool.errors import Unsupported, UsageError
from ocitool.model.digest import Digest
from tests.cli.guides import NAME, consoles, follow
from tests.conftest import REPOSITORY, process_environment, untraced
from tests.fakes.processes import runs, wait_for
from tests.fakes.registry import fake_registry

ANSWERS = {
    "docker": ("version", "linux/amd64"),
    "podman": ("info", "linux/arm64"),
    "ctr": ("--connect-timeout", "Server: 1"),
}


@pytest.fixture
def place(home, monkeypatch):
    """A folder with a file to build of and no engine in PATH; one that is loaded into is found by trying."""
    (home / "bin").mkdir()
    (home / "app").mkdir()
    (home / "app" / "data").write_text("x")
    monkeypatch.chdir(home)
    monkeypatch.setenv("PATH", str(home / "bin"))
    monkeypatch.delenv("OCITOOL_ENGINE")
    return home


@pytest.fixture
def engine(place):
    """`engine("docker", load="exit 1")`: a client that answers, and keeps its words, its environment and its input."""

    def make(name, *, answers=True, load=""):
        asked, said = ANSWERS[name]
        keep = f"echo $* > {place}/{name}.words; /usr/bin/env > {place}/{name}.env; /bin/cat > {place}/{name}.tar"
        program = place / "bin" / name
        program.write_text(
            f'#!/bin/sh\nif [ "$1" = {asked} ] || [ "$3" = {asked} ]\n'
            f"then {f'echo {said}; exit 0' if answers else 'echo no daemon >&2; exit 1'}\nfi\n{load or keep}\n"
        )
        program.chmod(0o755)
        return program

    return make


@pytest.fixture
def build(place, run):
    """`build("--load")`: an image of one file, for two platforms unless others are named."""

    def call(*flags, platform="linux/amd64,linux/arm64", name="reg.test/app:1"):
        tag = ("-t", name) if name else ()
        return run(
            *("build", place / "app", "--toolchain", "prebuilt", "--copy", "data:/"),
            *("--platform", platform, *tag, *flags),
        )

    return call


def begun(place, *words):
    """A command that has started an engine's client, and the number of that."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ocitool", *words],
        cwd=place,
        env=untraced(process_environment()),
        stderr=subprocess.DEVNULL,
    )
    pid = place / "pid"
    return process, wait_for(lambda: pid.exists() and pid.read_text().strip(), "an engine's client")


def loaded(place, name):
    """The members of the archive that an engine read."""
    with tarfile.open(place / f"{name}.tar") as archive:
        return {one.name: archive.extractfile(one).read() for one in archive}


def test_docker_gets_the_platform_it_runs_under_every_name(place, engine, build, run):
    engine("docker")

    done = build("--load", "-t", "app", "--json")

    assert 0 == done.exit_code, done.stderr
    files = loaded(place, "docker")
    (image,) = json.loads(files["manifest.json"])
    assert ["reg.test/app:1", "app:latest"] == image["RepoTags"]
    assert ("linux", "amd64") == tuple(map(json.loads(files[image["Config"]]).get, ("os", "architecture")))
    assert [{"engine": "docker", "platforms": ["linux/amd64"]}] == json.loads(done.stdout)["data"]["loaded"]
    assert "load\n" == (place / "docker.words").read_text()
    assert "" == run("images").stdout


def test_each_engine_is_asked_and_the_first_that_answers_is_told(place, engine, build):
    engine("docker", answers=False)
    engine("podman")
    engine("ctr")

    done = build("--load")

    assert (0, True) == (done.exit_code, "note: the image is loaded into podman\n" in done.stderr)
    assert "loaded into podman: linux/arm64\n" in done.stderr
    (image,) = json.loads(loaded(place, "podman")["manifest.json"])
    assert "arm64" == json.loads(loaded(place, "podman")[image["Config"]])["architecture"]


def test_containerd_gets_the_index(place, engine, build):
    engine("ctr")

    done = build("--load", "--json")

    assert 0 == done.exit_code, done.stderr
    files = loaded(place, "ctr")
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert json.loads(done.stdout)["data"]["digest"] == entry["digest"]
    assert "reg.test/app:1" == entry["annotations"]["io.containerd.image.name"]
    assert all(Digest.of(data).hex == name.rpartition("/")[2] for name, data in files.items() if "blobs/" in name)
    assert "images import --all-platforms -\n" == (place / "ctr.words").read_text()


def test_what_containerd_could_not_run_is_not_unpacked_there(place, engine, build):
    engine("ctr")

    assert 0 == build("--load", platform="linux/s390x").exit_code
    assert "images import --all-platforms --no-unpack -\n" == (place / "ctr.words").read_text()


@pytest.mark.parametrize("said", ["variable", "output"])
def test_an_engine_is_named(place, engine, build, monkeypatch, said):
    engine("docker")
    engine("podman")
    if said == "variable":
        monkeypatch.setenv("OCITOOL_ENGINE", "podman")

    done = build(*(["--load"] if said == "variable" else ["-o", "type=docker,engine=podman"]))

    assert (0, True) == (done.exit_code, (place / "podman.tar").exists())


def test_a_context_of_docker_is_passed_on(place, engine, build):
    engine("podman")
    engine("docker")

    assert 0 == build("-o", "type=docker,context=remote").exit_code
    assert "--context remote load\n" == (place / "docker.words").read_text()


def test_one_platform_is_loaded_whatever_the_engine_runs(place, engine, build):
    engine("docker")

    assert 0 == build("--load", platform="linux/riscv64").exit_code
    assert "manifest.json" in loaded(place, "docker")


def test_our_own_variables_are_not_passed_on(place, engine, build, monkeypatch):
    monkeypatch.setenv("OCITOOL_PASSWORD", "secret")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    engine("docker")

    assert 0 == build("--load").exit_code
    passed = (place / "docker.env").read_text()
    assert (False, True) == ("secret" in passed, "DOCKER_HOST=unix:///nowhere\n" in passed)


def test_without_an_engine_the_image_stays_in_this_machines_store(build, run, monkeypatch):
    done = build("--load")

    assert (0, 1) == (done.exit_code, done.stderr.count("note: no docker, podman or containerd answers here"))
    assert "reg.test/app:1" in run("images").stdout


def test_the_store_of_this_machine_is_chosen_before_an_engine(place, engine, build, run):
    engine("docker")

    done = build("-o", "type=docker,engine=none")

    assert (0, False, "") == (done.exit_code, (place / "docker.tar").exists(), done.stderr.partition("note:")[1])
    assert "reg.test/app:1" in run("images").stdout


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (("-o", "type=docker,engine=podman"), 9, "podman does not answer here"),
        (("-o", "type=docker,engine=rkt"), 2, "one of docker, podman, containerd, none"),
        (("-o", "type=docker,engine=containerd,context=x"), 2, "context=x is of docker"),
        (("-o", "type=docker,context=x"), 9, "docker does not answer here"),
        (("--load", "--attest-form", "referrers", "--sbom"), 2, "--push"),
    ],
)
def test_what_cannot_be_loaded_is_refused_before_anything_is_built(place, engine, build, flags, code, told):
    engine("docker", answers=False)
    engine("ctr")

    done = build(*flags)

    assert (code, True) == (done.exit_code, told in done.stderr), done.stderr
    assert not (place / "ctr.tar").exists()


def test_several_platforms_of_which_the_engine_runs_none_are_refused(engine, build):
    engine("docker")

    done = build("--load", platform="linux/arm64,linux/s390x")

    assert (9, True) == (
        done.exit_code,
        "docker holds one platform of an image, and runs linux/amd64" in done.stderr,
    )


def test_containerd_needs_a_name(engine, build):
    engine("ctr")

    assert 2 == build("--load", name="").exit_code


def test_an_engine_that_fails_is_an_error_with_its_words(engine, build):
    """It ends before it has read what it was given, and says more than anybody reads."""
    words = "while [ $((n += 1)) -lt 5000 ]; do echo line $n of many words; done; printf 'no \\033[1mspace\\n' >&2; exit 3"
    engine("docker", load=words)

    done = build("--load")

    lines = done.stderr.splitlines()
    assert (10, True) == (done.exit_code, any("docker did not take the image: no " in line for line in lines))
    assert (True, False) == ("line 4999" in done.stderr, "\033" in done.stderr)
    assert len(lines) < 30


def test_an_engine_that_says_nothing_is_an_error_too(engine, build):
    engine("docker", load="exec /bin/cat /nonexistent 2>/dev/null")

    done = build("--load")

    assert (10, True) == (done.exit_code, "docker did not take the image: its client ended with 1" in done.stderr)


def test_a_source_that_breaks_ends_the_engine_before_it_believes_to_have_all(place, engine, build, run):
    """A layer of the base is gone: what docker read so far must not look like a whole archive."""
    base = place / "base"
    assert 0 == build("-o", "oci:base:1", platform="linux/amd64").exit_code
    layers = json.loads(run("inspect", "oci:base:1", "--json").stdout)
    digest = layers["data"]["platforms"][0]["layers"][0]["digest"]
    (base / "blobs" / digest.replace(":", "/")).unlink()
    engine("docker", load=f"/bin/cat > {place}/docker.part; echo whole > {place}/whole")

    done = build("--load", "--base", "oci:base:1", platform="linux/amd64")

    assert (3, False) == (done.exit_code, (place / "whole").exists())


def test_a_signal_ends_an_engine_that_ignores_it_and_reads_nothing(place, engine):
    engine("docker", load=f"trap '' TERM; echo $$ > {place}/pid; while :; do /bin/sleep 1; done")
    (place / "app" / "data").write_bytes(os.urandom(1_000_000))  # more than a pipe holds
    words = ("build", "app", "--toolchain", "prebuilt", "--copy", "data:/", "--platform", "linux/amd64", "--load")
    process, number = begun(place, *words)

    process.send_signal(signal.SIGTERM)

    assert 143 == process.wait(20)
    assert not runs(number)


def test_the_guide_from_its_beginning_to_its_end(place, engine, run, monkeypatch, capsys):
    (place / "app" / "hello").write_text("hello")
    monkeypatch.chdir(place / "app")
    engine("docker")
    engine("podman")

    lines = consoles("load.md")
    assert ["docker", "podman"] == ["podman" if "podman" in line else "docker" for line, _ in lines]
    for line, printed in lines:
        follow(run, line, printed, NAME, meanings={})

    assert (True, True) == ((place / "docker.tar").exists(), (place / "podman.tar").exists())
    (program,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs/guides/load.md").read_text(), re.DOTALL)
    (place / "podman.tar").unlink()
    exec(program, {"Client": Client})
    assert "podman\n" == capsys.readouterr().out
    assert "manifest.json" in loaded(place, "podman")


def test_a_signal_ends_the_wait_for_an_engine_that_is_silent(place, engine):
    program = engine("docker")
    program.write_text(f"#!/bin/sh\necho $$ > {place}/pid; exec /bin/sleep 60\n")
    words = ("build", "app", "--toolchain", "prebuilt", "--copy", "data:/", "--platform", "linux/amd64", "--load")
    process, number = begun(place, *words)

    process.send_signal(signal.SIGTERM)

    assert 143 == process.wait(3)
    assert not runs(number)


def test_a_program_loads_what_it_built(place, engine):
    engine("docker")
    with Client() as client:
        built = client.build(
            place / "app", toolchain="prebuilt", copy="data:/", platforms="linux/amd64", tags="app:1"
        )

        done = client.load(built)

        assert ("docker", ("docker.io/library/app:1",)) == (done.where, done.names)
        with pytest.raises(Unsupported, match="podman does not answer"):
            client.load(built, "podman")
        with pytest.raises(Unsupported, match="no docker, podman or containerd"):
            client.load(built, "none")
        with pytest.raises(UsageError, match="a build"):
            client.load("app:1")
    assert "manifest.json" in loaded(place, "docker")


def test_what_an_engine_leaves_running_goes_on(place, engine, build):
    """As the process that keeps the namespaces of a podman without root."""
    engine("docker", load=f"/bin/sleep 60 >/dev/null 2>&1 & echo $! > {place}/daemon; exec /bin/cat > /dev/null")

    assert 0 == build("--load").exit_code

    number = (place / "daemon").read_text().strip()
    assert runs(number)
    os.kill(int(number), signal.SIGKILL)


def test_it_is_pushed_loaded_and_kept_by_one_build(place, engine, build, run):
    engine("docker")
    with fake_registry() as registry:
        name = f"{registry.host}/app:1"

        done = build("--push", "--load", "-o", "type=image", "--json", name=name)

        assert 0 == done.exit_code, done.stderr
        data = json.loads(done.stdout)["data"]
        assert data["digest"] == registry.tags["app", "1"]
    assert [name] == json.loads(loaded(place, "docker")["manifest.json"])[0]["RepoTags"]
    assert name in run("images").stdout
