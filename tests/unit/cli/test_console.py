import io
import re

import pytest

from ocitool.cli.console import Console, table
from ocitool.events import Advanced, Done, Noted, Started, Working


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def terminal_of(monkeypatch):
    drawn = io.StringIO()
    drawn.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", drawn)
    monkeypatch.setenv("COLUMNS", "160")
    return drawn


def upload(console: Console, clock: Clock, minutes: int) -> None:
    """A blob of 60 MB a minute, a piece each second."""
    console.hear(Started("b", "blob sha256:abc", minutes * 60_000_000))
    for _ in range(minutes * 60):
        clock.now += 1
        console.hear(Advanced("b", 1_000_000))
    console.hear(Done("b", "stored", minutes * 60_000_000))


def test_a_long_step_says_every_30_seconds_how_far_it_is(capsys):
    """K178: CI services end jobs that are silent."""
    clock = Clock()

    upload(Console(clock=clock), clock, 5)

    lines = capsys.readouterr().err.splitlines()
    assert 11 == len(lines)
    assert "blob sha256:abc: 30.0 MB of 300 MB" == lines[0]
    assert "blob sha256:abc: stored 300 MB" == lines[-1]


@pytest.mark.parametrize(("total", "lines"), [(1000, 9), (250, 2), (50, 0), (20_000, 9)])
def test_a_step_that_counts_tells_each_tenth_and_not_each_one(capsys, total, lines):
    """K178: a line for every tag would drown a log."""
    console = Console(clock=Clock())

    console.hear(Started("r", "registry.example/app", total, "tags"))
    for _ in range(total):
        console.hear(Advanced("r", 1))
    console.hear(Done("r", "looked at"))

    *told, last = capsys.readouterr().err.splitlines()
    step = max(100, total // 10)
    assert [f"registry.example/app: {n * step} of {total} tags" for n in range(1, lines + 1)] == told
    assert f"registry.example/app: looked at {total} tags" == last


def test_a_step_that_counts_slowly_tells_as_often_as_any(capsys):
    """K178."""
    clock = Clock()
    console = Console(clock=clock)

    console.hear(Started("r", "app", 5, "tags"))
    for _ in range(4):
        clock.now += 20
        console.hear(Advanced("r", 1))

    assert ["app: 2 of 5 tags", "app: 4 of 5 tags"] == capsys.readouterr().err.splitlines()


def compile_for(console: Console, clock: Clock, seconds: int, text: str) -> None:
    """A compile that lives that long and is heard of every second."""
    console.hear(Started("c", "compile app for linux/arm64"))
    for _ in range(seconds):
        clock.now += 1
        console.hear(Working("c", text))


@pytest.mark.parametrize(("text", "shown"), [("[ 43%] Building a.c", "[ 43%] Building a.c"), ("", "at work")])
def test_a_long_compile_says_every_30_seconds_its_last_line(capsys, text, shown):
    """K178."""
    clock = Clock()

    compile_for(Console(clock=clock), clock, 65, text)

    assert [f"compile app for linux/arm64: {shown}"] * 2 == capsys.readouterr().err.splitlines()


def test_the_row_of_a_compile_shows_its_last_line_as_it_is(monkeypatch):
    terminal = terminal_of(monkeypatch)
    clock = Clock()
    console = Console(clock=clock)

    compile_for(console, clock, 1, "[/red] 43% main.c\x1b[2J")
    console._drawn._progress.refresh()
    console.finish()

    assert "[/red] 43% main.c" in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()


def test_a_quiet_console_says_nothing_of_steps(capsys):
    """K178: switchable."""
    clock = Clock()

    upload(Console(quiet=True, clock=clock), clock, 5)

    assert "" == capsys.readouterr().err


def test_a_terminal_has_a_display_unless_it_shall_be_quiet(monkeypatch):
    terminal = terminal_of(monkeypatch)
    clock = Clock()

    upload(Console(quiet=True, clock=clock), clock, 5)
    quiet = terminal.getvalue()
    shown = Console(clock=clock)
    upload(shown, clock, 5)
    shown.finish()

    assert "" == quiet
    assert "30.0 MB of 300 MB" not in terminal.getvalue()  # the bar says so, not a line every 30 seconds


def test_what_was_there_already_is_told_with_verbose_alone(capsys):
    for console in (Console(), Console(verbose=True)):
        console.hear(Started("b", "blob", 5))
        console.hear(Done("b", "existed", 5))

    assert "blob: existed 5 B\n" == capsys.readouterr().err


def test_a_warning_is_told_once_and_kept_for_json(capsys):
    console = Console()
    for _ in range(2):
        console.hear(Noted("the base is old"))

    assert "warning: the base is old\n" == capsys.readouterr().err
    assert ["the base is old"] == console.warnings


def test_what_is_only_good_to_know_is_told_with_verbose_alone(capsys):
    for console in (Console(), Console(verbose=True)):
        console.hear(Noted("the base is cached", "info"))

    assert "the base is cached\n" == capsys.readouterr().err


def test_what_is_told_before_the_first_step_is_a_plain_line_on_a_terminal(monkeypatch):
    terminal = terminal_of(monkeypatch)
    Console().talk("[b]words[/b] of " + 200 * "x")

    assert "[b]words[/b] of " + 200 * "x" + "\n" == terminal.getvalue()


def test_steps_that_nobody_saw_begin_and_steps_after_the_end_draw_nothing(monkeypatch):
    terminal = terminal_of(monkeypatch)
    console = Console()
    for event in (Advanced("b", 1), Working("b", "at it")):
        console.hear(event)
    assert "" == terminal.getvalue()

    console.hear(Started("b", "blob", 10))
    console.finish()
    drawn = len(terminal.getvalue())
    for event in (Advanced("b", 1), Working("b", "at it")):
        console.hear(event)
    console.finish()

    assert 0 < drawn == len(terminal.getvalue())


def test_text_of_others_cannot_move_the_cursor(capsys):
    Console().hear(Noted("\x1b[2Jgone\r\nnew line"))

    assert "\x1b" not in (err := capsys.readouterr().err)
    assert 1 == err.count("\n")


@pytest.mark.parametrize(("name", "right"), [("127.0.0.1:5000/app:1", False), ("1.10", False), ("7", True)])
def test_a_name_that_begins_with_a_digit_is_no_number(name, right):
    _, first, _ = table(("WHAT THERE IS IN THE STORE",), [(name,), ("9" if right else "9.9",)]).split("\n")

    assert right == first.startswith(" ")


def test_tables_align_and_put_numbers_to_the_right():
    assert "NAME  SIZE\na        5\nlong    10" == table(("NAME", "SIZE"), [("a", "5"), ("long", "10")])


def shown_on(monkeypatch, *events):
    """What a terminal shows after events that are a second apart."""
    drawn, clock = terminal_of(monkeypatch), Clock()
    console = Console(clock=clock)
    for event in events:
        clock.now += 1
        console.hear(event)
    console._drawn._progress.refresh()
    console.finish()
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", drawn.getvalue())


def test_an_upload_has_its_rate_and_the_time_that_is_left(monkeypatch):
    pieces = [Advanced("b", 1_000_000)] * 5

    seen = shown_on(monkeypatch, Started("b", "blob sha256:abc", 60_000_000), *pieces)

    assert "1.0 MB/s" in seen
    assert "0:00:55 left" in seen


def test_a_compile_says_no_amount_and_no_rate(monkeypatch):
    """What a compiler has left to do nobody knows."""
    seen = shown_on(monkeypatch, Started("c", "compile app for linux/arm64", 0), Working("c", "linking"))

    assert "compile app for linux/arm64" in seen
    assert "?" not in seen
    assert "/s" not in seen
    assert "left" not in seen


def test_a_step_that_counts_says_how_many_are_left_and_no_bytes(monkeypatch):
    seen = shown_on(monkeypatch, Started("t", "tags", 100, unit="tags"), *[Advanced("t", 10)] * 3)

    assert "30/100 tags" in seen
    assert "B/s" not in seen
    assert "0:00:07 left" in seen
