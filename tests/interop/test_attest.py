"""Signed statements of ours under cosign's eyes, and the reverse."""

import json

import pytest

from tests.interop.conftest import bundled

pytestmark = pytest.mark.interop


def test_cosign_verifies_what_a_build_attests(run, cosign, repository, password, tmp_path, ours):
    """Each statement of each image, and in both forms the signatures beside them."""
    key = ours
    (tmp_path / "hello").write_text("hello")
    (tmp_path / "ocitool.toml").write_text('toolchain = "prebuilt"\nfiles = ["hello:/"]\n')
    words = ("--platform", "linux/amd64,linux/arm64", "--sbom", "--provenance", "--attest-form", "referrers")
    built = run(
        *("build", tmp_path, "-t", f"{repository}:1", "--push", *words, "--sign-key", f"{key}.key", *password)
    )
    assert 0 == built.exit_code, built.stderr
    entries = json.loads(run("inspect", f"{repository}:1", "--raw").stdout)["manifests"]

    for entry in entries:
        place = f"{repository}@{entry['digest']}"
        for kind in ("spdxjson", "slsaprovenance1"):
            code, said = cosign("verify-attestation", "--key", f"{key}.pub", "--type", kind, place)
            assert 0 == code, said
        assert 0 != cosign("verify-attestation", "--key", f"{key}.pub", "--type", "cyclonedx", place)[0]
        for form in ("bundle", "tag"):
            code, said = cosign("verify", "--key", f"{key}.pub", bundled(form), place)
            assert 0 == code, said
    assert 2 == len(entries)


def test_we_verify_what_cosign_attests(run, cosign, repository, digests, tmp_path, theirs):
    key = theirs
    predicate = tmp_path / "predicate.json"
    predicate.write_text('{"spdxVersion": "SPDX-2.3", "name": "app"}')
    index, *images = digests
    assert 0 == cosign("sign", "--key", f"{key}.key", f"{repository}@{index}")[0]
    asked = ("verify", f"{repository}:1", "--key", f"{key}.pub", "--attestation", "sbom")
    for number, digest in enumerate(images):
        assert 1 == run(*asked).exit_code, number
        words = ("--key", f"{key}.key", "--type", "spdxjson", "--predicate", predicate)
        code, said = cosign("attest", *words, f"{repository}@{digest}")
        assert 0 == code, said

    done = run(*asked)

    assert 0 == done.exit_code, done.stderr
    assert f"https://spdx.dev/Document of linux/arm64, signed with {key}.pub" in done.stderr
    assert 1 == run(*asked, "--attestation", "provenance").exit_code
    shown = run("inspect", f"{repository}:1", "--sbom", "--platform", "linux/arm64")
    assert "app" == json.loads(shown.stdout)["name"]
