"""Platforms that a name was promised to be for."""

import pytest

from ocitool.check.config import read_wanted
from ocitool.check.engine import Selection
from ocitool.check.runner import CheckOptions, check_names, check_tags
from ocitool.errors import UsageError
from ocitool.model.expectation import Expectation
from ocitool.model.platform import parse_platforms
from ocitool.store.memory import MemoryStore
from ocitool.tasks import Scope
from tests.fakes.sick import Ward

AMD64, ARM64 = ("expected/missing", "linux/amd64"), ("expected/missing", "linux/arm64")


@pytest.fixture
def ward():
    """`1`: arm64/v8, arm/v6, a Windows image of one version, its provenance, and an entry that says no platform."""
    ward = Ward(MemoryStore())
    arm64 = ward.image("linux/arm64/v8")
    nameless = ward.image("linux/s390x", layers=[])
    nameless.pop("platform")
    windows = ward.image("windows/amd64", layers=[])
    windows["platform"] |= {"os.version": "10.0.20348.1"}
    ward.index(arm64, ward.image("linux/arm/v6", layers=[]), windows, nameless, ward.provenance(arm64["digest"]))
    return ward


def found(ward, words, *, is_exact=True, name="1", **more):
    options = CheckOptions(expects=Expectation(parse_platforms(words), is_exact), **more)
    checked = check_names([(ward.store, name, "app:1")], options, scope=Scope())
    return [(one.rule, one.at.label) for one in checked.findings if one.rule.startswith("expected/")]


@pytest.mark.parametrize(
    ("words", "others"),
    [
        ("linux/arm64,linux/arm/v6,windows/amd64", []),
        ("linux/aarch64,linux/arm/v6,windows/amd64:10.0.20348.1", []),
        ("linux/arm64,linux/amd64,linux/arm/v6,windows/amd64", [AMD64]),
        ("linux/arm64,windows/amd64", [("expected/other", "linux/arm/v6")]),
        ("linux/arm64,linux/arm/v7,windows/amd64", [("expected/missing", "linux/arm/v7"), ("expected/other", "linux/arm/v6")]),
        (
            "linux/arm64,linux/arm/v6,windows/amd64:10.0.17763",
            [("expected/missing", "windows(10.0.17763)/amd64"), ("expected/other", "windows(10.0.20348.1)/amd64")],
        ),
    ],
)  # fmt: skip
def test_exactly_these(ward, words, others):
    assert others == found(ward, words)


@pytest.mark.parametrize(
    ("words", "missing"), [("linux/arm64", []), ("windows/amd64,linux/amd64", [AMD64]), ("linux/s390x,linux/arm", [("expected/missing", "linux/s390x"), ("expected/missing", "linux/arm/v7")])]
)  # fmt: skip
def test_at_least_these(ward, words, missing):
    assert missing == found(ward, words, is_exact=False)


def test_one_image_is_for_what_its_config_says(ward):
    ward.image("linux/riscv64", layers=[], tag="one")

    assert [] == found(ward, "linux/riscv64", name="one")
    assert [AMD64, ("expected/other", "linux/riscv64")] == found(ward, "linux/amd64", name="one")


def test_an_index_in_an_index_counts(ward):
    inner = ward.index(ward.image("linux/amd64"), tag="inner")
    ward.index(inner, ward.image("linux/arm64"), tag="outer")

    assert [] == found(ward, "linux/amd64,linux/arm64", name="outer")


def test_an_image_that_is_gone_was_promised_all_the_same(ward):
    """That it is gone is another finding; the entry is there."""
    lost = ward.image("linux/amd64")
    ward.index(lost, ward.image("linux/arm64"), tag="lost")
    ward.store.delete(lost["digest"])

    assert [] == found(ward, "linux/amd64,linux/arm64", name="lost")


def test_rules_are_chosen_as_any_others(ward):
    assert [] == found(ward, "linux/amd64", selection=Selection(ignore=("expected/*",)))
    assert [AMD64] == found(ward, "linux/amd64", selection=Selection(select=("expected/missing",)))


def test_every_tag_is_held_to_it():
    ward = Ward(MemoryStore())
    ward.index(ward.image("linux/amd64"), ward.image("linux/arm64"), tag="1")
    ward.index(ward.image("linux/amd64"), tag="2")
    options = CheckOptions(expects=Expectation(parse_platforms("linux/amd64,linux/arm64")))

    checked = check_tags([(ward.store, "", "")], options, scope=Scope())

    assert [("expected/missing", "2")] == [(one.rule, one.where.rpartition(":")[2]) for one in checked.findings]
    assert 1 == checked.exit_code


def test_flags_go_before_the_file(tmp_path):
    file = tmp_path / "ocitool.toml"
    file.write_text('[check]\nexpect = ["linux/amd64,linux/arm64"]\n')
    both = parse_platforms("linux/amd64,linux/arm64")

    assert Expectation(both) == read_wanted(file).expects
    assert Expectation(both[:1], is_exact=False) == read_wanted(file, expect_at_least=["linux/amd64"]).expects


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('expect = ["linux/amd46"]', "line 2: check.expect[0]"),
        ('expect = ["linux/amd64"]\nexpect-at-least = ["linux/amd64"]', "line 3: check.expect-at-least either exactly"),
        ('expect = "linux/amd64"', "line 2: check.expect must be"),
    ],
)  # fmt: skip
def test_what_is_refused_in_the_file(tmp_path, table, told):
    file = tmp_path / "ocitool.toml"
    file.write_text(f"[check]\n{table}\n")

    with pytest.raises(UsageError) as caught:
        read_wanted(file)

    assert told in caught.value.what


def test_only_one_of_the_flags_is_taken():
    with pytest.raises(UsageError, match="either exactly these platforms are expected, or at least these"):
        read_wanted(expect=["linux/amd64"], expect_at_least=["linux/arm64"])


def test_every_mistake_of_a_table_is_told_with_its_line(tmp_path):
    (tmp_path / "ocitool.toml").write_text('[check]\nselect = "x"\nignore = 5\n')

    with pytest.raises(ExceptionGroup, match="has 2 errors") as caught:
        read_wanted(config=tmp_path / "ocitool.toml")

    assert ["line 2", "line 3"] == sorted(
        word for one in caught.value.exceptions for word in ("line 2", "line 3") if word in str(one)
    )
