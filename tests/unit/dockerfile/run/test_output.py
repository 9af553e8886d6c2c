"""What processes say, as lines for a listener."""

import pytest

from ocitool.dockerfile.run.output import ProcessOutput, hidden

LONG = "x" * 16 * 1024


def told(*pieces, hide=lambda text: text):
    heard = []
    output = ProcessOutput("RUN make", hide, heard.append)
    for piece in pieces:
        output.take(piece)
    output.end()
    return [(one.label, one.text) for one in heard]


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"b\n\nc"], ["ab", "", "c"]),
        (["é".encode()[:1], "é".encode()[1:]], ["é"]),
        ([b"a\xc3"], ["a\ufffd"]),
        ([b"10 %\r20 %\r30 %\r\n"], ["30 %"]),
        ([LONG.encode(), b"y\n"], [f"{LONG}y"]),
        ([f"{LONG}y".encode(), b"z\n"], [f"{LONG}y", "z"]),
        ([], []),
    ],
)
def test_whole_lines_are_told_and_what_is_left_at_the_end(pieces, lines):
    assert [("RUN make", line) for line in lines] == told(*pieces)


def test_a_secret_is_hidden_by_its_lines_the_longest_first():
    hide = hidden([b"abcd\nabcdef\n", b"xyz\n"])

    assert [("RUN make", "*** *** xyz")] == told(b"abcd abcdef xyz", hide=hide)
