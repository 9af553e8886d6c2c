"""All tags of a repository: what is asked for, what is told, and in which order."""

import threading
import time
from collections import Counter
from dataclasses import replace

import pytest

from ocitool.check.engine import Selection
from ocitool.check.layers import LayerLook, ReadLayers
from ocitool.check.runner import CheckOptions, check_tags
from ocitool.errors import Cancelled, NetworkError, NotFound, RegistryError
from ocitool.events import Advanced, Done, Started
from ocitool.model.digest import Digest
from ocitool.model.views import Descriptor
from ocitool.tasks import Scope
from tests.fakes.sick import Loose, Ward, member, program, tar

PATIENCE = 60


class Watched:
    """A reader that notes every question; `before` may raise or change something first."""

    def __init__(self, held):
        self.held = held
        self.traits, self.label, self.tags = held.traits, held.label, held.tags
        self.asked = []
        self.before = lambda verb, name: None

    def head(self, name):
        self._note("head", name)
        return self.held.head(name)

    def get_manifest(self, name, **more):
        self._note("get", name)
        return self.held.get_manifest(name, **more)

    def has_blob(self, descriptor):
        self._note("ask", descriptor.digest)
        return self.held.has_blob(descriptor)

    def open_blob(self, descriptor, offset=0):
        self._note("blob", descriptor.digest)
        return self.held.open_blob(descriptor, offset)

    def _note(self, verb, name):
        self.asked.append((verb, str(name)))
        self.before(verb, str(name))


@pytest.fixture
def ward():
    return Ward(Loose("watched"))


@pytest.fixture
def watched(ward):
    return Watched(ward.store)


def tagged(ward, *tags, **more):
    """An index of one image under each tag, all different and all sharing the image."""
    one = ward.image()
    return {tag: ward.index(one, tag=tag, annotations={"tag": tag}, **more)["digest"] for tag in tags}


def look(store, **more):
    return check_tags([(store, "", "")], CheckOptions(**more), scope=Scope())


def rules(done):
    return [(one.rule, one.where, one.at.label) for one in done.findings]


def test_each_tag_costs_a_head_and_each_distinct_document_a_get(ward, watched):
    digests = tagged(ward, *(f"t{number}" for number in range(50)))
    for number in range(20):
        ward.index(ward.image(), tag=f"same{number}", annotations={"tag": "t0"})

    done = look(watched)

    asked = watched.asked
    assert ((), (), 70) == (done.findings, done.unanswered, done.tags)
    assert 70 == sum(verb == "head" for verb, _ in asked)
    gets = [name for verb, name in asked if verb == "get"]
    assert len(digests) + 1 == len(gets) == len(set(gets))
    assert 1 == sum(verb == "blob" for verb, _ in asked)
    assert 1 == sum(verb == "ask" for verb, _ in asked)


def test_findings_come_in_the_order_of_the_tags(ward, watched):
    """However long each of them takes."""
    tags = [f"t{number:02}" for number in range(30)]
    tagged(ward, *tags, mediaType=None)
    slow = threading.Event()

    def first_waits(verb, name):
        if verb == "head" and name == "t00":
            assert slow.wait(PATIENCE)
        elif name == "t04":
            slow.set()

    watched.before = first_waits

    assert [f"watched:{tag}" for tag in tags] == [one.where for one in look(watched).findings]


def test_tags_of_one_digest_are_told_once_under_the_first(ward, watched):
    for tag in "abcdef":
        ward.index(ward.image(), tag=tag, mediaType=None)

    assert [("index/no-media-type", "watched:a", "")] == rules(look(watched))


def test_a_tag_deleted_before_it_is_read_is_left_out(ward, watched):
    tagged(ward, "1", "2", "3")

    def delete(verb, name):
        if (verb, name) == ("head", "2"):
            ward.store.delete("2")

    watched.before = delete

    done = look(watched)

    assert ((), ()) == (done.findings, done.unanswered)


