"""`build --sign-key`: what is published is signed before a tag is written, the index and each image."""

import json

import pytest

from ocitool import Client
from ocitool.graph.signature_list import signature_tag
from ocitool.model.views import view
from tests.fakes.registry import Fault


@pytest.fixture
def key(run, tmp_path):
    assert 0 == run("key", "generate", "-o", tmp_path / "a", "--unencrypted", "--type", "ed25519").exit_code
    return tmp_path / "a"


@pytest.fixture
def build(run, home, monkeypatch):
    """`build("--push", …)`: two images of one file each."""
    monkeypatch.chdir(home)
    (home / "data").mkdir()
    (home / "data" / "hello").write_text("hello")

    def call(*flags, platform="linux/amd64,linux/arm64"):
        words = ("--toolchain", "prebuilt", "--copy", "hello:/", "--platform", platform)
        return run("build", "data", *words, *flags)

    return call


def test_what_is_pushed_is_signed_before_its_tag(run, build, registry, app, name, key):
    done = build("-t", name, "--push", "--sign-key", f"{key}.key")

    assert 0 == done.exit_code, done.stderr
    puts = [request.path.rpartition("/")[2] for request in registry.asked("PUT", "*/manifests/*")]
    index = app.store.get_manifest("1")
    lists = {signature_tag(one) for one in (index.digest, *(entry.digest for entry in view(index).entries))}
    assert "1" == puts[-1]
    assert lists == {put for put in puts if put.endswith(".sig")}
    assert 0 == run("verify", name, "--key", f"{key}.pub", "--recursive").exit_code


def test_undo_takes_both_back(run, build, app, name, key):
    app.image(tag="1")
    before = app.store.head("1").digest
    assert 0 == build("-t", name, "--push", "--sign-key", f"{key}.key").exit_code
    new = app.store.head("1").digest

    done = run("undo", name)

    assert 0 == done.exit_code, done.stderr
    assert before == app.store.head("1").digest
    assert app.store.head(signature_tag(new)) is None


def test_again_nothing_is_signed_twice(run, build, registry, app, name, key):
    for _ in range(2):
        registry.log.clear()
        assert 0 == build("-t", name, "--push", "--sign-key", f"{key}.key").exit_code

    assert [] == registry.asked("PUT", "*/manifests/*.sig")


DOORS = ["build", "buildx build", "push", "Client.build", "Client.push", "Client.push of a name"]


@pytest.fixture(params=DOORS)
def publish(request, run, build, name, key, home):
    """`publish()`: the same two images, signed, by each door."""
    file, words = f"{key}.key", ("-t", name)
    (home / "data" / "Dockerfile").write_text("FROM scratch\nCOPY hello /\n")

    def by_client(*, early=(), late=()):
        with Client() as client:
            built = client.build(
                home / "data",
                toolchain="prebuilt",
                copy="hello:/",
                platforms="linux/amd64,linux/arm64",
                sign_keys=early,
            )
            client.push(built, name, sign_keys=late)

    def push_a_name():
        assert 0 == build(*words).exit_code
        with Client() as client:
            client.push(name, sign_keys=file)

    def push():
        assert 0 == build(*words).exit_code
        assert 0 == run("push", name, "--sign-key", file).exit_code

    def buildx():
        words = ("--platform", "linux/amd64,linux/arm64", "-t", name, "--push", "--sign-key", file)
        done = run("buildx", "build", "data", *words)
        assert 0 == done.exit_code, done.stderr

    return {
        "build": lambda: build(*words, "--push", "--sign-key", file),
        "buildx build": buildx,
        "push": push,
        "Client.build": lambda: by_client(early=file),
        "Client.push": lambda: by_client(late=[file]),
        "Client.push of a name": push_a_name,
    }[request.param]


def test_every_door_signs_before_the_tag_and_is_undone(run, publish, registry, app, name, key):
    publish()

    puts = [request.path.rpartition("/")[2] for request in registry.asked("PUT", "*/manifests/*")]
    index = app.store.get_manifest("1")
    lists = {signature_tag(one) for one in (index.digest, *(entry.digest for entry in view(index).entries))}
    assert "1" == puts[-1]
    assert lists == {put for put in puts if put.endswith(".sig")}
    assert 0 == run("verify", name, "--key", f"{key}.pub", "--recursive").exit_code
    app.image(tag="1")
    assert 0 == run("undo", name, "--to", index.digest).exit_code


