"""Rules over the programs of images: what would start there, and what is only kept."""

import pytest

from ocitool.binaries.binary import Binary, BinaryKind, Format
from ocitool.check.engine import findings
from ocitool.check.inspection import look
from ocitool.check.programs import _above_name
from ocitool.model.platform import Platform
from ocitool.tasks import Scope
from tests.fakes.programs import Elf, dynamic
from tests.fakes.sick import member, tar
from tests.unit.check.pairs import arm

ARM64, AMD64, RISCV64, S390X, I386 = 183, 62, 243, 22, 3
LOADER = "/lib/ld-linux-aarch64.so.1"
WRONG, NEEDS = "binary/wrong-platform", "binary/missing-needs"
APART, IDLE = "binary/apart-platform", "binary/apart-needs"


def elf(path, machine, **more):
    """An executable, or with `kind=3` a library, of a machine."""
    order = ">" if machine == S390X else "<"
    bits = 32 if machine == I386 else 64
    return member(path, Elf(machine=machine, order=order, bits=bits, **more).build(), mode=0o755)


def needing(path, library):
    """An arm64 program that needs a library."""
    names = b"\0" + library.encode() + b"\0"

    def build(at):
        table = dynamic("<", 64, [(1, 1), (5, at), (10, len(names))])
        return Elf(machine=ARM64, segments=[(3, 4, f"{LOADER}\0".encode()), (1, 4, names), (2, 6, table)]).build()

    return member(path, build(build(0).index(names)), mode=0o755)


@pytest.fixture
def rules(ward, found):
    """`rules(members, config)`: the rules that speak of the programs of an arm64 image with one right more, by path."""

    def call(*members, **settings):
        layer = tar(elf("bin/right", ARM64), *members)
        ward.index(ward.image("linux/arm64", layers=[layer], config=lambda tree: tree["config"].update(settings)))
        return {rule: one.at.path for rule, one in found().items() if not rule.startswith("config/entrypoint")}

    return call


def script(path, first):
    return member(path, f"#!{first}\nexit\n".encode(), mode=0o755)


@pytest.mark.parametrize(
    ("path", "settings", "rule"),
    [
        ("app", {}, WRONG),
        ("usr/local/bin/tool", {}, WRONG),
        ("srv/lib/addon.node", {}, WRONG),
        ("usr/lib/x/testdata/x86_64/prog", {}, APART),
        ("srv/prebuilds/linux-x64/addon.node", {}, APART),
        ("usr/x86_64-linux-gnu/lib/libc.so.6", {}, APART),
        ("srv/linux-arm64/addon.node", {}, WRONG),
        ("srv/linux-amd64/app", {"Entrypoint": ["/srv/linux-amd64/app"]}, WRONG),
        ("srv/linux-amd64/app", {"Entrypoint": ["/bin/right", "--"], "Cmd": ["linux-amd64/app"], "WorkingDir": "/srv"}, WRONG),
        ("srv/linux-amd64/app", {"Cmd": ["/bin/sh", "-c", "exec /srv/linux-amd64/app -v"]}, WRONG),
        ("srv/linux-amd64/app", {"Cmd": ["app"], "Env": ["PATH=/srv/linux-amd64"]}, WRONG),
        ("srv/linux-amd64/app", {"WorkingDir": "/srv/linux-amd64"}, WRONG),
        ("srv/linux-amd64/app", {"Env": ["PATH=/bin:/srv/linux-amd64"]}, WRONG),
    ],
)  # fmt: skip
def test_a_program_of_another_machine(rules, path, settings, rule):
    """K010: an error, unless its folder says what it is for and nothing says that it runs here."""
    assert {rule: path} == rules(elf(path, AMD64), **settings)


def test_programs_for_many_machines_in_one_place_are_a_collection(rules):
    """Test data of compilers: their names may say nothing."""
    many = [elf(f"go/src/debug/testdata/t{machine}", machine) for machine in (AMD64, RISCV64, S390X)]
    beside = [elf(f"npm/x/prebuilds/{machine}/addon", machine) for machine in (AMD64, RISCV64, ARM64)]

    assert [APART] == list(rules(*many, *beside))


