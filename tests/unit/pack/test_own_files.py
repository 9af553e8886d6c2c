"""`ocitool.pack.own_files`: what is told of files of ours that are met in a context."""

from pathlib import Path

from ocitool.pack.own_files import _TOLD, OwnFiles


def test_each_file_is_told_once_and_of_many_the_rest_in_a_line():
    told = []
    own = OwnFiles(listener=told.append)

    for number in (*range(_TOLD + 3), 0):
        own.tell(f"dir/file-{number}")

    assert [
        f"note: dir/file-{number} is left out of the image, for ocitool wrote it" for number in range(_TOLD)
    ] == [one.text for one in told[:-1]]
    assert "note: more files that ocitool wrote are left out of the image" == told[-1].text


def test_a_key_is_told_as_one_and_what_becomes_an_output_is_not():
    told = []
    own = OwnFiles([Path("out.tar")], listener=told.append, secrets=[Path("keys/a.key")])

    own.tell("ctx/a.key")
    own.tell("ctx/.out.tar.ocitool-01234567")

    assert ["note: ctx/a.key is left out of the image, for it is signed with that"] == [one.text for one in told]
