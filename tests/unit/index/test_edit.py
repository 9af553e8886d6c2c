"""Pure edits of an index: what changes, what keeps its bytes, what is refused."""

import json

import pytest

from ocitool.errors import MalformedDocument, NotFound, UsageError
from ocitool.index import edit
from ocitool.index.edit import EntryChanges
from ocitool.index.entries import IndexEntry, Selector
from ocitool.model import mediatype
from ocitool.model.digest import Digest
from ocitool.model.document import Document
from ocitool.model.mediatype import Family
from ocitool.model.platform import Platform
from ocitool.model.views import Descriptor, view


def select(*platforms, digests=()):
    return Selector(tuple(map(Platform.parse, platforms)), tuple(digests))


def platforms(document):
    return [str(e.platform) for e in view(document).entries]


class TestUpsert:
    def test_arm64_without_variant_replaces_arm64_v8(self, make):
        """K001: both are one platform; the entry is replaced, not added."""
        amd, old, new = (
            make.entry("1", "linux/amd64"),
            make.entry("2", "linux/arm64/v8"),
            make.entry("3", "linux/arm64"),
        )

        after = edit.upsert(make.index(amd, old), [new])

        assert [("linux/amd64", amd.digest), ("linux/arm64", new.digest)] == make.listed(after)

    @pytest.mark.parametrize(
        ("old", "new"),
        [("linux/arm", "linux/arm/v7"), ("linux/amd64/v1", "linux/amd64"), ("linux/arm/7", "linux/arm")],
    )
    def test_other_spellings_of_one_platform(self, make, old, new):
        """K001: arm = arm/v7, amd64 = amd64/v1."""
        entry = make.entry("new", new)

        after = edit.upsert(make.index(make.entry("old", old)), [entry])

        assert [(new, entry.digest)] == make.listed(after)

    def test_same_platform_replaces_by_default(self, make):
        """K017: a newer amd64 takes the place of the old one."""
        old, ppc, new = (
            make.entry("1", "linux/amd64"),
            make.entry("2", "linux/ppc64le"),
            make.entry("3", "linux/amd64"),
        )

        after = edit.upsert(make.index(old, ppc), [new])

        assert [new.digest, ppc.digest] == [digest for _, digest in make.listed(after)]

    def test_both_are_kept_only_on_request(self, make):
        """K017: an explicit flag is needed to keep both."""
        old, new = make.entry("1", "linux/amd64"), make.entry("2", "linux/amd64")

        after = edit.upsert(make.index(old), [new], keep_both=True)

        assert [old.digest, new.digest] == [digest for _, digest in make.listed(after)]

    def test_existing_duplicates_become_one(self, make):
        """K017: of two entries for one platform one is left."""
        one, two, new = (make.entry(t, "linux/amd64") for t in "123")

        after = edit.upsert(make.index(one, two), [new])

        assert [new.digest] == [digest for _, digest in make.listed(after)]

    def test_entry_listed_twice_word_for_word_becomes_one(self, make):
        """K017: also the same digest twice is one platform twice."""
        one = make.entry("1", "linux/amd64")

        assert [one.digest] == [digest for _, digest in make.listed(edit.upsert(make.index(one, one), [one]))]

    def test_two_new_ones_for_one_platform_are_refused(self, make):
        """K001: refused after normalising, naming both digests."""
        one, two = make.entry("1", "linux/arm64"), make.entry("2", "linux/arm64/v8")

        with pytest.raises(UsageError) as caught:
            edit.upsert(make.index(), [one, two])

        assert one.digest.short in caught.value.what
        assert two.digest.short in caught.value.what

    def test_windows_versions_are_different_platforms(self, make):
        old, new = make.entry("1", "windows(10.0.17763.1)/amd64"), make.entry("2", "windows(10.0.20348.1)/amd64")

        after = edit.upsert(make.index(old), [new])

        assert 2 == len(view(after).entries)

    def test_attestation_leaves_with_the_image_it_describes(self, make):
        """K022: it is dropped with its image, and its reference is never rewritten to the new one."""
        old, new = make.entry("1", "linux/amd64"), make.entry("2", "linux/amd64")

        after = edit.upsert(make.index(old, make.attestation("att", old)), [new])

        assert [new.digest] == [digest for _, digest in make.listed(after)]

    def test_new_attestation_comes_behind_the_images(self, make):
        amd, arm = make.entry("1", "linux/amd64"), make.entry("2", "linux/arm64")
        amd_att, arm_att = make.attestation("a1", amd), make.attestation("a2", arm)

        after = edit.upsert(make.index(amd, amd_att), [arm, arm_att])

        assert [amd.digest, arm.digest, amd_att.digest, arm_att.digest] == [d for _, d in make.listed(after)]

    def test_adding_what_is_there_changes_nothing(self, make):
        amd = make.entry("1", "linux/amd64", note="kept")
        index = make.index(amd)

        assert index.document is edit.upsert(index, [make.entry("1", "linux/amd64")])

    def test_unknown_keys_of_an_entry_are_written(self, make):
        """K019: what the source says about an entry is kept, also what we do not know."""
        tree = make.entry("1", "linux/amd64").tree | {"org.example": {"x": [1, 2.50]}}
        new = IndexEntry(Descriptor.from_tree(tree), tree)

        after = edit.upsert(make.index(), [new])

        assert tree == after.tree()["manifests"][0]

    def test_untouched_entries_keep_their_bytes(self, make):
        """K028: another layout of the JSON stays where nothing changed."""
        amd = make.entry("1", "linux/amd64")
        odd = (
            b'{ "mediaType":"%s" ,"size" : 7,"digest":"%s",\n"platform":{"os":"linux","architecture":"amd64"}}'
            % (
                mediatype.OCI_MANIFEST.encode(),
                amd.digest.encode(),
            )
        )
        raw = b'{"schemaVersion": 2, "mediaType": "%s", "manifests": [%s]}' % (mediatype.OCI_INDEX.encode(), odd)

        after = edit.upsert(view(Document(raw, mediatype.OCI_INDEX)), [make.entry("2", "linux/arm64")])

        assert odd in after.raw

    def test_docker_child_in_an_oci_index_is_refused(self, make):
        """K023: registries refuse an OCI index with Docker children."""
        child = make.entry("1", "linux/amd64", family=Family.DOCKER)

        with pytest.raises(UsageError, match="docker, the index oci") as caught:
            edit.upsert(make.index(), [child])

        assert "--format oci" in caught.value.hint

    def test_annotated_entry_in_a_docker_list_is_refused(self, make):
        """K032: a Docker list carries no annotations."""
        child = make.entry("1", "linux/amd64", family=Family.DOCKER, a="b")

        with pytest.raises(UsageError, match="cannot carry") as caught:
            edit.upsert(make.index(family=Family.DOCKER), [child])

        assert "--format oci" in caught.value.hint


