"""`build --sbom --provenance`: attached before the tag is written, found again, and without secrets."""

import json
import subprocess

import pytest

from ocitool.model.digest import Digest
from ocitool.model.views import view
from ocitool.store.layout import LayoutStore
from tests.fakes.programs import Elf, go_build
from tests.fakes.registry import fake_registry
from tests.fakes.sick import Ward, member, tar
from tests.fakes.web import serve_files

SECRET = "hunter2-very-secret"
ORIGIN = "https://user:hunter2@git.example/more.git"
MODULES = "path\texample.com/app\nmod\texample.com/app\tv1.2.3\t\ndep\texample.com/b\tv2.0.0\th1:x\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a Go program for each of two platforms, and a base."""
    here = tmp_path / "here"
    for arch, machine in (("amd64", 62), ("arm64", 183)):
        (here / "bin" / arch).mkdir(parents=True)
        program = Elf(machine=machine, sections=[(".go.buildinfo", 1, go_build(MODULES))]).build()
        (here / "bin" / arch / "app").write_bytes(program)
        (here / "bin" / arch / "app").chmod(0o755)
    status = b"Package: bash\nStatus: install ok installed\nVersion: 5.2\nArchitecture: amd64\n"
    ward = Ward(LayoutStore(here / "base", create=True))
    layer = tar(member("var/lib/dpkg/status", status), member("etc/os-release", b"ID=debian\nVERSION_ID=12\n"))
    ward.index(ward.image("linux/amd64", layers=[layer]), ward.image("linux/arm64", layers=[layer]))
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def build(run, folder):
    """`build("oci:out:1", …)`: the programs over the base, with SBOM and provenance."""

    def call(place, *flags, attest=("--sbom", "--provenance"), platform="linux/amd64,linux/arm64"):
        where = ("-o", place) if place.startswith("oci") else ("-t", place, "--push")
        words = ("--toolchain", "prebuilt", "--copy", "bin/{arch}/app:/bin/", "--base", "oci:base:1")
        return run("build", ".", *words, "--platform", platform, *where, *attest, *flags)

    return call


def statement(run, place, kind, platform="linux/arm64"):
    done = run("inspect", place, f"--{kind}", "--platform", platform)
    assert 0 == done.exit_code, done.stderr
    return json.loads(done.stdout)


def test_in_the_index_as_buildkit_has_it(run, build, folder):
    done = build("oci:out:1")

    assert 0 == done.exit_code, done.stderr
    store = LayoutStore(folder / "out")
    root = view(store.get_manifest("1"))
    images, attestations = root.entries[:2], root.entries[2:]
    assert [str(image.digest) for image in images] == [one.attested for one in attestations]
    names = {one["name"] for one in statement(run, "oci:out:1", "sbom")["packages"]}
    assert {"bash", "example.com/app", "example.com/b"} <= names
    assert 0 == run("check", "oci:out:1").exit_code
    assert ["sbom, provenance"] * 2 == [
        line.rpartition("  ")[2].strip()
        for line in run("inspect", "oci:out:1").stdout.splitlines()
        if "linux/" in line
    ]


def test_files_of_ours_are_listed_with_their_step(run, build):
    build("oci:out:1")

    files = statement(run, "oci:out:1", "sbom")["files"]

    assert ["./bin/app"] == [one["fileName"] for one in files]
    assert "packed by ocitool: " in files[0]["comment"]


@pytest.mark.parametrize("form", ["spdx", "cyclonedx"])
def test_files_of_a_dockerfile_are_listed_with_their_sources(run, folder, form):
    (folder / "src/deep").mkdir(parents=True)
    (folder / "src/deep/a").write_text("a")
    (folder / "src/Cargo.lock").write_text("version = 3\n")
    (folder / "more").mkdir()
    (folder / "more/b").write_text("b")
    (folder / "arch.tar").write_bytes(tar(member("in/side", b"c")))
    with serve_files() as web:
        url = web.put("/file.txt", b"u")
        (folder / "Dockerfile").write_text(
            "FROM bb AS one\nCOPY src /made\nFROM bb\nARG T\n"
            "COPY src /app/\nCOPY --from=one /made/deep/a /var/lib/dpkg/status /staged/\nCOPY --from=more b /\n"
            f"ADD {url} /web/\nADD arch.tar /\nCOPY <<E /here/\ntext\nE\nCOPY src/deep/a /app/deep/\n"
        )
        contexts = ("--build-context", "bb=oci-layout://base:1", "--build-context", "more=more")

        done = run("build", ".", "--platform", "linux/amd64", "-o", "oci:out:1", f"--sbom={form}", *contexts)

    assert 0 == done.exit_code, done.stderr
    tree = statement(run, "oci:out:1", "sbom", "linux/amd64")
    if form == "spdx":
        told = {one["fileName"][2:]: one["comment"].partition("; from ")[::2] for one in tree["files"]}
    else:
        files = [one for one in tree["components"] if one["type"] == "file"]
        told = {one["name"][1:]: [each["value"] for each in one["properties"]] for one in files}
    steps, sources = ({path: pair[number] for path, pair in told.items()} for number in (0, 1))
    assert {
        "app/deep/a": "context:src/deep/a",
        "app/Cargo.lock": "context:src/Cargo.lock",
        "staged/a": "stage one:made/deep/a",
        "staged/status": "stage one:var/lib/dpkg/status",
        "b": "context more:b",
        "web/file.txt": url,
        "in/side": "context:arch.tar",
        "here/E": "Dockerfile",
    } == sources
    assert steps["b"].endswith("COPY --from=more b /")
    assert steps["app/deep/a"].endswith("COPY src/deep/a /app/deep/")