def test_two_keys_of_two_doors_both_sign(run, build, name, key, home, tmp_path):
    assert 0 == run("key", "generate", "-o", tmp_path / "b", "--unencrypted").exit_code
    with Client() as client:
        built = client.build(home / "data", toolchain="prebuilt", copy="hello:/", sign_keys=f"{key}.key")
        client.push(built, name, sign_keys=[tmp_path / "b.key", f"{key}.key"])

    done = run("verify", name, "--key", f"{key}.pub", "--key", tmp_path / "b.pub", "--every-key", "--json")

    assert 0 == done.exit_code, done.stderr
    [manifest] = json.loads(done.stdout)["data"]["manifests"]
    assert 2 == len(manifest["signatures"])


@pytest.mark.parametrize("door", ["build", "buildx build"])
def test_what_is_pushed_by_its_digest_is_signed(run, build, app, registry, key, home, door):
    output = f"type=image,name={registry.host}/app,push-by-digest=true,push=true"
    (home / "data" / "Dockerfile").write_text("FROM scratch\nCOPY hello /\n")
    words = ("-o", output, "--sign-key", f"{key}.key", "--json")

    done = build(*words) if door == "build" else run("buildx", "build", "data", *words)

    assert 0 == done.exit_code, done.stderr
    place = f"{registry.host}/app@{json.loads(done.stdout)['data']['digest']}"
    assert [] == [tag for tag in app.store.tags() if not tag.endswith(".sig")]
    assert 0 == run("verify", place, "--key", f"{key}.pub", "--recursive").exit_code
    again = build(*words) if door == "build" else run("buildx", "build", "data", *words)
    assert 0 == again.exit_code, again.stderr


@pytest.mark.parametrize("place", ["oci:out", "oci-archive:out.tar"])
def test_a_layout_or_archive_is_signed_for_the_name_that_it_gets(run, build, name, key, home, place):
    done = build("-o", f"{place}:1", "-t", name, "--sign-key", f"{key}.key")

    assert 0 == done.exit_code, done.stderr
    verified = run("verify", f"{place}:1", "--key", f"{key}.pub", "--recursive", "--identity", name)
    assert 0 == verified.exit_code, verified.stderr
    assert 0 == run("copy", f"{place}:1", name, "--referrers").exit_code
    assert 0 == run("verify", name, "--key", f"{key}.pub", "--recursive").exit_code


def test_where_it_cannot_be_signed_no_tag_is_written(build, registry, app, name, key):
    registry.faults.append(Fault("PUT */manifests/*.sig", status=403, times=-1))

    done = build("-t", name, "--push", "--sign-key", f"{key}.key")

    assert done.exit_code in {4, 5}
    assert app.store.head("1") is None


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("-t", "app:1"), 2, "add --push"),
        (("-o", "docker-archive:a.tar"), 9, "no place for signatures"),
    ],
)
def test_what_is_not_published_is_not_signed(build, home, key, flags, code, said):
    done = build(*flags, "--sign-key", f"{key}.key", platform="linux/amd64")

    assert (code, True) == (done.exit_code, said in done.stderr), done.stderr
    assert not (home / "a.tar").exists()