class TestRemove:
    def test_by_platform_with_its_attestation(self, make):
        amd, arm = make.entry("1", "linux/amd64"), make.entry("2", "linux/arm64/v8")
        index = make.index(amd, arm, make.attestation("a1", amd), make.attestation("a2", arm))

        after = edit.remove(index, select("linux/arm64"))

        assert [amd.digest, make.attestation("a1", amd).digest] == [d for _, d in make.listed(after)]

    def test_by_digest(self, make):
        amd, arm = make.entry("1", "linux/amd64"), make.entry("2", "linux/arm64")

        after = edit.remove(make.index(amd, arm), select(digests=[amd.digest]))

        assert [arm.digest] == [d for _, d in make.listed(after)]

    def test_attestations_only(self, make):
        amd = make.entry("1", "linux/amd64")

        after = edit.remove(make.index(amd, make.attestation("a", amd)), Selector(), attestations=True)

        assert [amd.digest] == [d for _, d in make.listed(after)]

    def test_platform_that_is_not_there_lists_what_is(self, make):
        """K013: the message lists platforms with their os version and without attestations."""
        windows = make.entry("1", "windows(10.0.17763.1)/amd64")
        index = make.index(windows, make.attestation("a", windows))

        with pytest.raises(NotFound) as caught:
            edit.remove(index, select("windows(10.0.14393)/amd64"))

        assert "there is windows(10.0.17763.1)/amd64" == caught.value.hint

    def test_platform_without_version_means_all_versions(self, make):
        linux = make.entry("0", "linux/amd64")
        old, new = make.entry("1", "windows(10.0.17763.1)/amd64"), make.entry("2", "windows(10.0.20348.1)/amd64")

        after = edit.remove(make.index(linux, old, new), select("windows/amd64"))

        assert [linux.digest] == [d for _, d in make.listed(after)]

    def test_last_entry_is_refused(self, make):
        amd = make.entry("1", "linux/amd64")

        with pytest.raises(UsageError, match="no entry would be left"):
            edit.remove(make.index(amd), select("linux/amd64"))

    def test_entry_without_platform_is_selected_by_no_platform(self, make):
        """K014: no platform, null and {} never match and never crash."""
        bare = make.entry("1").tree
        trees = [bare, bare | {"digest": str(Digest.of(b"2")), "platform": None}]
        trees.append(bare | {"digest": str(Digest.of(b"3")), "platform": {}})
        index = view(make.index().document.edit(lambda tree: tree["manifests"].extend(trees)))

        with pytest.raises(NotFound):
            edit.remove(index, select("linux/amd64"))


