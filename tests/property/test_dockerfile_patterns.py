"""Patterns, .dockerignore and COPY against plain models, which know a path only as text and try everything.

A model keeps the set of places in a path that a pattern can have reached, token after token; it has neither
regular expressions nor knowledge of what our code does. testdata/patterns holds what Go's own code answers.
"""

import posixpath
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocitool.dockerfile.context import Context
from ocitool.dockerfile.copy import matches
from ocitool.dockerfile.syntax.ignore import IgnoreRules
from ocitool.errors import UsageError
from ocitool.model.files import FileKind
from ocitool.model.path_pattern import deep_glob, glob
from ocitool.pack.entries import Entry
from ocitool.rootfs.files import Layered
from tests.amounts import amount
from tests.fakes.effort import effort

pytestmark = pytest.mark.property

_PATHS = st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)
_ATOMS = st.sampled_from(
    ["*", "?", "a", "b", ".", "/", "[ab]", "[^a]", "[a-b]", "\\b", "\\*", "**", "**/", "/**", "a/", "[[]"]
)
_PATTERNS = st.lists(_ATOMS, min_size=1, max_size=5).map("".join)


class Malformed(Exception):  # noqa: N818 - the model's own answer
    """No pattern by the grammar of filepath.Match."""


def tokens(pattern, *, deep):
    """What a pattern is made of: ("text", x), ("class", a function), ("one",), ("some",), ("folders",), ("all",)."""
    found, rest = [], pattern
    while rest:
        head, rest = rest[0], rest[1:]
        if head == "*" and deep and rest.startswith("*"):
            rest = rest[1:].removeprefix("/")
            found.append(("folders",) if rest else ("all",))
        elif head == "*":
            found.append(("some",))
        elif head == "?":
            found.append(("one",))
        elif head == "[":
            member, rest = members(rest)
            found.append(("class", member))
        elif head == "\\":
            if not rest:
                raise Malformed
            found.append(("text", rest[0]))
            rest = rest[1:]
        else:
            found.append(("text", head))
    return found


def members(rest):
    """The class that begins here, as a function of a character, and what follows it."""
    negated, rest = rest.startswith("^"), rest.removeprefix("^")
    ranges = []
    while not (ranges and rest.startswith("]")):
        low, rest = member(rest)
        high = low
        if rest.startswith("-"):
            high, rest = member(rest[1:])
        ranges.append((low, high))
    return (lambda mark: any(low <= mark <= high for low, high in ranges) is not negated), rest[1:]


def member(rest):
    if not rest or rest[0] in "-]":
        raise Malformed
    if rest[0] == "\\":
        if len(rest) == 1:
            raise Malformed
        return rest[1], rest[2:]
    return rest[0], rest[1:]


def reached(token, path, at):
    """The places in a path where a token that begins at `at` can end."""
    after = path[at:]
    match token:
        case ("all",):
            return set(range(at, len(path) + 1))
        case ("folders",):
            return {at, *(n + 1 for n in range(at, len(path)) if path[n] == "/")}
        case ("some",):
            return {at + n for n in range(len(after) + 1) if "/" not in after[:n]}
        case ("one",):
            return {at + 1} if after and after[0] != "/" else set()
        case ("class", fits):
            return {at + 1} if after and fits(after[0]) else set()
        case ("text", mark):
            return {at + 1} if after.startswith(mark) else set()
    raise AssertionError(token)


def model(pattern, path, *, deep=False):
    """Whether they match. Raises Malformed."""
    places = {0}
    for token in tokens(pattern, deep=deep):
        places = {end for at in places for end in reached(token, path, at)}
    plain = pattern.removeprefix("**")
    if deep and plain != pattern and not set(plain) & set("*?[]\\"):
        return path.endswith(plain) or path == plain.removeprefix("/")
    return len(path) in places


def answer(function, *arguments):
    try:
        return function(*arguments)
    except (Malformed, UsageError):
        return "malformed"


@settings(max_examples=amount(100, 10_000))
@given(_PATTERNS, _PATHS)
def test_globs_match_as_the_model_does(pattern, path):
    assert model(pattern, path) is glob(pattern)(path)
    assert model(pattern, path, deep=True) is deep_glob(pattern)(path)


@settings(max_examples=amount(100, 10_000))
@given(
    st.lists(_ATOMS, min_size=1, max_size=40).map("".join), st.text("ab/", min_size=1, max_size=200), st.booleans()
)
def test_k204_each_character_is_one_step_whatever_the_pattern_is(pattern, path, is_deep):
    """K204: and the answer is the model's, which keeps all places that can be reached."""
    matches_it = (deep_glob if is_deep else glob)(pattern)
    matches_it(path)  # what is known of each character is known then

    assert model(pattern, path, deep=is_deep) is matches_it(path)
    assert effort(matches_it, path) < 150 + 150 * len(path)


@settings(max_examples=amount(100, 10_000))
@given(st.text("ab*?[]^-\\/", max_size=8), _PATHS)
def test_what_is_malformed_is_malformed_for_both(pattern, path):
    assert answer(lambda: model(pattern, path)) == answer(lambda: glob(pattern)(path))
    if "***" not in pattern:
        assert answer(lambda: model(pattern, path, deep=True)) == answer(lambda: deep_glob(pattern)(path))


