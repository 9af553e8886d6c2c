"""When a compiler need not be started, and when it must."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ocitool.model.platform import Platform
from ocitool.toolchains.base import CompileJob, Inputs, Target
from ocitool.toolchains.options import Program
from ocitool.toolchains.up_to_date import go_module, is_current, outdated, remember, state_of

LATER_NS = time.time_ns() + 10**12


class Notes(dict):
    """A memo in memory."""

    recall = dict.get
    remember = dict.__setitem__


@pytest.fixture
def job(tmp_path) -> CompileJob:
    source = tmp_path / "src"
    (source / "sub").mkdir(parents=True)
    (source / "go.mod").write_text("module example.com/app\n")
    (source / "sub" / "a.go").write_text("package sub\n")
    (tmp_path / "go").write_text("compiler")
    output = tmp_path / "out" / "app"
    output.parent.mkdir()
    output.write_text("program")
    target = Target(Program("app"), Platform("linux", "amd64"), source, output)
    return CompileJob(target, (str(tmp_path / "go"), "build"), {"HOME": str(tmp_path), "A": "1"}, source, (output,))


def noted(job: CompileJob) -> Notes:
    notes = Notes()
    remember(job, state_of(job, job.cwd), LATER_NS, notes)
    return notes


def test_nothing_changed(job):
    notes = noted(job)

    assert is_current(job, state_of(job, job.cwd), notes)
    assert not is_current(job, state_of(job, job.cwd), Notes())


def touch(path: Path) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def replace_keeping_times(path: Path) -> None:
    """Other content of the same size under the old times, as a careless tool leaves it."""
    status = path.stat()
    while path.stat().st_ctime_ns == status.st_ctime_ns:  # the kernel's clock moves in steps
        path.write_bytes(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES = {
    "a file touched": lambda job: touch(job.cwd / "sub" / "a.go"),
    "other bytes under the old size and time": lambda job: replace_keeping_times(job.cwd / "sub" / "a.go"),
    "a new file": lambda job: (job.cwd / "sub" / "b.go").write_text("package sub\n"),
    "a file removed": lambda job: (job.cwd / "sub" / "a.go").unlink(),
    "a file renamed": lambda job: (job.cwd / "sub" / "a.go").rename(job.cwd / "sub" / "z.go"),
    "the compiler": lambda job: touch(Path(job.argv[0])),
    "settings of go env -w": lambda job: (
        (job.cwd.parent / ".config" / "go").mkdir(parents=True),
        (job.cwd.parent / ".config" / "go" / "env").write_text("GOFLAGS=-tags=x\n"),
    ),
    "the output touched": lambda job: touch(job.outputs[0]),
    "the output gone": lambda job: job.outputs[0].unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_a_file_starts_the_compiler(job, change):
    notes = noted(job)

    change(job)

    assert not is_current(job, state_of(job, job.cwd), notes)


@pytest.mark.parametrize(
    "change", [{"argv": ("other", "build")}, {"env": {"A": "2"}}, {"cwd": Path("/")}], ids=["argv", "env", "cwd"]
)
def test_another_command_or_environment_starts_the_compiler(job, change):
    notes = noted(job)
    other = replace(job, **change) if "argv" not in change else replace(job, argv=(job.argv[0], "build", "-x"))

    assert not is_current(other, state_of(other, job.cwd), notes)


def test_files_of_version_control_do_not_count(job):
    notes = noted(job)

    (job.cwd / ".git").mkdir()
    (job.cwd / ".git" / "index").write_text("x")

    assert is_current(job, state_of(job, job.cwd), notes)


def test_the_file_behind_a_link_counts(job, tmp_path):
    outside = tmp_path / "outside.go"
    outside.write_text("package sub\n")
    (job.cwd / "sub" / "link.go").symlink_to(outside)
    notes = noted(job)
    assert is_current(job, state_of(job, job.cwd), notes)

    touch(outside)

    assert not is_current(job, state_of(job, job.cwd), notes)


def test_what_cannot_be_listed_is_not_judged(job, tmp_path):
    (job.cwd / "linked").symlink_to(tmp_path, target_is_directory=True)

    assert state_of(job, job.cwd) is None


def test_a_broken_link_is_not_judged(job):
    (job.cwd / "broken").symlink_to("nowhere")

    assert state_of(job, job.cwd) is None


@pytest.mark.parametrize(("age_ns", "newest_ns"), [(90_000_000, 1_000_000_001), (1_900_000_000, 1_000_000_000)])
def test_files_too_young_to_be_sure_are_not_noted(job, age_ns, newest_ns):
    state = replace(state_of(job, job.cwd), newest_ns=newest_ns)
    notes = Notes()

    remember(job, state, newest_ns + age_ns, notes)
    assert {} == notes
    remember(job, state, newest_ns + age_ns + 200_000_000, notes)
    assert is_current(job, state, notes)


@pytest.mark.parametrize(
    ("is_known", "text"),
    [
        (True, "module a\n"),
        (True, "module a\nreplace b => example.com/c v1.0.0\n"),
        (False, "module a\nreplace b => ../b\n"),
        (False, "module a\nreplace (\n  b => ./b\n)\n"),
        (False, "module a\nreplace b v1 => /srv/b\n"),
    ],
)
def test_the_module_that_decides(tmp_path, is_known, text):
    (tmp_path / "go.mod").write_text(text)
    (tmp_path / "cmd" / "x").mkdir(parents=True)

    assert (tmp_path if is_known else None) == go_module(tmp_path / "cmd" / "x")


def test_a_workspace_or_no_module_is_not_judged(tmp_path):
    assert go_module(tmp_path) is None
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "go.mod").write_text("module a\n")
    (tmp_path / "go.work").write_text("go 1.24\n")

    assert go_module(tmp_path / "m") is None


def test_only_what_is_not_current_has_to_be_done(job):
    job = replace(job, inputs=Inputs.GO_MODULE)
    ((_, state),) = outdated([job], Notes())
    notes = noted(job)

    assert state == state_of(job, job.cwd)
    assert () == outdated([job], notes)
    touch(job.cwd / "sub" / "a.go")
    assert [job] == [one for one, _ in outdated([job], notes)]


@pytest.mark.parametrize("inputs", [Inputs.GO_MODULE, Inputs.C_SOURCES])
def test_a_folder_is_looked_through_once_for_all_platforms(job, inputs, monkeypatch):
    (job.cwd / "sub" / "b.c").write_text('#include "b.h"\n')
    jobs = [replace(job, inputs=inputs, env=job.env | {"GOARCH": arch}) for arch in ("amd64", "arm64", "s390x")]
    alone = [outdated([one], Notes()) for one in jobs]
    listed = []
    scandir = os.scandir

    def counted(folder):
        listed.append(Path(os.fsdecode(folder)).name)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", counted)
    together = outdated(jobs, Notes())

    assert [one for (one,) in alone] == list(together)
    assert 3 == len({state.digest for _, state in together})
    assert (1 if inputs is Inputs.GO_MODULE else 2) == listed.count("sub")


def test_of_too_many_files_nothing_is_known(job, monkeypatch):
    monkeypatch.setattr("ocitool.toolchains.up_to_date._FILES_LIMIT", 2)

    assert state_of(job, job.cwd) is None


def test_files_whose_times_are_another_machines_are_not_believed(job, monkeypatch):
    device = job.cwd.stat().st_dev
    monkeypatch.setattr("ocitool.toolchains.up_to_date.foreign_devices", lambda: frozenset({device}))

    assert state_of(job, job.cwd) is None