@pytest.mark.parametrize(
    ("own", "rule"),
    [([], WRONG), (["linux-arm64"], APART), (["other"], APART)],
    ids=["alone", "sibling", "beside"],
)
def test_a_package_of_npm_for_another_machine(rules, own, rule):
    """npm installs esbuild for the machine that it runs on; in an image for another there is none that works."""
    scope = "srv/node_modules/@esbuild"
    members = [elf(f"{scope}/{name}/bin/esbuild", ARM64) for name in own]

    assert {rule: f"{scope}/linux-x64/bin/esbuild"} == rules(elf(f"{scope}/linux-x64/bin/esbuild", AMD64), *members)


@pytest.mark.parametrize(
    "settings",
    [
        {"Env": ["PATH=" + ":".join(f"/p{n}" for n in range(10_000))], "Cmd": [f"w{n}" for n in range(20_000)]},
        {"Cmd": ["a/" * 100_000], "WorkingDir": "/a" * 100_000},
    ],
    ids=["many", "long"],
)
def test_a_config_that_names_very_much_is_looked_at_all_the_same(rules, settings):
    """Each word goes with each folder, and a path is followed part by part: unbounded it would take hours."""
    assert {} == rules(**settings)


def test_two_machines_are_no_collection(rules):
    """A program that was copied from the wrong stage stands among right ones."""
    assert {WRONG: "srv/x/tool"} == rules(elf("srv/x/tool", AMD64), elf("srv/x/other", ARM64))


def test_what_stands_in_a_common_folder_says_nothing_about_its_neighbours(rules):
    many = [elf(f"usr/lib/{machine}/x", machine) for machine in (AMD64, RISCV64, S390X)]

    assert [WRONG] == list(rules(*many))


def test_where_nothing_can_run_nothing_is_kept_apart(ward, found):
    ward.index(ward.image("linux/arm64", layers=[tar(elf("srv/amd64/app", AMD64))]))

    assert [WRONG] == list(found())


@pytest.mark.parametrize(("count", "more"), [(1, ""), (2, ", as is 1 more"), (50, ", as are 49 more")])
def test_many_programs_of_another_machine_are_counted(ward, count, more):
    """An image that is for another machine through and through need not fill a screen."""
    ward.index(ward.image("linux/arm64", layers=[tar(*(elf(f"bin/p{n:02}", AMD64) for n in range(count)))]))

    told = findings(look(ward.store, "1", scope=Scope(), deep=lambda _: True))

    assert f"a program for linux/amd64 in an image for linux/arm64{more}" == told[0].message
    assert ["bin/p00", "bin/p01"][:count] == [one.at.path for one in told[:2]]
    assert min(20, count) == len(told)


@pytest.mark.parametrize(
    ("path", "settings", "rule"),
    [
        ("run.sh", {}, NEEDS),
        ("usr/local/bin/run.sh", {}, NEEDS),
        ("usr/bin/run.sh", {}, IDLE),
        ("usr/bin/run.sh", {"Cmd": ["run.sh"]}, NEEDS),
        ("usr/share/doc/run.sh", {}, IDLE),
        ("srv/run.sh", {"WorkingDir": "/srv"}, NEEDS),
        ("srv/run.sh", {"Entrypoint": ["/srv/run.sh"]}, NEEDS),
    ],
)
@pytest.mark.parametrize("first", ["/bin/ksh", "/bin/right\r", "/usr/bin/env ksh"])
def test_a_script_without_its_interpreter(rules, path, settings, rule, first):
    assert {rule: path} == rules(script(path, first), elf("usr/bin/env", ARM64), **settings)


def test_a_script_is_started_through_a_link(rules):
    link = member("entry", type=b"2", linkname="usr/share/x/run.sh")

    assert {NEEDS: "usr/share/x/run.sh"} == rules(script("usr/share/x/run.sh", "/bin/ksh"), link, Cmd=["/entry"])