# .dockerignore: lines as people write them, over small trees.

_NAME = st.sampled_from(["a", "b", "ab", ".a", "b.md", "#c"])
_WORDS = st.lists(
    st.one_of(_NAME, st.sampled_from(["*", "**", "?", "a*", "*.md", "[ab]", "**.md", ".", "..", "", "\\#c"])),
    min_size=1,
    max_size=4,
).map("/".join)
_LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "", "", "!", "! ", "/", "./", "!/", " ", "#", "\t"]),
        _WORDS,
        st.sampled_from(["", "", "/", "  ", "\r", "/.", "/\t"]),
    ).map("".join),
    max_size=6,
)
_TREE = st.sets(st.lists(_NAME, min_size=1, max_size=4).map(tuple), max_size=12)


def ignored_by(text, path):
    """Whether a .dockerignore keeps a path out: the last line that matches it or a directory above it decides.

    But a line counts for what is below a directory only if it changed something there when its turn came.
    """
    lines = []
    for line in text.removeprefix("\ufeff").split("\n"):
        pattern = line.strip()
        if line.startswith("#") or not pattern:
            continue
        keeps, pattern = pattern.startswith("!"), pattern.removeprefix("!").strip()
        pattern = posixpath.normpath(pattern).lstrip("/") if pattern else ""
        if keeps and not pattern:
            raise Malformed
        lines.append((keeps, pattern))
    parts, counted, ignored = path.split("/"), set(), False
    for prefix in ("/".join(parts[:n]) for n in range(1, len(parts) + 1)):
        ignored = False
        for number, (keeps, pattern) in enumerate(lines):
            if number in counted or (keeps is ignored and model(pattern, prefix, deep=True)):
                counted.add(number)
                ignored = not keeps
    return ignored


@settings(max_examples=amount(100, 10_000))
@given(_LINES, _TREE, st.booleans())
def test_the_last_line_that_matches_a_path_or_a_parent_decides(lines, tree, has_bom):
    text = ("\ufeff" if has_bom else "") + "\n".join(lines)
    paths = ["a", *map("/".join, sorted(tree))]

    assert answer(lambda: [ignored_by(text, path) for path in paths]) == answer(
        lambda: list(map(IgnoreRules.parse(text).ignores, paths))
    )


def grown(tree):
    """Path to whether it is a directory: what is given are files, but for those that have something below."""
    folders = {path[:n] for path in tree for n in range(1, len(path))}
    return {"/".join(path): path in folders for path in {*tree, *folders}}


@settings(max_examples=amount(60, 3_000))
@given(_LINES, _TREE)
def test_the_context_shows_what_is_kept_and_the_way_to_it(lines, tree):
    """K167: a directory that is kept out is there as long as something in it is kept; nothing else is."""
    text, files = "\n".join(lines), grown(tree)
    try:
        kept = {path for path in ("a", *files) if not ignored_by(text, path)} & {*files}
    except Malformed:
        return
    shown = {path for path in files if path in kept or any(one.startswith(f"{path}/") for one in kept)}

    with tempfile.TemporaryDirectory() as folder:
        for path, is_folder in sorted(files.items()):
            (Path(folder) / path).mkdir() if is_folder else (Path(folder) / path).touch()
        context = Context(Path(folder), IgnoreRules.parse(text))

        assert shown == set(walked(context, ""))
        assert shown == {path for path in files if context.kind_at(path) is not None}
        assert set(files) == {str(path.relative_to(folder)) for path in Path(folder).rglob("*")}


def walked(files, folder):
    for name in files.names(folder):
        path = f"{folder}/{name}".lstrip("/")
        yield path
        yield from walked(files, path) if files.kind_at(path) is FileKind.DIRECTORY else ()


# COPY: a pattern over a tree.


@settings(max_examples=amount(100, 10_000))
@given(
    st.lists(st.one_of(_NAME, _PATTERNS.filter(lambda text: "/" not in text)), min_size=1, max_size=3),
    st.sampled_from(["", "/", "./", "../"]),
    _TREE,
)
def test_copy_takes_the_paths_that_match_part_by_part(parts, lead, tree):
    """K164: in the order of a walk, no deeper than the pattern; `**` is a star like any other."""
    files = grown(tree)
    pattern = lead + "/".join(parts)
    wanted = [part for part in posixpath.normpath(f"/{pattern}").split("/") if part]
    split = sorted(path.split("/") for path in files)
    expected = ["/".join(path) for path in split if len(path) == len(wanted) and all(map(model, wanted, path))]
    if not any(mark in part for part in wanted for mark in "*?[\\"):
        expected = ["/".join(wanted)] if "/".join(wanted) in {"", *files} else "missing"

    entries = [
        Entry(path, FileKind.DIRECTORY if is_folder else FileKind.FILE, 0o755)
        for path, is_folder in sorted(files.items())
    ]
    try:
        found = [real for real, _ in matches(pattern, Layered(entries), LookupError)]
    except LookupError:
        found = "missing"

    assert expected == found
