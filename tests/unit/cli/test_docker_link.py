"""docker's words in ours, for a link `docker`."""

import pytest

from ocitool.cli.docker_link import help_text, ocitool_words
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
        ("help build", "buildx build --help"),
    ],
)
def test_words_have_a_meaning(words, ours):
    assert (ours.split(), {}) == ocitool_words(words.split())


def test_the_folder_of_credentials_is_dockers():
    assert (["push", "a"], {"DOCKER_CONFIG": "/c"}) == ocitool_words(["--config", "/c", "push", "a"])


@pytest.mark.parametrize("words", ["", "help", "--help", "-h", "-D"])
def test_who_asks_for_help_gets_the_words_that_have_a_meaning(words):
    assert ([], {}) == ocitool_words(words.split())
    assert "image build" in help_text()


@pytest.mark.parametrize(("words", "meant"), [("biuld .", "build"), ("imges", "images"), ("pushh a", "push")])
def test_a_slip_of_the_pen_is_not_told_to_install_docker(words, meant):
    with pytest.raises(Unsupported) as caught:
        ocitool_words(words.split())

    assert f"did you mean {meant}?" == caught.value.hint


@pytest.mark.parametrize("words", ["images -q", "image ls -aq"])
def test_ids_for_a_script_are_not_answered_by_a_table(words):
    with pytest.raises(Unsupported, match="ids"):
        ocitool_words(words.split())


@pytest.mark.parametrize(
    "words", ["plugin ls", "ps", "pull a", "container ls", "image rm a", "compose up", "exec x sh"]
)
def test_what_needs_an_engine_says_what_to_do(words):
    with pytest.raises(Unsupported) as caught:
        ocitool_words(words.split())

    assert caught.value.hint
    assert "did you mean" not in caught.value.hint


def test_an_image_is_removed_by_either_word():
    hints = []
    for words in (["rmi", "a"], ["image", "rm", "a"]):
        with pytest.raises(Unsupported) as caught:
            ocitool_words(words)
        hints.append(caught.value.hint)

    assert hints[0] == hints[1]