class TestAttestations:
    """`--sbom --provenance` beside `--sign-key`: the key vouches for what is attested too."""

    ATTEST = ("--sbom", "--provenance")
    ASKED = ("--attestation", "sbom", "--attestation", "provenance")

    def test_as_referrers_they_are_signed_before_the_tag(self, run, build, registry, app, name, key):
        done = build(
            *("-t", name, "--push", "--sign-key", f"{key}.key", "--attest-form", "referrers"),
            *self.ATTEST,
        )

        assert 0 == done.exit_code, done.stderr
        puts = [request.path.rpartition("/")[2] for request in registry.asked("PUT", "*/manifests/*")]
        for entry in view(app.store.get_manifest("1")).entries:
            listed = app.store.referrers(entry.digest)
            assert {
                "https://spdx.dev/Document",
                "https://slsa.dev/provenance/v1",
                "https://sigstore.dev/cosign/sign/v1",
            } == {one.annotations["dev.sigstore.bundle.predicateType"] for one in listed}
            assert max(puts.index(str(one.digest)) for one in listed) < puts.index("1")
            assert {"application/vnd.dev.sigstore.bundle.v0.3+json"} == {one.artifact_type for one in listed}
        said = run("verify", name, "--key", f"{key}.pub", "--recursive", *self.ASKED)
        assert 0 == said.exit_code, said.stderr
        assert f"https://spdx.dev/Document of linux/arm64, signed with {key}.pub" in said.stderr
        assert f"https://slsa.dev/provenance/v1 of linux/amd64, signed with {key}.pub" in said.stderr

    def test_where_cosign_sees_bundles_the_images_are_signed_in_one_too(self, run, build, app, name, key):
        words = ("-t", name, "--push", "--sign-key", f"{key}.key", "--attest-form", "referrers")
        assert 0 == build(*words, *self.ATTEST).exit_code
        digest = app.store.head("1").digest

        app.store.delete(signature_tag(digest))

        assert 0 == run("verify", f"{name.rpartition(':')[0]}@{digest}", "--key", f"{key}.pub").exit_code

    def test_in_the_index_its_signature_covers_them(self, run, build, name, key):
        assert 0 == build("-t", name, "--push", "--sign-key", f"{key}.key", *self.ATTEST).exit_code

        said = run("verify", name, "--key", f"{key}.pub", *self.ASKED)
        shown = run("inspect", name, "--sbom", "--platform", "linux/arm64")

        assert 0 == said.exit_code, said.stderr
        assert f"provenance/v1 of linux/arm64, in the index, signed with {key}.pub" in said.stderr
        assert "a signature of the index covers it" in shown.stderr

    @pytest.mark.parametrize("form", ["index", "referrers"])
    def test_what_is_not_signed_is_not_attested(self, run, build, name, key, form):
        assert 0 == build("-t", name, "--push", "--attest-form", form, *self.ATTEST).exit_code
        assert 0 == run("sign", name, "--key", f"{key}.key", "--recursive").exit_code

        said = run("verify", name, "--key", f"{key}.pub", *self.ASKED)

        # Whoever signs an index vouches for what stands in it, and for nothing that refers to it.
        assert (0 if form == "index" else 1) == said.exit_code
        assert (form == "referrers") == ("nothing of sbom is attached to it" in said.stderr)

    def test_a_policy_asks_for_them(self, run, build, name, key, tmp_path):
        policy = tmp_path / "policy.toml"
        policy.write_text(f'version = 1\n[[rule]]\nrepository = "*"\nkeys = "{key}.pub"\nattested = "sbom"\n')
        words = ("-t", name, "--push", "--sign-key", f"{key}.key", "--attest-form", "referrers")
        assert 0 == build(*words, "--provenance").exit_code
        refused = run("verify", name, "--policy", policy)
        assert 0 == build(*words, "--sbom").exit_code
        done = run("verify", name, "--policy", policy)

        assert (1, 0) == (refused.exit_code, done.exit_code), done.stderr
        assert "it has no sbom" in refused.stderr

    def test_again_nothing_is_attested_twice(self, build, registry, name, key):
        words = ("-t", name, "--push", "--sign-key", f"{key}.key", "--attest-form", "referrers")
        for _ in range(2):
            registry.log.clear()
            assert 0 == build(*words, *self.ATTEST).exit_code

        assert [] == registry.asked("POST", "*/blobs/uploads/*")

    def test_what_is_no_attestation_is_told(self, run, name, key):
        done = run("verify", name, "--key", f"{key}.pub", "--attestation", "sbon")

        assert (2, True) == (done.exit_code, "sbom, provenance" in done.stderr)


def test_a_key_that_does_not_open_is_told_before_anything_is_sent(
    run, build, registry, name, tmp_path, monkeypatch
):
    monkeypatch.setenv("RIGHT", "1")
    monkeypatch.setenv("WRONG", "2")
    assert 0 == run("key", "generate", "-o", tmp_path / "b", "--password-from", "env:RIGHT").exit_code

    done = build("-t", name, "--push", "--sign-key", tmp_path / "b.key", "--password-from", "env:WRONG")

    assert (4, []) == (done.exit_code, registry.asked("POST"))


@pytest.mark.parametrize("place", ["oci:out", "oci-archive:out.tar"])
def test_what_is_signed_without_a_name_is_still_the_only_image(run, build, key, place):
    assert 0 == build("-o", place, "--sign-key", f"{key}.key").exit_code

    done = run("verify", place, "--key", f"{key}.pub", "--recursive")

    assert 0 == done.exit_code, done.stderr
