"""Two names compared: what is told, and what counts as equal."""

from dataclasses import replace

import pytest

from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.views import Descriptor
from ocitool.report.compare import ComparedFiles, FileChange, compare

SLSA = "https://slsa.dev/provenance/v1"


@pytest.fixture
def compared(repository):
    return lambda **options: compare(repository.survey("a"), repository.survey("b"), **options)


def lines(comparison):
    return [line.strip() for line in comparison.text().splitlines()]


def test_same_bytes_under_two_names_are_equal(repository, compared):
    image = repository.image("linux/amd64", "x")
    repository.index("a", image)
    repository.index("b", image)

    result = compared()

    assert result.is_equal
    assert "reg.test/app:a and reg.test/app:b are equal" == result.text()


def test_platforms_that_came_and_went(repository, compared):
    amd, arm, s390x = (repository.image(p, "x") for p in ("linux/amd64", "linux/arm64", "linux/s390x"))
    repository.index("a", amd, arm)
    repository.index("b", amd, s390x)

    result = compared()

    assert not result.is_equal
    assert [f"- linux/arm64  {arm.digest.short}", f"+ linux/s390x  {s390x.digest.short}"] == lines(result)[2:]


def test_platforms_are_paired_after_normalising(repository, compared):
    """K001: arm64 and arm64/v8 are one platform, and the different writing is told."""
    repository.index("a", repository.image("linux/arm64", "x"))
    repository.index("b", repository.image("linux/arm64/v8", "x"))

    result = compared()

    assert ((), ()) == (result.removed, result.added)
    assert "~ platform linux/arm64 → linux/arm64/v8" in lines(result)


def test_config_fields_are_told_one_by_one(repository, compared):
    repository.image("linux/amd64", "x", tag="a", config={"Env": ["A=1"], "User": "0"})
    repository.image("linux/amd64", "x", tag="b", config={"Env": ["A=2"], "Cmd": ["/x"]})

    assert ["- config config/User  0", "~ config config/Env/0  A=1 → A=2", '+ config config/Cmd  ["/x"]'] == lines(
        compared()
    )[3:]


def test_layers_are_aligned(repository, compared):
    repository.image("linux/amd64", "base", "old", "top", tag="a")
    repository.image("linux/amd64", "base", "newer", "extra", "top", tag="b")

    [pair] = compared().pairs

    assert [("removed", 1), ("added", 1), ("added", 2)] == [(c.kind, c.number) for c in pair.layers]


def test_a_layer_whose_tar_is_the_same_is_compressed_otherwise(repository, compared):
    ids = [str(Digest.of(name)) for name in (b"one", b"two", b"three")]
    for tag, layers, tars in (("a", ("one", "two"), ids[:2]), ("b", ("one again", "three"), ids[::2])):
        repository.image("linux/amd64", *layers, tag=tag, rootfs={"type": "layers", "diff_ids": tars})

    [pair] = compared().pairs
    said = lines(compared(files={"linux/amd64": ComparedFiles()}))

    assert [("removed", 0, True), ("removed", 1, False), ("added", 0, True), ("added", 1, False)] == [
        (one.kind, one.number, one.same_tar) for one in pair.layers
    ]
    assert 2 == sum(line.endswith("the same tar, compressed otherwise") for line in said)
    assert "= the files are the same: their tars are cut, ordered or written otherwise" == said[-1]
    assert "~ times alone of 2 paths" == lines(compared(files={"linux/amd64": ComparedFiles(times=2)}))[-1]


def test_annotations_of_index_entry_and_manifest(repository, compared):
    one = repository.image("linux/amd64", "x", annotations={"m": "1"})
    two = repository.image("linux/amd64", "x", annotations={"m": "2"})
    two = Descriptor(two.media_type, two.digest, two.size, two.platform, annotations={"e": "1"})
    repository.index("a", one, i="1")
    repository.index("b", two, i="2")

    found = lines(compared())

    assert "~ annotations i  1 → 2" in found
    assert "+ entry annotations e  1" in found
    assert "~ manifest annotations m  1 → 2" in found


def test_attestations_that_came(repository, compared):
    image = repository.image("linux/amd64", "x")
    repository.index("a", image)
    repository.index("b", image, repository.attestation(image.digest, SLSA))

    assert "+ attestations provenance" in lines(compared())


