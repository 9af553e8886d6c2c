"""K201, K202: files that steer a build and are links, read as if the folder were the root."""

import pytest

from tests.fakes.built import built

COPIES = "FROM scratch\nCOPY . /\n"


@pytest.fixture
def project(home, run, monkeypatch):
    """`project(*flags)`: a build of the folder p, which has a file `secret` and a file `open`, into oci:img:1."""
    folder = home / "p"
    (folder / "sub").mkdir(parents=True)
    (folder / "secret").write_text("s")
    (folder / "open").write_text("o")
    (folder / "sub" / "ign").write_text("secret\nsub\n")
    (folder / "sub" / "remote.df").write_text(COPIES)
    monkeypatch.chdir(home)
    return lambda *flags, path="p": run("build", path, "-o", "oci:img:1", *flags)


@pytest.mark.parametrize("target", ["/sub/ign", "sub/ign", "../../../sub/ign", "/sub/../sub/other"])
@pytest.mark.parametrize("name", [".dockerignore", "Dockerfile.dockerignore"])
def test_k201_an_ignore_file_that_is_a_link(home, project, name, target):
    (home / "p" / "Dockerfile").write_text(COPIES)
    (home / "p" / "sub" / "other").symlink_to("/sub/ign")
    (home / "p" / name).symlink_to(target)

    image = built(home, project())

    assert "secret" not in image.files()
    assert "open" in image.files()


@pytest.mark.parametrize("name", [".dockerignore", "Dockerfile.dockerignore", "Dockerfile", "ocitool.toml"])
@pytest.mark.parametrize(
    ("target", "code", "words"),
    [("/none", 3, "is a link to /none, which leads to nothing in p"), (None, 2, "circle")],
)
def test_k201_what_cannot_be_read_is_an_error(home, project, name, target, code, words):
    (home / "p" / "Dockerfile").write_text(COPIES)
    (home / "p" / name).unlink(missing_ok=True)
    (home / "p" / name).symlink_to(target or f"/{name}")

    outcome = project()

    assert code == outcome.exit_code
    assert f"p/{name}" in outcome.stderr
    assert words in outcome.stderr
    assert not (home / "img").exists()


@pytest.mark.parametrize("flags", [(), ("-f", "Dockerfile"), ("-f", "p/Dockerfile")])
@pytest.mark.parametrize("name", ["Dockerfile", "dockerfile", "Containerfile"])
def test_k202_a_dockerfile_that_is_an_absolute_link(home, project, name, flags):
    (home / "p" / name).symlink_to("/sub/remote.df")
    flags = tuple(word.replace("Dockerfile", name) for word in flags)

    assert b"o" == built(home, project(*flags)).data("open")


def test_k202_a_folder_on_the_way_may_be_a_link(home, project):
    (home / "p" / "to").symlink_to("/sub")

    assert b"o" == built(home, project("-f", "to/remote.df")).data("open")


def test_a_link_out_of_the_folder_is_what_the_system_says(home, project):
    (home / "elsewhere").write_text(COPIES)
    (home / "p" / "Dockerfile").symlink_to("../elsewhere")

    assert b"o" == built(home, project()).data("open")


def test_k201_a_spec_that_is_a_link(home, project):
    (home / "p" / "sub" / "spec").write_text('toolchain = "prebuilt"\nfiles = ["open:/o"]\n')
    (home / "p" / "ocitool.toml").symlink_to("/sub/spec")

    assert b"o" == built(home, project()).data("o")
    assert b"o" == built(home, project("--spec", "p/ocitool.toml")).data("o")


def test_k244_a_containerfile_is_found_after_a_dockerfile(home, project):
    (home / "p" / "Containerfile").write_text("FROM scratch\nCOPY open /c\n")

    assert b"o" == built(home, project()).data("c")
    (home / "p" / "Dockerfile").write_text("FROM scratch\nCOPY open /d\n")
    assert ["d"] == list(built(home, project()).files())


def test_k244_what_is_offered_can_be_built(home, project):
    (home / "p" / "sub" / "x").write_text("")

    outcome = project(path="p/sub")

    assert 2 == outcome.exit_code
    assert "it needs one of ocitool.toml, Dockerfile, Containerfile, go.mod, " in outcome.stderr
    assert "pom.xml" not in outcome.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('platform = ["linux/amd64"]', "platform must be a table, not a list\nhint: did you mean platforms?"),
        (
            'platforms = { "linux/amd64" = {} }',
            "platforms must be a list, not a table\nhint: did you mean platform?",
        ),
        ("platform = 5", "platform must be a table, not a number"),
    ],
)
def test_k244_a_key_whose_neighbour_is_meant(home, project, text, words):
    (home / "p" / "ocitool.toml").write_text(f"{text}\n")

    outcome = project()

    assert 2 == outcome.exit_code
    assert words in outcome.stderr


def test_k209_an_image_without_a_layer_is_told(home, project):
    """K209."""
    (home / "p" / "Dockerfile").write_text('FROM scratch\nENV A=b\nCMD ["/x"]\n')

    outcome = project("--platform", "linux/amd64,linux/arm64")

    assert [] == list(built(home, outcome).manifest.layers)
    assert "note: linux/amd64: the image has no layer: there is no file in it" in outcome.stderr
    assert "linux/arm64: the image has no layer" in outcome.stderr
