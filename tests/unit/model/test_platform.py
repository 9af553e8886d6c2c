"""Platforms: containerd's rules of parsing, normalising and choosing."""

import pytest

from ocitool.errors import MalformedDocument, UsageError
from ocitool.model.platform import Platform, choose, parse_platforms

ARM_V6_HOST = Platform("linux", "arm", "v6")


def test_written_form_is_kept():
    for text in (
        "linux/amd64",
        "linux/arm64",
        "linux/arm64/v8",
        "linux/arm/v5",
        "linux/amd64/v3",
        "linux/arm64/v9.2",
    ):
        assert text == str(Platform.parse(text))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("Linux/AMD64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64/v8"),
        ("linux/arm64/9.0", "linux/arm64/v9"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/i386", "linux/386"),
        ("linux/i686", "linux/386"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/armv6l", "linux/arm/v6"),
        ("linux/armv7l", "linux/arm/v7"),
        ("linux/ppc64el", "linux/ppc64le"),
        ("linux/powerpc64le", "linux/ppc64le"),
        ("linux/loongarch64", "linux/loong64"),
        ("linux/mips64el", "linux/mips64le"),
        ("linux/riscv64gc", "linux/riscv64"),
        ("macos/arm64", "darwin/arm64"),
        (" linux/s390x ", "linux/s390x"),
    ],
)
def test_aliases_become_the_names_of_the_specification(typed, meant):
    assert meant == str(Platform.parse(typed))


def test_windows_version_in_both_spellings():
    version = Platform("windows", "amd64", os_version="10.0.17763.1")

    assert version == Platform.parse("windows(10.0.17763.1)/amd64")
    assert version == Platform.parse("windows/amd64:10.0.17763.1")
    assert "windows(10.0.17763.1)/amd64" == str(version)


def test_features_and_escapes_survive_printing():
    platform = Platform.parse("linux(1%2F2+b+a)/amd64")

    assert ("1/2", ("b", "a")) == (platform.os_version, platform.os_features)
    assert platform == Platform.parse(str(platform))


@pytest.mark.parametrize(
    ("typed", "host", "meant"),
    [
        ("linux", Platform("linux", "arm64"), "linux/arm64"),
        ("linux", ARM_V6_HOST, "linux/arm/v6"),
        ("linux(+GPU)", Platform("linux", "amd64"), "linux(+GPU)/amd64"),
        ("arm64", Platform("darwin", "amd64"), "darwin/arm64"),
        ("amd64", None, "linux/amd64"),
        ("armhf", None, "linux/arm/v7"),
    ],
)
def test_one_part_is_completed_from_the_host(typed, host, meant):
    assert meant == str(Platform.parse(typed, host))


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("", "os/arch"),
        ("linux/amd64/v2/x", "os/arch"),
        ("linux//v7", "os/arch"),
        ("linux/*", "os/arch"),
        ("amd64/linux", "the os comes first: linux/amd64"),
        ("beos/amd64", "the os is one of"),
        ("linux/vax", "the architecture is one of"),
        ("linux", "linux/amd64"),
        ("vax", "os/arch"),
        ("linux/am d64", "os/arch"),
        ("linux/amd64 linux/arm64", "commas"),
        ("lin)ux/amd64", "os/arch"),
        ("linux/arm/v9", "v5 to v8"),
        ("linux/arm64/v7", "v8"),
        ("linux/amd64/v5", "v1 to v4"),
    ],
)
def test_what_is_no_platform_is_refused_with_a_way_out(typed, hint):
    with pytest.raises(UsageError) as caught:
        Platform.parse(typed)

    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/amd64", "linux/amd64/v1"),
        ("linux(+b+a)/amd64", "linux(+a+b+b)/amd64"),
        ("linux/arm64/v8.0", "linux/arm64"),
        ("linux/arm64/8.2", "linux/arm64/armv8.2-a"),
        ("linux/arm/armv6", "linux/arm/6"),
        ("linux/amd64/x86-64-v3", "linux/amd64/v3"),
    ],
)
def test_two_spellings_are_the_same_platform(one, other):
    """K001: normalise before comparing."""
    assert Platform.parse(one).same(Platform.parse(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/arm64", "linux/arm64/v9"),
        ("linux/amd64", "linux/amd64/v2"),
        ("linux/arm64", "linux/arm"),
        ("windows(10.0.1)/amd64", "windows(10.0.2)/amd64"),
    ],
)
def test_different_platforms_are_not_the_same(one, other):
    assert not Platform.parse(one).same(Platform.parse(other))


