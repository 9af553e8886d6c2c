"""Build systems: what each is asked for in its copy of the sources, and the wrappers that it finds."""

import os
import subprocess
from pathlib import Path

import pytest

from ocitool.errors import Unsupported, UsageError
from ocitool.model.platform import Platform
from ocitool.toolchains.base import CompileJob, Target, find_program
from ocitool.toolchains.build_systems import (
    BuildSystemToolchain,
    ConfigureScript,
    check_install,
    check_options,
    find_configure,
    find_tools,
)
from ocitool.toolchains.compilers import find_compiler
from ocitool.toolchains.options import BuildSystemOptions, CompilerOptions, Program
from ocitool.toolchains.sysroot import Sysroot
from ocitool.toolchains.wrappers import wrappers
from tests.fakes.compilers import put_zig, starts

TOOLS = {name: f"/usr/bin/{name}" for name in ("make", "cmake", "meson", "autoreconf", "install")}


def planned(
    tmp_path: Path, name: str, configure: ConfigureScript | None = None, platform="linux/arm64", width=3, **options
) -> CompileJob:
    if not (tmp_path / "bin").exists():
        put_zig(tmp_path / "bin")
    wanted, environ = Platform.parse(platform), {"PATH": f"{tmp_path}/bin:/usr/bin"}
    compiler = find_compiler(CompilerOptions(), wanted, environ, packages=())
    toolchain = BuildSystemToolchain(
        name,
        compiler,
        BuildSystemOptions(**options),
        tuple(environ.items()),
        tmp_path / "cache",
        TOOLS,
        width,
        configure,
    )
    return toolchain.plan(Target(Program("app"), wanted, tmp_path / "src", tmp_path / "out" / "app"))


def lines(job: CompileJob) -> list[str]:
    """Each command with the build tree's path shortened."""
    assert job.tree is not None
    return [" ".join(step.argv).replace(str(job.tree.folder), "TREE") for step in job.commands]


def test_make_is_asked_to_build_and_to_install_below_destdir(tmp_path):
    job = planned(tmp_path, "make", variables=(("V", "1"),), targets=("all", "extra"))

    assert [
        "/usr/bin/make PREFIX=/usr prefix=/usr V=1 all extra",
        "/usr/bin/make PREFIX=/usr prefix=/usr V=1 install DESTDIR=TREE/installed",
    ] == lines(job)
    assert {job.tree.sources} == {step.cwd for step in job.commands}


def test_makefiles_find_the_wrappers_under_the_names_of_compilers(tmp_path):
    job = planned(tmp_path, "make")
    folder = job.tree.folder / "wrappers"

    assert f"{folder}:{tmp_path}/bin:/usr/bin" == job.env["PATH"]
    assert (str(folder / "cc"), str(folder / "ar"), "-j3") == tuple(
        job.env[key] for key in ("CC", "AR", "MAKEFLAGS")
    )
    assert {"gcc", "g++", "cc", "c++", "ar", "ranlib", "strip", "ld", "pkg-config"} <= {
        file.path.name for file in job.files
    }


def test_a_project_without_an_install_rule_names_its_programs(tmp_path):
    job = planned(tmp_path, "make", programs=("tools/one", "two"))

    assert "/usr/bin/install -D -m 755 -t TREE/installed/usr/bin tools/one two" == lines(job)[-1]
    assert 2 == len(job.commands)


def test_install_words_of_ones_own(tmp_path):
    job = planned(tmp_path, "make", install=("install", "INSTALL_TOP={destdir}/usr"))

    assert lines(job)[-1].endswith("install INSTALL_TOP=TREE/installed/usr")


def test_a_configure_script_is_told_the_host_and_is_run_once(tmp_path):
    script = ConfigureScript(exists=True, is_autoconf=True, has_shared=True)

    job = planned(tmp_path, "autotools", script, arguments=("--disable-nls",), variables=(("CFLAGS", "-O3"),))

    configure, make, install = lines(job)
    assert configure.startswith("TREE/src/configure --prefix=/usr --host=aarch64-linux-musl --build=")
    assert configure.endswith("--disable-shared --enable-static --disable-nls CFLAGS=-O3")
    assert ("/usr/bin/make", "/usr/bin/make install DESTDIR=TREE/installed") == (make, install)
    assert ["configure", "", ""] == [step.once for step in job.commands]


def test_a_configure_script_by_hand_is_told_the_prefix_alone(tmp_path):
    job = planned(tmp_path, "autotools", ConfigureScript(exists=True, is_autoconf=False))

    assert "TREE/src/configure --prefix=/usr" == lines(job)[0]


