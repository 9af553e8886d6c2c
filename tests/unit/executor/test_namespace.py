"""The helper as the build sees it: jobs, and their ends."""

import os
import socket

import pytest

from ocitool.errors import BuildError
from ocitool.executor.inside import main
from ocitool.executor.namespace import Job, Vanished
from ocitool.executor.wire import error_message, send


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_job_that_is_left_waits_until_the_helper_has_ended_it(pair):
    for number in range(3):
        send(pair[1], {"number": number})
    pair[1].shutdown(socket.SHUT_WR)

    with Job(pair[0], []) as job:
        assert {"number": 0} == job.receive()

    assert (-1, b"") == (pair[0].fileno(), pair[1].recv(1))


def test_a_job_that_is_answered_is_not_waited_for(pair):
    later = []
    with Job(pair[0], later) as job:
        job.is_answered = True

    assert [pair[0]] == later


def test_the_errors_of_a_job_are_those_of_the_helper(pair):
    send(pair[1], error_message(BuildError("no")))
    pair[1].shutdown(socket.SHUT_WR)
    job = Job(pair[0], [])

    with pytest.raises(BuildError, match="no"):
        job.receive()
    with pytest.raises(Vanished, match="ended before its work did"):
        job.receive()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_helper_whose_build_is_gone_before_it_begins_ends(pair):
    before = os.umask(0o077)
    pair[0].close()
    try:
        assert main(pair[1].detach()) is None
    finally:
        os.umask(before)