def test_provenance_names_the_base_by_digest_and_no_secret(run, build, folder):
    done = build("oci:out:1", "--env", f"TOKEN={SECRET}", "--label", "a=b", "--json")

    text = json.dumps(statement(run, "oci:out:1", "provenance"))
    tree = json.loads(text)["buildDefinition"]
    base = view(LayoutStore(folder / "base").get_manifest("1")).entries[1].digest
    assert base.hex in [one["digest"].get("sha256") for one in tree["resolvedDependencies"]]
    assert ["TOKEN"] == tree["externalParameters"]["env"]
    assert ["bin/{arch}/app:/bin/"] == tree["externalParameters"]["copy"]
    assert SECRET not in text
    assert SECRET not in done.stdout + done.stderr


def test_build_arguments_are_named_and_their_values_are_not_told(run, folder):
    (folder / "Dockerfile").write_text("FROM scratch\nARG TOKEN\nCOPY bin/amd64/app /app\n")

    words = ("--platform", "linux/amd64", "-o", "oci:out:1", "--provenance", "--build-arg", f"TOKEN={SECRET}")
    done = run("build", ".", *words)

    assert 0 == done.exit_code, done.stderr
    tree = statement(run, "oci:out:1", "provenance", "linux/amd64")
    assert ["TOKEN"] == tree["buildDefinition"]["externalParameters"]["buildArgs"]
    assert SECRET not in json.dumps(tree)


def test_a_dockerfiles_images_are_its_materials(run, folder):
    context = ("--build-context", "bb=oci-layout://base:1")
    (folder / "Dockerfile").write_text(
        "FROM bb AS one\nFROM scratch\nCOPY --from=one /etc /etc\nCOPY --from=bb /var /var\n"
    )

    done = run("build", ".", "--platform", "linux/amd64", "-o", "oci:out:1", "--provenance", *context)

    assert 0 == done.exit_code, done.stderr
    materials = statement(run, "oci:out:1", "provenance", "linux/amd64")["buildDefinition"]["resolvedDependencies"]
    base = view(LayoutStore(folder / "base").get_manifest("1")).entries[0].digest
    assert [base.hex] == [one["digest"]["sha256"] for one in materials if one["name"] == "base"]


def test_a_dockerfile_and_what_it_downloads_are_materials(run, folder):
    with serve_files() as web:
        known, other = web.put("/known.txt", b"1"), web.put("/other.txt", b"2")
        (folder / "Dockerfile").write_text(
            f"FROM scratch\nARG NAME=known\nADD {web.url}/${{NAME}}.txt /\nADD {other}?key=abc /\n"
        )
        words = ("--platform", "linux/amd64,linux/arm64", "--provenance")

        plain = run("build", ".", *words, "-o", "oci:out:1")
        told = materials(run, "oci:out:1")
        web.put(f"/{SECRET}.txt", b"3")
        secret = run("build", ".", *words, "-o", "oci:out:2", "--build-arg", f"NAME={SECRET}")
        hidden = materials(run, "oci:out:2")

    assert (0, 0) == (plain.exit_code, secret.exit_code), secret.stderr
    text = (folder / "Dockerfile").read_bytes()
    assert {"name": "Dockerfile", "digest": {"sha256": Digest.of(text).hex}} in told
    assert {"name": "download", "uri": known, "digest": {"sha256": Digest.of(b"1").hex}} in told
    assert Digest.of(b"2").hex in [one["digest"]["sha256"] for one in told]
    assert "abc" not in json.dumps(told)
    assert f"{web.url}/${{NAME}}.txt" in [one.get("uri") for one in hidden]
    assert Digest.of(b"3").hex in [one["digest"]["sha256"] for one in hidden]
    assert SECRET not in json.dumps(hidden)


def materials(run, place, platform="linux/arm64"):
    return statement(run, place, "provenance", platform)["buildDefinition"]["resolvedDependencies"]


