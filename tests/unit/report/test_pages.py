"""The page: complete, self-contained, and safe with what registries say."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_CONFIG, SCHEMA1_SIGNED, Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.report.pages import survey_page as page

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


def told(text, tag):
    """The words of each such element, in order."""
    return [
        re.sub(r"<[^>]*>", " ", found).split()
        for found in re.findall(rf"<{tag}(?: [^>]*)?>(.*?)</{tag}>", text, re.DOTALL)
    ]


def words(text, tag):
    return [" ".join(row) for row in told(text, tag)]


def test_an_artifact_is_told_by_its_type(repository):
    config = Descriptor("application/vnd.example.model+json", Digest.of(b"{}"), 2)
    repository.artifact("v1", config)
    repository.put_manifest(Document(b'{"schemaVersion":1,"fsLayers":[]}', SCHEMA1_SIGNED), "v2")

    assert "application/vnd.example.model+json" in words(page(repository.survey("v1")), "p")
    assert SCHEMA1_SIGNED in words(page(repository.survey("v2")), "p")


def test_what_sharing_saves_is_told_where_it_saves_something(repository, published):
    repository.index("v2", repository.image("linux/amd64", "a"), repository.image("linux/arm64", "b"))

    assert "2 platforms, 26.0 kB in 3 layers, 30.0 kB without sharing" in words(page(published), "p")
    assert "2 platforms, 2.0 kB in 2 layers" in words(page(repository.survey("v2")), "p")


def test_the_table_has_a_row_for_each_platform(published):
    first, *rows = words(page(published), "tr")

    assert "platform digest compressed size created layers" == first
    images = published.images
    assert [
        f"linux/amd64 {images[0].digest.short} 16.0 kB 2024-05-06T07:08:09Z 2 provenance",
        f"linux/arm64 {images[1].digest.short} 14.0 kB 2024-05-06T07:08:09Z 2",
    ] == rows


def test_each_shared_layer_has_a_colour_of_its_own_which_the_legend_tells(repository):
    names = ["a", "bb", "ccc", "dddd"]
    repository.index("v1", *(repository.image(p, *names, p) for p in ("linux/amd64", "linux/arm64")))
    survey = repository.survey("v1")
    text = page(survey)

    colours = re.findall(r'class="swatch" style="background:(hsl\((\d+) 50% 55%\))"', text)
    hues = [int(hue) for _, hue in colours]

    assert 4 == len(set(hues))
    assert all(0 <= hue < 360 for hue in hues)
    # Neighbours in the list are far from each other on the wheel.
    assert all(90 < (after - before) % 360 < 270 for before, after in pairwise(hues))
    shared = [(digest.short, number) for number, digest in enumerate(survey.layers) if number < 4]
    assert [f"{digest} {number + 1}.0 kB in 2 images" for digest, number in shared] == words(text, "li")[:4]
    assert [colour for colour, _ in colours] * 2 == re.findall(r"%;background:(hsl\([^)]*\))", text)


def test_a_layer_says_its_number_size_digest_and_where_else_it_is(published):
    titles = [attrs["title"].split("\n") for attrs in read(page(published)).of_class("layer")]
    base, app, *_ = published.layers

    assert ["layer 1: 4.0 kB, in 2 images", str(base), "COPY base"] == titles[0]
    assert ["layer 2: 12.0 kB", str(app), "COPY app"] == titles[1]
    assert ["layer 1: 4.0 kB, in 2 images", str(base)] == titles[2]  # this config has no history


def test_the_first_config_is_open_and_all_of_it_is_there(repository):
    settings = {
        "Env": ["A=1", "B=2"],
        "Labels": {"k": "v"},
        "ExposedPorts": {"80/tcp": {}},
        "User": "app",
        "Cmd": [],
    }
    steps = [{"created_by": "COPY a"}, {"created_by": "ENV A=1", "empty_layer": True}]
    one = repository.image("linux/amd64", "a", config=settings, history=steps, annotations={"of": "manifest"})
    two = repository.image("linux/arm64", "b")
    entry = Descriptor(one.media_type, one.digest, one.size, one.platform, annotations={"of": "entry", "more": "x"})
    repository.index("v1", entry, two, repository.attestation(one.digest, SLSA, "https://spdx.dev/Document"))
    text = page(repository.survey("v1"))

    first, second = re.findall(r"<details.*?</details>", text, re.DOTALL)

    assert [True, False] == ["open" in part.partition(">")[0] for part in (first, second)]
    assert [f"linux/amd64 {one.digest}"] == words(first, "summary")
    assert {"A=1 B=2", "k=v", "80/tcp", "app", "entry", "x"} <= set(words(first, "dd"))
    assert "manifest" not in words(first, "dd")  # what the entry says wins
    assert ["COPY a", "ENV A=1"] == words(first, "li")[:2]
    assert [["filled"], ["empty"]] == [
        re.findall(r'class="(\w+)"', part) for part in re.findall(r"<li[^>]*>", first)[:2]
    ]
    assert words(first, "li")[2].startswith("provenance, sbom sha256:")
    assert [] == words(second, "h3")


def test_what_is_no_image_is_listed_at_the_end(repository):
    image = repository.image("linux/amd64", "a")
    chart = repository.artifact("", Descriptor("application/vnd.cncf.helm.config+json", Digest.of(b"{}"), 2))
    listed = Descriptor(chart.media_type, chart.digest, chart.size, artifact_type="application/x-chart")
    orphan = repository.attestation(Digest.of(b"gone"))
    repository.index("v1", image, listed, orphan)
    repository.index("v2", image)

    text = page(repository.survey("v1"))

    assert [f"application/x-chart {chart.digest}", f"attestation {orphan.digest}"] == words(text, "li")[-2:]
    assert "Also listed" in words(text, "h2")
    assert "Also listed" not in words(page(repository.survey("v2")), "h2")


def test_a_config_that_disagrees_is_marked(repository):
    """K007"""
    image = repository.image("linux/amd64", "a")
    entry = Descriptor(image.media_type, image.digest, image.size, Platform("linux", "arm64"))
    repository.index("v1", entry)
    repository.index("v2", image)

    marked, plain = (read(page(repository.survey(name))).of_class("problem") for name in ("v1", "v2"))

    assert (True, []) == (bool(marked), plain)


def test_an_image_whose_config_is_gone_has_a_place_that_says_so(repository):
    config = Descriptor(OCI_CONFIG, Digest.of(b"gone"), 4)
    repository.put_manifest(compose.manifest(Family.OCI, config, []), "v1")

    text = " ".join(read(page(repository.survey("v1"))).text)

    assert "no blob" in text
    assert "entrypoint" not in text.lower()
