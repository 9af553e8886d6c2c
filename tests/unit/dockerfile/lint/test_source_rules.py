"""Checks of files and processes that instructions reach for."""

import pytest

from ocitool.model.files import FileKind
from ocitool.pack.entries import Entry
from ocitool.rootfs.files import Layered
from tests.unit.dockerfile.lint.conftest import AMD64, ARM64


def reached(hits):
    return [hit for hit in hits if hit[0] in {"CopyIgnoredFile", "MissingCopySource"}]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("public.txt", None),
        ("./public.txt", None),
        ("/public.txt", None),
        ("../public.txt", None),
        ("docs", None),
        ("docs/", None),
        ("docs/*.md", None),
        ("p?blic.*", None),
        (".", None),
        ("/", None),
        ("secret.txt", "CopyIgnoredFile"),
        ("./secret.txt", "CopyIgnoredFile"),
        ("nowhere.txt", "MissingCopySource"),
        ("docs/b.md", "MissingCopySource"),
        ("public.txt/x", "MissingCopySource"),
        ("docs/*.txt", "MissingCopySource"),
        ("$none-x", "MissingCopySource"),
        ("[x", "MissingCopySource"),
    ],
)
@pytest.mark.parametrize("word", ["COPY", "ADD"])
def test_sources_in_the_context(word, source, name, found):
    assert ([(name, 2)] if name else []) == reached(found(f"FROM scratch\n{word} {source} /d/"))


@pytest.mark.parametrize(
    "line",
    [
        "COPY --from=other:1 nowhere /x",
        "ADD https://host.example/nowhere /x",
        "COPY <<nowhere /x\nhi\nnowhere",
        "ONBUILD COPY nowhere /x",
    ],
)
def test_sources_elsewhere_are_not_looked_for(line, found):
    assert [] == found(f"FROM scratch\n{line}\n")


def test_a_repository_needs_git(found):
    assert [("RunNeedsProcess", 2)] == found("FROM scratch\nADD git@host.example:a/b.git /x\n")


def test_a_directory_is_copied_if_an_exception_keeps_something_in_it(found):
    ignore = "docs\n!docs/a.md\ngone\n!gone/x\n"

    assert [] == found("FROM scratch\nCOPY docs /d", ignore=ignore)
    assert [("CopyIgnoredFile", 2)] == found("FROM scratch\nCOPY gone /d", ignore=ignore)


def test_without_the_files_only_what_no_exception_can_keep_is_told(found):
    text = "FROM scratch\nCOPY secret.txt nowhere /d/"

    assert [("CopyIgnoredFile", 2)] == found(text, context=None)
    assert [] == found(text, context=None, ignore="secret.txt\n!a\n")


def test_files_are_looked_for_with_the_variables_of_each_platform(found, messages):
    """K172: what is missing for one platform is told; what only an unneeded stage copies is not."""
    text = (
        "FROM scratch AS amd64\nFROM scratch AS arm64\nARG TARGETARCH\nCOPY app-$TARGETARCH /\nFROM $TARGETARCH\n"
    )

    assert [] == found(text, platforms=[AMD64])
    assert ["the context has no app-arm64"] == messages(text, platforms=[AMD64, ARM64])


def test_every_run_of_a_needed_stage_is_told_with_its_way_out(found, messages):
    text = (
        "FROM golang AS build\nRUN go build ./...\nFROM alpine AS test\nRUN x\nFROM alpine\nRUN adduser a \\\n && b\n"
        "COPY --from=build /x /\n"
    )

    assert [2, 6] == [line for _, line in found(text, only="RunNeedsProcess")]
    assert "RUN adduser a && b: makes or changes a user; say numbers" in messages(text)[-1]


def test_a_run_that_an_onbuild_leaves_is_told_where_it_is_written(found):
    assert [("RunNeedsProcess", 2)] == found("FROM alpine AS p\nONBUILD RUN x\nFROM p")


@pytest.mark.parametrize(
    ("text", "more", "expected"),
    [
        ("FROM scratch\nCOPY group.txt /", {}, [2]),
        ("FROM scratch\nCOPY . /", {}, [2]),
        ("FROM scratch\nCOPY *.txt public.txt /d/", {}, [2]),
        ("FROM scratch\nCOPY docs public.txt /d/", {}, []),
        ("FROM scratch\nCOPY --chmod=644 . /", {}, []),
        ("FROM scratch\nCOPY . /", {"tracked": frozenset()}, []),
        ("FROM scratch\nCOPY . /", {"tracked": frozenset({"public.txt"})}, []),
        ("FROM scratch\nCOPY . /", {"context": None}, []),
        ("FROM scratch\nCOPY . /", {"ignore": "group.txt"}, [2]),
        ("FROM scratch AS no\nCOPY . /\nFROM scratch", {}, []),
        ("FROM scratch AS a\nFROM scratch\nCOPY --from=a group.txt /", {}, []),
    ],
)
def test_k203_a_mode_that_no_checkout_keeps(found, text, more, expected):
    """K203: a note, since the image is another one wherever the umask is."""
    assert [("ContextFileMode", line) for line in expected] == found(text, only="ContextFileMode", **more)


def test_links_and_pipes_have_no_mode_of_their_own(found):
    files = [
        Entry("public.txt", FileKind.SYMLINK, 0o777, link="group.txt"),
        Entry("group.txt", FileKind.FIFO, 0o664),
        Entry("docs", FileKind.DIRECTORY, 0o755),
        Entry("docs/a.md", FileKind.FILE, 0o664),
    ]
    text = "FROM scratch\nCOPY . /\n"

    assert [("ContextFileMode", 2)] == found(text, only="ContextFileMode", context=Layered(files))
    assert [] == found(text, only="ContextFileMode", context=Layered(files[:3]))
