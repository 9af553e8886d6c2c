"""The flags of RUN: what each type of mount takes, and what no builder would."""

import pytest

from ocitool.dockerfile.syntax.parse import parse
from ocitool.dockerfile.syntax.run_flags import RunMount, parse_mount
from ocitool.errors import Unsupported, UsageError


def options(flags):
    return parse(f"FROM x\nRUN {flags} true\n".encode(), "D").stages[0].body[0].options


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target=/a", RunMount(target="/a", read_only=True)),
        (
            "type=bind,src=s,dst=/a,from=b,rw",
            RunMount(source="s", target="/a", source_stage="b", read_only=False),
        ),
        ("type=bind,destination=/a,readwrite=false", RunMount(target="/a", read_only=True)),
        (
            "type=cache,id=i,target=/c,sharing=locked,mode=0700,uid=1,gid=2,ro",
            RunMount("cache", "/c", id="i", sharing="locked", mode=0o700, uid=1, gid=2, read_only=True),
        ),
        ("type=tmpfs,target=/t,size=1.5k", RunMount("tmpfs", "/t", size=1536)),
        ("type=secret,id=s,env=E,required", RunMount("secret", id="s", env="E", required=True)),
        ("type=secret,target=/s,required=true", RunMount("secret", "/s", required=True)),
        ("type=ssh,id=k", RunMount("ssh", id="k")),
        ('type=cache,"target=/a,b"', RunMount("cache", "/a,b")),
        ("TYPE=tmpfs,Target=/t", RunMount("tmpfs", "/t")),
    ],
)
def test_mounts(text, expected):
    assert expected == parse_mount(text, str)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("type=disk,target=/a", "no type 'disk'"),
        ("type=bind", "no target"),
        ("type=cache,id=x", "no target"),
        ("type=secret", "neither id nor target"),
        ("type=tmpfs,target=/t,id=x", "no option 'id'"),
        ("type=cache,target=/t,sharing=all", "sharing=all"),
        ("type=cache,target=/t,mode=9", "mode=9"),
        ("type=cache,target=/t,uid=root", "uid=root"),
        ("type=cache,target", "no value"),
        ("type=tmpfs,target=/t,size=big", "no size"),
        ("type=secret,id=s,required=maybe", "neither true nor false"),
        ('type=secret,"id', "no list"),
    ],
)
def test_what_no_mount_says(text, words):
    with pytest.raises(UsageError, match=words):
        parse_mount(text, str)


def test_variables_wait_until_they_are_known():
    assert "type=cache,target=$T,mode=$M" == options("--mount=type=cache,target=$T,mode=$M").mounts[0]
    assert RunMount("cache", "/v", mode=7) == parse_mount(
        "type=cache,target=$T,mode=$M", {"$T": "/v", "$M": "7", "cache": "cache"}.get
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--mount=type=bind,target=/a,from=$X", "D:2: --mount from=\\$X holds a variable"),
        ("--mount=type=disk", "D:2: --mount has no type"),
        ("--mount", "D:2: --mount has no value"),
        ("--network=mine", "D:2: --network=mine"),
        ("--network=none --network=host", "is there twice"),
        ("--security=some", "--security=some"),
        ("--mounts=x", "RUN has no flag --mounts"),
    ],
)
def test_wrong_flags_are_told_with_their_line(flags, words):
    with pytest.raises(UsageError, match=words):
        options(flags)


def test_flags():
    found = options("--network=none --mount=target=/a --mount=target=/b,from=c --security=sandbox")

    assert ("none", "sandbox", 2, ["c"]) == (
        found.network,
        found.security,
        len(found.mounts),
        list(found.sources()),
    )


def test_devices_are_refused():
    with pytest.raises(Unsupported, match="device"):
        options("--device=gpu")