def test_image_against_index(repository, compared):
    amd = repository.image("linux/amd64", "x", tag="a")
    repository.index("b", amd, repository.image("linux/arm64", "y"))

    result = compared()

    assert (["linux/arm64"], True) == ([i.label for i in result.added], result.pairs[0].is_equal)


def test_child_gone_on_one_side(repository, compared):
    """K034: a missing child is a difference."""
    one, two = repository.image("linux/amd64", "x"), repository.image("linux/amd64", "y")
    repository.index("a", one)
    repository.index("b", two)
    repository.delete(str(two.digest))

    assert any("problem" in line and "missing" in line for line in lines(compared()))


def test_files_are_told_where_given(repository, compared):
    repository.image("linux/amd64", "x", tag="a")
    repository.image("linux/amd64", "y", tag="b")
    changes = (FileChange("added", "bin/app"), FileChange("changed", "etc/x", ("mode 0644 → 0755",)))

    found = lines(compared(files={"linux/amd64": ComparedFiles(changes)}))

    assert ["+ /bin/app", "~ /etc/x  (mode 0644 → 0755)"] == found[-2:]


def test_files_alone_are_a_difference_and_platforms_without_any_are_not_told(repository, compared):
    """Layers of other bytes may hold the same files, and nothing but a look at them tells."""
    same = repository.image("linux/amd64", "x")
    old, new = (repository.image("linux/arm64", "y", config={"Env": [value]}) for value in ("A=1", "A=2"))
    repository.index("a", same, old)
    repository.index("b", same, new)

    pairs = compared(
        files={"linux/amd64": ComparedFiles(), "linux/arm64": ComparedFiles((FileChange("added", "x"),))}
    ).pairs
    [first, second] = (replace(pair, fields=(), layers=()) for pair in pairs)

    assert [True, False] == [first.is_equal, second.is_equal]
    assert [True, False, True] == [
        replace(second, files=files).is_equal for files in (None, second.files, ComparedFiles(times=1))
    ]
    assert [False, False] == [replace(first, **{name: ("one",)}).is_equal for name in ("fields", "layers")]
    assert not any("linux/amd64" in line for line in lines(compared()))


def test_json_holds_the_same(repository, compared):
    one, two = repository.image("linux/amd64", "x", tag="a"), repository.image("linux/amd64", "y", tag="b")

    tree = compared().to_tree()

    assert (False, "linux/amd64") == (tree["equal"], tree["platforms"][0]["platform"])
    assert (one.digest, two.digest) == (tree["platforms"][0]["before"], tree["platforms"][0]["after"])
    assert ["removed", "added"] == [layer["kind"] for layer in tree["platforms"][0]["layers"]]


def test_order_alone_is_a_difference(repository, compared):
    """The first entry that fits is chosen, so order means something."""
    one, two = repository.image("linux/amd64", "x"), repository.image("linux/arm64", "y")
    repository.index("a", one, two)
    repository.index("b", two, one)

    result = compared()

    assert not result.is_equal
    assert lines(result)[2].startswith("~ bytes sha256:")


def test_layout_alone_is_a_difference(repository, compared):
    """K028: another layout is another digest."""
    repository.image("linux/amd64", "x", tag="a")
    document = repository.get_manifest("a")
    repository.put_manifest(Document(document.raw + b"\n", document.media_type), "b")

    assert not compared().is_equal


def test_another_type_of_manifest_is_told(repository, compared):
    repository.image("linux/amd64", "x", tag="a")
    docker = repository.get_manifest("a").edit(lambda tree: tree.update(mediaType=mediatype.DOCKER_MANIFEST))
    repository.put_manifest(docker, "b")

    assert f"~ mediaType {mediatype.OCI_MANIFEST} → {mediatype.DOCKER_MANIFEST}" in lines(compared())


def test_configs_that_were_not_read_differ_by_their_digests(repository):
    for tag, user in (("a", "1"), ("b", "2"), ("c", "1")):
        entry = repository.image("linux/amd64", "x", config={"User": user}, annotations={"tag": tag})
        repository.index(tag, entry)
    a, b, c = (repository.survey(tag, configs=False) for tag in "abc")
    digests = [one.images[0].manifest.config.digest.short for one in (a, b)]

    other, same = lines(compare(a, b)), lines(compare(a, c))

    assert f"~ config {digests[0]} → {digests[1]}" in other
    assert [] == [line for line in same if line.startswith("~ config")]
