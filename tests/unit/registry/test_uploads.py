"""One upload against a repository that answers by a script: which requests are made, with which bytes. K255."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from ocitool.errors import AuthError, DigestMismatch, NetworkError, NotFound, RegistryError
from ocitool.model.digest import Digest
from ocitool.model.mediatype import OCTETS
from ocitool.model.views import Descriptor
from ocitool.registry.hosts import MIB, Access, UploadLimits
from ocitool.registry.request import Response
from ocitool.registry.session_state import KnownPlaces, Remembered
from ocitool.registry.upload_journal import UploadJournal
from ocitool.registry.uploads import RESTARTS, Uploaded, _first, upload
from ocitool.tasks import Retry

SMALL, LARGE = b"s" * 1000, b"large" * MIB
RETRY = Retry(attempts=4, base_s=0.001, cap_s=0.002, total_s=30)


def named(data: bytes) -> Descriptor:
    return Descriptor(OCTETS, Digest.of(data), len(data))


def said(status: int, **headers: str) -> Response:
    return Response(
        status, {k.replace("_", "-"): v for k, v in headers.items()}, "http://reg.test/v2/app/", "http://reg.test"
    )


def refused(status: int, code: str = "", message: str = "no") -> RegistryError:
    return RegistryError(message, status=status, diagnostics=((code, message, ""),) if code else ())


class Repository:
    """Takes what is sent, unless `script` has other answers for a verb, the next one first.

    An answer is a Response, an error to raise, or a function of the body; `log` has each request with the bytes it took.
    """

    def __init__(self, **script):
        self.host, self.name, self.place, self.label = "reg.test", "app", "reg.test/app", "reg.test/app"
        self.script = {verb: list(answers) for verb, answers in script.items()}
        self.log, self.stored, self.taken, self.slept, self.warned = [], set(), b"", [], []
        self.session = SimpleNamespace(
            remembered=Remembered(),
            places=KnownPlaces(None),
            access=Access(retry=RETRY),
            scope=SimpleNamespace(sleep=self.slept.append),
            warn=lambda text, *_: self.warned.append(text),
        )

    def _answer(self, verb, usual, body=None, *told):
        data = b""
        answer = self.script[verb].pop(0) if self.script.get(verb) else usual
        if body is not None:
            with body() as pieces:
                data = b"".join(pieces)
        self.log.append((verb, len(data), *told))
        if callable(answer):
            answer = answer(data)
        if isinstance(answer, Exception):
            raise answer
        self.taken += data
        return answer

    def mount(self, digest, source):
        return self._answer("mount", said(201), None, source)

    def has_blob(self, digest, *, is_sent=False):
        answer = self._answer("has", digest in self.stored)
        return answer is True

    def start_upload(self, algorithm):
        self.taken = b""
        return self._answer("start", said(202, location="/v2/app/up/1"))

    def patch_upload(self, location, body, count, first):
        done = len(self.taken) + count
        return self._answer("patch", said(202, location="/v2/app/up/2", range=f"0-{done - 1}"), body, first)

    def finish_upload(self, location, digest, body=None, size=0):
        answer = self._answer("finish", said(201), body)
        if Digest.of(self.taken) == digest:
            self.stored.add(digest)
        return answer

    def upload_status(self, location):
        return self._answer("status", said(204, range=f"0-{max(0, len(self.taken) - 1)}"))

    def cancel_upload(self, location):
        return self._answer("cancel", said(204))

    @contextmanager
    def open_blob(self, digest):
        raise NotFound("NAME_UNKNOWN")
        yield

    def send(self, data: bytes, **how):
        @contextmanager
        def open_at(offset):
            yield (data[at : at + 256 * 1024] for at in range(offset, len(data), 256 * 1024))

        return upload(self, named(data), open_at, **how)

    def verbs(self):
        return [verb for verb, *_ in self.log]


def test_a_small_blob_goes_with_the_closing_request():
    repository = Repository()

    assert Uploaded.SENT is repository.send(SMALL)
    assert [("has", 0), ("start", 0), ("finish", 1000)] == repository.log


def test_a_large_blob_goes_in_one_stream_that_says_no_range():
    """K101"""
    repository = Repository()

    repository.send(LARGE)

    assert [("patch", len(LARGE), None), ("finish", 0)] == repository.log[2:]
    assert {Digest.of(LARGE)} == repository.stored


@pytest.mark.parametrize(("size", "streamed"), [(4 * MIB, False), (4 * MIB + 1, True)])
def test_where_small_ends(size, streamed):
    repository = Repository()

    repository.send(b"x" * size)

    assert streamed is ("patch" in repository.verbs())


def test_parts_say_where_they_belong():
    repository = Repository()
    repository.session.remembered.learn("reg.test", UploadLimits(whole=0, streams=False, part_max=2 * MIB))

    repository.send(LARGE)

    parts = [row[1:] for row in repository.log if row[0] == "patch"]
    assert [(2 * MIB, 0), (2 * MIB, 2 * MIB), (MIB, 4 * MIB)] == parts


def test_what_is_there_is_not_sent_and_not_asked_for_twice():
    repository = Repository()
    repository.stored.add(Digest.of(SMALL))

    assert [Uploaded.EXISTED, Uploaded.EXISTED] == [repository.send(SMALL), repository.send(SMALL)]
    assert [("has", 0)] == repository.log


def test_anew_sends_whatever_the_registry_says():
    """K231"""
    repository = Repository()
    repository.stored.add(Digest.of(SMALL))
    repository.session.remembered.set_present("reg.test/app", Digest.of(SMALL))

    assert Uploaded.SENT is repository.send(SMALL, anew=True)
    assert ["start", "finish"] == repository.verbs()


class TestMount:
    def test_saves_the_sending(self):
        repository = Repository()

        assert Uploaded.MOUNTED is repository.send(SMALL, mount_from="base")
        assert [("mount", 0, "base")] == repository.log

    def test_that_opens_a_session_is_gone_on_with(self):
        repository = Repository(mount=[said(202, location="/v2/app/up/9")])

        assert Uploaded.SENT is repository.send(SMALL, mount_from="base")
        assert ["mount", "has", "finish"] == repository.verbs()

    @pytest.mark.parametrize("answer", [AuthError("no token"), said(404)])
    def test_that_is_denied_is_not_tried_again(self, answer):
        """K116"""
        repository = Repository(mount=[answer])

        repository.send(SMALL, mount_from="base")
        repository.send(LARGE, mount_from="base")

        assert 1 == repository.verbs().count("mount")


class TestBreaks:
    def test_a_stream_goes_on_where_the_server_is(self):
        def cut(data):
            repository.taken = data[: 3 * MIB]
            return NetworkError("cut", host="reg.test", phase="read")

        repository = Repository(patch=[cut])

        repository.send(LARGE)

        assert [("status", 0), ("patch", 2 * MIB, 3 * MIB), ("finish", 0)] == repository.log[3:]
        assert Digest.of(LARGE) in repository.stored

    def test_a_session_that_is_gone_begins_again_as_often_as_said(self):
        """K250"""
        gone = NotFound("BLOB_UPLOAD_UNKNOWN")
        repository = Repository(patch=[gone] * 100)

        with pytest.raises(NotFound) as caught:
            repository.send(LARGE)

        assert 1 + RESTARTS == repository.verbs().count("start")
        assert [f"the upload began {RESTARTS + 1} times"] == caught.value.__notes__

    def test_bytes_that_the_registry_hashes_to_something_else_are_sent_once_more(self):
        """K237"""
        repository = Repository(finish=[refused(400, "DIGEST_INVALID")] * 100)

        with pytest.raises(RegistryError):
            repository.send(LARGE)

        assert 2 == repository.verbs().count("start")

    def test_a_commit_whose_answer_is_lost_is_looked_for(self):
        """K106"""

        def lose(_):
            repository.stored.add(Digest.of(SMALL))
            return NetworkError("cut", host="reg.test", phase="read")

        repository = Repository(finish=[lose])

        assert Uploaded.SENT is repository.send(SMALL)
        assert ["has", "start", "finish", "has"] == repository.verbs()

    def test_a_registry_that_takes_nothing_is_an_error_and_no_loop(self):
        repository = Repository(patch=[said(202, range="0-1")] * 100, status=[said(204, range="0-1")] * 100)
        repository.session.remembered.learn("reg.test", UploadLimits(whole=0, streams=False, part_max=2 * MIB))

        with pytest.raises(RegistryError, match="took none of 2097152 bytes at 2"):
            repository.send(LARGE)
        assert RETRY.attempts >= len(repository.slept)

    def test_more_acknowledged_than_sent_spoils_the_session(self):
        repository = Repository(patch=[said(202, range=f"0-{len(LARGE)}")])

        repository.send(LARGE)

        assert 2 == repository.verbs().count("start")

    def test_no_rights_are_final(self):
        repository = Repository(finish=[AuthError("denied", status=403)])

        with pytest.raises(AuthError):
            repository.send(SMALL)
        assert ["has", "start", "finish"] == repository.verbs()


class TestSizes:
    def test_a_refusal_for_the_size_makes_parts_that_are_remembered(self):
        """K101"""
        repository = Repository(patch=[refused(413)])

        repository.send(LARGE)
        limits = repository.session.remembered.limits("reg.test")

        assert (False, 4 * MIB) == (limits.streams, limits.part)
        assert [(4 * MIB, 0), (MIB, 4 * MIB)] == [row[1:] for row in repository.log if row[0] == "patch"][1:]

    def test_the_smallest_part_that_is_refused_is_the_end(self):
        repository = Repository(patch=[refused(413)] * 100)

        with pytest.raises(RegistryError):
            repository.send(LARGE)

        sizes = [size for verb, size, *_ in repository.log if verb == "patch"]
        assert sorted(set(sizes), reverse=True) == sizes
        assert 256 * 1024 == sizes[-1]

    def test_a_minimum_that_the_host_says_is_kept(self):
        repository = Repository(start=[said(202, location="/up", oci_chunk_min_length=str(3 * MIB))])

        repository.send(LARGE)

        assert 3 * MIB == repository.session.remembered.limits("reg.test").part_min


class TestAnswers:
    def test_another_digest_is_no_success(self):
        repository = Repository(finish=[said(201, docker_content_digest=str(Digest.of(b"other")))])

        with pytest.raises(DigestMismatch):
            repository.send(SMALL)
        assert "cancel" in repository.verbs()

    def test_a_digest_of_another_algorithm_says_nothing(self):
        repository = Repository(finish=[said(201, docker_content_digest=str(Digest.of(SMALL, "sha512")))])

        assert Uploaded.SENT is repository.send(SMALL)

    def test_accepted_is_not_stored(self):
        repository = Repository(finish=[said(202)])

        assert Uploaded.SENT is repository.send(SMALL)
        assert "has" == repository.verbs()[-1]

    def test_a_session_without_a_place_is_an_error(self):
        repository = Repository(start=[said(202)])

        with pytest.raises(RegistryError, match="opened an upload without saying where"):
            repository.send(SMALL)

    def test_what_is_not_there_to_be_sent_is_told_as_that(self):
        """The source's own loss is no lost session."""
        repository = Repository()

        @contextmanager
        def gone(offset):
            raise NotFound("the layer is gone")
            yield

        with pytest.raises(NotFound, match="the layer is gone"):
            upload(repository, named(SMALL), gone)
        assert 1 == repository.verbs().count("start")

    def test_a_connection_that_breaks_at_once_brings_what_the_registry_said(self):
        """K237"""
        repository = Repository(start=[NetworkError("broke", host="reg.test", phase="read")])

        with pytest.raises(NetworkError) as caught:
            repository.send(SMALL)

        assert ["NAME_UNKNOWN"] == caught.value.__notes__
        assert caught.value.hint