@pytest.mark.parametrize(
    ("written", "named"),
    [
        (("linux", "x86_64"), ("linux", "amd64")),
        (("linux", "armhf"), ("linux", "arm", "v7")),
        (("linux", "ARM"), ("linux", "arm")),
        (("Linux", "arm", "6"), ("linux", "arm", "v6")),
        (("linux", "arm"), ("linux", "arm")),
        (("linux", "arm64", "v8"), ("linux", "arm64", "v8")),
        (("linux", "z80"), ("linux", "z80")),
    ],
)
def test_the_name_that_engines_know_says_no_more_than_was_written(written, named):
    """K004: what an arm entry leaves open is not filled in with v7."""
    assert Platform(*named) == Platform(*written).canonical()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("linux/amd64/v3", "amd64/v3 amd64/v2 amd64 386"),
        ("linux/amd64", "amd64 386"),
        ("linux/arm/v7", "arm/v7 arm/v6 arm/v5"),
        ("linux/arm/v8", "arm/v8 arm/v7 arm/v6 arm/v5"),
        ("linux/arm64", "arm64 arm/v8 arm/v7 arm/v6 arm/v5"),
        ("linux/arm64/v8.2", "arm64/v8.2 arm64/v8.1 arm64 arm/v8 arm/v7 arm/v6 arm/v5"),
        ("linux/arm64/v9", "arm64/v9 arm64/v8.5 arm64/v8.4 arm64/v8.3 arm64/v8.2 arm64/v8.1 arm64 arm/v8 arm/v7 arm/v6 arm/v5"),
        ("linux/riscv64", "riscv64"),
        ("linux/386", "386"),
    ],
)  # fmt: skip
def test_a_host_runs_its_own_and_lower_levels(wanted, expected):
    assert [f"linux/{name}" for name in expected.split()] == [str(p) for p in Platform.parse(wanted).candidates()]


def pick(wanted: str, *entries: str | None) -> int | None:
    """The number of the entry chosen for `wanted`; a None entry has no platform."""
    platforms = [None if entry is None else Platform.from_tree(_tree(entry)) for entry in entries]
    return choose(Platform.parse(wanted), range(len(entries)), lambda number: platforms[number])


def _tree(text: str) -> dict[str, str]:
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))


def test_entry_without_variant_is_found_and_the_reverse():
    """K002: exact first, then after normalising."""
    assert 1 == pick("linux/arm64/v8", "linux/amd64", "linux/arm64")
    assert 1 == pick("linux/arm64", "linux/amd64", "linux/arm64/v8")
    assert 2 == pick("linux/arm64", "linux/amd64", "linux/arm64/v8", "linux/arm64")


