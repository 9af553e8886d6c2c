"""Instructions: how their words are split, and what is refused with its line."""

import pytest

from ocitool.dockerfile.syntax import instructions
from ocitool.dockerfile.syntax.parse import parse, parse_trigger
from ocitool.errors import UsageError


def one(text: str) -> instructions.Instruction:
    return parse(f"FROM scratch\n{text}\n".encode()).stages[0].body[0]


def test_stages_and_global_arguments():
    file = parse(b"ARG V=1 W\nFROM --platform=$BUILDPLATFORM a:$V AS Build\nCMD x\nfrom scratch\n", "D")

    assert [(("V", "1"), ("W", None))] == [arg.items for arg in file.arguments]
    assert [("build", "a:$V", "$BUILDPLATFORM", "Build"), ("", "scratch", None, "")] == [
        (stage.base.name, stage.base.image, stage.base.platform, stage.base.written) for stage in file.stages
    ]
    assert ["build", "1"] == [stage.name for stage in file.stages]


@pytest.mark.parametrize(
    ("text", "words", "is_shell"),
    [
        ('CMD ["a", "b c"]', ("a", "b c"), False),
        ("CMD []", (), False),
        ("CMD ['a']", ("['a']",), True),
        (r'CMD ["\ud800x"]', ("\ufffdx",), False),
        ('CMD ["a"] && b', ('["a"] && b',), True),
        ("CMD a  'b c' $x", ("a  'b c' $x",), True),
        ("CMD", (), True),
        ('ENTRYPOINT [ "a" ]', ("a",), False),
    ],
)
def test_exec_and_shell_form(text, words, is_shell):
    found = one(text)

    assert (words, is_shell) == (found.words, found.is_shell)


@pytest.mark.parametrize(
    ("text", "pairs", "is_legacy"),
    [
        ("ENV a=1 b='x y'", (("a", "1"), ("b", "'x y'")), False),
        ("ENV a b  c=d", (("a", "b  c=d"),), True),
        ("LABEL a.b=c=d", (("a.b", "c=d"),), False),
        ("ENV a=", (("a", ""),), False),
    ],
)
def test_pairs(text, pairs, is_legacy):
    found = one(text)

    assert (pairs, is_legacy) == (found.pairs, found.is_legacy)


def test_copy_with_everything():
    found = one("COPY --from=b --chown=1:2 --chmod=u+x --link --parents=false --exclude=*.o --exclude=!x a b /d/")

    assert (("a", "b"), "/d/", "b", "1:2", "u+x") == (
        found.sources,
        found.destination,
        found.source_stage,
        found.chown,
        found.chmod,
    )
    assert (True, False, ("*.o", "!x")) == (found.link, found.parents, found.exclude)


def test_copy_in_json_takes_blanks():
    assert ("a b", "/c d") == (one('COPY ["a b", "/c d"]').sources[0], one('COPY ["a b", "/c d"]').destination)


def test_healthcheck():
    found = one("HEALTHCHECK --interval=30s --retries=3 CMD curl -f localhost")

    assert (("CMD-SHELL", "curl -f localhost"), 30 * 10**9, 0, 3) == (
        found.test,
        found.interval,
        found.timeout,
        found.retries,
    )
    assert ("CMD", "a") == one('HEALTHCHECK CMD ["a"]').test
    assert ("NONE",) == one("HEALTHCHECK NONE").test == one("HEALTHCHECK --interval=x none").test
    assert (2_000_000_000, 2) == (
        (odd := one("HEALTHCHECK --timeout=+2s --retries=+2 CMD\ta")).timeout,
        odd.retries,
    )


def test_onbuild_keeps_its_text_with_heredocs():
    found = one("ONBUILD COPY <<X /x\nhello\nX")

    assert "COPY <<X /x\nhello\nX" == found.text
    assert "hello\n" == parse_trigger(found.text, "base").heredocs[0].content


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CPOY a b", "D:2: no instruction 'CPOY'"),
        ("COPY a", "D:2: COPY needs a source"),
        ("COPY a <<E\nE", "D:2: a heredoc cannot"),
        ("COPY --form=x a b", "D:2: COPY has no flag --form"),
        ("COPY --link=maybe a b", "neither true nor false"),
        ("COPY --chown=1 --chown=2 a b", "--chown is there twice"),
        ("COPY --chmod a b", "--chmod has no value"),
        ("ADD --from=x a b", "ADD has no flag --from"),
        ("CMD [1]", "array of strings"),
        ("ENV a", "ENV a has no value"),
        ("ENV a=b c", "'c' has no ="),
        ("ENV =b", "has no name"),
        ("ARG =1", "'=1' has no name"),
        ("RUN --network=none", "RUN says nothing"),
        ("COPY --=x a b", "'--=x' is not a flag"),
        ("LABEL", "LABEL says nothing"),
        ("SHELL /bin/sh", "SHELL needs a JSON array"),
        ("VOLUME []", "VOLUME names no path"),
        ("HEALTHCHECK RUN x", "CMD or NONE"),
        ("HEALTHCHECK --interval=1 CMD x", "--interval=1 is no time"),
        ("HEALTHCHECK --retries=many CMD x", "--retries=many is no number"),
        ("HEALTHCHECK --retries=9999999999 CMD x", "--retries=9999999999 is no number"),
        ("HEALTHCHECK NONE x", "NONE takes nothing"),
        ("HEALTHCHECK CMD", "names no command"),
        ("ONBUILD FROM x", "ONBUILD cannot keep FROM"),
        ("ONBUILD COYP a b", "no instruction 'COYP'"),
        ("ONBUILD ENV A=b c", "'c' has no ="),
        ("FROM a b", "FROM takes an image"),
        ("FROM a AS 1x", "not a name for a stage"),
        ("FROM a WITH b", "FROM takes an image"),
    ],
)
def test_what_is_wrong_is_said(text, said):
    with pytest.raises(UsageError) as raised:
        parse(f"FROM scratch\n{text}\n".encode(), "D")

    assert said in raised.value.what


def test_only_arg_may_stand_before_from():
    with pytest.raises(UsageError, match="D:1: ENV stands before the first FROM"):
        parse(b"ENV a=b\nFROM x\n", "D")
    with pytest.raises(UsageError, match="no FROM"):
        parse(b"ARG a\n", "D")


def test_a_word_that_is_nearly_an_instruction_gets_a_suggestion():
    with pytest.raises(UsageError) as raised:
        one("WROKDIR /x")

    assert "did you mean WORKDIR?" == raised.value.hint