def test_a_tag_deleted_with_its_manifest_between_head_and_get_is_left_out(ward, watched):
    digests = tagged(ward, "1", "2", "3")

    def delete(verb, name):
        if (verb, name) == ("get", digests["2"]):
            ward.store.delete(digests["2"])

    watched.before = delete

    done = look(watched)

    assert ((), ()) == (done.findings, done.unanswered)


def test_a_tag_that_moved_between_head_and_get_is_looked_at_where_it_is_now(ward, watched):
    digests = tagged(ward, "1", "2", "3")

    def move(verb, name):
        if (verb, name) == ("get", digests["2"]):
            watched.before = lambda verb, name: None
            ward.store.delete(digests["2"])
            ward.index(ward.image(), tag="2", mediaType=None)

    watched.before = move

    assert [("index/no-media-type", "watched:2", "")] == rules(look(watched))


def test_a_tag_that_is_shown_and_whose_manifest_is_not_there_is_found(ward, watched):
    digests = tagged(ward, "1", "2")

    def hide(verb, name):
        if verb == "get" and name == digests["2"]:
            raise NotFound(f"no manifest {name}")

    watched.before = hide

    done = look(watched)

    assert ([("tag/gone", "watched", "2")], ()) == (rules(done), done.unanswered)


def test_one_tag_that_cannot_be_read_does_not_keep_the_others_from_being_looked_at(ward, watched):
    """K034: 503 says nothing about what is there."""
    tagged(ward, *"123456", mediaType=None)

    def busy(verb, name):
        if name == "3":
            raise RegistryError("503 for 3", status=503)

    watched.before = busy

    done = look(watched)

    assert [f"watched:{tag}" for tag in "12456"] == [one.where for one in done.findings]
    assert ["503 for 3"] == [str(error) for error in done.unanswered]


def test_a_shared_child_that_cannot_be_read_is_asked_for_and_told_once(ward, watched):
    tagged(ward, *"123456")
    child = ward.image()["digest"]

    def busy(verb, name):
        if name == child:
            raise RegistryError("503 for the child", status=503)

    watched.before = busy

    done = look(watched)

    assert ["503 for the child"] == [str(error) for error in done.unanswered]
    assert 1 == watched.asked.count(("get", child))
    assert () == done.findings


def test_a_network_that_is_gone_is_not_waited_for_a_thousand_times(ward, watched):
    tags = [f"t{number:04}" for number in range(300)]
    tagged(ward, *tags)

    def gone(verb, name):
        if name > "t0009":
            raise NetworkError(f"no way to {name}", phase="connect")

    watched.before = gone

    done = look(watched)

    assert "the tags after t0033 were not looked at" in str(done.unanswered[-1])
    assert len(watched.asked) < 100


def test_cancelling_ends_the_look(ward, watched):
    tagged(ward, *(f"t{number:03}" for number in range(200)))
    scope = Scope()

    def interrupt(verb, name):
        if name == "t020":
            scope.cancel()

    watched.before = interrupt

    with pytest.raises(Cancelled):
        check_tags([(watched, "", "")], scope=scope)
    assert len(watched.asked) < 200


def test_progress_counts_tags(ward, watched):
    tagged(ward, "1", "2", "3")
    heard = []

    look(watched, listener=heard.append)

    step = "watched"
    assert [Started(step, step, 3, "tags"), *[Advanced(step, 1)] * 3, Done(step, "looked at")] == heard


def test_a_deep_look_reads_each_layer_once(ward, watched):
    """The layers of a base stand in every tag."""
    base = program("amd64")
    for number in range(5):
        own = tar(member(f"own-{number}"))
        ward.index(ward.image(layers=[base, own]), tag=str(number), annotations={"tag": str(number)})

    done = look(watched, deep=True)

    assert () == done.findings
    blobs = Counter(name for verb, name in watched.asked if verb == "blob")
    assert ({1}, 5 + 1 + 5) == (set(blobs.values()), len(blobs))  # configs, the base's layer, their own


