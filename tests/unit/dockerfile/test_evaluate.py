"""Instructions carried out: what each is refused for with its line, and what is left."""

import json

import pytest

from ocitool.errors import NotFound, UsageError
from ocitool.store.layout import LayoutStore
from tests.fakes.busybox import put_busybox
from tests.unit.dockerfile.run.test_executed import Bench


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("RUN []", "2: RUN [] names no program"),
        ("RUN <<a/b\n#!/bin/sh\na/b", "2: not a file name for a heredoc: 'a/b'"),
        ("COPY <<a/b /x\nhi\na/b", "2: not a file name for a heredoc: 'a/b'"),
        ("COPY <<.. /x\nhi\n..", "2: not a file name for a heredoc: '..'"),
        ("COPY <<a <<b /u\n1\na\n2\nb", "2: 2 sources go to /u, which is no directory"),
        ("RUN --mount=type=tmpfs,target=/ x", "2: a mount cannot take the place of the root"),
        ("WORKDIR /a\nRUN --mount=type=tmpfs,target=.. x", "3: a mount cannot take the place of the root"),
        ("COPY --chown=www <<a /u\n1\na", "2: the image has no user 'www'"),
        ("WORKDIR /etc/passwd\nCOPY --chown=www <<a /u\n1\na", "3: the image has no user 'www'"),
        ("COPY large /etc/passwd\nUSER www\nWORKDIR /w", "4: /etc/passwd has 1100000 bytes, more than 1048576"),
        ("ARG E\nLABEL $E=x", "3: a name is empty"),
        ("ARG E\nENV $E=x", "3: a name is empty"),
        ("ARG E\nSTOPSIGNAL $E", "3: STOPSIGNAL names no signal"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_line(bench, lines, said):
    (bench.source / "large").write_bytes(b"x:x:1\n" * 183_333 + b"12")

    with pytest.raises(UsageError) as raised:
        bench.build(f"FROM scratch\n{lines}\n")

    assert raised.value.what.partition("Dockerfile:")[2].startswith(said)


@pytest.mark.parametrize(
    ("line", "said"),
    [("COPY --from=scratch /a /b", "no /a in scratch"), ("COPY l? /b", "no li in the context")],
)
def test_a_source_that_is_not_there(bench, line, said):
    (bench.source / "li").symlink_to("nowhere")

    with pytest.raises(NotFound, match=f"Dockerfile:2: {said}"):
        bench.build(f"FROM scratch\n{line}\n")


def test_several_heredocs_go_into_a_folder_that_is_there(bench):
    built = bench.build("FROM scratch\nWORKDIR /t\nWORKDIR /\nCOPY <<a <<b /t\n1\na\n2\nb\n")

    assert {"t": None, "t/a": b"1\n", "t/b": b"2\n"} == bench.files(built)


def test_a_command_of_no_words_takes_that_of_the_image_away(bench):
    built = bench.build('FROM scratch\nCMD ["x"]\nENTRYPOINT ["y"]\nCMD []\nENTRYPOINT []\n')

    assert not {"Cmd", "Entrypoint"} & set(json.loads(built.images[0].config.raw)["config"])


def test_a_mount_of_scratch_or_of_an_image_shows_its_layers(bench):
    put_busybox(LayoutStore(bench.home / "base", create=True), "1")
    text = f"FROM scratch\nRUN --mount=from=scratch,target=/a --mount=from=oci:{bench.home}/base:1,target=/b x\n"
    (asked,) = bench.executions(text)

    assert [0, 1] == [len(mount.layers) for mount in asked.mounts]


def test_files_come_from_an_image_that_a_place_holds(bench):
    put_busybox(LayoutStore(bench.home / "base", create=True), "1")

    built = bench.build(f"FROM scratch\nCOPY --from=oci:{bench.home}/base:1 /etc/passwd /p\n")

    assert b"root:x:0:0" == bench.files(built)["p"][:10]
