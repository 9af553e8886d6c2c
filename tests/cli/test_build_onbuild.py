"""K205, K248: what a base's ONBUILD brings is part of the build, its checks and its outline."""

import json

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.layout import LayoutStore
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.fakes.built import built
from tests.fakes.busybox import put_busybox

BUILDER = "FROM scratch AS builder\nCOPY x /x\n"


@pytest.fixture
def onbuild(home):
    """`onbuild("COPY a /a", …)`: the layout onb, whose image leaves these lines."""

    def call(*lines, **config):
        put_busybox(LayoutStore(home / "onb", create=True), "1", OnBuild=list(lines), **config)
        return "--build-context", "onb=oci-layout://onb:1"

    return call


@pytest.fixture
def in_registry(registry):
    """`in_registry("COPY a /a", …)`: the reference of such an image in a registry."""

    def call(*lines):
        name = f"{registry.host}/r:onb"
        with Opener(Access(), Scope()) as opener:
            store, tag = opener.open(name, write=True)
            put_busybox(store, tag, OnBuild=list(lines))
        return name

    return call


def test_k205_the_stage_that_a_trigger_copies_from_is_built(home, build, in_registry):
    (home / "x").write_text("from the stage")
    name = in_registry("COPY --from=builder /x /x")

    text = f"{BUILDER}FROM {name}\n"
    image = built(home, build(text))
    checked = build(text, "--check")

    assert b"from the stage" == image.data("x")
    assert (0, "Dockerfile: nothing wrong\n") == (checked.exit_code, checked.stdout)


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/amd64,linux/arm64"])
@pytest.mark.parametrize(
    ("lines", "text", "files"),
    [
        (["COPY --from=0 /x /y"], f"{BUILDER}FROM onb\n", {"y": b"x"}),
        (["COPY --from=bb /etc/passwd /p"], "FROM onb\n", {}),
        (["WORKDIR /w", "COPY x ."], "FROM onb\n", {"w/x": b"x"}),
        (["WORKDIR /w"], "FROM onb\nCOPY x ./\n", {"w/x": b"x"}),
        (["ENV D=/d"], "FROM onb\nCOPY x $D/\n", {"d/x": b"x"}),
        (["ARG F=none", "COPY $F /f"], "FROM onb\n", {"f": b"x"}),
        (["COPY x /x"], "FROM onb AS a\nFROM a\n", {"x": b"x"}),
        (["COPY --from=other /x /z"], f"{BUILDER.replace('builder', 'other')}FROM onb AS a\nFROM a\n", {"z": b"x"}),
        (["COPY x /x"], "FROM onb AS a\nFROM scratch\nCOPY --from=a /x /n\n", {"n": b"x"}),
    ],
)
def test_whatever_triggers_bring(home, build, onbuild, lines, text, files, platform):
    (home / "x").write_text("x")

    outcome = build(text, *onbuild(*lines), "--build-arg", "F=x", platform=platform)

    for one in platform.split(","):
        image = built(home, outcome, one)
        assert files == {path: image.data(path) for path in files}
    assert ("build argument F" in outcome.stderr) == ("ARG" not in lines[0])


def test_a_stage_of_a_trigger_may_have_triggers_of_its_own(home, build, onbuild):
    (home / "x").write_text("x")
    put_busybox(LayoutStore(home / "deep", create=True), "1", OnBuild=["COPY --from=builder /x /x"])
    text = f"{BUILDER}FROM deep AS mid\nFROM onb\n"

    image = built(
        home, build(text, *onbuild("COPY --from=mid /x /m"), "--build-context", "deep=oci-layout://deep:1")
    )

    assert b"x" == image.data("m")


def test_what_a_trigger_adds_is_downloaded(home, build, onbuild, web):
    """With the others, side by side: it is as certain as what the Dockerfile says."""
    url = web.put("/x", b"from afar")

    image = built(home, build("FROM onb\n", *onbuild("ENV V=x", f"ADD {url[:-1]}$V /x")))

    assert b"from afar" == image.data("x")
    assert ["/x"] == [path for path, _ in web.asked]


def test_a_run_among_triggers_is_refused_and_told_by_the_checks(build, onbuild):
    flags = onbuild("COPY Dockerfile /d", "RUN make")

    refused, checked = build("FROM onb\n", *flags), build("FROM onb\n", "--check", *flags)

    assert 9 == refused.exit_code
    assert "Dockerfile:1 (ONBUILD of onb:1): RUN needs a process" in refused.stderr.replace("oci:", "")
    assert "RUN make: compiles; compile for each platform before the build" in refused.stderr
    assert (1, True) == (
        checked.exit_code,
        "ERROR: RunNeedsProcess - docs/reference/dockerfile-checks.md#runneedsprocess\nRUN make" in checked.stdout,
    )


def test_checks_see_the_lines_that_a_base_leaves(build, onbuild):
    checked = build("FROM onb\n", "--check", *onbuild("COPY nowhere /x", "EXPOSE 53/UDP"))

    assert (
        "ERROR: MissingCopySource - docs/reference/dockerfile-checks.md#missingcopysource\nthe context has no nowhere\nDockerfile:1\n"
        in checked.stdout
    )
    assert "WARNING: ExposeProtoCasing" in checked.stdout


def test_variables_of_a_base_that_was_looked_into_are_known(build, onbuild):
    text, flags = "FROM onb\nENV A=$GIVEN$B\n", onbuild("ARG B=1", Env=["PATH=/bin", "GIVEN=1"])

    known, slip = build(text, "--check", *flags), build(text.replace("GIVEN", "GIVN"), "--check", *flags)

    assert (0, "") == (known.exit_code, known.stderr)
    assert "nothing sets GIVN here; did you mean GIVEN?" in slip.stdout


def test_a_base_that_cannot_be_had_leaves_it_open_whether_a_stage_is_used(build):
    text = f"{BUILDER.replace('COPY x', 'COPY Dockerfile')}FROM nowhere.invalid/x:1\n"

    checked = build(text, "--check")

    assert (0, "Dockerfile: nothing wrong\n") == (checked.exit_code, checked.stdout)


def test_arguments_of_triggers_stand_in_the_outline(build, onbuild):
    tree = json.loads(build("FROM onb\nARG A\n", "--call=outline,format=json", *onbuild("ARG B=1")).stdout)

    assert [("B", "1"), ("A", None)] == [(one["name"], one.get("value")) for one in tree["args"]]


@pytest.mark.parametrize(
    "line",
    [
        "FROM scratch",
        "ONBUILD COPY x /x",
        "MAINTAINER me",
        "COPY x /x\nCOPY x /y",
        "",
        "# only a comment",
        "FETCH x",
        "COPY \ud800 /x",
    ],
)
def test_k248_what_is_no_trigger_is_refused_with_its_place(home, build, onbuild, line):
    (home / "x").write_text("x")

    outcome = build("FROM onb\n", *onbuild("ENV A=1", line))

    assert 2 == outcome.exit_code
    assert outcome.stderr.startswith("error: Dockerfile:1 (ONBUILD of ")


def test_a_trigger_that_copies_from_a_stage_below_is_refused(home, build, onbuild):
    (home / "x").write_text("x")

    outcome = build(f"FROM onb AS a\n{BUILDER}FROM a\n", *onbuild("COPY --from=builder /x /x"))

    assert 2 == outcome.exit_code
    assert "Dockerfile:1 (ONBUILD of " in outcome.stderr
    assert "--from=builder is no stage above this one" in outcome.stderr
