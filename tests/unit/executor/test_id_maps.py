import pytest

from ocitool.executor.id_maps import COUNT, HIGH, Range, choose, single

FILES = ("root:100000:65536\nann:200000:65536\nann:300000:131072\n", "ann:400000:65536\nroot:100000:65536\n")


def test_a_user_with_ranges_is_root_inside_and_has_the_largest_of_them():
    maps = choose(1000, 1001, FILES, ("ann", "1000"), has_tools=True)

    assert (Range(0, 1000, 1), Range(1, 300000, 131072)) == maps.users
    assert (Range(0, 1001, 1), Range(1, 400000, 65536)) == maps.groups
    assert maps.by == "newuidmap"
    assert not maps.is_single


def test_a_user_without_ranges_stands_for_all_and_is_told_why():
    maps = choose(1000, 1000, ("", "ann:400000:65536"), ("ann", "1000"), has_tools=True)

    assert single(1000, 1000, "ann has no range in /etc/subuid") == maps
    assert maps.is_single


def test_ranges_without_newuidmap_are_of_no_use():
    maps = choose(1000, 1000, FILES, ("ann",), has_tools=False)

    assert maps.is_single
    assert "newuidmap" in maps.why


def test_root_is_never_mapped_to_root():
    for files in (("", ""), FILES, ("root:0:65536", "root:0:65536"), ("root:100000:10", "root:100000:10")):
        maps = choose(0, 0, files, ("root", "0"), has_tools=False)

        assert maps.by == "root"
        assert all(part.outside > 0 and part.count >= COUNT for part in (*maps.users, *maps.groups))


def test_root_without_a_range_has_a_high_one():
    maps = choose(0, 0, ("", ""), ("root",), has_tools=True)

    assert (Range(0, HIGH, COUNT),) == maps.users == maps.groups


@pytest.mark.parametrize(("count", "start"), [(65535, HIGH), (65536, 100000)])
def test_root_takes_a_range_that_has_an_id_for_everybody(count, start):
    text = f"root:100000:{count}\n"

    maps = choose(0, 0, (text, text), ("root",), has_tools=True)

    assert (Range(0, start, 65536),) == maps.users == maps.groups


@pytest.mark.parametrize(("count", "is_single"), [(65534, True), (65535, False)])
def test_root_of_a_namespace_may_lack_one_id(count, is_single):
    own = f"0 1000 1\n1 100000 {count}\n"

    assert is_single == choose(0, 0, ("", ""), ("root",), has_tools=True, own=(own, own)).is_single


def test_root_of_a_rootless_container_has_its_ids_but_for_its_own():
    own = "0 1000 1\n1 100000 65536\n"

    maps = choose(0, 0, ("", ""), ("root",), has_tools=True, own=(own, own))

    assert (Range(0, 1, 65536),) == maps.users
    assert maps.by == "root"


def test_root_of_a_namespace_of_one_stands_for_all():
    maps = choose(0, 0, FILES, ("root",), has_tools=True, own=("0 1000 1\n", "0 1000 1\n"))

    assert maps.is_single
    assert "too few ids" in maps.why


def test_damaged_lines_of_subuid_do_not_count():
    text = "ann\nann:x:5\nann:5\nann:4294967290:65536\nann:99999999999:1\n:1:2\n"

    assert choose(1000, 1000, (text, text), ("ann",), has_tools=True).is_single


def test_other_maps_have_another_name():
    names = {
        choose(1000, 1000, FILES, ("ann",), has_tools=True).name,
        choose(0, 0, FILES, ("root",), has_tools=True).name,
        single(1000, 1000).name,
        single(1001, 1001).name,
    }

    assert len(names) == 4
    assert all("/" not in name for name in names)
