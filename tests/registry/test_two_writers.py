"""Two writers of one tag on a real registry, interleaved by a proxy: whoever loses is told so (K037)."""

import pytest

from ocitool.cli.plans import ATTEMPTS
from ocitool.index import edit
from ocitool.index.sources import MemberSource, resolve
from ocitool.model.platform import Platform
from ocitool.model.views import view
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


def test_one_who_read_ours_and_kept_it_is_no_loss(run, between, reference, other):
    """K267: our last look finds another digest, and in it what we wrote."""
    inner = []

    def second():
        between.before = lambda method, path: None
        inner.append(run("index", "annotate", reference, "--annotation", "second=1").exit_code)

    between.after = at(1, "PUT", second)
    first = annotate(run, reference)

    assert (0, [0]) == (first.exit_code, inner)
    assert "kept our change" in first.stderr
    assert {"a": "b", "second": "1"} == dict(view(other.get_manifest("all")).annotations)
    assert f"@{other.head('all').digest}" in first.stdout


class TestAdditions:
    """K267: an image that is added beside what another writer adds meanwhile."""

    @pytest.fixture
    def meanwhile(self, between, other):
        """`meanwhile("linux/arm64")`: another writer puts an image of that platform into what the tag held at first."""
        before = view(other.get_manifest("all"))

        def prepare(platform, method="PUT", *, is_after=True, every=False):
            put_image(other, "meanwhile", platform, note="meanwhile")
            source = MemberSource(other, "meanwhile", Platform(*platform.split("/")))
            (member,) = resolve((source,), scope=Scope())[0]
            after = edit.upsert(before, [member.entry])

            def write():
                other.put_manifest(after, "all")

            hook = (
                (lambda seen, path: write() if seen == method and path.endswith("/all") else None)
                if every
                else at(1, method, write)
            )
            setattr(between, "after" if is_after else "before", hook)

        return prepare

    @pytest.fixture
    def add(self, run, reference, other):
        put_image(other, "ours", "linux/riscv64")
        return lambda *flags: run("index", "add", reference, f"{reference.rpartition(':')[0]}:ours", *flags)

    @staticmethod
    def platforms(other):
        return sorted(str(entry.platform) for entry in view(other.get_manifest("all")).entries)

    @pytest.mark.parametrize(("method", "is_after"), [("PUT", True), ("HEAD", False)], ids=["lost", "forestalled"])
    def test_of_another_platform_stands_beside_theirs(self, add, meanwhile, other, method, is_after):
        meanwhile("linux/arm64", method, is_after=is_after)

        done = add()

        assert 0 == done.exit_code, done.stderr
        assert "trying again on top of that" in done.stderr
        assert ["linux/amd64", "linux/arm64", "linux/riscv64"] == self.platforms(other)

    def test_of_the_same_platform_is_told(self, add, meanwhile, other):
        meanwhile("linux/riscv64")

        done = add()

        assert 8 == done.exit_code, done.stderr
        assert other.head("meanwhile").digest in {e.digest for e in view(other.get_manifest("all")).entries}

    def test_of_the_same_platform_by_a_word(self, add, meanwhile, other):
        meanwhile("linux/riscv64")

        assert 0 == add("--retry").exit_code
        assert other.head("ours").digest in {e.digest for e in view(other.get_manifest("all")).entries}

    def test_is_not_tried_again_where_that_is_said(self, add, meanwhile, other):
        meanwhile("linux/arm64")

        assert 8 == add("--no-retry").exit_code
        assert ["linux/amd64", "linux/arm64"] == self.platforms(other)

    def test_ends_where_the_other_never_does(self, add, meanwhile, between):
        meanwhile("linux/arm64", every=True)

        assert 8 == add().exit_code
        assert ATTEMPTS == between.methods("/manifests/all").count("PUT")
