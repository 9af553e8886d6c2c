"""What a config over another base inherits, and what it keeps."""

import json

import pytest

from ocitool.errors import Unsupported
from ocitool.image.rebase import OwnHistory, reads_over, rebased_config, rebased_settings
from ocitool.model.document import Document
from ocitool.model.mediatype import OCI_CONFIG
from ocitool.model.views import History, ImageConfig

IDS = [f"sha256:{number:064}" for number in range(9)]
STANDARD = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def project(*lines, labels=()):
    return OwnHistory(
        (), tuple(History(created_by=line, comment="ocitool") for line in lines), labels=frozenset(labels)
    )


def dockerfile(*lines):
    return OwnHistory((), tuple(History(created_by=line, comment="buildkit.dockerfile.v0") for line in lines))


def config(settings=None, layers=1, history=None, **top):
    tree = {"architecture": "amd64", "os": "linux", **top, "config": settings or {}}
    tree["rootfs"] = {"type": "layers", "diff_ids": IDS[:layers]}
    if history is not None:
        tree["history"] = history
    return ImageConfig.of(Document(json.dumps(tree).encode(), OCI_CONFIG))


class TestSettings:
    def test_what_both_bases_and_the_image_say_is_the_new_bases(self):
        was, new = {"User": "1", "Cmd": ["a"]}, {"Cmd": ["b"], "User": "2"}

        assert new == rebased_settings(dict(was), was, new, project("COPY a b"))

    def test_what_differs_from_the_old_base_is_the_images(self):
        assert {"User": "3"} == rebased_settings({"User": "3"}, {"User": "1"}, {"User": "2"}, project())

    def test_what_the_image_took_away_is_gone(self):
        assert {} == rebased_settings({}, {"User": "1"}, {"User": "2"}, project())

    @pytest.mark.parametrize(
        ("key", "value", "line"),
        [
            ("User", "1", "USER 1"),
            ("WorkingDir", "/w", "WORKDIR /w"),
            ("StopSignal", "SIGINT", "STOPSIGNAL SIGINT"),
            ("Cmd", ["x"], 'CMD ["x"]'),
            ("Healthcheck", {"Test": ["NONE"]}, "HEALTHCHECK &{...}"),
        ],
    )
    def test_what_a_line_says_is_the_images_though_the_old_base_said_the_same(self, key, value, line):
        was, new = {key: value}, {key: "new"}

        assert (value, "new") == tuple(
            rebased_settings(was, was, new, own)[key] for own in (project(line), project("COPY a b"))
        )

    def test_a_new_entrypoint_forgets_the_new_bases_cmd(self):
        now = {"Entrypoint": ["e"]}

        assert now == rebased_settings(now, {}, {"Cmd": ["sh"]}, project('ENTRYPOINT ["e"]'))

    def test_variables_are_inherited_one_by_one(self):
        was = {"Env": ["PATH=/a", "V=1", "T=x", "GONE=1"]}
        now = {"Env": ["PATH=/a", "V=1", "T=y", "MINE=1"]}
        new = {"Env": ["V=2", "GONE=2", "PATH=/b", "MINE=0", "MORE=1"]}

        env = rebased_settings(now, was, new, project("ENV T=y", "ENV MINE=1"))["Env"]

        assert ["V=2", "PATH=/b", "MINE=1", "MORE=1", "T=y"] == env

    def test_a_variable_that_a_line_sets_to_what_it_was_is_set(self):
        was = {"Env": ["PATH=/a", "A=1", "B=1"]}
        own = dockerfile("ENV A=1 C=B=1")

        assert ["PATH=/a", "A=1", "B=2"] == rebased_settings(was, was, {"Env": ["PATH=/a", "A=2", "B=2"]}, own)[
            "Env"
        ]

    def test_variables_are_added_in_the_order_of_their_lines(self):
        now, was = {"Env": ["PATH=/a", "A=1", "B=2"]}, {"Env": ["PATH=/a", "A=0"]}
        own = dockerfile("ENV B=2", "ENV A=1")

        assert ["PATH=/a", "B=2", "A=1"] == rebased_settings(now, was, {"Env": ["PATH=/a"]}, own)["Env"]

    def test_the_path_of_a_dockerfile_is_no_setting_of_its_own(self):
        now = {"Env": [STANDARD]}

        assert ["PATH=/b"] == rebased_settings(now, {}, {"Env": ["PATH=/b"]}, dockerfile("COPY a b"))["Env"]
        assert [STANDARD] == rebased_settings(now, {}, {}, dockerfile("COPY a b"))["Env"]

    def test_labels_of_flags_sort_all_and_those_of_lines_do_not(self):
        now, new = {"Labels": {"b": "1", "m": "1"}}, {"Labels": {"z": "1"}}

        told = rebased_settings(now, {"Labels": {"b": "1"}}, new, dockerfile("LABEL m=1"))["Labels"]
        untold = rebased_settings(now, {"Labels": {"b": "1"}}, new, project())["Labels"]

        assert (["z", "m"], ["m", "z"]) == (list(told), list(untold))

    def test_a_label_that_is_noted_as_set_stays(self):
        was, new = {"Labels": {"v": "1"}}, {"Labels": {"v": "2"}}

        assert ("1", "2") == tuple(
            rebased_settings(was, was, new, own)["Labels"]["v"] for own in (project(labels=["v"]), project())
        )

    def test_ports_and_volumes_that_lines_say_stay_where_the_new_base_has_none(self):
        was = {"ExposedPorts": {"80/tcp": {}, "81/tcp": {}}, "Volumes": {"/d": {}, "/e": {}}}
        own = dockerfile("EXPOSE [80/tcp]", "VOLUME [/d]")

        assert {"ExposedPorts": {"80/tcp": {}}, "Volumes": {"/d": {}}} == {
            key: value for key, value in rebased_settings(was, was, {}, own).items() if key != "Env"
        }

    def test_triggers_are_the_dockerfiles_own_and_a_projects_are_inherited(self):
        was, new = {"OnBuild": ["RUN a"]}, {"OnBuild": ["RUN b"]}

        assert "OnBuild" not in rebased_settings({}, was, new, dockerfile("COPY a b"))
        assert new == rebased_settings(was, was, new, project("COPY a b"))

    @pytest.mark.parametrize(
        "own", [project("ENTRYPOINT e"), dockerfile("ENTRYPOINT e")], ids=["project", "dockerfile"]
    )
    def test_keys_stand_in_the_order_of_a_build(self, own):
        now = {"User": "1", "Entrypoint": ["e"], "Env": ["A=1"]}
        orders = {True: ["Cmd2", "Entrypoint", "Env", "User"], False: ["Cmd2", "User", "Env", "Entrypoint"]}

        assert orders[own.is_of_project] == list(rebased_settings(now, {}, {"Cmd2": 1}, own))