def test_without_a_configure_script_autoreconf_makes_it(tmp_path):
    job = planned(tmp_path, "autotools", ConfigureScript())

    assert "/usr/bin/autoreconf -fi" == lines(job)[0]
    assert "autoreconf" == job.commands[0].once


def test_cmake_gets_a_toolchain_file_with_the_archiver_of_each_language(tmp_path):
    job = planned(
        tmp_path, "cmake", directory="sub", arguments=("-DX=1",), targets=("a", "b"), install=("--component", "run")
    )

    configure, build, install = lines(job)
    assert configure.startswith(
        "/usr/bin/cmake -S TREE/src/sub -B TREE/build -DCMAKE_TOOLCHAIN_FILE=TREE/toolchain.cmake"
    )
    assert configure.endswith(
        "-DCMAKE_INSTALL_PREFIX=/usr -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DX=1"
    )
    assert "/usr/bin/cmake --build TREE/build --target a --target b" == build
    assert "/usr/bin/cmake --install TREE/build --component run" == install
    assert str(job.tree.installed) == job.env["DESTDIR"]
    text = next(file.text for file in job.files if file.path.name == "toolchain.cmake")
    for line in ("CMAKE_AR", "CMAKE_CXX_COMPILER_AR", "CMAKE_C_COMPILER_RANLIB", "CMAKE_LINKER"):
        assert f'set({line} "{job.tree.folder}/wrappers/' in text
    assert 'set(CMAKE_SYSTEM_PROCESSOR "aarch64")' in text


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        ("linux/arm/v7", ("cpu_family = 'arm'", "cpu = 'armv7l'", "endian = 'little'")),
        ("linux/s390x", ("cpu_family = 's390x'", "cpu = 's390x'", "endian = 'big'")),
        ("linux/ppc64le", ("cpu_family = 'ppc64'", "cpu = 'ppc64le'", "endian = 'little'")),
        ("linux/386", ("cpu_family = 'x86'", "cpu = 'i686'", "endian = 'little'")),
    ],
)
def test_mesons_cross_file_describes_the_machine(tmp_path, platform, words):
    job = planned(tmp_path, "meson", platform=platform)

    text = next(file.text for file in job.files if file.path.name == "cross.ini")
    assert [] == [word for word in words if word not in text]
    assert "-Ddefault_library=static" in lines(job)[0]
    assert "CC" not in job.env


def test_how_many_processes_run_does_not_begin_a_tree_anew_and_variables_do(tmp_path):
    for name in ("make", "meson"):
        key = planned(tmp_path, name).tree.key

        assert key == planned(tmp_path, name, width=7).tree.key
        assert key != planned(tmp_path, name, targets=("x",)).tree.key


def driver(tmp_path: Path, *argv: str) -> list[str]:
    """What the wrapper `cc` starts for these arguments."""
    put_zig(tmp_path / "bin", body="true")
    wanted, environ = Platform.parse("linux/arm64"), {"PATH": str(tmp_path / "bin")}
    compiler = find_compiler(CompilerOptions(), wanted, environ, packages=())
    for file in wrappers(compiler, tmp_path / "wrappers", tmp_path / "tree", environ):
        file.path.parent.mkdir(exist_ok=True)
        file.path.write_text(file.text)
        file.path.chmod(0o755)
    subprocess.run([tmp_path / "wrappers" / "cc", *argv], check=True)
    return starts(tmp_path / "bin")[-1].split()


COMPILING = ["cc", "-target", "aarch64-linux-musl", "-fno-sanitize=undefined"]


def test_the_wrapper_tells_only_links_how_to_link(tmp_path):
    prefix = [*COMPILING, f"-ffile-prefix-map={tmp_path}/tree=."]

    assert [*prefix, "-c", "a.c"] == driver(tmp_path, "-c", "a.c")
    assert [*prefix, "a.o", "-o", "a", "-s", "-O2"] == driver(tmp_path, "a.o", "-o", "a")
    assert [*prefix, "-shared", "a.o"] == driver(tmp_path, "-shared", "a.o")


@pytest.mark.parametrize(
    ("words", "last"),
    [
        (["-Os", "a.o"], "-O2"), (["-O0", "-g", "a.o", "lib.a", "-o", "a"], "-O2"), (["a.c", "-o", "a"], "-O2"),
        (["-Os", "a.c", "-o", "a"], "-s"), (["-O3", "-flto", "a.o"], "-s"), (["-x", "c", "-Os", "-", "-o", "a"], "-s"),
    ],
)  # fmt: skip
def test_links_of_objects_share_the_libraries_of_one_kind_of_optimisation(tmp_path, words, last):
    assert last == driver(tmp_path, *words)[-1]