def test_a_damaged_layer_is_told_of_each_tag_and_read_once(ward, watched):
    bad = ward.blob(b"rubbish", "application/vnd.oci.image.layer.v1.tar+gzip")
    one = ward.image(manifest=lambda tree: tree["layers"].__setitem__(0, bad))
    for tag in "123":
        ward.index(one, tag=tag, annotations={"tag": tag})

    done = look(watched, deep=True)

    assert {"watched:1", "watched:2", "watched:3"} == {f.where for f in done.findings if f.rule == "layer/damaged"}
    assert 1 == watched.asked.count(("blob", bad["digest"]))


def test_layers_that_list_too_much_are_forgotten():
    known = ReadLayers(most_files=10)
    layers = [Descriptor("", Digest.of(bytes([n])), 1) for n in range(4)]
    for layer in layers:
        known.put(layer, LayerLook("gzip", listed=(None,) * 3))
        known.get(layers[0])

    assert [True, False, False, True] == [known.get(layer) is not None for layer in layers]


def test_large_lists_of_users_count_as_many_files():
    known = ReadLayers(most_files=10)
    layer = Descriptor("", Digest.of(b"x"), 1)
    known.put(layer, LayerLook("gzip", accounts={"etc/passwd": b"x" * 4000}))

    assert known.get(layer) is None


def test_a_layer_of_another_size_is_another_question():
    known = ReadLayers()
    layer = Descriptor("", Digest.of(b"x"), 1)
    known.put(layer, LayerLook("gzip"))

    assert known.get(replace(layer, size=2)) is None


def test_no_more_is_asked_for_at_once_of_the_images_of_the_first_tag(ward, watched):
    ward.index(*(ward.image(f"linux/a{number}", layers=[bytes([number])]) for number in range(8)), tag="1")
    threads = set()
    watched.before = lambda verb, name: threads.add(threading.get_ident())

    look(watched, at_once=1)

    assert {threading.get_ident()} == threads


@pytest.mark.parametrize("at_once", [1, 3, 5])
def test_no_more_is_asked_for_at_once_than_was_said(ward, watched, at_once):
    tagged(ward, *(f"t{number}" for number in range(30)))
    lock, running, most = threading.Lock(), [0], [0]
    ask = watched._note

    def counted(verb, name):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        ask(verb, name)
        time.sleep(0.001)  # so that whoever may ask meanwhile does
        with lock:
            running[0] -= 1

    watched._note = counted

    assert () == look(watched, at_once=at_once).findings
    assert most[0] <= at_once


def test_configs_that_are_too_large_together_are_refused(ward, watched, monkeypatch):
    """The others are looked at all the same."""
    monkeypatch.setattr("ocitool.check.inspection.MAX_SIZE", 500)
    ward.index(ward.image(), tag="1", mediaType=None)
    ward.index(*(ward.image(config=lambda tree, n=n: tree.update(author=f"{n}")) for n in range(5)), tag="2")

    done = look(watched)

    assert ["more than 500 bytes of configs below one name"] == [str(error) for error in done.unanswered]
    assert ["watched:1"] == [one.where for one in done.findings]


def test_an_empty_repository_has_nothing_to_tell(watched):
    done = look(watched)

    assert ((), (), 0) == (done.findings, done.unanswered, done.tags)


