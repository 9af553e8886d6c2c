"""RUN through the command line, by a real runtime; and the guide about it."""

import json
import re
import shlex
import time
from pathlib import Path

import pytest

from ocitool.store.layout import LayoutStore
from ocitool.workspace import host_platform
from tests.fakes.built import Built
from tests.fakes.executions import contents
from tests.fakes.running import put_running, why_nothing_runs

GUIDE = Path(__file__).parents[2] / "docs/guides/run.md"
HOST = str(host_platform())


@pytest.fixture(scope="module")
def can_run(tmp_path_factory):
    """Skip where nothing can be run."""
    if why := why_nothing_runs(tmp_path_factory.mktemp("tried")):
        pytest.skip(why)


@pytest.fixture
def build(can_run, home, run, monkeypatch):
    """`build("RUN true", …)`: a Dockerfile upon a base with busybox, into oci:img:1."""
    monkeypatch.delenv("OCITOOL_NO_RUN")
    monkeypatch.chdir(home)
    put_running(LayoutStore(home / "base", create=True), "1")
    (home / "src").mkdir()

    def call(text, *flags, base="FROM base\n"):
        (home / "src/Dockerfile").write_text(base + text)
        return run("build", "src", "--build-context", "base=oci-layout://base:1", "-o", "oci:img:1", *flags)

    return call


def image(home, done):
    assert 0 == done.exit_code, done.stderr
    return Built(home / "img", HOST)


def test_files_links_removals_and_owners_are_in_the_layer(home, build):
    done = build(
        "RUN mkdir -p /d/e && echo 1 > /d/a && ln /d/a /d/b && ln -s a /d/c && chmod 4750 /d/a && chown 7:8 /d/e\n"
        "RUN rm /d/c && rm -r /d/e && mkdir /d/e && touch /d/e/new\n"
    )

    files = image(home, done).files()
    assert "d/c" not in files
    assert {"d/e", "d/e/new", "d/a", "d/b"} == {path for path in files if path.startswith("d/")}
    assert ("FILE", "0o4750") == files["d/a"][:2] == files["d/b"][:2]


def test_what_a_stage_says_holds_for_its_commands(home, build):
    done = build(
        "ARG V=v\nENV E=e\nWORKDIR /w\nRUN chmod 777 .\nUSER app\n"
        'RUN echo "$V $E $(id -u) $(id -g) $(pwd)" > said\nSHELL ["/bin/sh", "-ec"]\n'
        'RUN ["/bin/cp", "said", "copied"]\nRUN <<E\n#!/bin/sh\necho script >> copied\nE\n'
    )

    assert b"v e 7 8 /w\nscript\n" == image(home, done).data("w/copied")
    assert "RUN |1 V=v /bin/cp said copied # buildkit" in [line for line, _ in image(home, done).told]


def test_a_stage_is_copied_from_and_mounted(home, build):
    (home / "src/f").write_text("context")
    done = build(
        "RUN echo made > /made && rm /etc/group\n"
        "FROM base\nCOPY --from=0 /made /etc/ /x/\n"
        "RUN --mount=from=0,target=/m --mount=target=/ctx --mount=type=tmpfs,target=/t"
        " cat /m/made /ctx/f > /both && echo no > /t/no\n"
    )

    made = image(home, done)
    assert b"made\ncontext" == made.data("both")
    assert {"x/made", "x/passwd"} == {path for path in made.files() if path.startswith("x/")}
    assert "t/no" not in made.files()


def test_a_secret_is_there_and_left_nowhere(home, build, monkeypatch):
    monkeypatch.setenv("TOKEN", "s3cr3t-word")
    done = build(
        "RUN --mount=type=secret,id=a --mount=type=secret,id=b,env=B"
        ' test "$(cat /run/secrets/a)" = "$B" && echo "it is $B"\n',
        "--secret",
        "id=a,env=TOKEN",
        "--secret",
        "id=b,env=TOKEN",
    )

    image(home, done)
    assert "it is ***" in done.stderr
    assert not [text for text in contents(home) if b"s3cr3t-word" in text]


def test_a_cache_folder_stays_between_builds(home, build):
    text = "RUN --mount=type=cache,target=/c,id={} echo {} >> /c/n; cat /c/n > /n\n"
    build(text.format("a", 1))
    again = image(home, build(text.format("a", 2))).data("n")
    other = image(home, build(text.format("b", 3))).data("n")

    assert (b"1\n2\n", b"3\n") == (again, other)


def test_a_failure_has_its_line_its_words_and_its_code(build):
    done = build("RUN true\nRUN echo so it is >&2; exit 5\n")

    assert 7 == done.exit_code
    assert re.search(r"error: .*Dockerfile:3: .*exited with 5", done.stderr)
    assert f"[{HOST} 2/2] so it is" in done.stderr