def test_the_wrapper_translates_what_rustc_says_to_other_compilers(tmp_path):
    words = ("--target=aarch64-unknown-linux-musl", "-march=armv7-a", "-lgcc", "-lgcc_s", "a.o", "-o", "a b")

    assert ["-lunwind", "a.o", "-o", "a", "b", "-s", "-O2"] == driver(tmp_path, *words)[5:]


def test_the_wrapper_lets_the_linker_tell_its_name(tmp_path):
    assert ["ld.lld", "--version"] == driver(tmp_path, "-Wl,--version")


@pytest.mark.parametrize("name", ["make", "autotools", "meson"])
def test_what_runs_during_the_build_is_compiled_by_this_machines_own_compiler(tmp_path, name):
    for word in ("cc", "c++"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / word).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / word).chmod(0o755)
    put_zig(tmp_path / "bin")

    job = planned(tmp_path, name)

    texts = {str(file.path): file.text for file in job.files}
    assert f"exec {tmp_path}/bin/cc " in texts[job.env["CC_FOR_BUILD"]]
    assert f"exec {tmp_path}/bin/c++ " in texts[job.env["CXX_FOR_BUILD"]]
    if name != "meson":
        assert [job.env["CC_FOR_BUILD"]] * 2 == [job.env["HOSTCC"], job.env["BUILD_CC"]]


def test_without_a_compiler_of_this_machine_zig_makes_what_runs_during_the_build(tmp_path):
    driver(tmp_path, "a.c")

    subprocess.run([tmp_path / "wrappers" / "c++-for-build", "a.cc"], check=True)

    target = f"{os.uname().machine}-linux-musl"
    assert f"c++ -target {target} -fno-sanitize=undefined a.cc -s -O2" == starts(tmp_path / "bin")[-1]
    subprocess.run([tmp_path / "wrappers" / "cc-for-build", "-Wl,--version"], check=True)
    assert "ld.lld --version" == starts(tmp_path / "bin")[-1]  # meson wants to read a name that it knows