def test_arm_v8_falls_downwards_and_never_to_arm64():
    """K005: nobody publishes arm/v8."""
    assert 1 == pick("linux/arm/v8", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8")
    assert pick("linux/arm/v8", "linux/arm64/v8") is None


def test_entries_without_a_platform_never_match():
    """K014: absent, null or empty, no crash."""
    assert pick("linux/amd64", None) is None
    assert Platform.from_tree(None) is None
    assert Platform.from_tree({}) is None


def test_attestations_never_match():
    assert 1 == pick("linux/amd64", "unknown/unknown", "linux/amd64")
    assert pick("linux/amd64", "unknown/unknown") is None


def test_first_of_equal_entries_wins():
    assert 1 == pick("linux/amd64", "linux/arm64", "linux/amd64/v1", "linux/amd64/v1")


def test_a_higher_level_than_the_host_is_not_chosen():
    assert 1 == pick("linux/amd64/v2", "linux/amd64/v3", "linux/amd64")
    assert 0 == pick("linux/arm64/v8.1", "linux/arm64/v8", "linux/arm64/v8.2")


def windows(*versions: str):
    return [Platform("windows", "amd64", os_version=version) for version in versions]


@pytest.mark.parametrize(
    ("host", "images", "chosen"),
    [
        ("10.0.17763.100", ["10.0.17763.1", "10.0.20348.1"], 0),
        ("10.0.14393", ["10.0.17763.1"], None),
        ("10.0.20348.9", ["10.0.17763.1", "10.0.20348.1"], 1),
        ("10.0.20348.9", ["10.0.17763.1"], None),
        ("10.0.25398.1", ["10.0.20348.1", "10.0.20348.7"], 1),
        ("10.0.26100.1", ["10.0.20348.1", "10.0.25398.1"], 1),
        ("10.0.26100.1", ["10.0.17763.1"], None),
        ("10.0.26200.1", ["10.0.20348.1"], None),
        ("10.0.26200.1", ["10.0.26100.1"], 0),
        ("11.0.1.1", ["10.0.1.1"], None),
        ("10.1.17763.1", ["10.0.17763.1"], None),
        ("10.0", ["10.0.17763.1"], 0),
        ("10.0.17763.1", ["10.0"], 0),
        ("10.0.17763", ["10.0.17763.9"], 0),
        ("10.0.20349.1", ["10.0.20348.1"], 0),
        ("10.0.20347.1", ["10.0.17763.1"], None),
        ("10.0.25398.1", ["10.0.25399.1"], None),
        ("10.0.26101.1", ["10.0.26099.1", "10.0.26100.1"], 1),
        ("", ["10.0.17763.1", "10.0.20348.1"], 1),
    ],
)
def test_windows_takes_the_newest_build_it_can_run(host, images, chosen):
    """K013: an older or newer build is no match."""
    entries = windows(*images)

    assert (None if chosen is None else entries[chosen]) == choose(windows(host)[0], entries, lambda one: one)


def test_versions_of_other_systems_are_not_compared():
    """What os.version means is defined for Windows alone."""
    image = Platform("linux", "amd64", os_version="5.10.1")

    assert image == choose(Platform("linux", "amd64", os_version="6.1.0"), [image], lambda one: one)


def test_an_image_with_features_needs_a_host_that_asks_for_them():
    plain, gpu = Platform("linux", "amd64"), Platform("linux", "amd64", os_features=("gpu",))
    entries = [gpu, plain]

    assert gpu == choose(Platform.parse("linux(+gpu)/amd64"), entries, lambda one: one)


def test_trees_round_trip():
    tree = {
        "architecture": "amd64",
        "os": "windows",
        "os.version": "10.0.1",
        "os.features": ["win32k"],
        "variant": "v2",
        "features": ["sse4"],
    }

    assert tree == Platform.from_tree(tree).to_tree()
    assert list(tree) == list(Platform.from_tree(tree).to_tree())


@pytest.mark.parametrize(
    ("tree", "pointer"),
    [
        ([], "/p"),
        ({"os": 1}, "/p/os"),
        ({"os": "linux", "os.features": "x"}, "/p/os.features"),
        ({"os": "linux", "features": [1]}, "/p/features"),
    ],
)
def test_malformed_platforms_name_the_place(tree, pointer):
    with pytest.raises(MalformedDocument) as caught:
        Platform.from_tree(tree, "/p")

    assert pointer == caught.value.pointer


def test_repeated_and_comma_lists_lose_no_platform_and_keep_order():
    found = parse_platforms(["linux/arm64,linux/amd64", "linux/arm/v7,", "linux/arm64/v8"])

    assert ["linux/arm64", "linux/amd64", "linux/arm/v7"] == [str(one) for one in found]


def test_local_is_the_hosts_own_platform():
    assert (ARM_V6_HOST,) == parse_platforms(["local,linux/arm/v6", "Local"], ARM_V6_HOST)
    with pytest.raises(UsageError):
        parse_platforms(["local"])


def test_printing_a_platform_without_an_os_says_so():
    assert "unknown/amd64" == str(Platform("", "amd64"))
    assert Platform("unknown", "unknown").is_unknown
    assert Platform("linux", "amd64") == Platform.parse("linux(1+x)/amd64").without_version()
