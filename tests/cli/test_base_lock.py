"""`base lock` and `--source-policy`: builds take the bases that a file pins, and what it says cannot be passed over."""

import json
from pathlib import Path

import pytest

from ocitool import Client
from ocitool.errors import NotVerified
from ocitool.image.base_note import DIGEST, NAME
from tests.fakes.based import COPIES, annotations

IMAGE = "docker-image://"
VARIABLE = "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"
STAGES = """ARG VERSION=1
FROM --platform=linux/amd64 {host}/base:$VERSION AS tools
FROM scratch AS unused
COPY --from={host}/unused:1 / /
FROM {host}/base:1
COPY --from=tools /etc/release /tools
COPY --from={host}/other:1 /etc/release /other
COPY --from=ctx /etc/release /ctx
COPY --from={host}/base@{digest} /etc/release /fixed
COPY --from=here amd64 /here
RUN --mount=from={host}/mounted:1,target=/m true
"""


@pytest.fixture
def digests(registry):
    return lambda repository="base", tag="1": registry.tags[repository, tag]


@pytest.fixture
def stages(run, base, registry, sources, digests):
    """A Dockerfile that names images in every way; the words for its contexts."""
    base("1")
    for name in ("other", "mounted", "context", "unused"):
        assert 0 == run("copy", f"{registry.host}/base:1", f"{registry.host}/{name}:1").exit_code
    (sources / "Dockerfile").write_text(STAGES.format(host=registry.host, digest=digests()))
    registry.log.clear()
    return ("--build-context", f"ctx=docker-image://{registry.host}/context:1", "--build-context", "here=.")


@pytest.fixture
def policy(sources):
    def call(*rules):
        keys = ("action", "selector", "updates")
        trees = [dict(zip(keys, (one[0], *({"identifier": t} for t in one[1:])), strict=False)) for one in rules]
        Path("policy.json").write_text(json.dumps({"rules": trees}))
        return ("--source-policy", "policy.json")

    return call


def pinned(text):
    return {rule["selector"]["identifier"]: rule["updates"]["identifier"] for rule in json.loads(text)["rules"]}


def test_every_image_that_a_dockerfile_opens_is_pinned_and_asked_for_once(run, stages, registry, digests):
    done = run("base", "lock", ".", *stages)
    heads = [one.path for one in registry.log if one.method == "HEAD"]

    names = [f"docker-image://{registry.host}/{name}:1" for name in ("base", "context", "mounted", "other")]
    assert 0 == done.exit_code, done.stderr
    assert {name: f"{name}@{digests()}" for name in names} == pinned(done.stdout)
    assert names == list(pinned(done.stdout))
    assert [f"/v2/{name}/manifests/1" for name in ("base", "context", "mounted", "other")] == sorted(heads)
    assert not any("/unused/" in one.path for one in registry.log)


@pytest.mark.parametrize(
    "how", [COPIES, "FROM BASE\nARG TARGETARCH\nCOPY $TARGETARCH /bin/app\n"], ids=["project", "file"]
)
def test_builds_take_what_is_pinned_until_the_file_moves_on(
    run, base, build_upon, registry, digests, how, monkeypatch
):
    base("1")
    old, digest = build_upon(how, "old"), digests()
    named = () if isinstance(how, str) else ("--base", f"{registry.host}/base:1")
    assert 0 == run("base", "lock", *named, "-o", "bases").exit_code
    base("2")

    by_flag = build_upon(how, "flag", "--source-policy", "bases")
    monkeypatch.setenv(VARIABLE, "bases")
    by_variable = build_upon(how, "variable")
    assert 0 == run("base", "lock", *named, "-o", "bases").exit_code
    moved = build_upon(how, "moved")

    assert old == by_flag == by_variable != moved
    assert {NAME: f"{registry.host}/base:1", DIGEST: digest} == annotations("flag")[0]
    assert digest != digests() == annotations("moved")[0][DIGEST]


def test_the_spec_and_its_platforms_are_pinned(run, base, registry, sources, digests):
    base("1")
    for name in ("arm", "sysroot"):
        assert 0 == run("copy", f"{registry.host}/base:1", f"{registry.host}/{name}:1").exit_code
    host = registry.host
    (sources / "ocitool.toml").write_text(
        f'base = "{host}/base:1"\n[sysroot]\nimage = "{host}/sysroot:1"\n[platform."linux/arm64"]\nbase = "{host}/arm:1"\n'
        '[platform."linux/s390x"]\nbase = "scratch"\n'
    )

    every, one = run("base", "lock"), run("base", "lock", "--platform", "linux/s390x")

    names = [f"docker-image://{host}/{name}:1" for name in ("arm", "base", "sysroot")]
    assert names == list(pinned(every.stdout)), every.stderr
    assert names[1:] == list(pinned(one.stdout))


