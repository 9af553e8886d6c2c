"""Layers that are read in parts, out of real registries: what a base costs that is listed, and one that nobody asks."""

import json
import random

import pytest

from tests.fakes.proxy import proxy

pytestmark = pytest.mark.registry
PLATFORMS = ("linux/amd64", "linux/arm64")
NOISE = random.Random(2).randbytes(4_000_000)


@pytest.fixture(params=["docker_registry", "distribution_v3"])
def real(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def between(real):
    """A proxy in front of the registry."""
    with proxy(real.host) as running:
        yield running


@pytest.fixture
def built(run, between, real, tmp_path, monkeypatch):
    """`built("gzip", "ENV A=b")`: what a build upon a base so compressed asked for, and the base's layers."""
    monkeypatch.chdir(tmp_path)
    home = real.repository().partition("/")[2]
    base, app = (f"{between.host}/{home}-{name}:1" for name in ("base", "app"))

    def call(compression, *lines):
        for number, platform in enumerate(PLATFORMS):
            (tmp_path / platform.rpartition("/")[2]).mkdir(exist_ok=True)
            (tmp_path / platform.rpartition("/")[2] / "data").write_bytes(NOISE + bytes([number]))
        flags = ("--toolchain", "prebuilt", "--copy", "{arch}:/srv/", "--platform", ",".join(PLATFORMS))
        fine(run("build", ".", *flags, "--format", "oci", "--compression", compression, "-t", base, "--push"))
        (tmp_path / "Dockerfile").write_text("\n".join((f"FROM {base}", *lines)))
        manifests = [json.loads(fine(run("manifest", "get", base, "--platform", one))) for one in PLATFORMS]
        fine(run("cache", "prune", "--all"))
        between.seen.clear()
        fine(run("build", ".", "--platform", ",".join(PLATFORMS), "-t", app, "--push"))
        return between, {layer["digest"] for manifest in manifests for layer in manifest["layers"]}

    return call


def fine(done):
    assert 0 == done.exit_code, done.stderr
    return done.stdout


def ranges(between, layers):
    """Of the requests for layers: the bytes that each asked for, and how many asked for all."""
    asked = [seen for method, path, seen in between.seen if method == "GET" and path.rpartition("/")[2] in layers]
    spans = [seen["range"].removeprefix("bytes=").split("-") for seen in asked if "range" in seen]
    return [int(end) - int(start) + 1 for start, end in spans], len(asked) - len(spans)


def mounted(between):
    return [path for method, path, _ in between.seen if method == "POST" and "mount=" in path]


@pytest.mark.parametrize("compression", ["estargz", "gzip,toc"])
def test_a_base_with_a_table_is_listed_by_it(built, compression):
    between, layers = built(compression, "COPY amd64/data /srv/other/")

    sizes, whole = ranges(between, layers)

    assert 0 == whole
    assert 2 <= len(sizes) <= 4
    assert sum(sizes) < len(layers) * len(NOISE) / 20
    assert len(layers) <= len(mounted(between))


def test_an_ordinary_base_that_nothing_looks_into_is_mounted(built):
    between, layers = built("gzip", "ENV A=b", "LABEL c=d")

    assert ([], 0) == ranges(between, layers)
    assert len(layers) == len(mounted(between))


def test_an_ordinary_base_is_read_once_for_each_platform(built):
    between, layers = built("gzip", "COPY amd64/data /srv/other/")

    assert ([], 2) == ranges(between, layers)
