"""Names by digest are printed in a form that is read again (K244)."""

import re

import pytest


@pytest.fixture
def digest(app):
    return app.image(layers=[b"x"], tag="1")["digest"]


@pytest.fixture
def repository(registry):
    return f"{registry.host}/app"


@pytest.mark.parametrize("kind", ["registry", "layout"])
def test_copy_to_a_digest_prints_what_digest_reads(run, registry, repository, digest, tmp_path, kind):
    place = f"{registry.host}/other" if kind == "registry" else f"oci:{tmp_path}/out"

    done = run("copy", f"{repository}:1", f"{place}@{digest}")

    assert (0, f"{place}@{digest}\n") == (done.exit_code, done.stdout), done.stderr
    assert digest == run("digest", done.stdout.strip()).stdout.strip()


@pytest.mark.parametrize("kind", ["registry", "layout"])
def test_what_copy_to_a_tag_prints_is_read_too(run, registry, repository, digest, tmp_path, kind):
    place = f"{registry.host}/other:v1" if kind == "registry" else f"oci:{tmp_path}/out:v1"

    done = run("copy", f"{repository}:1", place)

    assert f"{place}@{digest}\n" == done.stdout
    assert digest == run("digest", done.stdout.strip()).stdout.strip()


def test_a_base_by_digest_is_called_by_it(run, repository, digest, tmp_path):
    """In the error about a base that has no image for the platform."""
    (tmp_path / "file").write_text("x")

    done = run(
        *("build", tmp_path, "--toolchain", "prebuilt", "--copy", "file:/", "--base", f"{repository}@{digest}"),
        *("--platform", "linux/s390x", "-o", f"oci:{tmp_path}/out:1"),
    )

    assert 0 != done.exit_code
    assert f"{repository}@{digest}" in done.stderr
    assert not re.search(r":sha256:", done.stderr)
