"""Two writers of one tag on a real registry, interleaved by a proxy: whoever loses is told so (K037)."""

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.images import put_image
from tests.fakes.proxy import proxy

pytestmark = pytest.mark.registry


@pytest.fixture
def between(docker_registry):
    """A proxy in front of the registry."""
    with proxy(docker_registry.host) as running:
        yield running


@pytest.fixture
def other(docker_registry):
    """The other writer, who goes to the registry itself."""
    with Opener(Access(), Scope()) as opener:
        store, _ = opener.open(docker_registry.repository(), write=True)
        yield store


@pytest.fixture
def reference(run, between, other):
    """The index `all` of one image, seen through the proxy."""
    put_image(other, "amd64", "linux/amd64")
    put_image(other, "theirs", "linux/arm64")
    name = f"{between.host}/{other.repository.name}"
    done = run("index", "create", f"{name}:all", f"{name}:amd64")
    assert done.exit_code == 0, done.stderr
    between.seen.clear()
    return f"{name}:all"


@pytest.fixture
def overwrite(other):
    """What the other writer does: point the tag at another image."""
    return lambda: other.put_manifest(other.get_manifest("theirs"), "all")


def at(number, method, act):
    """A hook that acts at the n-th request of a method to the tag."""
    left = [number]

    def hook(seen, path):
        if seen == method and path.endswith("/manifests/all"):
            left[0] -= 1
            if left[0] == 0:
                act()

    return hook


def annotate(run, reference):
    return run("index", "annotate", reference, "--annotation", "a=b")


def theirs_stands(other):
    return other.head("all").digest == other.head("theirs").digest


def test_nobody_else(run, between, reference):
    """The requests: read, look, write with If-Match, look again."""
    assert 0 == annotate(run, reference).exit_code
    assert ["GET", "HEAD", "PUT", "HEAD"] == between.methods("/manifests/all")


def test_if_match_is_sent_with_what_was_read(run, between, reference, other):
    before = other.head("all").digest

    annotate(run, reference)

    [headers] = [headers for method, _, headers in between.seen if method == "PUT"]
    assert before in headers["if-match"]


def test_before_the_check(run, between, reference, other, overwrite):
    between.before = at(1, "HEAD", overwrite)

    done = annotate(run, reference)

    assert (8, True) == (done.exit_code, theirs_stands(other))
    assert str(other.head("theirs").digest) in done.stderr
    assert "PUT" not in between.methods()


def test_right_after_the_write(run, between, reference, other, overwrite):
    between.after = at(1, "PUT", overwrite)

    done = annotate(run, reference)

    assert (8, True) == (done.exit_code, theirs_stands(other))
    assert str(other.head("theirs").digest) in done.stderr


def test_within_the_settle_time(run, between, reference, other, overwrite):
    """Between our write and our second look."""
    between.before = at(2, "HEAD", overwrite)

    assert (8, True) == (annotate(run, reference).exit_code, theirs_stands(other))


def test_between_check_and_write_it_is_they_who_can_see_it(run, between, reference, other, overwrite):
    """What the protocol does not let us see; docs/concepts/changes.md says so."""
    between.before = at(1, "PUT", overwrite)

    assert (0, False) == (annotate(run, reference).exit_code, theirs_stands(other))


def test_two_of_us_at_once_never_both_succeed_with_one_lost(run, between, reference, other):
    """Both have looked before either writes; the second one writes last, and the first one sees it."""
    inner = []

    def second():
        between.before = lambda method, path: None
        inner.append(run("index", "annotate", reference, "--annotation", "second=1").exit_code)

    between.after = at(1, "PUT", second)
    first = annotate(run, reference).exit_code

    assert (8, [0]) == (first, inner)