def test_what_is_copied_from_is_pinned_and_told_and_attested(run, base, registry, sources, policy, digests):
    base("1")
    old, name = digests(), f"{registry.host}/base:1"
    base("2")
    (sources / "Dockerfile").write_text(
        f"FROM scratch\nCOPY --from={name} etc/release /a\nCOPY --from=ctx etc/release /b\n"
    )
    words = (
        "--build-context",
        f"ctx=docker-image://{name}",
        "--platform",
        "linux/amd64",
        "-o",
        "oci:out:1",
    )

    done = run(
        "buildx",
        "build",
        ".",
        *words,
        "--provenance=true",
        *policy(("CONVERT", IMAGE + name, f"{IMAGE}{name}@{old}")),
    )

    assert 0 == done.exit_code, done.stderr
    assert f"note: by the source policy {name} is {name}@{old}" in done.stderr
    amd64 = next(one["digest"] for one in json.loads(registry.manifests["base", old][1])["manifests"])
    assert ["1", "1"] == [run("cat", "oci:out:1", path).stdout for path in ("a", "b")]
    assert amd64.partition(":")[2] in run("inspect", "oci:out:1", "--provenance").stdout


def test_what_another_image_is_taken_for_is_called_by_its_own_name(
    run, base, build_upon, registry, policy, digests
):
    base("1")
    assert 0 == run("copy", f"{registry.host}/base:1", f"{registry.host}/mirror:2").exit_code
    host = IMAGE + registry.host

    build_upon("FROM BASE\nCOPY conf /c\n", "1", *policy(("CONVERT", f"{host}/*:1", f"{host}/mirror:2")))

    assert {NAME: f"{registry.host}/mirror:2", DIGEST: digests()} == annotations()[0]


@pytest.mark.parametrize("how", ["--base", "FROM", "COPY"])
def test_an_image_that_is_denied_ends_the_build(run, base, registry, sources, policy, how):
    base("1")
    name = f"{registry.host}/base:1"
    if how != "--base":
        (sources / "Dockerfile").write_text(
            {"FROM": f"FROM {name}\n", "COPY": f"FROM scratch\nCOPY --from={name} / /\n"}[how]
        )
    words = ("--toolchain", "prebuilt", "--base", name, *COPIES) if how == "--base" else ()

    done = run(
        "build",
        ".",
        *words,
        "-t",
        f"{registry.host}/app:1",
        "--push",
        *policy(("DENY", f"{IMAGE}{registry.host}/*")),
    )

    assert 1 == done.exit_code
    assert f"{name} is denied by rules[0] of policy.json" in done.stderr
    assert ("app", "1") not in registry.tags


def test_a_rule_that_cannot_be_obeyed_ends_the_build_before_anything_is_asked(run, base, registry, sources, policy):
    base("1")
    (sources / "Dockerfile").write_text(f"FROM {registry.host}/base:1\n")
    registry.log.clear()

    done = run("buildx", "build", ".", *policy(("DENY", "https://*")))

    assert 9 == done.exit_code
    assert "policy.json: rules[0].selector.identifier is 'https://*'" in done.stderr
    assert [] == registry.log


def test_python_obeys_the_file_and_the_variable(base, registry, sources, policy, monkeypatch):
    base("1")
    words = {
        "base": f"{registry.host}/base:1",
        "copy": "conf:/c",
        "toolchain": "prebuilt",
        "platforms": "linux/amd64",
    }
    policy(("DENY", f"{IMAGE}{registry.host}/*"))

    with Client() as client, pytest.raises(NotVerified, match="is denied"):
        client.build(".", **words, source_policy="policy.json")
    monkeypatch.setenv(VARIABLE, "policy.json")
    with Client() as client, pytest.raises(NotVerified, match="is denied"):
        client.build(".", **words)


def test_a_tag_that_is_not_there_cannot_be_pinned(run, registry, sources):
    done = run("base", "lock", "--base", f"{registry.host}/none:1", "-o", "bases")

    assert (3, False) == (done.exit_code, Path("bases").exists())
    assert f"no {registry.host}/none:1" in done.stderr