class TestKeep:
    def test_only_the_named_platforms_with_their_attestations(self, make):
        amd, arm, s390x = (make.entry(p, p) for p in ("linux/amd64", "linux/arm64", "linux/s390x"))
        index = make.index(amd, arm, s390x, make.attestation("a1", amd), make.attestation("a2", arm))

        after = edit.keep(index, select("linux/arm64/v8", "linux/s390x"))

        assert [arm.digest, s390x.digest, make.attestation("a2", arm).digest] == [d for _, d in make.listed(after)]

    def test_without_attestations(self, make):
        amd = make.entry("1", "linux/amd64")

        after = edit.keep(make.index(amd, make.attestation("a", amd)), select("linux/amd64"), attestations=False)

        assert [amd.digest] == [d for _, d in make.listed(after)]


class TestAnnotate:
    def test_variant_of_one_member(self, make):
        amd, arm = make.entry("1", "linux/amd64"), make.entry("2", "linux/arm")
        index = make.index(amd, arm)

        after = edit.annotate(index, select("linux/arm"), EntryChanges(variant="v6"))

        assert ["linux/amd64", "linux/arm/v6"] == platforms(after)
        assert json.dumps(amd.tree, indent=2).replace("\n", "\n    ").encode() in after.raw

    def test_every_field_docker_knows(self, make):
        index = make.index(make.entry("1", "linux/amd64"))
        marks = EntryChanges("windows", "arm64", "v8", "10.0.1", ("win32k",), ("sse4",))

        after = edit.annotate(index, select("linux/amd64"), marks)

        assert (
            Platform("windows", "arm64", "v8", "10.0.1", ("win32k",), ("sse4",)) == view(after).entries[0].platform
        )

    def test_unknown_platform_keys_stay(self, make):
        def mark(tree):
            tree["manifests"][0]["platform"] |= {"org.example": 1}

        index = view(make.index(make.entry("1", "linux/arm/v7")).document.edit(mark))

        after = edit.annotate(index, select("linux/arm"), EntryChanges(variant="v6"))

        assert {"architecture": "arm", "os": "linux", "variant": "v6", "org.example": 1} == after.tree()[
            "manifests"
        ][0]["platform"]

    def test_empty_variant_removes_it(self, make):
        after = edit.annotate(
            make.index(make.entry("1", "linux/arm64/v8")), select("linux/arm64"), EntryChanges(variant="")
        )

        assert {"architecture": "arm64", "os": "linux"} == after.tree()["manifests"][0]["platform"]

    def test_annotation_of_a_member(self, make):
        index = make.index(make.entry("1", "linux/amd64", a="1", b="2"))

        after = edit.annotate(index, select("linux/amd64"), EntryChanges(annotations={"a": None, "c": "3"}))

        assert {"b": "2", "c": "3"} == dict(view(after).entries[0].annotations)

    def test_result_with_two_equal_platforms_is_refused(self, make):
        index = make.index(make.entry("1", "linux/arm/v6"), make.entry("2", "linux/arm/v7"))

        with pytest.raises(UsageError, match="same platform"):
            edit.annotate(index, select("linux/arm/v6"), EntryChanges(variant="v7"))

    def test_variants_are_named_by_digest(self, make):
        """K004: two entries for linux/arm become told apart by what the user says."""
        one, two = make.entry("1", "linux/arm"), make.entry("2", "linux/arm")

        after = edit.annotate(make.index(one, two), select(digests=[one.digest]), EntryChanges(variant="v6"))

        assert ["linux/arm/v6", "linux/arm"] == platforms(after)

    def test_existing_duplicates_do_not_stand_in_the_way_of_an_annotation(self, make):
        one, two = make.entry("1", "linux/amd64"), make.entry("2", "linux/amd64")

        after = edit.annotate(
            make.index(one, two), select(digests=[one.digest]), EntryChanges(annotations={"a": "b"})
        )

        assert {"a": "b"} == dict(view(after).entries[0].annotations)

    def test_unknown_architecture_is_refused(self, make):
        with pytest.raises(UsageError):
            edit.annotate(
                make.index(make.entry("1", "linux/amd64")), select("linux/amd64"), EntryChanges(architecture="x64")
            )

    def test_annotation_on_a_docker_list_is_refused(self, make):
        """K032: refused with the hint to use OCI, for members and the list itself."""
        index = make.index(make.entry("1", "linux/amd64", family=Family.DOCKER), family=Family.DOCKER)

        with pytest.raises(UsageError) as member:
            edit.annotate(index, select("linux/amd64"), EntryChanges(annotations={"a": "b"}))
        with pytest.raises(UsageError) as own:
            edit.annotate_index(index, {"a": "b"})

        assert ["ocitool index convert REF --format oci comes first"] * 2 == [member.value.hint, own.value.hint]

    def test_annotations_of_the_index(self, make):
        after = edit.annotate_index(make.index(a="1", b="2"), {"a": None, "c": "3"})

        assert {"b": "2", "c": "3"} == dict(view(after).annotations)

    def test_last_annotation_takes_the_map_with_it(self, make):
        index = make.index(make.entry("1", "linux/amd64", a="1"), a="1")

        after = edit.annotate_index(
            view(edit.annotate(index, select("linux/amd64"), EntryChanges(annotations={"a": None}))), {"a": None}
        )

        assert b"annotations" not in after.raw

    def test_annotating_nothing_is_the_same_document(self, make):
        index = make.index(make.entry("1", "linux/amd64"), a="1")

        assert index.document is edit.annotate_index(index, {"a": "1", "x": None})
        assert index.document is edit.annotate(index, select("linux/amd64"), EntryChanges(os="linux", variant=""))


