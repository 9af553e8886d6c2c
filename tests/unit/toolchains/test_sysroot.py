"""Sysroots: links stay inside, nothing dangerous is kept, and the C library is told from its files."""

import os
import stat
from pathlib import Path

import pytest

from ocitool.errors import BuildError, MalformedDocument, NetworkError, Unsupported, UsageError
from ocitool.model.platform import Platform
from ocitool.tasks import Scope
from ocitool.toolchains.compilers import find_compiler
from ocitool.toolchains.debian import debian_architecture, unpack_packages, unpacked_versions
from ocitool.toolchains.options import CompilerOptions, SysrootOptions
from ocitool.toolchains.sysroot import Sysroot, inside, libc_of, merge, stray_links, tame
from tests.fakes.compilers import put_zig

ARM64 = Platform.parse("linux/arm64")


def put(root: Path, name: str, text: str = "x") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_absolute_links_are_made_to_lead_to_the_same_file_inside(tmp_path):
    put(tmp_path, "lib/aarch64-linux-gnu/libz.so.1.3")
    (tmp_path / "usr/lib/aarch64-linux-gnu").mkdir(parents=True)
    link = tmp_path / "usr/lib/aarch64-linux-gnu/libz.so"
    link.symlink_to("/lib/aarch64-linux-gnu/libz.so.1.3")

    tame(tmp_path)

    assert "../../../lib/aarch64-linux-gnu/libz.so.1.3" == os.readlink(link)


@pytest.mark.parametrize("target", ["../../etc/passwd", "../../../../etc/passwd", "sub/../../../x"])
def test_links_that_lead_out_are_gone(tmp_path, target):
    (tmp_path / "root/usr").mkdir(parents=True)
    (tmp_path / "root/usr/link").symlink_to(target)

    tame(tmp_path / "root")

    assert not (tmp_path / "root/usr/link").is_symlink()


def test_links_that_climb_from_the_end_of_another_link_stay_inside(tmp_path):
    """Each alone looks harmless: `sub/l/..` is `sub` as text, and above the root where `l` leads to the root."""
    put(tmp_path, "secret", "outside")
    put(tmp_path / "root", "secret", "inside")
    (tmp_path / "root/sub").mkdir()
    (tmp_path / "root/sub/l").symlink_to("..")
    (tmp_path / "root/lead").symlink_to("sub/l/../secret")
    (tmp_path / "root/none").symlink_to("sub/l/../../gone")

    tame(tmp_path / "root")

    assert "inside" == (tmp_path / "root/lead").read_text()
    assert not (tmp_path / "root/none").is_symlink()


@pytest.mark.slow
def test_links_that_keep_a_machine_busy_are_refused(tmp_path):
    folder = tmp_path.joinpath(*(f"{n:0>200}" for n in range(10)))
    folder.mkdir(parents=True)
    for number in range(40):
        text = f"../{folder.name}/" * 19
        (folder / f"l{number}").symlink_to(f"{text}l{number + 1}" if number < 39 else "/")
    for number in range(3000):
        (tmp_path / f"start{number}").symlink_to(f"/{folder.relative_to(tmp_path)}/l0")

    with pytest.raises(MalformedDocument, match="takes more steps than any image needs"):
        tame(tmp_path)


def test_special_bits_and_special_files_are_not_kept(tmp_path):
    put(tmp_path, "bin/su").chmod(0o4755)
    put(tmp_path, "bin/secret").chmod(0o000)
    os.mkfifo(tmp_path / "pipe")

    tame(tmp_path)

    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("bin/su", "bin/secret")]
    assert ([0o755, 0o600], False) == (modes, (tmp_path / "pipe").exists())


