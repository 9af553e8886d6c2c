"""`--jobs` bounds what is under way at once, and is used to the full, by every command that has enough to do (K264)."""

import threading

import pytest

from tests.fakes.images import PLATFORMS

IMAGES = 24
SMALL, LARGE = 3, 20


class Gate:
    """Holds requests back until as many as are hoped for are under way; where that never is, a minute passes once."""

    def __init__(self, hoped: int, fits) -> None:
        self.hoped, self.fits = hoped, fits
        self.inside = self.most = 0
        self.is_open = False
        self.ready = threading.Condition()

    def __call__(self, request):
        if self.fits(request):
            with self.ready:
                self.inside += 1
                self.most = max(self.most, self.inside)
                self.ready.notify_all()
                self.is_open = self.ready.wait_for(lambda: self.is_open or self.most >= self.hoped, 60) or True
                self.inside -= 1


@pytest.fixture
def filled(app, name):
    """An index of many images, each with a layer of its own and a tag; the tag of the index."""
    entries = [
        app.image(platform, layers=[b"%d" % number], tag=f"t{number}")
        for number, platform in enumerate(PLATFORMS[:IMAGES])
    ]
    app.index(*entries)
    return name


# What each asks for side by side: the first requests come one after the other, whatever is asked for.
COMMANDS = {
    "copy": (lambda name: ("copy", name, name.replace("/app:", "/other:")), {"POST"}, "/v2/other/blobs/"),
    "copy --all-tags": (
        lambda name: ("copy", name.removesuffix(":1"), name.replace("/app:1", "/other"), "--all-tags"),
        {"POST"},
        "/v2/other/blobs/",
    ),
    "check": (lambda name: ("check", name), {"GET"}, "/v2/app/manifests/sha256:"),
    "check --all-tags": (
        lambda name: ("check", name.removesuffix(":1"), "--all-tags"),
        {"GET", "HEAD"},
        "/v2/app/blobs/",
    ),
    "inspect": (lambda name: ("inspect", name), {"GET"}, "/v2/app/manifests/sha256:"),
}


@pytest.mark.parametrize("jobs", [1, SMALL, LARGE, None])
@pytest.mark.parametrize("command", COMMANDS)
def test_as_many_at_once_as_are_asked_for(run, registry, filled, command, jobs):
    argv, methods, path = COMMANDS[command]
    most = jobs or 16
    # Tags are looked at eight at a time, each with an eighth of the requests.
    least = most // 2 + 1 if command == "check --all-tags" else most
    gate = Gate(least, lambda request: request.method in methods and request.path.startswith(path))
    registry.guard, registry.busiest = gate, 0

    done = run(*argv(filled), *(("--jobs", jobs) if jobs else ()))

    assert done.exit_code in {0, 1}, done.stderr
    assert least <= gate.most
    assert registry.busiest <= most


@pytest.mark.parametrize("word", ["１", "1_0", "²", "", "x" * 100_000])
def test_a_number_is_of_ascii_digits(run, word):
    done = run("images", "--jobs", word)

    assert 2 == done.exit_code
    assert len(done.stderr) < 2500
