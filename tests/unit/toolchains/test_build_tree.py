"""What stands ready before a job's commands start: files, and a copy of the sources that is kept."""

import os
from pathlib import Path

import pytest

from ocitool.errors import BuildError, UsageError
from ocitool.model.platform import Platform
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.toolchains.base import BuildTree, CompileJob, FirstUse, JobFile, JobStep, Target
from ocitool.toolchains.build_tree import prepare
from ocitool.toolchains.options import Program
from ocitool.toolchains.processes import run


def job(tmp_path: Path, script: str = "true", *, key: str = "k", steps=(), files=(), first_uses=()) -> CompileJob:
    target = Target(Program("app"), Platform.parse("linux/arm64"), tmp_path / "src", tmp_path / "out" / "app")
    tree = BuildTree(tmp_path / "tree", key, tmp_path / "tree" / "installed")
    return CompileJob(
        target, ("/bin/sh", "-c", f"echo x > ../installed/x; {script}"), {"PATH": "/usr/bin:/bin"}, tree.sources, (), tree=tree, steps=steps,
        files=files, first_uses=first_uses,
    )  # fmt: skip


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "src"
    (folder / "sub").mkdir(parents=True)
    (folder / "Makefile").write_text("all:\n")
    (folder / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "sub" / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("sub/run.sh")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("[remote]\n")
    os.utime(folder / "Makefile", (1000, 1000))
    return folder


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_the_copy_has_files_links_modes_and_times_and_no_version_control(source, tmp_path):
    prepare(job(tmp_path), Scope(), lambda event: None)

    copy = tmp_path / "tree" / "src"
    assert {"Makefile", "sub/run.sh", "link"} == names(copy)
    assert (1000, 0o755) == ((copy / "Makefile").stat().st_mtime, (copy / "sub" / "run.sh").stat().st_mode & 0o777)
    assert "sub/run.sh" == str((copy / "link").readlink())


def test_k210_a_store_in_the_sources_is_not_copied(source, tmp_path):
    """K210: the copy itself may be in it."""
    MachineStore(source / "cache").check_writable()
    (source / "cache" / "work").mkdir()
    (source / "cache" / "work" / "a.c").write_text("int a;")
    prepare(job(tmp_path), Scope(), lambda event: None)

    assert not any(path.name == "cache" for path in tmp_path.rglob("*") if not path.is_relative_to(source))


def test_only_what_changed_is_copied_again_and_what_a_build_made_stays(source, tmp_path):
    prepare(job(tmp_path), Scope(), lambda event: None)
    copy = tmp_path / "tree" / "src"
    (copy / "made.o").write_text("object")
    (copy / "sub" / "run.sh").write_text("written by the build")
    (source / "Makefile").write_text("all: app\n")
    (source / "link").unlink()

    prepare(job(tmp_path), Scope(), lambda event: None)

    assert {"Makefile", "sub/run.sh", "made.o"} == names(copy)
    assert "all: app\n" == (copy / "Makefile").read_text()
    assert "written by the build" == (copy / "sub" / "run.sh").read_text()


def test_folders_that_become_links_and_links_that_become_folders_lose_and_overwrite_nothing(source, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("mine")
    (source / "was").mkdir()
    (source / "was" / "file").write_text("text")
    (source / "out").symlink_to(elsewhere)
    prepare(job(tmp_path), Scope(), lambda event: None)
    (source / "was").rename(source / "real")
    (source / "was").symlink_to("real")
    (source / "out").unlink()
    (source / "out").mkdir()
    (source / "out" / "file").write_text("ours")

    prepare(job(tmp_path), Scope(), lambda event: None)

    copy = tmp_path / "tree" / "src"
    assert ("mine", "ours") == ((elsewhere / "file").read_text(), (copy / "out" / "file").read_text())
    assert ("text", "text") == ((copy / "real" / "file").read_text(), (copy / "was" / "file").read_text())


def test_what_a_build_put_in_the_place_of_a_folder_gives_way_to_it(source, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    prepare(job(tmp_path), Scope(), lambda event: None)
    copy = tmp_path / "tree" / "src"
    (copy / "sub" / "run.sh").rename(elsewhere / "run.sh")
    (copy / "sub").rmdir()
    (copy / "sub").symlink_to(elsewhere)
    (source / "sub" / "run.sh").write_text("#!/bin/sh\n: new\n")

    prepare(job(tmp_path), Scope(), lambda event: None)

    assert ("#!/bin/sh\n", False) == ((elsewhere / "run.sh").read_text(), (copy / "sub").is_symlink())
    assert "#!/bin/sh\n: new\n" == (copy / "sub" / "run.sh").read_text()


def test_empty_folders_are_copied_and_links_out_of_the_sources_still_lead_there(source, tmp_path):
    (source / "obj").mkdir()
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "a.h").write_text("int a;")
    (source / "sub" / "common").symlink_to("../../common")

    prepare(job(tmp_path), Scope(), lambda event: None)

    copy = tmp_path / "tree" / "src"
    assert (True, "int a;") == ((copy / "obj").is_dir(), (copy / "sub" / "common" / "a.h").read_text())


def test_the_tree_begins_anew_where_it_is_set_up_otherwise(source, tmp_path):
    prepare(job(tmp_path), Scope(), lambda event: None)
    (tmp_path / "tree" / "src" / "made.o").write_text("object")

    prepare(job(tmp_path, key="other"), Scope(), lambda event: None)

    assert not (tmp_path / "tree" / "src" / "made.o").exists()


@pytest.mark.parametrize("magic", [b"\x7fELF\x02\x01\x01", b"!<arch>\nx"])
def test_what_a_compiler_made_here_is_left_out_and_told(source, tmp_path, magic):
    (source / "app").write_bytes(magic)
    events = []

    prepare(job(tmp_path), Scope(), events.append)

    assert not (tmp_path / "tree" / "src" / "app").exists()
    assert ["left out, for a compiler made them: app"] == [event.text for event in events]


def test_a_build_writes_into_its_copy_alone(source, tmp_path):
    before = {name: (source / name).stat().st_mtime_ns for name in names(source)}

    run([job(tmp_path, "echo x > Makefile; echo y > new; rm sub/run.sh")], Scope(), 1)

    assert before == {name: (source / name).stat().st_mtime_ns for name in names(source)}


def test_steps_that_are_done_once_are_left_out_later(source, tmp_path):
    steps = (JobStep(("/bin/sh", "-c", "echo x >> ../configured"), tmp_path / "tree" / "src", once="configure"),)

    for _ in range(2):
        run([job(tmp_path, "echo y >> ../built", steps=steps)], Scope(), 1)

    assert ("x\n", "y\ny\n") == tuple((tmp_path / "tree" / name).read_text() for name in ("configured", "built"))


def test_a_step_that_failed_is_done_again(source, tmp_path):
    steps = (JobStep(("/bin/sh", "-c", "test -e ../ok"), tmp_path / "tree" / "src", once="configure"),)

    with pytest.raises(BuildError, match="cannot compile app for linux/arm64: sh exited with 1"):
        run([job(tmp_path, steps=steps)], Scope(), 1)
    (tmp_path / "tree" / "ok").touch()

    assert 1 == len(run([job(tmp_path, steps=steps)], Scope(), 1))


def test_a_job_that_installs_nothing_says_what_to_write(source, tmp_path):
    with pytest.raises(BuildError, match="nothing was installed") as failed:
        run([job(tmp_path, "rm ../installed/x")], Scope(), 1)

    assert 'programs = ["NAME"]' in failed.value.hint


def test_files_are_written_once_and_programs_can_be_started(source, tmp_path):
    file = JobFile(tmp_path / "tree" / "bin" / "cc", "#!/bin/sh\necho cc\n")
    prepare(job(tmp_path, files=(file,)), Scope(), lambda event: None)
    before = file.path.stat().st_mtime_ns

    prepare(job(tmp_path, files=(file,)), Scope(), lambda event: None)

    assert (before, 0o755) == (file.path.stat().st_mtime_ns, file.path.stat().st_mode & 0o777)


def test_the_first_use_of_a_target_is_announced_until_a_job_succeeded(source, tmp_path):
    use = FirstUse(tmp_path / "cache" / "libcxx", "libc++ for linux/arm64, about 45 s")
    told = []
    listener = lambda event: told.append(getattr(event, "text", ""))  # noqa: E731

    prepare(job(tmp_path, first_uses=(use,)), Scope(), listener)
    run([job(tmp_path, first_uses=(use,))], Scope(), 1, listener)
    run([job(tmp_path, first_uses=(use,))], Scope(), 1, listener)

    words = "building libc++ for linux/arm64, about 45 s of one core, once"
    assert 2 == told.count(words)


def test_pipes_in_the_sources_are_left_where_they_are(source, tmp_path):
    os.mkfifo(source / "pipe")

    prepare(job(tmp_path), Scope(), lambda event: None)

    assert {"Makefile", "sub/run.sh", "link"} == names(tmp_path / "tree" / "src")


def test_more_files_than_a_project_has_are_refused(source, tmp_path, monkeypatch):
    monkeypatch.setattr("ocitool.toolchains.build_tree._FILES_LIMIT", 2)

    with pytest.raises(UsageError, match="src has more than 2 files"):
        prepare(job(tmp_path), Scope(), lambda event: None)
