"""`ocitool build` of C and C++ projects, with a compiler that only pretends: failures, installs, what is started."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.fakes.compilers import put_zig, starts
from tests.fakes.programs import Elf

FIVE = "linux/amd64,linux/arm64,linux/arm/v7,linux/ppc64le,linux/s390x"


@pytest.fixture
def project(home, monkeypatch):
    """A C program, and a zig that copies a ready program of its only platform amd64."""
    (home / "ready").write_bytes(Elf(62).build())
    put_zig(home / "bin", body=f'[ -z "$out" ] || {{ cp {home}/ready "$out"; chmod +x "$out"; }}')
    monkeypatch.setenv("PATH", f"{home}/bin:{os.environ['PATH']}")
    (home / "app").mkdir()
    (home / "app" / "main.c").write_text("int main(void) { return 0; }\n")
    monkeypatch.chdir(home)
    return home / "app"


def test_sources_alone_are_a_project_and_the_program_is_started(project, run):
    done = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    config = json.loads(run("inspect", "oci:img:1", "--config", "--json").stdout)
    assert "/bin/app" in json.dumps(config)


def test_a_compile_error_of_one_platform_stops_the_others_and_nothing_is_published(project, home, run):
    words = "main.c:1:5: error: no such type"
    put_zig(home / "bin", body=f'case $all in *s390x*) echo "{words}" >&2; exit 1;; esac; sleep 60')

    done = run("build", "app", "--platform", FIVE, "-o", "oci:img:1", "--jobs", "5")

    assert 7 == done.exit_code
    assert "error: cannot compile app for linux/s390x: zig exited with 1" in done.stderr
    assert words in done.stderr
    assert not (home / "img").exists()


def test_a_program_that_lacks_its_loader_is_told_a_way_out_and_it_works(project, home, run):
    loader = "/lib64/ld-linux-x86-64.so.2"
    (home / "ready").write_bytes(Elf(62, segments=[(3, 4, loader.encode() + b"\0")]).build())
    (home / "system/lib64").mkdir(parents=True)
    (home / "system" / loader.lstrip("/")).write_bytes(Elf(62).build())
    words = ("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")

    alone = run(*words)
    (project / "ocitool.toml").write_text('[c]\n[sysroot]\npath = "../system"\n')
    there = run(*words)
    (project / "ocitool.toml").write_text('[c]\n[sysroot]\npath = "../system"\ncopy-libraries = true\n')
    brought = run(*words)

    assert [0, 0, 0] == [done.exit_code for done in (alone, there, brought)], brought.stderr
    assert 'libc = "musl" in [compiler]' in alone.stderr
    assert "copy-libraries = true in [sysroot]" in there.stderr
    assert "will not start" not in brought.stderr
    assert "copy-libraries" not in brought.stderr


def test_without_zig_it_is_one_line_with_the_install_line(project, run, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.path", [])

    done = run("build", "app", "--platform", "linux/arm64", "-o", "oci:img:1")

    assert 9 == done.exit_code
    assert [
        "error: no C compiler: zig is not installed",
        "hint: pip install 'ocitool[zig]', or pip install '.[zig]' in a checkout",
        "see: ocitool explain 9, or docs/reference/exit-codes.md#9-not-supported",
    ] == done.stderr.splitlines()


def test_unchanged_sources_start_nothing(project, home, run):
    words = ("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")
    written_ns = time.time_ns()
    while time.time_ns() < written_ns + 200_000_000:  # younger files are not trusted yet
        assert 0 == run(*words).exit_code
    assert 0 == run(*words).exit_code
    count = len(starts(home / "bin"))

    done = run(*words)

    assert (0, count) == (done.exit_code, len(starts(home / "bin")))
    assert "compile app for linux/amd64: unchanged" in done.stderr


def test_changed_sources_start_the_compiler(project, home, run):
    for path in (home / "bin" / "zig", project / "main.c", home / "bin", project):
        os.utime(path, (1000, 1000))
    first = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")
    count = len(starts(home / "bin"))
    (project / "main.c").write_text("int main(void) { return 1; }\n")

    changed = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")

    assert (0, 0) == (first.exit_code, changed.exit_code)
    assert count + 1 == len(starts(home / "bin"))


def test_debug_information_is_kept_beside_the_image(project, home, run):
    raw = Elf(62, sections=[(".debug_info", 1, b"d" * 100)]).build()
    (home / "ready").write_bytes(raw)

    done = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1", "--debug-files", "debug")

    assert 0 == done.exit_code, done.stderr
    assert raw == (home / "debug/linux-amd64/bin/app.debug").read_bytes()
    assert 0 == run("export", "oci:img:1", "-o", "files").exit_code
    packed = (home / "files/bin/app").read_bytes()
    assert (b"\x7fELF", True) == (packed[:4], b"dddd" not in packed)


def test_the_install_tree_of_a_makefile_is_packed_with_the_only_program_as_entrypoint(project, home, run):
    (project / "Makefile").write_text(
        "app: main.c\n\tgcc -o app main.c\ninstall: app\n"
        "\tinstall -D app $(DESTDIR)$(PREFIX)/bin/app\n\tinstall -D main.c $(DESTDIR)$(PREFIX)/share/app/main.c\n"
    )

    done = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    listed = [line.split()[-1] for line in run("files", "oci:img:1").stdout.splitlines() if line]
    assert {"usr/bin/app", "usr/share/app/main.c"} <= set(listed), listed
    assert '"/usr/bin/app"' in run("inspect", "oci:img:1", "--config", "--json").stdout
    assert ["Makefile", "main.c"] == sorted(path.name for path in project.iterdir())


def test_several_installed_programs_start_nothing_and_links_lead_into_the_image(project, home, run):
    (project / "Makefile").write_text(
        "all:\n\tgcc -o app main.c\ninstall:\n\tinstall -D app $(PREFIX)/bin/one\n\tcp $(PREFIX)/bin/one $(PREFIX)/bin/two\n"
        "\tln -s $(PREFIX)/bin/one $(PREFIX)/bin/three\n"
    )
    (project / "ocitool.toml").write_text('[make]\ninstall = ["install", "PREFIX={destdir}/usr"]\n')

    done = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    assert "linux/amd64: the image starts none of its programs /usr/bin/one, /usr/bin/two" in done.stderr
    listed = run("files", "oci:img:1", "-l").stdout
    assert "usr/bin/three -> /usr/bin/one\n" in listed

    named = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1", "--entrypoint", "/usr/bin/two")
    assert (0, False) == (named.exit_code, "starts none" in named.stderr)


def test_an_install_rule_without_destdir_is_refused_and_its_hint_works(project, home, run):
    (project / "Makefile").write_text(
        f"PREFIX={home}/usr\nall:\n\tgcc -o app main.c\ninstall:\n\tinstall -D app $(PREFIX)/bin/app\n"
    )
    words = ("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")

    refused = run(*words)
    line = refused.stderr.partition("installs: ")[2].splitlines()[0]
    (project / "ocitool.toml").write_text(f"[make]\n{line}\n")
    done = run(*words)

    assert (2, 0) == (refused.exit_code, done.exit_code), done.stderr
    assert 1 == len(starts(home / "bin"))
    assert '"/usr/bin/app"' in run("inspect", "oci:img:1", "--config", "--json").stdout


def test_a_program_of_another_platform_that_the_build_starts_is_explained(project, home, run):
    (project / "Makefile").write_text("all:\n\t@echo 'sh: 1: ./app: Exec format error'; exit 126\n")

    done = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")

    assert 7 == done.exit_code
    assert "hint: the build started a program that it had compiled for linux/amd64" in done.stderr


def test_an_image_as_sysroot_is_unpacked_without_what_is_dangerous_in_it(project, home, run):
    (home / "secret").write_text("outside")
    system = home / "system"
    (system / "usr/lib/sub").mkdir(parents=True)
    (system / "usr/lib/libz.so.1").write_text("ours")
    (system / "usr/lib/libz.so").symlink_to("/usr/lib/libz.so.1")
    (system / "usr/lib/sub/top").symlink_to("../../..")
    (system / "usr/lib/out.h").symlink_to(f"sub/top/..{'/..' * 20}{home}/secret")
    (system / "usr/lib/su").write_text("program")
    (system / "usr/lib/su").chmod(0o4755)
    packed = run(
        "build", home, "--toolchain", "prebuilt", "--copy", "system:/", "--platform", "linux/amd64", "-o", "oci:sys:1"
    )  # fmt: skip
    (project / "ocitool.toml").write_text('[c]\n[sysroot]\nimage = "oci:sys:1"\n')

    done = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")

    assert (0, 0) == (packed.exit_code, done.exit_code), packed.stderr + done.stderr
    (folder,) = (home / ".cache/ocitool/sysroots").glob("image-*")
    assert ("ours", 0o755) == (
        (folder / "usr/lib/libz.so").read_text(),
        (folder / "usr/lib/su").stat().st_mode & 0o7777,
    )
    assert not (folder / "usr/lib/out.h").is_symlink()
    assert all(path.resolve().is_relative_to(folder) for path in folder.rglob("*"))


def test_links_of_a_sysroot_folder_mean_files_in_it(project, home, run):
    libraries = home / "system/usr/lib/x86_64-linux-gnu"
    for folder in (libraries, home / "system/lib/x86_64-linux-gnu"):
        folder.mkdir(parents=True)
    (home / "system/lib/x86_64-linux-gnu/libz.so.1").write_text("ours")
    (libraries / "libz.so").symlink_to("/lib/x86_64-linux-gnu/libz.so.1")
    (project / "ocitool.toml").write_text('[c]\nldflags = ["-lz"]\n[sysroot]\npath = "../system"\n')

    done = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    folders = [word[2:] for word in starts(home / "bin")[-1].split() if word.startswith("-L")]
    found = next(path for folder in folders if (path := Path(folder, "libz.so")).is_symlink())
    assert "ours" == found.read_text()
    assert "/lib/x86_64-linux-gnu/libz.so.1" == str((libraries / "libz.so").readlink())


def test_a_makefile_without_an_install_rule_says_what_to_write(project, run):
    (project / "Makefile").write_text("app: main.c\n\t$(CC) -o app main.c\n")

    done = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")

    assert 7 == done.exit_code
    assert 'programs = ["NAME"]' in done.stderr

    (project / "ocitool.toml").write_text('[make]\nprograms = ["app"]\n')
    assert 0 == run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1").exit_code


def test_a_makefile_sees_no_token_and_no_home(project, run, monkeypatch):
    monkeypatch.setenv("CI_JOB_TOKEN", "secret")
    monkeypatch.setenv("NAMED", "told")
    (project / "ocitool.toml").write_text('[compiler]\npass = ["NAMED"]\n[make]\nfiles = ["usr/seen"]\n')
    (project / "Makefile").write_text("all:\ninstall:\n\tmkdir -p $(DESTDIR)/usr; env > $(DESTDIR)/usr/seen\n")

    done = run("build", "app", "--platform", "linux/amd64", "-o", "type=local,dest=out")

    assert 0 == done.exit_code, done.stderr
    seen = dict(line.split("=", 1) for line in Path("out/usr/seen").read_text().splitlines() if "=" in line)
    assert "CI_JOB_TOKEN" not in seen
    assert ("told", True) == (seen["NAMED"], seen["HOME"].endswith("/app-make/home"))


def test_a_dry_run_tells_every_command_of_a_build_system(project, home, run):
    (project / "Makefile").write_text("all:\n")

    done = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1", "--dry-run")

    commands = [line for line in done.stdout.splitlines() if line.startswith("  cd ")]
    assert 2 == len(commands)
    assert ["PREFIX=/usr prefix=/usr", "install"] == [
        commands[0][-len("PREFIX=/usr prefix=/usr") :],
        commands[1].split()[-2],
    ]
    assert [] == starts(home / "bin")


def test_a_stage_of_a_dockerfile_is_compiled_here_with_what_its_run_line_says(project, home, run):
    (project / "Dockerfile").write_text(
        "FROM nowhere.invalid/gcc AS build\nWORKDIR /src\nCOPY . .\nRUN gcc -O3 -DLINE -o /out/app main.c\n"
        "FROM scratch\nCOPY --from=build /out/app /app\n"
    )
    (project / "ocitool.toml").write_text(
        '[stage.build]\ntoolchain = "c"\noutput = "/out/app"\n[sysroot]\npath = "root"\n'
    )
    (project / "root/usr/include").mkdir(parents=True)

    done = run("build", "app", "--platform", "linux/amd64", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    assert ["app"] == [line.split()[-1] for line in run("files", "oci:img:1").stdout.splitlines()]
    started = starts(home / "bin")[-1]
    assert ("-DLINE" in started, f"{project}/root/usr/include" in started) == (True, True)
