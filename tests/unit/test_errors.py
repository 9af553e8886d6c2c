"""The exception tree: the exit code of each kind, and what the operating system said in our words."""

import errno
from copy import copy

import pytest

from ocitool import errors
from ocitool.errors import (
    AuthError,
    Cancelled,
    LocalIOError,
    NotFound,
    OcitoolError,
    RegistryError,
    SeveralErrors,
    as_one,
    local_io,
    output_error,
)


def test_every_kind_has_the_exit_code_it_was_promised():
    expected = {
        "usage": 2, "not-found": 3, "auth": 4, "network": 5, "registry": 5, "malformed": 6, "wrong-platform": 6,
        "digest-mismatch": 6, "build": 7, "conflict": 8, "unsupported": 9, "local-io": 10, "cancelled": 130,
        "output-closed": 141, "not-verified": 1, "not-expected": 1,
    }  # fmt: skip
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OcitoolError)]

    assert expected == {k.code: k("x").exit_code for k in kinds if k not in {OcitoolError, SeveralErrors}}
    assert 70 == OcitoolError("x").exit_code
    assert 143 == Cancelled(exit_code=143).exit_code


def test_the_text_is_what_went_wrong_and_the_hint_stands_apart():
    error = OcitoolError("no space", hint="free some")

    assert ("no space", "free some") == (str(error), error.hint)


def test_diagnostics_are_found_by_code():
    error = RegistryError("refused", diagnostics=[("MANIFEST_BLOB_UNKNOWN", "m", "d")])

    assert error.has("NAME_UNKNOWN", "MANIFEST_BLOB_UNKNOWN")
    assert not error.has("DENIED")


def every_kind(kind=OcitoolError):
    below = (one for one in kind.__subclasses__() if one is not SeveralErrors)
    return [kind, *(kinds for one in below for kinds in every_kind(one))]


@pytest.mark.parametrize("kind", every_kind())
def test_a_copy_says_the_same_without_the_traceback(kind):
    """What failed once is told to everybody who asks, and a traceback would keep whole frames."""
    error = kind("it broke", hint="mend it")
    with pytest.raises(kind):
        raise error

    copied = copy(error)

    assert (str(error), vars(error), None) == (str(copied), vars(copied), copied.__traceback__)


def test_several_errors_are_an_error_of_ours_and_a_group():
    lost, stopped = NotFound("a is gone", hint="look"), Cancelled()
    error = SeveralErrors([stopped, lost])

    assert ("cancelled; a is gone", "look", "not-found", 3) == (str(error), error.hint, error.code, error.exit_code)
    assert (stopped, lost) == error.exceptions
    assert (lost,) == error.split(NotFound)[0].exceptions
    assert (str(error), error.exceptions) == (str(copy(error)), copy(error).exceptions)


def test_only_errors_of_ours_leave_as_one():
    lost, refused = NotFound("a is gone"), AuthError("no")
    with pytest.raises(SeveralErrors) as several, as_one():
        raise ExceptionGroup("tasks", [lost, ExceptionGroup("more", [refused])])
    with pytest.raises(NotFound) as single, as_one():
        raise ExceptionGroup("tasks", [lost])
    with pytest.raises(ExceptionGroup) as bug, as_one():
        raise ExceptionGroup("tasks", [lost, ValueError("a bug")])

    assert (lost, refused) == several.value.exceptions
    assert lost is single.value
    assert not isinstance(bug.value, OcitoolError)


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permissions"),
        (errno.EMFILE, "--jobs"),
        (errno.EIO, ""),
    ],
)
def test_the_errno_decides_the_hint(number, hint):
    error = local_io(OSError(number, "Some Reason", "/some/file"), "write the layer")

    assert isinstance(error, LocalIOError)
    assert "cannot write the layer /some/file: some reason" == str(error)
    assert hint in error.hint
    assert "/some/file" == error.path


def test_a_path_is_not_told_twice():
    assert "cannot read /f: no" == str(local_io(OSError(errno.EIO, "No", "/f"), "read /f"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_output_is_not_mended_by_another_store(number):
    error = output_error(OSError(number, "full"))

    assert "what standard output goes to is full: free some space there, or send it elsewhere" == error.hint


def test_what_somebody_wrote_is_repeated_within_bounds():
    text = f"not a platform: {'x' * 1_000_000} end"
    error = errors.UsageError(text, hint=text)

    assert {len(error.what), len(error.hint), len(str(error))} == {2003}
    assert (error.what[:18], error.what[-5:]) == ("not a platform: xx", "x end")


def test_a_reader_that_has_gone_is_no_failure_and_a_broken_disk_is_not_full():
    assert isinstance(output_error(BrokenPipeError()), errors.OutputClosed)
    assert "full" not in output_error(OSError(errno.EIO, "input/output error")).hint
