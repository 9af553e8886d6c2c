"""docker's words in ours, for a link `docker`."""

import pytest

from ocitool.cli.docker_link import ocitool_words
from ocitool.errors import Unsupported


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        ("build -t a .", "buildx build -t a ."),
        ("image build .", "buildx build ."),
        ("buildx imagetools inspect a", "buildx imagetools inspect a"),
        ("-D buildx bake", "buildx bake"),
        ("--context x --host=h push a:1", "push a:1"),
        ("tag a b", "tag --kept a b"),
        ("image ls", "images"),
        ("login -u me host", "login -u me host"),
        ("manifest create a b", "manifest create a b"),
        ("run --privileged tonistiigi/binfmt", "run --privileged tonistiigi/binfmt"),
        ("--version", "buildx version"),
        ("info", "buildx inspect"),
        ("system prune -f", "buildx prune -f"),
    ],
)
def test_words_have_a_meaning(words, ours):
    assert (ours.split(), {}) == ocitool_words(words.split())


def test_the_folder_of_credentials_is_dockers():
    assert (["push", "a"], {"DOCKER_CONFIG": "/c"}) == ocitool_words(["--config", "/c", "push", "a"])


@pytest.mark.parametrize("words", ["ps", "pull a", "container ls", "image rm a", "compose up", "exec x sh"])
def test_what_needs_an_engine_says_what_to_do(words):
    with pytest.raises(Unsupported) as caught:
        ocitool_words(words.split())

    assert caught.value.hint
