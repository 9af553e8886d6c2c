"""The page: complete, self-contained, and safe with what registries say."""

import re
from html.parser import HTMLParser

import pytest

from ocitool.report.html import page

SLSA = "https://slsa.dev/provenance/v1"
VOID = {"meta", "link", "br"}


class Reader(HTMLParser):
    """Collects elements by class, and checks that every element is closed where it was opened."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag == self.open.pop()

    def handle_data(self, data):
        self.text.append(data)

    def of_class(self, name):
        return [attrs for _, attrs in self.found if attrs.get("class") == name]


def read(text):
    reader = Reader()
    reader.feed(text)
    assert [] == reader.open
    return reader


@pytest.fixture
def published(repository):
    steps = [{"created_by": "COPY base"}, {"created_by": "ENV x", "empty_layer": True}, {"created_by": "COPY app"}]
    amd = repository.image(
        "linux/amd64", "base", "app-of-amd64", history=steps, config={"Entrypoint": ["/bin/app"]}
    )
    arm = repository.image("linux/arm64", "base", "app-of-arm")
    repository.index("v1", amd, arm, repository.attestation(amd.digest, SLSA), note="hello")
    return repository.survey("v1")


def test_layers_are_drawn_to_one_scale(published):
    widths = [
        float(re.search(r"width:([\d.]+)%", a["style"]).group(1)) for a in read(page(published)).of_class("layer")
    ]

    assert [25.0, 75.0, 25.0, 62.5] == widths


def test_shared_layer_has_one_colour_and_the_others_none(published):
    backgrounds = [(a["data-digest"], "background" in a["style"]) for a in read(page(published)).of_class("layer")]
    base, *_ = published.layers

    assert {(base, True)} == {pair for pair in backgrounds if pair[0] == base}
    assert [False, False] == [coloured for digest, coloured in backgrounds if digest != base]


def test_history_is_told_with_the_layer_it_made(published):
    """K049: alignment follows the empty_layer flag."""
    titles = [a["title"] for a in read(page(published)).of_class("layer")]

    assert titles[0].endswith("COPY base")
    assert titles[1].endswith("COPY app")


def test_platforms_sizes_and_marks_are_there(published):
    words = " ".join(read(page(published)).text)

    for word in ("linux/amd64", "linux/arm64", "16.0 kB", "14.0 kB", "provenance", "hello", "/bin/app"):
        assert word in words


def test_nothing_is_loaded_from_anywhere(published):
    text = page(published)

    assert [] == [v for _, attrs in read(text).found for k, v in attrs.items() if k == "src"]
    assert ["data:,", "#config-0", "#config-1"] == [a["href"] for _, a in read(text).found if "href" in a]
    assert not re.search(r"url\(|@import|<script", text)


def test_hostile_words_are_shown_as_words(repository):
    evil = '"><script>alert(1)</script>\x1b[2J'
    image = repository.image("linux/amd64", "a", config={"Env": [evil], "Labels": {evil: evil}})
    repository.index("v1", image, note=evil)

    text = page(repository.survey("v1"))

    assert "<script" not in text
    assert "\x1b" not in text
    assert evil.replace("\x1b", "\\x1b") in "".join(read(text).text)


def test_missing_child_has_no_bar_and_a_mark(repository):
    """K034: what is gone is seen."""
    amd = repository.image("linux/amd64", "a")
    repository.index("v1", amd)
    repository.delete(str(amd.digest))

    reader = read(page(repository.survey("v1")))

    assert ([], 1) == (reader.of_class("bar"), len(reader.of_class("problem")))


def test_two_surveys_of_the_same_give_the_same_bytes(repository):
    """Nothing of the moment is in a page: it can be compared and kept in a repository."""
    repository.index("v1", repository.image("linux/amd64", "a"), repository.image("linux/arm64", "b"))

    first, second = (page(repository.survey("v1")) for _ in range(2))

    assert first == second
