"""`ocitool.image.options`: the variables of a config, whatever stands in the list."""

from ocitool.image.options import EnvList


def test_what_is_no_variable_stays_where_it_is():
    env = EnvList(["A=1", 5, "B=2", "A=3", None])

    env.set("A", "4")
    env.set("C", "5")

    assert [5, None] == [item for item in env.items if not isinstance(item, str)]
    assert "A=4" == env.items[0]
    assert "C=5" == env.items[-1]
