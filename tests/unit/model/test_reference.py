"""The grammar of references and Docker Hub's short names."""

import pytest

from ocitool.errors import UsageError
from ocitool.model.digest import Digest
from ocitool.model.reference import Reference, comparable_host, is_tag, normalise_host, parse_registry

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("typed", "full"),
    [
        ("alpine", "docker.io/library/alpine:latest"),
        ("alpine:3", "docker.io/library/alpine:3"),
        ("me/app", "docker.io/me/app:latest"),
        ("a/b/c", "docker.io/a/b/c:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app:1", "localhost:5000/app:1"),
        ("reg.test/app", "reg.test/app:latest"),
        ("reg.test:5000/a/b:v1.0", "reg.test:5000/a/b:v1.0"),
        ("REG/app", "REG/app:latest"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000/app:latest"),
        (f"app@{D}", f"docker.io/library/app@{D}"),
        (f"reg.test/app:1@{D}", f"reg.test/app:1@{D}"),
        ("reg.test/a__b/c-d/e---f/g.h_i", "reg.test/a__b/c-d/e---f/g.h_i:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        (f"reg.test/app:{'x' * 128}", f"reg.test/app:{'x' * 128}"),
    ],
)
def test_what_is_typed_gets_its_full_form(typed, full):
    assert full == str(Reference.parse(typed))
    assert Reference.parse(typed) == Reference.parse(full)


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO"])
def test_docker_hub_has_one_name_and_its_library(host):
    """K061: the library is added, requests go to the API host."""
    reference = Reference.parse(f"{host}/bash:5")

    assert ("docker.io", "library/bash", "registry-1.docker.io") == (
        reference.registry,
        reference.repository,
        reference.api_host,
    )
    assert "bash:5" == reference.familiar


def test_familiar_forms():
    assert "me/app:1" == Reference.parse("docker.io/me/app:1").familiar
    assert "reg.test/library/app:1" == Reference.parse("reg.test/library/app:1").familiar


@pytest.mark.parametrize("full", ["docker.io/a.b/c:1", "docker.io/localhost/c:1", "docker.io/library/a/b:1"])
def test_a_short_form_that_would_mean_another_place_is_not_used(full):
    """K061, the other way round."""
    assert Reference.parse(full) == Reference.parse(Reference.parse(full).familiar)


def test_digest_decides_when_a_tag_is_there_too():
    """K062: both are kept, the digest selects."""
    reference = Reference.parse(f"reg.test:5000/app:1@{D}")

    assert ("app", "1", D) == (reference.repository, reference.tag, reference.name)
    assert "reg.test:5000/app" == reference.repository_name


def test_no_tag_is_invented_beside_a_digest():
    assert "" == Reference.parse(f"app@{D}").tag
    assert "" == Reference.parse("app", default_tag="").name


@pytest.mark.parametrize(
    ("typed", "host"),
    [("[::1]:5000/app:1", "[::1]:5000"), (f"[fd00::3]/app@{D}", "[fd00::3]"), ("[fd00::3]/app", "[fd00::3]")],
)
def test_ipv6_hosts_keep_their_brackets(typed, host):
    """K064."""
    reference = Reference.parse(typed)

    assert (host, host, "app") == (reference.registry, reference.api_host, reference.repository)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("fd00::3:5000/app", "brackets"),  # K064
        ("https://reg.test/app", "scheme"),
        ("", "[registry/]repository"),
        (" app", "[registry/]repository"),
        ("app\n", "[registry/]repository"),
        ("App", "did you mean 'app'?"),
        ("reg.test/App/x", "did you mean 'reg.test/app/x'?"),
        ("reg.test/", "a-z and 0-9"),
        ("reg.test/a//b", "a-z and 0-9"),
        ("reg.test/-a", "a-z and 0-9"),
        ("reg.test/a..b", "a-z and 0-9"),
        ("reg.test/a___b", "a-z and 0-9"),
        ("reg.test/../etc", "a-z and 0-9"),
        ("reg.test/a%2fb", "a-z and 0-9"),
        ("app:", "does not start with"),
        ("app:-x", "does not start with"),
        ("app:a/b", "localhost:5000"),
        ("app:" + "x" * 129, "at most 128"),
        ("reg.test/" + "a" * 256, "at most 255"),
        ("app@sha256:abc", "64 lower-case hex"),
        (f"app@{D}@{D}", "64"),
        ("app@", "sha256:"),
        ("-reg.test/app", "a host looks like"),
        ("reg.test:port/app", "a host looks like"),
        ("reg.test:99999/app", "a host looks like"),
        ("a" * 64, "repository@sha256"),
    ],
)
def test_what_is_no_reference_is_refused_with_a_way_out(typed, hint):
    with pytest.raises(UsageError) as caught:
        Reference.parse(typed)

    assert hint in caught.value.hint


def test_another_tag_or_digest_of_the_same_repository():
    reference = Reference.parse(f"reg.test/app:1@{D}")
    other = Digest("sha256:" + "b" * 64)

    assert "reg.test/app:2" == str(reference.with_tag("2"))
    assert f"reg.test/app:1@{other}" == str(reference.with_digest(other))
    with pytest.raises(UsageError):
        reference.with_tag("a b")


def test_tags_and_hosts_on_their_own():
    assert is_tag("v1.0_x-Y")
    assert not is_tag(".v1")
    assert "docker.io" == parse_registry("index.docker.io")
    assert "reg.test:5000" == normalise_host("reg.test:5000")
    with pytest.raises(UsageError):
        parse_registry("reg.test/app")


def test_a_name_is_as_long_as_registries_take_and_an_error_shows_its_beginning():
    name = "/".join(["abcdefghi"] * 25) + "/klmnop"

    assert 256 == len(name)
    assert name[:255] == Reference.parse(f"reg.test/{name[:255]}").repository
    with pytest.raises(UsageError) as caught:
        Reference.parse(f"reg.test/{name}")
    assert f"(256 characters): {name[:60]!r}…" in caught.value.what


@pytest.mark.parametrize(
    ("host", "compares"),
    [
        ("Registry.Example", "registry.example"),
        ("registry.example:443", "registry.example"),
        ("registry.example:0443", "registry.example"),
        ("registry.example:80", "registry.example:80"),
        ("LocalHost:05000", "localhost:5000"),
        ("[::A]:443", "[::a]"),
        ("[::1]:5000", "[::1]:5000"),
        ("INDEX.docker.io", "docker.io"),
        ("registry-1.docker.io:443", "docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_hosts_compare_in_one_form(host, compares):
    assert compares == comparable_host(host)


@pytest.mark.parametrize("parse", [Reference.parse, parse_registry])
@pytest.mark.parametrize("text", ["me:opensesame@reg.test/app:1", "https://me:opensesame@reg.test/app"])
def test_a_password_in_a_name_is_refused_and_not_repeated(parse, text):
    with pytest.raises(UsageError) as refused:
        parse(text)

    assert "opensesame" not in str(refused.value)
    assert "ocitool login" in refused.value.hint