class TestTagRules:
    """What tags say beside each other."""

    def test_signatures_and_referrers_are_no_images_that_lost_their_index(self, ward, watched):
        """cosign's and ko's tags, the fallback lists of referrers, and artifacts such as charts."""
        digests = tagged(ward, "1", "2", "3")
        stem = digests["1"].replace(":", "-")
        ward.image(tag=f"{stem}.sig", config=lambda tree: tree.update(architecture=""))
        ward.image(tag=f"{stem}.sbom")
        ward.index(tag=stem)
        chart = "application/vnd.cncf.helm.config.v1+json"
        ward.image(tag="chart", manifest=lambda tree: tree["config"].update(mediaType=chart))

        assert [] == rules(look(watched))

    def test_signatures_of_nothing_are_stale(self, ward, watched):
        tagged(ward, "1")
        gone = f"sha256-{Digest.of(b'gone').hex}"
        ward.image(tag=f"{gone}.sig")

        assert [("tag/stale-fallback", "watched", f"{gone}.sig")] == rules(look(watched))

    def test_a_subject_that_was_seen_costs_no_request(self, ward, watched):
        digests = tagged(ward, "1", "2")
        child = ward.image()["digest"]
        for digest in (child, digests["1"]):
            ward.index(tag=digest.replace(":", "-"))

        look(watched)

        assert not [name for verb, name in watched.asked if verb == "head" and ":" in name]

    def test_nobody_asks_for_subjects_if_the_rule_is_not_wanted(self, ward, watched):
        ward.index(tag=f"sha256-{Digest.of(b'gone').hex}")

        assert [] == rules(look(watched, selection=Selection(ignore=("tag/*",))))
        assert 1 == len(watched.asked)

    def test_a_subject_that_cannot_be_looked_for_is_not_gone(self, ward, watched):
        """K034."""
        ward.index(tag=f"sha256-{Digest.of(b'gone').hex}")

        def busy(verb, name):
            if name.startswith("sha256:"):
                raise RegistryError("busy", status=503)

        watched.before = busy

        done = look(watched)

        assert ([], ["busy"]) == (rules(done), [str(error) for error in done.unanswered])

    @pytest.mark.parametrize("tag", ["1.0-amd64", "arm64v8-1.0", "1.0_windows", "linux-x86_64", "1-armv7-slim"])
    def test_a_tag_that_says_its_platform_is_no_lost_index(self, ward, watched, tag):
        tagged(ward, "1", "2", "3")
        ward.image(tag=tag)

        assert [] == rules(look(watched))

    @pytest.mark.parametrize("tag", ["1.0", "alarm64", "armor", "linuxserver"])
    def test_an_image_that_was_pulled_and_pushed_again_lost_its_index(self, ward, watched, tag):
        """Docker's pull, tag and push keep one platform: the tag holds a child that the indexes list."""
        tagged(ward, "1", "2", "3")
        ward.image(tag=tag)

        assert [("tag/single-image", "watched", tag)] == rules(look(watched))


class TestTagsThatLeadNowhere:
    def test_are_found_while_they_are_listed(self, ward, watched):
        """K227's kind: a tag whose manifest the registry has lost is not a healthy one."""
        tagged(ward, "1", "2", "3", "4")
        watched.held = Missing(watched.held, {"2", "4"})

        done = look(watched)

        assert [("tag/gone", "watched", "2"), ("tag/gone", "watched", "4")] == rules(done)
        assert ((), 1) == (done.unanswered, done.exit_code)

    def test_are_left_out_once_they_are_deleted(self, ward, watched):
        tagged(ward, "1", "2")
        watched.held = Missing(watched.held, {"2"})
        lists = iter([["1", "2"], ["1"]])
        watched.tags = lambda: next(lists)

        done = look(watched)

        assert ((), ()) == (done.unanswered, done.findings)

    def test_are_not_told_of_where_the_rule_is_left_out(self, ward, watched):
        tagged(ward, "1", "2")
        watched.held = Missing(watched.held, {"2"})

        done = look(watched, selection=Selection(ignore=("tag/gone",)))

        assert () == done.findings


class Missing:
    """A store that lists tags and has nothing under some of them."""

    def __init__(self, held, names):
        self.held, self.names = held, names

    def __getattr__(self, name):
        return getattr(self.held, name)

    def head(self, name):
        return None if name in self.names else self.held.head(name)