def test_pkg_config_tells_folders_of_the_sysroot_alone(tmp_path, monkeypatch):
    if find_program("pkg-config", os.environ) is None:
        pytest.skip("pkg-config is not installed")
    put_zig(tmp_path / "bin")
    place = tmp_path / "system/usr/lib/aarch64-linux-gnu/pkgconfig"
    place.mkdir(parents=True)
    told = "Cflags: -I/usr/include/hostile -I/var/hostile -isystem /etc\nLibs: -L/lib/hostile -L/usr/lib -lz\n"
    (place / "hostile.pc").write_text(f"Name: hostile\nDescription: x\nVersion: 1\n{told}")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/mine.pc").write_text("Name: mine\nDescription: x\nVersion: 1\n")
    environ = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    wanted, sysroot = Platform.parse("linux/arm64"), Sysroot(tmp_path / "system")
    compiler = find_compiler(CompilerOptions(), wanted, environ, sysroot, packages=())
    files = wrappers(compiler, tmp_path / "wrappers", tmp_path / "tree", environ)
    text = next(file.text for file in files if file.path.name == "pkg-config")
    (tmp_path / "pkg-config").write_text(text)
    (tmp_path / "pkg-config").chmod(0o755)
    env = {**environ, "PKG_CONFIG_PATH": str(tmp_path / "own")}

    said = subprocess.run(
        [tmp_path / "pkg-config", "--cflags", "--libs", "hostile"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    other = subprocess.run([tmp_path / "pkg-config", "--exists", "mine"], env=env, check=False)

    folders = [word[2:] for word in said if word[:2] in {"-I", "-L"}]
    assert [] == [one for one in folders if not one.startswith(f"{tmp_path}/system/")]
    assert f"{tmp_path}/system/var/hostile" in folders
    assert 0 != other.returncode


def test_strip_copies_what_has_to_go_elsewhere(tmp_path):
    driver(tmp_path, "a.o")
    (tmp_path / "a").write_text("program")

    subprocess.run([tmp_path / "wrappers" / "strip", "-s", "-o", tmp_path / "b", tmp_path / "a"], check=True)
    subprocess.run([tmp_path / "wrappers" / "strip", tmp_path / "a"], check=True)

    assert ("program", "program") == ((tmp_path / "a").read_text(), (tmp_path / "b").read_text())


def test_what_a_configure_script_says_of_itself(tmp_path):
    assert ConfigureScript() == find_configure(tmp_path)
    (tmp_path / "configure").write_text("# Generated by GNU Autoconf 2.71\n  --enable-shared[=PKGS]\n")
    assert ConfigureScript(exists=True, is_autoconf=True, has_shared=True) == find_configure(tmp_path)
    (tmp_path / "configure").write_text("# written by hand\n")
    assert ConfigureScript(exists=True, is_autoconf=False, has_shared=False) == find_configure(tmp_path)


@pytest.mark.parametrize(
    ("name", "word"), [("make", "make"), ("cmake", "pip install cmake"), ("meson", "pip install meson")]
)
def test_a_build_system_that_is_not_here_is_named_with_its_install_line(name, word):
    with pytest.raises(Unsupported, match=f"no {name} on PATH") as refused:
        find_tools(name, BuildSystemOptions(), None, {"PATH": "/nowhere"})

    assert word in refused.value.hint


@pytest.mark.parametrize(
    ("rules", "hint"),
    [
        ("PREFIX=/usr/local\ninstall: app\n\tcp app $(PREFIX)/bin\n", 'install = ["install", "PREFIX={destdir}/usr"]'),
        ("INSTALL_TOP?= /opt\nPREFIX=x\ninstall:\n\tcp app $(INSTALL_TOP)\n", '"INSTALL_TOP={destdir}/usr"'),
        ("all install: app\n\tcp app /usr/local/bin\n", 'programs = ["NAME"]'),
    ],
)  # fmt: skip
def test_an_install_rule_that_would_write_into_this_machine_is_not_started(tmp_path, rules, hint):
    (tmp_path / "Makefile").write_text(rules)

    with pytest.raises(UsageError, match="would write into this machine") as refused:
        check_install("make", BuildSystemOptions(), tmp_path)

    assert hint in refused.value.hint
    check_install("make", BuildSystemOptions(install=("install",)), tmp_path)
    check_install("make", BuildSystemOptions(programs=("app",)), tmp_path)
    check_install("cmake", BuildSystemOptions(), tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        {"Makefile": "install:\n\tmake -C sub install\n", "sub/rules.mk": "cp a $(DESTDIR)/usr"},
        {"configure": "# Autoconf", "Makefile.am": "bin_PROGRAMS = a\n"},
        {"Makefile": "INSTALL := install\nall:\n\tcp a b\n"},
        {"Makefile.in": "install:\n\tcp a ${DESTDIR}${bindir}\n"},
        {},
    ],
)
def test_rules_that_know_destdir_or_are_not_there_yet_are_taken(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    check_install("autotools", BuildSystemOptions(), tmp_path)


@pytest.mark.parametrize("options", [{"directory": "../up"}, {"programs": ("/bin/sh",)}, {"directory": "gone"}])
def test_what_a_spec_names_stands_in_the_project(tmp_path, options):
    with pytest.raises(UsageError, match=r"leads out of|no folder gone"):
        check_options(BuildSystemOptions(**options), tmp_path)


def test_what_makes_a_configure_script_is_needed_where_there_is_none(tmp_path):
    for name in ("make", "autoreconf", "install"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    environ, options = {"PATH": str(tmp_path)}, BuildSystemOptions()

    there = find_tools("autotools", options, ConfigureScript(exists=True), environ)
    made = find_tools("autotools", options, ConfigureScript(), environ)
    (tmp_path / "autoreconf").unlink()
    with pytest.raises(Unsupported, match="no autoreconf on PATH") as refused:
        find_tools("autotools", options, ConfigureScript(), environ)

    assert (["make"], ["make", "autoreconf"]) == (list(there), list(made))
    assert "apt-get install autoconf automake libtool" in refused.value.hint


def test_without_a_compiler_of_its_own_a_build_that_needs_one_says_so(tmp_path):
    for name in ("gcc", "g++", "ar", "ranlib", "ld", "objcopy"):
        (tmp_path / f"aarch64-linux-gnu-{name}").write_text("#!/bin/sh\n")
        (tmp_path / f"aarch64-linux-gnu-{name}").chmod(0o755)
    environ = {"PATH": str(tmp_path)}
    compiler = find_compiler(CompilerOptions(use="gnu"), Platform.parse("linux/arm64"), environ, packages=())

    files = {file.path.name: file.text for file in wrappers(compiler, tmp_path / "w", tmp_path, environ)}

    assert "no compiler for programs that run during the build" in files["cc-for-build"]
    assert files["cc-for-build"] == files["c++-for-build"]
    assert "aarch64-linux-gnu-ar" in files["ar-for-build"]
