"""Several images in one spec: each is read as if it were described alone."""

import pytest

from ocitool.errors import UsageError
from ocitool.model.platform import Platform
from ocitool.project.images import MOST
from ocitool.project.values import Stamp, images_in, load_spec

TEXT = """\
version = "1.2"
platforms = ["linux/amd64", "linux/arm64"]
tags = ["reg.test/team/{name}:{version}"]
files = ["LICENSE:/"]

[go]
ldflags = "-s"

[config]
user = "65532"
labels = { "a" = "shared", "b" = "{name}" }

[[image]]
name = "api"
entrypoint = ["/bin/api"]
files = ["{name}.conf:/etc/"]

[image.go]
package = "./cmd/api"

[image.labels]
a = "own"

[image.platform."linux/arm64"]
base = "reg.test/base:arm"

[[image]]
name = "worker"
platforms = ["linux/amd64"]
tags = ["reg.test/worker:v1"]
user = "0"

[[image.program]]
name = "work"
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str):
        path = tmp_path / "ocitool.toml"
        path.write_text(text)
        return path

    return write


def read(path, image):
    return load_spec(path, Stamp, image=image)


def test_an_image_has_what_stands_outside_and_what_it_says(written):
    spec = read(written(TEXT), "api")

    assert ("reg.test/team/api:1.2",) == spec.tags
    assert ("LICENSE:/", "api.conf:/etc/") == spec.common.files
    assert ("./cmd/api", "-s") == (spec.common.package, spec.common.go.ldflags)
    image = spec.common.image
    assert ("65532", ("/bin/api",)) == (image.user, image.entrypoint)
    assert {"a": "own", "b": "api"} == dict(image.labels)
    assert "reg.test/base:arm" == spec.part(Platform.parse("linux/arm64")).base


def test_an_image_takes_nothing_of_another(written):
    spec = read(written(TEXT), "worker")

    assert (("reg.test/worker:v1",), "0", "") == (spec.tags, spec.common.image.user, spec.common.package)
    assert ["work"] == [program.program.name for program in spec.common.programs]
    assert ((), ("LICENSE:/",), None) == (spec.differences, spec.common.files, spec.common.image.entrypoint)


def test_names_come_in_the_order_of_the_file(written):
    path = written(TEXT)

    assert ("api", "worker") == images_in(path) == images_in(path, ("worker", "api"))
    assert ("worker",) == images_in(path, ("worker",))
    assert () == images_in(written("[image]\nuser = '1'"))


@pytest.mark.parametrize(
    ("text", "image", "said", "hint"),
    [
        (TEXT, "", "describes 2 images: api, worker", "--image api"),
        (TEXT, "wroker", "no image wroker", "did you mean worker"),
        ("name = 'x'", "api", "no image api", "leave --image out"),
        ("[config]\nuser = '1'", "", "line 1: config is what several images share", r"\[image\]"),
        ("[[image]]\nname = 'a'\n[[image]]\nname = 'a'", "", r"line 4: image\[1\].name is a", ""),
        ("[[image]]\nuser = 'a'", "", r"line 1: image\[0\] needs name", ""),
        ("tags = ['{name} x']\n[[image]]\nname = 'a'", "a", r"line 1: tags\[0\]", ""),
        ("[[image]]\nname = 'a'\n\ntags = ['B A D']", "a", r"line 4: tags\[0\]", ""),
        (
            "platforms = ['linux/amd64']\n[[image]]\nname = 'a'\n[image.platform.'linux/arm64']",
            "a",
            "line 4",
            "add",
        ),
        ("[image]\nuser = '1'\n[[image]]\nname = 'a'", "", "cannot overwrite a value", r"stands in \[config\]"),
        ("[[image]]\nname = 'a'\n[image]\nuser = '1'", "", "image", r"stands in \[config\]"),
        (
            "".join(f"[[image]]\nname = 'i{n}'\n" for n in range(MOST + 1)),
            "",
            f"line {2 * MOST + 1}",
            "another file",
        ),
        ("[[image]]\nname = 'a'\nimage = 'x'", "a", r"line 3: image\[0\].image unknown key", ""),
    ],
)
def test_what_is_refused_names_its_line(written, text, image, said, hint):
    with pytest.raises(UsageError, match=said) as caught:
        read(written(text), image)

    assert hint.replace("\\", "") in caught.value.hint
