import pytest

from ocitool.errors import AuthError, NetworkError, RegistryError
from ocitool.registry.retry import Patience, may_pass
from ocitool.tasks import Retry

RETRY = Retry(attempts=3, base_s=1.0, cap_s=4.0, total_s=100.0)


def wait_once(status: int, wait: float | None = None) -> RegistryError:
    return RegistryError("no", status=status, retry_after_s=wait)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_trouble_is_waited_for(status):
    assert may_pass(wait_once(status))


@pytest.mark.parametrize(
    "error",
    [
        AuthError("no"),
        wait_once(400),
        wait_once(404),
        wait_once(501),
        NetworkError("bad certificate", phase="tls"),
        NetworkError("redirects to ftp", phase="redirect"),
        NetworkError("cannot connect ([errno -2] name or service not known)", phase="connect"),
    ],
)
def test_what_will_not_pass_is_raised_at_once(error):
    with pytest.raises(type(error)) as caught:
        Patience(RETRY, lambda: 0.0).wait_after(error)
    assert error is caught.value


def test_failures_are_counted_and_told():
    patience = Patience(RETRY, lambda: 0.0)
    patience.wait_after(wait_once(502))
    patience.wait_after(NetworkError("broken"))

    with pytest.raises(RegistryError, match="after 3 tries"):
        patience.wait_after(wait_once(502))


def test_being_told_to_wait_is_no_failure():
    patience = Patience(RETRY, lambda: 0.0)

    assert [2.0] * 20 == [patience.wait_after(wait_once(429, 2.0)) for _ in range(20)]


def test_the_time_budget_ends_the_waiting():
    now = [0.0]
    patience = Patience(RETRY, lambda: now[0])
    now[0] = 99.0

    with pytest.raises(RegistryError):
        patience.wait_after(wait_once(429, 2.0))


def test_a_retry_after_beyond_the_budget_is_not_waited_for():
    with pytest.raises(RegistryError):
        Patience(RETRY, lambda: 0.0).wait_after(wait_once(503, 101.0))


def test_progress_makes_failures_count_anew():
    patience = Patience(RETRY, lambda: 0.0)

    for _ in range(10):
        patience.wait_after(NetworkError("broken"))
        patience.progressed()
