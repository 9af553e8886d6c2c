"""Processes: their words, their failures, and that none of them outlives us."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ocitool.errors import BuildError, Cancelled, LocalIOError, NetworkError, Unsupported
from ocitool.events import Done, Started, Working
from ocitool.model.platform import Platform
from ocitool.tasks import Scope
from ocitool.toolchains.base import CompileJob, Target
from ocitool.toolchains.options import Program
from ocitool.toolchains.processes import TAIL, _Group, capture, run


def job(tmp_path: Path, script: str, platform: str = "linux/amd64", *, argv0: str = "/bin/sh") -> CompileJob:
    wanted = Platform.parse(platform)
    output = tmp_path / "out" / platform.replace("/", "-") / "app"
    target = Target(Program("app"), wanted, tmp_path, output)
    return CompileJob(
        target, (argv0, "-c", script), {"PATH": "/usr/bin:/bin", "OUT": str(output)}, tmp_path, (output,)
    )


def test_results_come_in_the_order_of_the_jobs_with_events(tmp_path):
    events = []
    jobs = [
        job(tmp_path, 'echo hi; echo one >"$OUT"', "linux/amd64"),
        job(tmp_path, 'echo two >"$OUT"', "linux/arm64"),
    ]

    done = run(jobs, Scope(), 2, events.append)

    assert ["one\n", "two\n"] == [result.job.outputs[0].read_text() for result in done]
    assert "hi\n" == done[0].said
    assert Started("compile app for linux/arm64", "compile app for linux/arm64") in events
    assert Done("compile app for linux/amd64", "compiled", 4) in events


def test_a_long_compile_is_heard_of_with_its_last_line(tmp_path):
    events = []
    script = 'echo one; printf "two\\rthree\\n\\n"; sleep 1.3; echo x >"$OUT"'

    run([job(tmp_path, script)], Scope(), 1, events.append)

    assert [Working("compile app for linux/amd64", "three")] == [e for e in events if isinstance(e, Working)][:1]


@pytest.mark.slow
def test_a_talkative_compile_is_heard_of_no_more_than_once_a_second(tmp_path):
    events = []
    script = 'for n in $(seq 200); do echo $n; sleep 0.002; done; echo x >"$OUT"'
    began = time.monotonic()

    run([job(tmp_path, script)], Scope(), 1, events.append)

    # However busy the machine is: by the clock that it goes by itself.
    assert len([event for event in events if isinstance(event, Working)]) <= time.monotonic() - began


def test_only_the_planned_environment_is_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")

    run([job(tmp_path, 'env >"$OUT"')], Scope(), 1)

    assert "SECRET_TOKEN" not in (tmp_path / "out" / "linux-amd64" / "app").read_text()


def test_failure_names_the_platform_and_repeats_the_compiler(tmp_path):
    with pytest.raises(BuildError) as failed:
        run([job(tmp_path, "echo out; echo 'main.go:3: undefined: x' >&2; exit 2", "linux/arm/v6")], Scope(), 1)

    assert "cannot compile app for linux/arm/v6: sh exited with 2" == str(failed.value)
    assert (7, 2, "linux/arm/v6") == (failed.value.exit_code, failed.value.returncode, failed.value.target)
    assert "out\nmain.go:3: undefined: x\n" == failed.value.stderr


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("go", "main.go:3:8: other@v1: Get https://modules.example/other: dial tcp: lookup modules.example: no such host"),
        ("cargo", "  [6] Could not resolve hostname (Could not resolve host: crates.example)"),
    ],
)  # fmt: skip
def test_what_cannot_be_fetched_is_an_error_of_the_network(tmp_path, program, said):
    (tmp_path / program).symlink_to("/bin/sh")

    with pytest.raises(NetworkError, match=f"{program} cannot fetch what it needs: ") as failed:
        run([job(tmp_path, f"echo '{said}'; exit 1", argv0=str(tmp_path / program))], Scope(), 1)

    assert (5, True) == (failed.value.exit_code, "vendor" in failed.value.hint)
    with pytest.raises(BuildError):  # such words of another compiler are its own
        run([job(tmp_path, f"echo '{said}'; exit 1")], Scope(), 1)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("error: unable to find dynamic system library 'z' using strategy paths_first", "[sysroot] packages"),
        ("main.c:1:10: fatal error: 'zlib.h' file not found", "[sysroot] packages"),
        ("main.c:1:10: fatal error: zlib.h: No such file or directory", "[sysroot] packages"),
        ("ld: cannot find -lz: No such file or directory", "[sysroot] packages"),
        ("configure: error: ncurses library not found", "[sysroot] packages"),
        ("CMake Error: Could NOT find ZLIB (missing: ZLIB_LIBRARY)", "[sysroot] packages"),
        ("meson.build:3: ERROR: Dependency 'zlib' not found, tried pkgconfig", "[sysroot] packages"),
        ("/bin/sh: 1: ./gen: Exec format error", "cc-for-build"),
        ("main.c:1: error: expected ';'", ""),
    ],
)
def test_what_a_failed_compile_says_has_a_way_out(tmp_path, said, hint):
    with pytest.raises(BuildError) as failed:
        run([job(tmp_path, f'echo "{said}"; exit 1')], Scope(), 1)

    assert (hint in failed.value.hint, bool(hint)) == (True, bool(failed.value.hint))


def test_of_a_long_output_the_end_is_kept(tmp_path):
    with pytest.raises(BuildError) as failed:
        run([job(tmp_path, "seq 100000; exit 1")], Scope(), 1)

    assert TAIL == len(failed.value.stderr)
    assert failed.value.stderr.endswith("\n99999\n100000\n")


def test_a_compiler_ended_by_a_signal_is_told(tmp_path):
    with pytest.raises(BuildError, match="sh was ended by SIGSEGV"):
        run([job(tmp_path, "kill -SEGV $$")], Scope(), 1)


def test_success_without_the_output_is_a_failure(tmp_path):
    with pytest.raises(BuildError, match=r"succeeded but wrote no .*app"):
        run([job(tmp_path, "true")], Scope(), 1)


def test_an_old_output_does_not_pass_for_a_new_one(tmp_path):
    stale = job(tmp_path, "true")
    stale.outputs[0].parent.mkdir(parents=True)
    stale.outputs[0].write_text("old")

    with pytest.raises(BuildError, match="wrote no"):
        run([stale], Scope(), 1)


def test_a_compiler_that_is_not_there(tmp_path):
    with pytest.raises(Unsupported, match="cannot start /nowhere/cc to compile app for linux/amd64") as missing:
        run([job(tmp_path, "", argv0="/nowhere/cc")], Scope(), 1)

    assert (9, "/nowhere/cc") == (missing.value.exit_code, missing.value.ability)


def test_a_source_folder_that_is_gone(tmp_path):
    gone = job(tmp_path, "true")
    gone = CompileJob(gone.target, gone.argv, gone.env, tmp_path / "gone", gone.outputs)

    with pytest.raises(LocalIOError, match=r"cannot enter .*gone"):
        run([gone], Scope(), 1)


def _await_file(path: Path) -> str:
    for _ in range(6000):
        if path.is_file() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written")


def _is_gone(pid: int) -> bool:
    """Whether no such process runs; a zombie that nobody has reaped yet does not run."""
    for _ in range(6000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_a_failure_stops_the_siblings_and_their_children(tmp_path):
    pids = tmp_path / "pids"
    sleeper = job(tmp_path, f'sleep 100 & echo "$$ $!" >{pids}; wait', "linux/amd64")
    failing = job(tmp_path, f"while ! grep -q . {pids} 2>/dev/null; do :; done; exit 3", "linux/arm64")

    with pytest.raises(BuildError, match="app for linux/arm64: sh exited with 3"):
        run([sleeper, failing], Scope(), 2)

    assert [True, True] == [_is_gone(int(pid)) for pid in _await_file(pids).split()]


def test_cancelling_ends_even_those_that_ignore_the_request(tmp_path):
    pids = tmp_path / "pids"
    stubborn = job(
        tmp_path, f"trap '' TERM; sh -c 'trap \"\" TERM; sleep 100' & echo \"$$ $!\" >{pids}; wait; wait"
    )
    scope = Scope()
    threading.Thread(target=lambda: (_await_file(pids), scope.cancel(Cancelled(exit_code=143)))).start()

    with pytest.raises(Cancelled) as cancelled:
        run([stubborn], scope, 1)

    assert 143 == cancelled.value.exit_code
    assert [True, True] == [_is_gone(int(pid)) for pid in _await_file(pids).split()]


def test_what_a_compiler_leaves_running_is_ended_with_it(tmp_path):
    pids = tmp_path / "pids"

    run([job(tmp_path, f'sleep 100 & echo "$!" >{pids}; echo x >"$OUT"')], Scope(), 1)

    assert _is_gone(int(_await_file(pids)))


def test_output_closed_early_does_not_end_the_compiler(tmp_path):
    script = f"exec {sys.executable} -c \"import os,time; os.close(1); os.close(2); time.sleep(0.3); open(os.environ['OUT'],'w').write('x')\""

    (done,) = run([job(tmp_path, script)], Scope(), 1)

    assert "x" == done.job.outputs[0].read_text()


def test_no_descriptor_is_left_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))

    run([job(tmp_path, 'echo x >"$OUT"')], Scope(), 1)

    assert before == len(os.listdir("/proc/self/fd"))


def test_exclusive_jobs_never_run_beside_each_other(tmp_path):
    script = 'mkdir lock && sleep 0.05 && rmdir lock && echo x >"$OUT"'
    jobs = [
        replace(job(tmp_path, script, f"linux/{arch}"), is_exclusive=True) for arch in ("amd64", "arm64", "386")
    ]

    done = run([*jobs, job(tmp_path, 'echo y >"$OUT"', "linux/s390x")], Scope(), 4)

    assert ["amd64", "arm64", "386", "s390x"] == [result.job.target.platform.architecture for result in done]


def test_outputs_of_the_project_are_not_removed(tmp_path):
    own = replace(job(tmp_path, "true"), is_fresh=False)
    own.outputs[0].parent.mkdir(parents=True)
    own.outputs[0].write_text("up to date")

    (done,) = run([own], Scope(), 1)

    assert "up to date" == done.job.outputs[0].read_text()


def test_capture_gives_what_a_helper_prints(tmp_path):
    environ = {"PATH": "/usr/bin:/bin"}

    assert "a\n" == capture(("sh", "-c", "echo a; echo b >&2"), tmp_path, environ)
    assert capture(("sh", "-c", "echo a; exit 1"), tmp_path, environ) is None
    assert capture(("/nowhere/git",), tmp_path, environ) is None
    assert capture(("sh", "-c", "exec sleep 20"), tmp_path, environ, timeout_s=0.05) is None


def test_a_word_that_no_process_can_be_given_is_told(tmp_path):
    with pytest.raises(Unsupported, match=r"cannot start /bin/sh to compile .*: embedded null byte"):
        run([job(tmp_path, "a\0b")], Scope(), 1)


def test_no_signal_is_sent_to_a_group_that_has_ended(monkeypatch):
    """Its number may be another's by then."""
    sent = []
    with subprocess.Popen(["true"], start_new_session=True) as process:
        group = _Group(process)
        group.end()
        monkeypatch.setattr(os, "killpg", lambda *words: sent.append(words))
        group.stop()

    assert [] == sent