def test_checkouts_that_are_named_are_materials(run, peer, folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("1")
    git = (peer("git"), "-c", "user.name=a", "-c", "user.email=a@b.test", "-C", other)
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "1"), ("remote", "add", "origin", ORIGIN)):
        subprocess.run((*git, *words), check=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY --from=more file /\n")

    words = ("--platform", "linux/amd64", "-o", "oci:out:1", "--provenance", "--build-context", f"more={other}")
    done = run("build", ".", *words)

    assert 0 == done.exit_code, done.stderr
    commit = subprocess.run((*git, "rev-parse", "HEAD"), check=True, capture_output=True, text=True).stdout.strip()
    assert {
        "name": "context more",
        "uri": "git+https://git.example/more",
        "digest": {"gitCommit": commit},
    } in materials(run, "oci:out:1", "linux/amd64")


@pytest.mark.parametrize("referrers", [True, False], ids=["referrers API", "fallback tag"])
def test_as_referrers_before_the_tag(run, build, referrers):
    with fake_registry(referrers=referrers) as registry:
        name = f"{registry.host}/app:1"

        done = build(name, "--attest-form", "referrers")

        assert 0 == done.exit_code, done.stderr
        puts = [one.path.rpartition("/")[2] for one in registry.asked("PUT", "/v2/app/manifests/*")]
        digests = [
            digest
            for (_, digest), (_, raw) in registry.manifests.items()
            if b"in-toto" in raw and b"subject" in raw
        ]
        assert 4 == len(digests)
        assert max(puts.index(digest) for digest in digests) < puts.index("1")
        assert 2 == len(view_of(registry, "1")["manifests"])
        assert "bash" in {one["name"] for one in statement(run, name, "sbom")["packages"]}
        assert "urn:ocitool:build:v1" == statement(run, name, "provenance")["buildDefinition"]["buildType"]


def view_of(registry, tag):
    return json.loads(registry.manifests["app", registry.tags["app", tag]][1])


def test_one_platform_gets_an_index_for_it(run, build, folder):
    done = build("oci:out:1", "--sbom=cyclonedx", attest=(), platform="linux/arm64")

    assert 0 == done.exit_code, done.stderr
    assert 2 == len(view(LayoutStore(folder / "out").get_manifest("1")).entries)
    assert "CycloneDX" == statement(run, "oci:out:1", "sbom")["bomFormat"]


def test_the_same_build_says_the_same(build, folder):
    build("oci:one:1")
    build("oci:two:1")

    one, two = (LayoutStore(folder / name).head("1").digest for name in ("one", "two"))
    assert one == two


def test_what_is_kept_here_is_pushed_with_its_attestations(run, folder):
    with fake_registry() as registry:
        name = f"{registry.host}/app:1"
        words = ("--toolchain", "prebuilt", "--copy", "bin/{arch}/app:/bin/", "--platform", "linux/amd64")
        run("build", ".", *words, "-t", name, "--sbom")

        done = run("push", name)

        assert 0 == done.exit_code, done.stderr
        assert "example.com/app" in {one["name"] for one in statement(run, name, "sbom", "linux/amd64")["packages"]}


@pytest.mark.parametrize(
    ("flags", "code", "hint"),
    [
        (("--format", "docker"), 2, "--attest-form referrers"),
        (("--attest-form", "referrers", "--load"), 2, "--attest-form index"),
        (("--sbom=generator=x",), 9, "leave generator= out"),
    ],
)
def test_what_does_not_go_together_is_told_with_a_way_out(build, folder, flags, code, hint):
    done = build("oci:out:1", *flags)

    assert code == done.exit_code
    assert hint in done.stderr
    assert not (folder / "out").exists()


def test_an_image_without_any_is_told(run, folder):
    done = run("inspect", "oci:base:1", "--provenance", "--platform", "linux/amd64")

    assert 3 == done.exit_code
    assert "ocitool build --provenance attaches one" in done.stderr


def test_one_statement_is_printed_at_a_time(run, folder):
    assert 2 == run("inspect", "oci:base:1", "--provenance", "--sbom").exit_code
    assert 2 == run("inspect", "oci:base:1", "--sbom", "--platform", "linux/amd64,linux/arm64").exit_code


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("referrers", "has no place for attestations beside an image"),
        ("index", "holds one image, and an index is built"),
    ],
)
def test_an_archive_for_docker_has_no_place_for_attestations(build, folder, form, said):
    words = ("--attest-form", form, "-o", "docker-archive:out.tar:app:1")

    done = build("oci:out:1", *words, platform="linux/amd64")

    assert (9, True) == (done.exit_code, said in done.stderr), done.stderr
    assert [] == [name for name in ("out", "out.tar") if (folder / name).exists()]
