from ocitool.executor.limits import Watch, written


def test_bytes_of_a_folder_are_those_that_a_layer_would_have(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 1_000_000)
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(5_000_000)

    assert 6_000_000 <= written(str(tmp_path)) < 7_000_000


def test_a_folder_above_the_limit_is_told_with_both_numbers(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 1_000_000)

    told = Watch(0, 0, 500_000, [str(tmp_path)]).exceeded()

    assert "500000" in told
    assert Watch(0, 0, 5_000_000, [str(tmp_path)]).exceeded() == ""


def test_what_has_no_limit_is_not_watched():
    assert not Watch(0, 0, 0, []).is_needed
    assert Watch(1, 0, 0, []).is_needed
