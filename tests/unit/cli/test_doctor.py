"""`ocitool doctor`: what to install, in few lines."""

from ocitool.cli.cmd.doctor import _install_lines


def test_targets_of_rustup_are_one_line_behind_what_else_is_missing():
    hints = ["rustup target add a-linux-musl", "pip install zig", "rustup target add b-linux-musl"]

    assert ["pip install zig", "rustup target add a-linux-musl b-linux-musl"] == list(_install_lines(hints))
    assert ["pip install zig"] == list(_install_lines(["pip install zig"]))