def test_paths_are_followed_inside_alone(tmp_path):
    put(tmp_path, "usr/lib/libz.so.1")
    (tmp_path / "lib").symlink_to("/usr/lib")
    (tmp_path / "up").symlink_to("../../../../usr")
    (tmp_path / "round").symlink_to("round")

    assert tmp_path / "usr/lib/libz.so.1" == inside(tmp_path, "/lib/libz.so.1")
    assert tmp_path / "usr/lib/libz.so.1" == inside(tmp_path, "up/lib/libz.so.1")
    assert [None, None] == [inside(tmp_path, name) for name in ("round", "lib/gone")]


def test_packages_are_merged_through_links_that_stay_inside(tmp_path):
    outside = put(tmp_path, "outside/profile", "mine").parent
    root, part = tmp_path / "root", tmp_path / "part"
    for name in ("usr/lib", "doc"):
        (root / name).mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "evil").symlink_to(outside)
    (root / "climbs").symlink_to("../outside")
    for name in ("lib/libz.so.1", "evil/profile", "climbs/profile"):
        put(part, name, "theirs")
    (part / "doc").symlink_to("usr")

    merge(part, root)

    assert ["mine"] == [path.read_text() for path in outside.iterdir()]
    assert ["theirs"] * 3 == [
        (root / name).read_text() for name in ("usr/lib/libz.so.1", "evil/profile", "climbs/profile")
    ]
    assert [True, False] == [(root / name).is_symlink() for name in ("lib", "doc")]


def test_a_folder_of_ones_own_has_links_that_mean_files_inside_it(tmp_path):
    root, triplet = tmp_path / "root", "aarch64-linux-gnu"
    real = put(root, f"lib/{triplet}/libz.so.1")
    put(root, f"usr/lib/{triplet}/libm.so.6")
    place = root / "usr/lib" / triplet
    (place / "libz.so").symlink_to(f"/lib/{triplet}/libz.so.1")
    (place / "libm.so").symlink_to("libm.so.6")
    (place / "libgone.so").symlink_to("/nowhere/libgone.so.1")
    (root / "lib64").symlink_to("/usr/lib")

    links = stray_links(root, triplet)

    assert {"libz.so": real} == links
    flags = Sysroot(root, links=tmp_path / "links").link_flags(triplet)
    assert f"-L{tmp_path}/links" == flags[0]
    assert {f"-L{root}/usr/lib/{triplet}", f"-L{root}/lib/{triplet}"} < set(flags)


def test_folders_of_a_sysroot_are_never_those_of_this_machine(tmp_path):
    put(tmp_path, "usr/include/zlib.h")
    (tmp_path / "lib").symlink_to("/usr/lib")  # there is none inside

    sysroot = Sysroot(tmp_path)

    assert () == sysroot.link_flags("x86_64-linux-gnu")
    assert str(tmp_path / "usr/include") == sysroot.compile_flags("x86_64-linux-gnu", whole=False)[-1]


@pytest.mark.parametrize(
    ("name", "text", "libc"),
    [
        ("lib/ld-musl-aarch64.so.1", "", "musl"),
        (
            "lib/aarch64-linux-gnu/libc.so.6",
            "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.",
            "glibc:2.36",
        ),
        (
            "usr/lib/aarch64-linux-gnu/libc.so.6",
            "GNU C Library (GNU libc) stable release version 2.28.",
            "glibc:2.28",
        ),
        ("lib64/libc.so.6", "another text", "glibc"),
        ("etc/passwd", "", ""),
    ],
)
def test_the_c_library_of_a_system(tmp_path, name, text, libc):
    put(tmp_path, name, text)

    assert libc == libc_of(tmp_path, "aarch64-linux-gnu")


def test_zig_looks_into_a_sysroot_after_its_own_headers_and_links_its_c_library(tmp_path):
    put_zig(tmp_path / "bin")
    for name in ("usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu", "usr/include"):
        (tmp_path / "root" / name).mkdir(parents=True)
    sysroot = Sysroot(tmp_path / "root", "glibc:2.36", "id")

    found = find_compiler(CompilerOptions(), ARM64, {"PATH": str(tmp_path / "bin")}, sysroot, packages=())

    assert ("glibc", False, "aarch64-linux-gnu.2.36") == (found.libc, found.is_static, found.flags[1])
    assert ("-idirafter", f"{tmp_path}/root/usr/include") == found.flags[-2:]
    assert f"-L{tmp_path}/root/usr/lib/aarch64-linux-gnu" == found.link_flags[0]


