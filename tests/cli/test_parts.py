"""Images whose layers have a table of contents: what is fetched of them, and of a base, by commands and builds."""

import base64
import json
import random

import pytest

from tests.amounts import LONG
from tests.fakes import parts
from tests.fakes.programs import Elf
from tests.fakes.registry import fake_registry

FORMS = ("estargz", "zstd:chunked", "gzip,toc")
MIB = 1 << 20


@pytest.fixture(scope="module", params=FORMS)
def form(request):
    return request.param


@pytest.fixture(scope="module")
def large(form):
    """A tar of 12 MiB that does not compress, as a GiB of files of a MiB is; of 72 where members have a MiB each."""
    return parts.many_files(768, 16 << 10 if form != "gzip,toc" else 96 << 10)


@pytest.fixture
def registry():
    with fake_registry() as fake:
        yield fake


def fine(done):
    assert 0 == done.exit_code, done.stderr
    return done.stdout


def run_bytes(run, name, path):
    return base64.b64decode(json.loads(fine(run("cat", name, path, "--json")))["data"]["base64"])


def test_listing_and_reading_a_file_fetch_less_than_a_fiftieth(run, registry, form, large):
    layer = parts.put(registry, "app", form, large)
    name = f"{registry.host}/app:1"

    listed = fine(run("files", name)).splitlines()
    assert 772 == len(listed)
    assert parts.content(large, "data/00703") == run_bytes(run, name, "data/00703")
    assert parts.fetched(registry, layer) < layer.size / 50
    assert len(registry.asked("GET", f"*{layer.digest}")) <= 4


def test_a_second_look_fetches_the_file_alone(run, registry, form, large):
    layer = parts.put(registry, "app", form, large)
    name = f"{registry.host}/app:1"
    fine(run("files", name))
    before = parts.fetched(registry, layer)

    fine(run("cat", name, "/data/00007"))

    assert parts.fetched(registry, layer) - before < (20 << 10 if form != "gzip,toc" else 2 * MIB)


def test_a_table_that_is_not_the_manifests_is_refused(run, registry, form, large):
    blob, annotations, media_type = parts.blob_of(form, large)
    key = next(key for key in annotations if not key.endswith("position"))
    layer = parts.put_layer(registry, "app", blob, annotations | {key: f"sha256:{'0' * 64}"}, media_type)

    done = run("files", f"{registry.host}/app:1")

    assert 6 == done.exit_code
    assert "as the manifest says" in done.stderr
    assert parts.fetched(registry, layer) < layer.size / 50