@pytest.mark.parametrize(("first", "path"), [("/usr/bin/env right", None), ("/usr/bin/env tool", "/opt/x")])
def test_a_script_whose_interpreter_is_on_the_path(rules, first, path):
    env = [f"PATH={path}"] if path else []

    assert {} == rules(script("a", first), elf("usr/bin/env", ARM64), elf("opt/x/tool", ARM64), Env=env)


@pytest.mark.parametrize(
    ("members", "is_missing"),
    [
        ([], True),
        ([member("etc/ld.so.cache")], True),
        ([member("etc/ld.so.cache"), member("opt/vendor/libx.so.1")], False),
        ([member("opt/vendor/libx.so.1")], True),
        ([member("usr/lib/aarch64-linux-gnu/libx.so.1", type=b"5")], True),
    ],
    ids=["bare", "cache", "cached", "elsewhere", "directory"],
)
def test_a_library_that_the_loaders_cache_cannot_know_is_missing(rules, members, is_missing):
    """Every image of Debian and Fedora has a cache; it lists no library that is nowhere."""
    found = rules(needing("srv/app", "libx.so.1"), member(LOADER.lstrip("/")), *members)

    assert ({NEEDS: "srv/app"} if is_missing else {}) == found


def test_a_helper_for_an_older_architecture_without_its_loader(ward, found):
    """Debuggers bring one for 32-bit programs; it is no fault where there are none."""
    old = Elf(machine=I386, bits=32, segments=[(3, 4, b"/lib/ld-linux.so.2\0")]).build()
    layer = tar(elf("bin/right", AMD64), member("usr/libexec/x/getoff-x86", old, mode=0o755))
    ward.index(ward.image("linux/amd64", layers=[layer]))

    assert [IDLE] == list(found())


def test_what_cannot_run_here_lacks_nothing(rules):
    """One finding is enough for one program."""
    program = Elf(machine=AMD64, segments=[(3, 4, b"/lib64/ld-linux-x86-64.so.2\0")]).build()

    assert {WRONG: "app"} == rules(member("app", program, mode=0o755))


@pytest.mark.parametrize(
    ("folder", "platform", "is_named"),
    [
        ("usr/lib/x86_64-linux-gnu", "linux/amd64", True),
        ("a/linux-x64", "linux/amd64", True),
        ("a/x86", "linux/386", True),
        ("a/x86_64", "linux/386", False),
        ("a/arm64", "linux/arm", False),
        ("a/armv7l", "linux/arm", True),
        ("a/armv8", "linux/arm64", True),
        ("a/aarch64", "linux/arm64", True),
        ("a/win32-x64", "windows/amd64", True),
        ("a/Darwin", "darwin/arm64", True),
        ("a/ppc64el", "linux/ppc64le", True),
        ("a/ppc64le", "linux/ppc64", False),
        ("a/s390x", "linux/s390x", True),
        ("a/linux", "linux/s390x", False),
        ("a/armor64x", "linux/arm64", False),
    ],
)
def test_folders_that_are_called_after_a_platform(folder, platform, is_named):
    binary = Binary(Format.ELF, BinaryKind.LIBRARY, "x", (Platform.parse(platform),))

    assert is_named == (_above_name(folder, binary) is not None)


@pytest.mark.parametrize(
    ("platforms", "expected"),
    [
        (("linux/arm/v6", "linux/arm/v7"), ["linux/arm/v7"]),
        (("linux/arm/v6", "linux/arm/v7", "linux/arm64"), ["linux/arm/v7", "linux/arm64"]),
        (("linux/arm/v7",), []),
    ],
)
def test_one_program_for_several_platforms(ward, platforms, expected):
    """K216: also where another family of machines runs it, as arm64 runs arm."""
    ward.index(*(ward.image(platform, layers=[arm(6)]) for platform in platforms), tag="1")

    seen = look(ward.store, "1", scope=Scope(), deep=lambda _: True)
    told = [one.at.label for one in findings(seen) if one.rule == "binary/same-program"]
    assert expected == [label.split()[0] for label in told]