def test_a_sysroot_of_musl_is_linked_dynamically_unless_static_is_said(tmp_path):
    put_zig(tmp_path / "bin")
    sysroot, environ = Sysroot(tmp_path, "musl", "id"), {"PATH": str(tmp_path / "bin")}

    found = find_compiler(CompilerOptions(), ARM64, environ, sysroot, packages=())
    static = find_compiler(CompilerOptions(static=True), ARM64, environ, sysroot, packages=())

    assert ("musl", False, "-dynamic") == (found.libc, found.is_static, found.link_flags[0])
    assert static.is_static


def test_one_source_of_a_sysroot_is_enough():
    with pytest.raises(UsageError, match="one of image, packages and path"):
        SysrootOptions(image="debian", packages=("libssl-dev",))
    assert not SysrootOptions().is_there


APT = """#!/bin/sh
echo "$@" >> "{folder}/apt.log"
case "$*" in
*" update") {update} ;;
*" download "*) echo deb > libz1_1%3a2.0_arm64.deb ;;
*) mkdir -p archives; echo deb > archives/libz1_1%3a2.0_arm64.deb
   case "$*" in *" liba") echo deb > archives/liba_1_arm64.deb ;; esac ;;
esac
"""
DPKG = """#!/bin/sh
case $1 in
-x) mkdir -p "$3/usr/lib"; echo lib > "$3/usr/lib/libz.so"; chmod 4755 "$3/usr/lib/libz.so" ;;
-e) mkdir -p "$3"; echo "00  usr/lib/libz.so" > "$3/md5sums" ;;
esac
"""