def test_a_layer_that_is_shorter_than_the_manifest_says_is_told_as_such(run, registry, form):
    blob, annotations, media_type = parts.blob_of(form, parts.many_files(40, 4096))
    layer = parts.put_layer(registry, "app", blob, annotations, media_type)
    registry.blobs["app", str(layer.digest)] = blob[: len(blob) // 2]

    done = run("files", f"{registry.host}/app:1")

    assert 6 == done.exit_code
    assert f"of the {layer.size} bytes of {layer.digest}" in done.stderr


def test_export_reads_the_layer_and_says_the_same(run, registry, tmp_path, form):
    tar = parts.many_files(40, 4096)
    parts.put(registry, "app", form, tar)

    fine(run("export", f"{registry.host}/app:1", "-o", tmp_path / "out"))

    assert parts.content(tar, "data/00003") == (tmp_path / "out/data/00003").read_bytes()


# Builds


@pytest.fixture
def build(run, registry, tmp_path, monkeypatch):
    """`build(lines)`: a Dockerfile of these lines on base:1 of the registry, pushed to another of its repositories."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").write_text("an app")

    def call(*lines, **more):
        (tmp_path / "Dockerfile").write_text("\n".join((f"FROM {registry.host}/base:1", *lines)))
        return run("build", ".", "-t", f"{registry.host}/app:1", "--platform", "linux/amd64", "--push")

    return call


def manifest_of(registry):
    return json.loads(registry.manifests["app", registry.tags["app", "1"]][1])


def test_a_build_upon_it_fetches_less_than_a_twentieth(build, registry, form, large):
    layer = parts.put(registry, "base", form, large)

    fine(build("COPY app /bin/app"))

    assert parts.fetched(registry, layer) < layer.size / 20
    assert (str(layer.digest), dict(layer.annotations)) == (
        manifest_of(registry)["layers"][0]["digest"],
        manifest_of(registry)["layers"][0]["annotations"],
    )
    assert ("app", str(layer.digest)) in registry.blobs


def test_what_is_copied_of_it_is_read_in_parts(build, run, registry, form, large):
    layer = parts.put(registry, "base", form, large)

    fine(build("FROM scratch", f"COPY --from={registry.host}/base:1 /data/0010* /got/"))

    assert parts.fetched(registry, layer) < layer.size / 20
    assert parts.content(large, "data/00103") == run_bytes(run, f"{registry.host}/app:1", "got/00103")


def test_a_project_upon_it_is_placed_through_its_links(run, registry, form, large, tmp_path, monkeypatch):
    layer = parts.put(registry, "base", form, large)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").write_text("#!/none")
    name = f"{registry.host}/app:1"

    fine(run("build", ".", "--copy", "app:/bin/app", "--base", f"{registry.host}/base:1", "-t", name, "--push"))

    assert parts.fetched(registry, layer) < layer.size / 20
    assert "usr/bin/app" in fine(run("files", name)).splitlines()


CONFIG_ONLY = (
    "ENV A=b",
    "LABEL a=b",
    "ARG X=1",
    "EXPOSE 80",
    "VOLUME /data",
    "USER 7",
    "STOPSIGNAL 9",
    "HEALTHCHECK CMD true",
    "ONBUILD COPY . .",
    'SHELL ["/bin/sh"]',
    "COPY --link app /srv/app",
    "COPY --link app /srv/again/app",
)


def test_an_ordinary_base_that_nothing_looks_into_is_mounted_and_not_read(build, registry):
    layer = parts.put(registry, "base", "gzip", parts.many_files(10, 4096), Cmd=["/bin/sh"])

    fine(build(*CONFIG_ONLY))

    assert [] == registry.asked("GET", f"*{layer.digest}")
    assert ("app", str(layer.digest)) in registry.blobs
    assert 3 == len(manifest_of(registry)["layers"])


def test_a_program_that_needs_nothing_of_an_ordinary_base_has_it_mounted_unread(build, registry, tmp_path):
    layer = parts.put(registry, "base", "gzip", parts.many_files(10, 4096), Cmd=["/bin/sh"])
    (tmp_path / "static").write_bytes(Elf(62).build())
    (tmp_path / "static").chmod(0o755)

    fine(build("COPY --link static /usr/local/bin/app"))

    assert [] == registry.asked("GET", f"*{layer.digest}")


LOOKS = ("COPY app /srv/app", "ADD app /srv/app", "WORKDIR /srv", 'CMD ["/usr/bin/app"]', 'ENTRYPOINT ["/bin/app"]')


@pytest.mark.parametrize("line", LOOKS)
def test_an_ordinary_base_is_read_once_when_something_looks_into_it(build, registry, line):
    layer = parts.put(registry, "base", "gzip", parts.many_files(10, 4096), Cmd=["/bin/sh"])

    build("ENV A=b", line)

    assert 1 == len(registry.asked("GET", f"*{layer.digest}"))
    assert layer.size == parts.fetched(registry, layer)


def test_an_entry_point_that_an_ordinary_base_lacks_is_still_told(build, registry):
    parts.put(registry, "base", "gzip", parts.many_files(1, 100))

    done = build('ENTRYPOINT ["/bin/app"]')

    assert 2 == done.exit_code
    assert "the image would not start" in done.stderr


@pytest.fixture
def forgotten():
    """What is made for the test is not kept for the next one."""
    yield
    parts.blob_of.cache_clear()


# Layers of ours


def listed_annotation(layer):
    return layer.get("annotations", {}).get("org.ocitool.toc.digest", "")


def test_layers_of_ours_are_listed_where_that_is_asked_for(run, registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").write_bytes(random.Random(1).randbytes(200_000))
    flags = (
        "--copy",
        "app:/bin/app",
        "--platform",
        "linux/amd64",
        "--format",
        "oci",
        "-t",
        f"{registry.host}/app:1",
    )
    fine(run("build", ".", *flags, "--push", "--compression", "gzip,toc"))
    (first,) = manifest_of(registry)["layers"]
    fine(run("build", ".", *flags, "--push", "--compression", "gzip,toc", "--no-cache"))
    (again,) = manifest_of(registry)["layers"]
    fine(run("build", ".", *flags, "--push", "--compression", "gzip"))
    (plain,) = manifest_of(registry)["layers"]

    assert listed_annotation(first).startswith("sha256:")
    assert first == again
    assert first["size"] > plain["size"]
    assert "annotations" not in plain
    fine(run("recompress", f"{registry.host}/app:1", "--compression", "gzip,toc"))
    assert [first] == manifest_of(registry)["layers"]


def test_dockers_manifests_have_no_place_for_a_table(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").write_text("app")
    flags = ("--copy", "app:/bin/app", "--format", "docker", "--compression", "gzip,toc", "-o", "oci:out:1")

    done = run("build", ".", *flags)

    assert 2 == done.exit_code
    assert "gzip-toc layers have no agreed type in Docker's manifests" in done.stderr


@pytest.mark.parametrize("word", ["gzip,tox", "zstd,toc", "gzip:13,toc", "isal,toc"])
def test_other_words_are_refused(run, tmp_path, word):
    assert 2 == run("build", tmp_path, "--compression", word, "-o", "oci:out:1").exit_code


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="a GiB of content")
def test_a_mebibyte_of_a_gibibyte(run, registry, form, forgotten):
    tar = parts.many_files(1024, MIB)
    layer = parts.put(registry, "app", form, tar)
    expected = parts.content(tar, "data/00703")
    name = f"{registry.host}/app:1"

    fine(run("files", name))

    assert expected == run_bytes(run, name, "data/00703")
    assert parts.fetched(registry, layer) < layer.size / 50


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="500 MB of content")
def test_a_build_upon_500_megabytes(build, registry, form, forgotten):
    layer = parts.put(registry, "base", form, parts.many_files(500, MIB))

    fine(build("COPY app /bin/app"))

    assert parts.fetched(registry, layer) < layer.size / 20