def test_times_stay_and_are_clamped_by_an_epoch(home, build):
    made = image(home, build("RUN echo 1 > /f\n"))
    clamped = image(home, build("RUN echo 1 > /f\n", "--build-arg", "SOURCE_DATE_EPOCH=1000"))

    assert time.time() - made.tree.get("f").mtime < 600
    assert 1000 == clamped.tree.get("f").mtime
    assert 0 == image(home, build("RUN echo 1 > /f\n", "--rewrite-timestamp")).tree.get("f").mtime


def test_hosts_networks_and_limits_are_given(home, build):
    done = build(
        "RUN --network=none grep -c . /proc/net/route > /routes; cat /etc/hosts > /said; ulimit -n > /n\n",
        *("--add-host", "db:10.1.2.3", "--ulimit", "nofile=77:77"),
    )

    made = image(home, done)
    assert b"10.1.2.3" in made.data("said")
    assert b"77\n" == made.data("n")
    assert b"1\n" == made.data("routes")  # the heading alone


def test_without_cache_one_stage_runs_again(build):
    text = "RUN one=1; true\nFROM 0 AS b\nRUN two=2; true\n".replace("FROM 0", "FROM a")
    build(text, base="FROM base AS a\n")

    done = build(text, "--no-cache-filter", "b", base="FROM base AS a\n")

    assert re.search(r"one=1; true: cached", done.stderr)
    assert re.search(r"two=2; true: run", done.stderr)


def test_it_is_refused_where_it_is_not_wanted(build):
    done = build("RUN apt-get install x\n", "--no-run")

    assert 9 == done.exit_code
    assert "nothing is run here" in done.stderr


def test_nothing_is_fetched_where_a_platform_cannot_be_run(build):
    done = build("RUN true\n", "--platform", "linux/sparc64", base="FROM nowhere.example/none:1\n")

    assert 9 == done.exit_code
    assert "RUN cannot be carried out here" in done.stderr
    assert "nowhere.example" not in done.stderr


def test_a_check_tells_of_run_only_where_it_is_refused(build):
    assert "RunNeedsProcess" not in build("RUN true\n", "--check").stdout
    assert "RunNeedsProcess" in build("RUN true\n", "--check", "--no-run").stdout


def test_a_registry_hands_what_was_left_to_a_machine_that_has_nothing(home, build, registry):
    text = "RUN --mount=type=cache,target=/c echo made > /f\nRUN true\n"
    cache = f"type=registry,ref={registry.host}/app:cache"
    first = image(home, build(text, "--cache-to", cache))

    done = build(text, "--cache-from", cache, "--cache-dir", home / "other")

    assert first.manifest.document.digest == image(home, done).manifest.document.digest
    assert 2 == done.stderr.count(": cached")
    assert b"made\n" not in contents(home / "other/unpacked")
    assert 2 == len(registry.asked("PUT", "*/manifests/run-*"))
    again = build(text, "--cache-to", cache)
    assert 0 == again.exit_code
    assert 2 == len(registry.asked("PUT", "*/manifests/run-*"))


def test_a_registry_that_does_not_answer_is_left_out(build):
    done = build("RUN true\n", "--cache-from", "type=registry,ref=127.0.0.1:1/app")

    assert 0 == done.exit_code
    assert 1 == done.stderr.count("is left out")


def test_a_dry_run_tells_the_lines_and_runs_none(home, build):
    done = build("RUN echo 1 > /f\n", "--dry-run")

    assert f"run {HOST} src/Dockerfile:2: RUN echo 1 > /f\n" in done.stdout
    assert not (home / "img").exists()


def test_doctor_tells_what_runs(can_run, run, monkeypatch):
    monkeypatch.delenv("OCITOOL_NO_RUN")

    told = json.loads(run("doctor", "--platform", HOST, "--json").stdout)["data"]["run"]

    assert [(HOST, "", "")] == [(one["platform"], one["by"], one["problem"]) for one in told["abilities"]]
    assert told["runtime"].endswith(("runc", "crun"))


def test_every_build_of_the_guide(home, build, run, monkeypatch):
    """Each Dockerfile of the guide by each command below it, for this machine and upon the base of the test."""
    monkeypatch.setenv("API_TOKEN", "abc12345")
    monkeypatch.chdir(home / "src")
    (home / "src/token.txt").write_text("abc12345")
    count = 0
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL):
        if language == "dockerfile":
            (home / "src/Dockerfile").write_text(text)
        for line in text.splitlines() if language == "sh" else ():
            words = shlex.split(line)[1:]
            if "--emulator" in words:
                continue
            words = [HOST if word.startswith("linux/") else word for word in words]
            done = run(*words, "--build-context", f"base=oci-layout://{home}/base:1")
            assert 0 == done.exit_code, done.stderr
            count += 1
    assert 5 == count