class TestConfig:
    def test_unknown_fields_are_the_new_bases_unless_the_image_has_its_own(self):
        old = config(os_extra=1, both=1)
        image = config(layers=2, os_extra=1, both=2, mine=3, history=[])
        new = config(layers=3, os_extra=9, both=9, more=9)

        tree = rebased_config(image, old, new, OwnHistory.of(image, old)).tree()

        assert {"os_extra": 9, "both": 2, "mine": 3, "more": 9} == {
            key: tree[key] for key in ("os_extra", "both", "mine", "more")
        }
        assert [*IDS[:3], IDS[1]] == tree["rootfs"]["diff_ids"]

    def test_the_image_keeps_a_platform_of_its_own(self):
        old, new = config(), config(architecture="arm64", variant="v8")
        image = config(layers=2, architecture="riscv64")

        tree = rebased_config(image, old, new, OwnHistory.of(image, old)).tree()

        assert ("riscv64", False) == (tree["architecture"], "variant" in tree)

    def test_without_a_line_of_its_own_it_is_as_old_as_its_base(self):
        lines = [[{"created_by": "x", "created": f"2026-01-0{day}T00:00:00Z"}] for day in (1, 2)]
        old, new = (config(history=one) for one in lines)
        image = config(history=lines[0], created="2026-01-01T00:00:00Z")

        assert (
            "2026-01-02T00:00:00Z" == rebased_config(image, old, new, OwnHistory.of(image, old)).tree()["created"]
        )

    def test_the_author_follows_the_base_until_a_line_says_who(self):
        old, image, new = config(author="a"), config(author="a", layers=2), config(author="b")

        authors = [
            rebased_config(image, old, new, own).tree()["author"]
            for own in (dockerfile(), dockerfile("MAINTAINER a"))
        ]

        assert ["b", "a"] == authors