def unpack(tmp_path, *packages: str, update: str = "true", dependencies: bool = True, dpkg: str = DPKG) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    for name, text in (("apt-get", APT.format(folder=folder, update=update)), ("dpkg-deb", dpkg)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environ = {"PATH": f"{folder}:/usr/bin:/bin", "CI_TOKEN": "t"}
    return unpack_packages(
        packages,
        ARM64,
        tmp_path / "cache",
        environ,
        scope=Scope(),
        listener=lambda event: None,
        dependencies=dependencies,
    )


def test_packages_are_unpacked_once_and_their_versions_told(tmp_path):
    folder = unpack(tmp_path, "libz1")
    again = unpack(tmp_path, "libz1")

    assert folder == again
    assert "libz1=1:2.0\n" == (folder / "var/lib/dpkg/packages.ocitool").read_text()
    assert 0o755 == stat.S_IMODE((folder / "usr/lib/libz.so").stat().st_mode)
    log = (tmp_path / "bin/apt.log").read_text().splitlines()
    assert 2 == len(log)
    assert log[1].endswith("install -y --download-only libz1")


HOSTILE = """#!/bin/sh
case $1 in
-x) case $2 in
    *liba*) ln -s {outside} "$3/usr"; ln -s {outside} "$3/var" ;;
    *) mkdir -p "$3/usr/lib/dpkg" "$3/var"; echo theirs > "$3/usr/profile"; echo theirs > "$3/usr/lib/libz.so" ;;
    esac ;;
-e) mkdir -p "$3"; ln -s {outside}/profile "$3/md5sums" ;;
esac
"""


def test_a_package_with_links_out_writes_and_reads_nothing_there(tmp_path):
    outside = put(tmp_path, "outside/profile", "mine").parent

    folder = unpack(tmp_path, "liba", dpkg=HOSTILE.format(outside=outside))

    assert [("profile", "mine")] == [(path.name, path.read_text()) for path in outside.iterdir()]
    assert "theirs\n" == (folder / "usr/lib/libz.so").read_text()
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert {"liba": "1", "libz1": "1:2.0"} == unpacked_versions(folder)
    assert ["packages.ocitool"] == [path.name for path in (folder / "var/lib/dpkg").rglob("*") if path.is_file()]


def test_packages_come_alone_without_dependencies(tmp_path):
    whole, alone = unpack(tmp_path, "libz1"), unpack(tmp_path, "libz1", dependencies=False)

    assert whole != alone
    assert {"libz1": "1:2.0"} == unpacked_versions(alone)
    assert (tmp_path / "bin/apt.log").read_text().splitlines()[-1].endswith(" download libz1")


def test_apt_has_a_state_of_its_own_and_refuses_what_is_not_signed(tmp_path):
    unpack(tmp_path, "libz1")

    words = (tmp_path / "bin/apt.log").read_text().splitlines()[0]
    state = f"{tmp_path}/cache/sysroots/apt-arm64"
    for setting in (
        "APT::Architecture=arm64", f"Dir::State={state}", f"Dir::State::status={state}/status",
        "Acquire::AllowInsecureRepositories=false", "APT::Get::AllowUnauthenticated=false",
    ):  # fmt: skip
        assert f"-o {setting} " in words


@pytest.mark.parametrize(
    ("update", "error", "code"),
    [
        ("echo 'E: Failed to fetch http://x  Could not connect'; exit 100", NetworkError, 5),
        ("echo 'E: The repository is not signed.'; exit 100", BuildError, 7),
    ],
)
def test_what_apt_says_is_told_and_nothing_is_left(tmp_path, update, error, code):
    with pytest.raises(error, match="cannot make the sysroot of linux/arm64: apt-get exited with 100") as failed:
        unpack(tmp_path, "libz1", update=update)

    assert code == failed.value.exit_code
    assert [] == list((tmp_path / "cache/sysroots").glob("debian-*[0-9a-f]"))


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("E: Unable to locate package liba", "apt-cache policy NAME"),
        ("E: Version '9' for 'liba' was not found", "apt-cache policy NAME"),
        ("E: Unable to correct problems, you have held broken packages.", "dependencies = false"),
        ("The following packages have unmet dependencies:", "dependencies = false"),
    ],
)
def test_what_apt_does_not_have_is_a_hint(tmp_path, said, hint):
    with pytest.raises(BuildError) as failed:
        unpack(tmp_path, "liba", update=f'echo "{said}"; exit 100')

    assert hint in failed.value.hint


@pytest.mark.parametrize("name", ["-o", "a b", "a;b", "$(x)"])
def test_words_that_are_no_package(tmp_path, name):
    with pytest.raises(UsageError, match="not a package"):
        unpack(tmp_path, name)


def test_without_apt_an_image_is_offered(tmp_path):
    with pytest.raises(Unsupported, match="no apt-get on PATH") as refused:
        unpack_packages(("a",), ARM64, tmp_path, {"PATH": "/nowhere"}, scope=Scope(), listener=lambda event: None)
    assert "image =" in refused.value.hint
    assert "armhf" == debian_architecture(Platform.parse("linux/arm"))
    with pytest.raises(Unsupported, match="no packages for windows/amd64"):
        debian_architecture(Platform.parse("windows/amd64"))


def test_links_between_neighbours_stay_as_they_are(tmp_path):
    put(tmp_path, "lib/libz.so.1")
    (tmp_path / "lib/libz.so").symlink_to("libz.so.1")
    (tmp_path / "lib/broken").symlink_to("nothing")

    tame(tmp_path)

    assert ["libz.so.1", "nothing"] == [os.readlink(tmp_path / "lib" / name) for name in ("libz.so", "broken")]


def test_a_sysroot_that_is_not_of_packages_has_no_versions(tmp_path):
    assert {} == unpacked_versions(tmp_path)