def test_a_session_that_is_gone_is_not_given_up_again():
    """The first one is unknown to the registry by now, and another one cannot be had."""
    gone, denied = refused(404, "BLOB_UPLOAD_UNKNOWN"), AuthError("denied", status=403)
    repository = Repository(start=[said(202, location="/v2/app/up/1"), denied], finish=[gone], status=[gone])

    with pytest.raises(AuthError) as caught:
        repository.send(SMALL)

    assert caught.value is denied
    assert ("start", False) == (repository.verbs()[-1], "cancel" in repository.verbs())


def test_a_session_that_died_of_a_body_too_large_is_opened_anew_for_smaller_ones():
    repository = Repository(patch=[refused(413)], status=[refused(404, "BLOB_UPLOAD_UNKNOWN")])

    assert Uploaded.SENT is repository.send(LARGE)

    assert ["has", "start", "patch", "status", "start"] == repository.verbs()[:5]
    assert max(size for verb, size, *_ in repository.log[5:] if verb == "patch") < len(LARGE)
    assert {Digest.of(LARGE)} == repository.stored


def test_a_part_of_a_stream_that_is_shorter_is_all_of_it():
    assert [b"ab", b"c"] == list(_first(iter([b"ab", b"cd"]), 3))
    assert [b"ab"] == list(_first(iter([b"ab"]), 3))


@pytest.mark.parametrize(
    ("status", "verbs", "told"),
    [
        (said(204, range="0-0"), ["has", "status", "patch", "finish"], []),
        (
            refused(404, "BLOB_UPLOAD_UNKNOWN"),
            ["has", "status", "start", "patch", "finish"],
            ["reg.test/app has dropped the upload of"],
        ),
    ],
    ids=["nothing arrived", "gone"],
)
def test_a_session_that_an_earlier_process_left(tmp_path, status, verbs, told):
    repository = Repository(status=[status])
    repository.session.access = Access(retry=RETRY, journal=tmp_path)
    with UploadJournal(tmp_path).entry("reg.test/app", Digest.of(LARGE), len(LARGE)) as entry:
        entry.note("http://reg.test/v2/app/up/7", 9)

    assert Uploaded.SENT is repository.send(LARGE)

    assert verbs == repository.verbs()
    assert told == [text[: len(told[0])] for text in repository.warned]
    assert {Digest.of(LARGE)} == repository.stored