BASE = [{"created_by": "b"}, {"created_by": "CMD", "empty_layer": True}]


class TestHistory:
    def test_the_lines_above_the_base(self):
        image = config(layers=2, history=[*BASE, {"created_by": "COPY a b", "own": 1}])

        own = OwnHistory.of(image, config(history=BASE))

        assert (({"created_by": "COPY a b", "own": 1},), ("COPY a b",), True) == (own.trees, own.lines, own.fits)

    @pytest.mark.parametrize(
        "history",
        [
            [{"created_by": "other"}, *BASE[1:], {"created_by": "COPY a b"}],
            [*BASE, {"created_by": "COPY a b"}, {"created_by": "COPY c d"}],
            BASE,
            [],
        ],
    )
    def test_lines_that_do_not_fit_are_told(self, history):
        own = OwnHistory.of(config(layers=2, history=history), config(history=BASE))

        assert not own.fits

    def test_a_base_without_history_has_a_line_for_each_layer_in_the_image(self):
        unknown = {"created_by": "unknown: the base has no history of this layer"}
        image = config(layers=3, history=[unknown, unknown, {"created_by": "x"}])

        own = OwnHistory.of(image, config(layers=2))

        assert (("x",), True) == (own.lines, own.fits)

    @pytest.mark.parametrize(
        ("written", "line"),
        [
            ('/bin/sh -c #(nop)  CMD ["sh"]', 'CMD ["sh"]'),
            ("/bin/sh -c apt-get update", "RUN /bin/sh -c apt-get update"),
            ("|1 A=b /bin/sh -c make", "RUN |1 A=b /bin/sh -c make"),
            ("RUN /bin/sh -c make # buildkit", "RUN /bin/sh -c make # buildkit"),
        ],
    )
    def test_lines_of_dockers_old_builder(self, written, line):
        assert (line,) == dockerfile(written).lines

    def test_lines_of_both_kinds_are_a_dockerfiles(self):
        steps = (*dockerfile("COPY a b").steps, *project("ENV A=1").steps)

        assert (False, True, False) == tuple(
            one.is_of_project for one in (OwnHistory((), steps), project("x"), project())
        )


def test_words_about_labels_are_those_of_a_build_over_the_new_base():
    old, new = ({"Labels": {"a": "1", "b": "1"}}, {"Labels": {"a": "2", "c": "1", "d": "1"}})
    image = config({"Labels": {"a": "1", "b": "1", "c": "1", "d": "1"}})
    own = project(labels=["a", "b"])

    reads = reads_over({"run", "label:a", "label:b"}, image, config(old), config(new), own)

    assert {"run", "label:c", "label:d"} == reads


def test_what_history_says_is_not_looked_for_without_end():
    lines = [{"created_by": "ENV " + "a" * 1000, "empty_layer": True}] * 1000
    image = config({"Env": [f"A{number}=1" for number in range(1000)]}, history=lines)

    with pytest.raises(Unsupported):
        rebased_config(image, config(), config(), OwnHistory.of(image, config()))
