"""Sync files: what they say, and what is refused with its line."""

import pytest

from ocitool.errors import UsageError
from ocitool.model.platform import Platform
from ocitool.model.platform_pattern import PlatformPattern
from ocitool.model.tag_filter import TagFilter
from ocitool.project.sync_file import read_sync_file

TARGETS = 'targets = ["localhost:5001/mirror/"]\n'


@pytest.fixture
def read(tmp_path):
    def call(text):
        (tmp_path / "sync.toml").write_text(text)
        return read_sync_file(tmp_path / "sync.toml")

    return call


def test_what_stands_at_the_top_holds_where_an_entry_does_not_say_it(read):
    first, second = read(
        f"""
{TARGETS}
platforms = ["linux/*"]
include = ["1.*"]
referrers = true

[[sync]]
source = "debian"

[[sync]]
source = "oci:layout:v1"
targets = ["localhost:5001/app", "oci:other"]
platforms = ["linux/arm64"]
include = []
"""
    )

    assert ("docker.io/library/debian", ("localhost:5001/mirror/",), "") == (first.source, first.targets, first.tag)
    assert (TagFilter(("1.*",)), (PlatformPattern("linux", "*"),), True) == (
        first.wanted,
        first.platforms,
        first.referrers,
    )
    assert ("oci:layout", "v1", ("localhost:5001/app", "oci:other")) == (second.source, second.tag, second.targets)
    assert (TagFilter(), (Platform("linux", "arm64"),)) == (second.wanted, second.platforms)


def test_repositories_by_a_pattern(read):
    (entry,) = read(f'{TARGETS}[[sync]]\nsource = "localhost:5000/team/*"\n')

    assert ("localhost:5000", "team/*") == (entry.source, entry.repositories)


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("", "sync", ""),
        (f'{TARGETS}[[sync]]\nsource = "a"\nsorce = "b"\n', "line 4: sync[0].sorce", "did you mean source"),
        (
            f'{TARGETS}[[sync]]\nsource = "a"\nplatform = ["x"]\n',
            "line 4: sync[0].platform",
            "did you mean platforms",
        ),
        ('[[sync]]\nsource = "a"\n', "line 1: sync[0] has no targets", "targets ="),
        (f'{TARGETS}[[sync]]\nsource = "a"\nplatforms = ["linux/spark"]\n', "line 4: sync[0].platforms", "one of"),
        (f'{TARGETS}semver = "soon"\n[[sync]]\nsource = "a"\n', "line 2: semver", ""),
        (f'{TARGETS}[[sync]]\nsource = "A B"\n', "line 3: sync[0].source", ""),
        (f'{TARGETS}[[sync]]\nsource = "a@sha256:{"0" * 64}"\n', "line 3: sync[0].source", "copy brings it once"),
        (f'{TARGETS}[[sync]]\nsource = "team/*"\n', "line 3: sync[0].source", "HOST/PATTERN"),
        (f'{TARGETS}[[sync]]\nsource = "oci:layout"\n', "line 3: sync[0].source", "name one"),
        ('[[sync]]\nsource = "a"\ntargets = ["oci-archive:x"]\n', "line 3: sync[0].targets", "ocitool copy"),
        ('[[sync]]\nsource = "a"\ntargets = ["b:1"]\n', "line 3: sync[0].targets", "leave it out"),
        ('[[sync]]\nsource = "a"\ntargets = ["b c/"]\n', "line 3: sync[0].targets", ""),
        (
            '[[sync]]\nsource = "localhost/*"\ntargets = ["b"]\n',
            "line 2: sync[0].source",
            "end each of targets with /",
        ),
        (f"{TARGETS}[[sync]]\nsource = 1\n", "line 3: sync[0].source", ""),
        (f"{TARGETS}[[sync]\n", "line 2", "TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(read, text, said, hint):
    with pytest.raises(UsageError) as caught:
        read(text)

    assert said in caught.value.what
    assert hint in caught.value.hint, caught.value.hint


def test_several_mistakes_are_told_at_once(read):
    with pytest.raises(ExceptionGroup) as caught:
        read(f'{TARGETS}tags = 1\n[[sync]]\nsource = "a"\nfoo = 2\n')

    assert 2 == len(caught.value.exceptions)
