"""The one table of platforms: pairs, names, levels, and everything that reads it."""

import pytest

from ocitool.binaries.binary import Binary, BinaryKind, Format
from ocitool.binaries.compatibility import Misfit, mismatch
from ocitool.errors import UsageError
from ocitool.index.entries import IndexEntry, Selector, check_runnable
from ocitool.model.digest import Digest
from ocitool.model.platform import Platform, choose
from ocitool.model.platform_names import ALIASES, ARCHITECTURES, LEVELS, PAIRS
from ocitool.model.views import Descriptor
from ocitool.toolchains.go import go_platform

ORDERS = [
    ("amd64", "v1 v2 v3 v4"),
    ("arm", "v5 v6 v7 v8"),
    ("arm64", "v8 v8.1 v8.4 v8.9"),
    ("arm64", "v8 v8.5 v9 v9.1 v9.7"),
    ("ppc64le", "power8 power9 power10"),
    ("ppc64", "power8 power9 power10"),
    ("riscv64", "rva20u64 rva22u64 rva23u64"),
]
PAIRS_OF_LEVELS = [
    (f"linux/{architecture}/{low}", f"linux/{architecture}/{high}")
    for architecture, names in ORDERS
    for place, low in enumerate(names.split())
    for high in names.split()[place + 1 :]
]


@pytest.mark.parametrize(("low", "high"), PAIRS_OF_LEVELS)
def test_a_machine_runs_its_level_and_those_below_and_everybody_agrees(low, high):
    """K219: choosing, comparing and checking read one table."""
    low, high = Platform.parse(low), Platform.parse(high)

    assert low == choose(high, (low,), lambda one: one)
    assert None is choose(low, (high,), lambda one: one)
    assert None is mismatch(program(low), high)
    assert Misfit.LEVEL is mismatch(program(high), low).misfit
    assert not low.same(high)


@pytest.mark.parametrize("architecture", sorted(LEVELS))
def test_an_absent_level_is_the_default_one(architecture):
    """K219: linux/riscv64 is what a host of linux/riscv64/rva22u64 takes, and rva20u64 itself."""
    plain = Platform("linux", architecture)
    default = Platform("linux", architecture, LEVELS[architecture].default)
    best = Platform("linux", architecture, LEVELS[architecture].names[-1])

    assert plain.same(default)
    assert plain == choose(best, (plain,), lambda one: one)
    assert None is mismatch(program(default), plain)
    assert Selector((default,)).matches(IndexEntry.of(Descriptor("", Digest.of(b""), 0, plain)))
    check_runnable(best, "it")


def test_every_level_of_go_is_a_level():
    """Compilers read the same table; ARM's v8 is compiled as v7, and Go stops at v9.5."""
    for architecture, levels in LEVELS.items():
        known = levels.names if architecture != "arm64" else levels.names[:-2]
        for level in known:
            assert go_platform(Platform("linux", architecture, level))["GOARCH"] == architecture


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("linux/ppc64le/POWER9", "linux/ppc64le/power9"),
        ("linux/ppc64el/p9", "linux/ppc64le/power9"),
        ("linux/ppc64le/pwr10", "linux/ppc64le/power10"),
        ("linux/ppc64le/power8", "linux/ppc64le"),
        ("linux/riscv64/rva22", "linux/riscv64/rva22u64"),
        ("linux/riscv64gc/RVA23U64", "linux/riscv64/rva23u64"),
        ("linux/riscv64/rva20u64", "linux/riscv64"),
    ],
)
def test_levels_as_others_write_them(typed, meant):
    assert meant == str(Platform.parse(typed))


@pytest.mark.parametrize(
    "text",
    [
        "linux/wasm",
        "windows/wasm",
        "js/amd64",
        "wasi/arm64",
        "darwin/s390x",
        "windows/riscv64",
        "zos/amd64",
        "linux/amd64p32",
        "ios/386",
        "linux/riscv64/rva19u64",
        "linux/ppc64le/power7",
        "linux/amd64/v8",
    ],
)
def test_pairs_are_known_and_not_words(text):
    """K220: each word is one of an os, an architecture or a level, and no machine is of all three."""
    os, architecture, *variant = text.split("/")

    assert not Platform(os, architecture, *variant).is_known
    with pytest.raises(UsageError):
        Platform.parse(text)


@pytest.mark.parametrize(
    "text", ["wasi/wasm", "wasip1/wasm", "js/wasm", "aix/ppc64", "freebsd/riscv64", "windows/arm64", "linux/s390x"]
)
def test_pairs_that_there_are(text):
    assert text == str(Platform.parse(text))
    assert Platform.parse(text).is_known


@pytest.mark.parametrize("os", ["wasi", "wasip1"])
def test_go_calls_docker_s_wasi_by_its_own_name(os):
    """K220."""
    assert {"GOOS": "wasip1", "GOARCH": "wasm"} == go_platform(Platform(os, "wasm"))


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("linux/amd64/v8", "variants of amd64 are v1 to v4; did you mean linux/arm64/v8?"),
        ("linux/amd64/v9", "did you mean linux/arm64/v9?"),
        ("linux/arm/v3", "did you mean linux/amd64/v3?"),
        ("linux/arm64/power9", "did you mean linux/ppc64le/power9?"),
        ("linux/amd64/rva22u64", "did you mean linux/riscv64/rva22u64?"),
        ("linux/wasm", "wasm is an architecture of js, wasi, wasip1"),
    ],
)
def test_what_may_have_been_meant(typed, hint):
    """K226."""
    with pytest.raises(UsageError) as raised:
        Platform.parse(typed)

    assert hint in raised.value.hint


def test_the_table_holds_together():
    assert set(LEVELS) <= ARCHITECTURES
    assert {name for name, _ in ALIASES.values()} <= ARCHITECTURES
    assert not set(ALIASES) & ARCHITECTURES
    assert {"wasm"} == PAIRS["wasi"]


def program(platform):
    return Binary(Format.ELF, BinaryKind.PROGRAM, "machine", (platform,))


def test_what_is_no_level_runs_itself_alone():
    assert ("strange",) == LEVELS["amd64"].at_most("strange")
    assert ("v2", "v1") == LEVELS["amd64"].at_most("v2")