class TestOrder:
    def test_linux_amd64_first_then_by_name(self, make):
        names = ["windows/amd64", "linux/s390x", "linux/arm/v7", "linux/arm64", "linux/arm/v6", "linux/amd64"]

        after = edit.order(make.index(*(make.entry(n, n) for n in names)))

        expected = ["linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7", "linux/s390x", "windows/amd64"]
        assert expected == platforms(after)

    def test_named_platforms_first(self, make):
        names = ["linux/amd64", "linux/arm64", "linux/s390x"]

        after = edit.order(make.index(*(make.entry(n, n) for n in names)), [Platform.parse("linux/s390x")])

        assert ["linux/s390x", "linux/amd64", "linux/arm64"] == platforms(after)

    def test_attestations_follow_in_the_order_of_their_images(self, make):
        amd, arm = make.entry("1", "linux/amd64"), make.entry("2", "linux/arm64")
        amd_att, arm_att = make.attestation("a1", amd), make.attestation("a2", arm)

        after = edit.order(make.index(arm_att, arm, amd_att, amd))

        assert [amd.digest, arm.digest, amd_att.digest, arm_att.digest] == [d for _, d in make.listed(after)]

    def test_entries_without_platform_come_last(self, make):
        """K014: no platform is no reason to fail."""
        bare, amd = make.entry("1"), make.entry("2", "linux/amd64")

        assert [amd.digest, bare.digest] == [d for _, d in make.listed(edit.order(make.index(bare, amd)))]

    def test_ordered_index_is_the_same_document(self, make):
        index = make.index(make.entry("1", "linux/amd64"), make.entry("2", "linux/arm64"))

        assert index.document is edit.order(index)


class TestFlatten:
    def inner(self, make, index):
        return IndexEntry.of(Descriptor.of(index.document))

    def test_one_level_is_left(self, make):
        """K020: index of indexes becomes one level, attestations behind the images."""
        amd, arm = make.entry("1", "linux/amd64"), make.entry("2", "linux/arm64")
        att = make.attestation("a", amd)
        one, two = make.index(amd, att), make.index(arm)
        outer = make.index(self.inner(make, one), self.inner(make, two))

        after = edit.flatten(outer, {one.document.digest: one, two.document.digest: two})

        assert [amd.digest, arm.digest, att.digest] == [d for _, d in make.listed(after)]

    def test_hostile_depth_ends(self, make):
        """K020: depth is bounded."""
        level, nested = make.index(make.entry("1", "linux/amd64")), {}
        for _ in range(5):
            nested[level.document.digest] = level
            level = make.index(self.inner(make, level))

        with pytest.raises(MalformedDocument, match="deeper than 4"):
            edit.flatten(level, nested)

    def test_inner_index_that_was_not_read(self, make):
        one = make.index(make.entry("1", "linux/amd64"))

        with pytest.raises(MalformedDocument, match="was not read"):
            edit.flatten(make.index(self.inner(make, one)), {})

    def test_entry_met_twice_is_listed_once(self, make):
        amd = make.entry("1", "linux/amd64")
        one = make.index(amd)

        after = edit.flatten(make.index(self.inner(make, one), amd), {one.document.digest: one})

        assert [amd.digest] == [d for _, d in make.listed(after)]

    def test_flat_index_is_the_same_document(self, make):
        index = make.index(make.entry("1", "linux/amd64"))

        assert index.document is edit.flatten(index, {})


@pytest.mark.slow
def test_thousand_members_are_edited_in_one_pass(make):
    """Every untouched entry stays byte-equal also in a long index."""
    entries = [make.entry(str(n), f"windows(10.0.{n}.1)/amd64") for n in range(1000)]
    index = make.index(*entries)

    after = edit.annotate(index, select(digests=[entries[500].digest]), EntryChanges(annotations={"a": "b"}))

    old, new = index.document.raw.split(b"\n    {\n"), after.raw.split(b"\n    {\n")
    assert [501] == [n for n, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
