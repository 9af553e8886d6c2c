"""The pages: complete, self-contained, and safe with what registries say."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from ocitool.check.engine import DOCUMENTED
from ocitool.check.finding import Finding, Location
from ocitool.check.rules.rule import Rule
from ocitool.check.runner import Checked
from ocitool.errors import NotFound
from ocitool.findings import Severity
from ocitool.model import compose
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_CONFIG, SCHEMA1_SIGNED, Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor
from ocitool.report.compare import ComparedFiles, FileChange, compare
from ocitool.report.html import LARGEST
from ocitool.report.pages import check_page, comparison_page
from ocitool.report.pages import survey_page as page
from ocitool.values import replace

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


def bars(text):
    """Each bar as its layers: number, width in percent, colour or nothing."""
    found = re.findall(r'<div class="bar"[^>]*>(.*?)</div>', text)
    layer = r'<span class="layer" style="width:([\d.]+)%(?:;background:([^"]*))?">(\d+)</span>'
    return [[(int(n), float(width), colour) for width, colour, n in re.findall(layer, bar)] for bar in found]


def test_layers_are_drawn_to_one_scale(published):
    assert [[25.0, 75.0], [25.0, 62.5]] == [[width for _, width, _ in bar] for bar in bars(page(published))]


def test_shared_layer_has_one_number_and_colour_and_the_others_none(published):
    (base, app), (same, other) = bars(page(published))

    assert (1, 2, 1, 3) == (base[0], app[0], same[0], other[0])
    assert base[2] == same[2] != ""
    assert ("", "") == (app[2], other[2])


def test_history_is_told_with_the_layer_it_made(published):
    """K049: alignment follows the empty_layer flag."""
    assert ["COPY base", "COPY app", ""] == [row[-1] for row in rows(page(published), 1)]


def test_platforms_sizes_and_marks_are_there(published):
    words = " ".join(read(page(published)).text)

    for word in ("linux/amd64", "linux/arm64", "16.0 kB", "14.0 kB", "provenance", "hello", "/bin/app"):
        assert word in words


def test_nothing_is_loaded_from_anywhere(published):
    text = page(published)

    assert [] == [v for _, attrs in read(text).found for k, v in attrs.items() if k == "src"]
    assert ["data:,", "#config-0", "#config-1"] == [a["href"] for _, a in read(text).found if "href" in a]
    assert not re.search(r"url\(|@import", text)


def test_hostile_words_are_shown_as_words(repository):
    evil = '"><script>alert(1)</script>\x1b[2J'
    image = repository.image("linux/amd64", "a", config={"Env": [evil], "Labels": {evil: evil}})
    repository.index("v1", image, note=evil)

    text = page(repository.survey("v1"))

    assert 1 == text.count("<script")  # ours
    assert "\x1b" not in text
    assert evil.replace("\x1b", "\\x1b") in "".join(read(text).text)


def test_missing_child_has_no_bar_and_a_mark(repository):
    """K034: what is gone is seen."""
    amd = repository.image("linux/amd64", "a")
    repository.index("v1", amd)
    repository.delete(str(amd.digest))

    reader = read(page(repository.survey("v1")))

    assert ([], 1) == (reader.of_class("bar"), len(reader.of_class("error")))


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

    assert "2 platforms, 26.0 kB in 3 layers, 30.0 kB without sharing" in words(page(published), "caption")
    assert "2 platforms, 2.0 kB in 2 layers" in words(page(repository.survey("v2")), "caption")


def rows(text, number=0):
    """The cells of a table of the page, a list for each row without the first."""
    table = re.findall(r"<table.*?</table>", text)[number]
    return [words(row, "t[hd]") for row in re.findall(r"<tr.*?</tr>", table)[1:]]


def test_the_table_has_a_row_for_each_platform(published):
    images = published.images

    assert [
        ["linux/amd64", images[0].digest.short, "16.0 kB", "2024-05-06T07:08:09Z", "2", "provenance"],
        ["linux/arm64", images[1].digest.short, "14.0 kB", "2024-05-06T07:08:09Z", "2", ""],
    ] == rows(page(published))


def test_each_shared_layer_has_a_colour_of_its_own_which_the_table_tells(repository):
    names = ["a", "bb", "ccc", "dddd"]
    repository.index("v1", *(repository.image(p, *names, p) for p in ("linux/amd64", "linux/arm64")))
    text = page(repository.survey("v1"))

    colours = re.findall(r'class="layer" style="background:(hsl\((\d+) 55% 72%\))">(\d)<', text)
    hues = [int(hue) for _, hue, _ in colours]

    assert [205, 343, 120, 258] == hues[:4]
    # Neighbours in the list are far from each other on the wheel.
    assert all(90 < (after - before) % 360 < 270 for before, after in pairwise(hues))
    for bar in bars(text):
        assert [(int(number), colour) for colour, _, number in colours] == [(n, c) for n, _, c in bar[:4]]


def test_a_layer_says_its_number_digest_size_and_where_it_is(published):
    base, app, other = published.layers

    assert [
        ["1", base.short, "4.0 kB", "all 2 images", "COPY base"],
        ["2", app.short, "12.0 kB", "linux/amd64", "COPY app"],
        ["3", other.short, "10.0 kB", "linux/arm64", ""],  # this config has no history
    ] == rows(page(published), 1)


def test_a_layer_of_several_images_says_of_which(repository):
    names = ["linux/amd64", "linux/arm64", "linux/386", "linux/s390x", "linux/ppc64le", "linux/riscv64"]
    stacks = zip(names, (["a"], ["a"], ["b"], ["b"], ["b"], ["b"]), strict=True)
    repository.index("v1", *(repository.image(name, *stack) for name, stack in stacks))
    repository.index("v2", *(repository.image(name, "x", *(["y"] if n else [])) for n, name in enumerate(names)))

    assert ["linux/amd64, linux/arm64", ", ".join(names[2:])] == [
        r[3] for r in rows(page(repository.survey("v1")), 1)
    ]
    assert ["all 6 images", "5 images"] == [r[3] for r in rows(page(repository.survey("v2")), 1)]


def test_a_bar_says_its_layers_to_who_does_not_see_it(published):
    told = re.findall(r'role="img" aria-label="([^"]*)"', page(published))

    assert ["linux/amd64: 16.0 kB in layers 1, 2", "linux/arm64: 14.0 kB in layers 1, 3"] == told


def test_referrers_are_told_where_they_were_asked_for(repository):
    image = repository.image("linux/amd64", "a")
    one, two = (
        Descriptor("x/y", Digest.of(w.encode()), 1, artifact_type=f"application/{w}") for w in ("one", "two")
    )
    repository.index("v1", image)
    found = repository.survey("v1")
    found = replace(found, referrers=(one,), images=(replace(found.images[0], referrers=(two,)),))

    text = page(found)

    assert f"application/one {one.digest}" in words(text, "li")
    assert [f"application/two {two.digest}"] == words(re.search(r"<details.*?</details>", text)[0], "li")


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
    assert ["linux/amd64", str(one.digest)] == [*words(first, "summary"), *words(first, "p")]
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

    marked, plain = (read(page(repository.survey(name))).of_class("error") for name in ("v1", "v2"))

    assert (True, []) == (bool(marked), plain)


def test_an_image_whose_config_is_gone_has_a_place_that_says_so(repository):
    config = Descriptor(OCI_CONFIG, Digest.of(b"gone"), 4)
    repository.put_manifest(compose.manifest(Family.OCI, config, []), "v1")

    text = " ".join(read(page(repository.survey("v1"))).text)

    assert "no blob" in text
    assert "entrypoint" not in text.lower()


DEEP = next(rule.id for rule in DOCUMENTED if rule.needs_deep)


class TestCheck:
    """What is wrong, beside the platform that it is about, and what to do."""

    @staticmethod
    def finding(rule="index/wrong-platform", label="linux/arm64", where="reg.test/app:1", **more):
        at = Location(Digest.of(b"x"), label=label, path=more.pop("path", ""), layer=more.pop("layer", ""))
        return Finding(
            rule, more.pop("severity", Severity.ERROR), more.pop("message", "is wrong"), at, where=where, **more
        )

    def page(self, *found, rules=DOCUMENTED, names=("reg.test/app:1",), **checked):
        return check_page(Checked(found, names=names, **checked), rules)

    def test_findings_stand_by_platform_with_their_rule(self):
        text = self.page(
            self.finding(message="entry says linux/arm64"),
            self.finding(
                "layer/setuid", "linux/amd64", severity=Severity.NOTE, path="bin/su", layer="layer 1 of 2"
            ),
            self.finding("index/child-size", severity=Severity.WARNING, message="has 3 bytes"),
            self.finding("index/order", "", message="odd"),
        )

        assert [
            ["linux/arm64", "error", "entry says linux/arm64", "index/wrong-platform"],
            ["linux/arm64", "warning", "has 3 bytes", "index/child-size"],
            ["linux/amd64", "note", "/bin/su in layer 1 of 2: is wrong", "layer/setuid"],
            ["all of it", "error", "odd", "index/order"],
        ] == rows(text)

    def test_each_rule_is_told_once_with_what_to_do(self):
        text = self.page(self.finding(), self.finding(label="linux/386"), self.finding("tag/gone"))

        assert ["index/wrong-platform", "tag/gone"] == words(text, "h3")
        assert ["What to do: Push the image again, or delete the tag."] == [
            p for p in words(text, "p") if p.startswith("What to do: Push")
        ]
        assert "ocitool explain tag/gone" in words(text, "code")
        assert {'href="#tag/gone"', 'id="tag/gone"'} <= set(re.findall(r'(?:href|id)="[^"]*"', text))

    def test_what_mends_a_place_is_a_command_for_it(self):
        mended = "ocitool repair reg.test/app:1"

        assert mended in words(self.page(self.finding(fixable=True)), "code")
        assert f"{mended} --deep" in words(self.page(self.finding(DEEP, fixable=True)), "code")
        for text in (self.page(self.finding()), self.page(self.finding(fixable=True, allowed="so it is"))):
            assert mended not in words(text, "code")

    def test_an_allowed_finding_says_why(self):
        assert ["linux/arm64", "allowed", "is wrong (allowed: so it is)", "layer/setuid"] == rows(
            self.page(self.finding("layer/setuid", allowed="so it is"))
        )[0]

    def test_places_are_told_apart(self):
        failed = (("reg.test/gone:1", NotFound("it is not there", name="1")),)
        names = ("reg.test/app:1", "reg.test/app:2")
        text = self.page(self.finding(), names=names, failed=failed)

        assert ["Check of 3 names"] == words(text, "h1")
        assert ["Could not be looked at", "reg.test/app:1", "Nothing wrong", "Rules"] == words(text, "h2")
        assert ["reg.test/gone:1: it is not there", "reg.test/app:2"] == words(text, "li")
        assert "1 error in 2 of 3 places" in words(text, "p")

    def test_a_rule_of_a_package_is_told_by_its_own_words(self):
        rule = Rule(
            "acme/source", "No source", "Somebody is called.", "no label", Severity.ERROR, lambda _: iter(())
        )
        text = self.page(self.finding("acme/source"), rules=(rule,))

        assert "No source. Somebody is called." in words(text, "p")

    def test_endless_findings_have_a_bound(self):
        found = [self.finding(where=f"reg.test/app:{number % 500}", message="<" * 3000) for number in range(1000)]
        text = self.page(*found)

        assert len(text) < LARGEST + 100_000
        assert "and 300 more" in text


class TestComparison:
    """What differs, platform by platform."""

    @pytest.fixture
    def sides(self, repository):
        one = repository.image("linux/amd64", "base", "app", config={"User": "a"})
        two = repository.image("linux/amd64", "base", "newer", config={"User": "b"})
        same = repository.image("linux/386", "x")
        repository.index("1", one, same, repository.image("linux/s390x", "y"), note="old")
        repository.index("2", two, same, repository.image("linux/riscv64", "z"), note="new")
        return repository.survey("1"), repository.survey("2")

    def test_platforms_of_both_are_told(self, sides):
        before, after = ([image.descriptor.digest.short for image in side.images] for side in sides)
        text = comparison_page(compare(*sides))

        assert [["annotations /note", "changed", "old", "new"]] == rows(text)
        assert [
            ["linux/amd64", before[0], after[0], "1 field, 2 layers"],
            ["linux/386", before[1], after[1], "equal"],
            ["linux/s390x", before[2], "", "removed"],
            ["linux/riscv64", "", after[2], "added"],
        ] == rows(text, 1)
        assert ["The name itself", "Platforms", "linux/amd64"] == words(text, "h2")

    def test_a_platform_tells_its_fields_layers_and_files(self, sides):
        changes = (FileChange("changed", "bin/<app>", ("size 1 → 2", "content")), FileChange("added", "etc"))
        files = {"linux/amd64": ComparedFiles(changes, times=1)}
        text = comparison_page(compare(*sides, files))

        assert [["config /config/User", "changed", "a", "b"]] == rows(text, 2)
        layers = [side.images[0].layers[1].digest.short for side in sides]
        assert [["2", "removed", layers[0], "3.0 kB"], ["2", "added", layers[1], "5.0 kB"]] == rows(text, 3)
        assert [["/bin/&lt;app&gt;", "changed", "size 1 → 2, content"], ["/etc", "added", ""]] == rows(text, 4)
        assert "Times alone of 1 path." in words(text, "p")

    def test_equal_ones_are_told_as_equal(self, sides):
        text = comparison_page(compare(sides[0], sides[0]))

        assert "They are equal." in words(text, "p")
        assert ([], []) == (words(text, "h2"), re.findall("<table", text))
        assert "They differ." in words(comparison_page(compare(*sides)), "p")


@pytest.mark.slow
def test_an_index_of_ten_thousand_entries_and_endless_annotations_has_a_page_of_bounded_size(repository):
    settings = {"Env": [f"{number}=<" for number in range(5000)], "Labels": {"<" * 9000: "<" * 90_000}}
    image = repository.image("linux/amd64", *map(str, range(20)), config=settings)
    layers = repository.image("linux/arm64", *map(str, range(3000)))
    entries = [replace(image, platform=Platform("linux", f"cpu{number}")) for number in range(10_000)]
    repository.index("v1", layers, *entries, **{f"note{number}": "&" * 5000 for number in range(1000)})

    text = page(repository.survey("v1"))

    assert len(text) < LARGEST + 200_000
    assert {"and 9801 more", "and 800 more", "and 2800 more"} <= set(re.findall(r"and \d+ more", text))
