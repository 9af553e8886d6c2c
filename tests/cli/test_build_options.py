"""K246: what flags and lines say over what a base says."""

import json

import pytest

from ocitool.store.layout import LayoutStore
from tests.fakes.built import built
from tests.fakes.busybox import put_busybox

BASE = {
    "Env": ["PATH=/usr/bin:/bin", "A=base", "B=base"],
    "Entrypoint": ["/entry"],
    "Cmd": ["cmd"],
    "ExposedPorts": {"1/tcp": {}},
    "Volumes": {"/base": {}},
    "WorkingDir": "/w",
    "StopSignal": "SIGINT",
    "Labels": {"l": "base"},
}


@pytest.fixture
def config(home, run, monkeypatch):
    """`config("--env", "A=1", dockerfile="…")`: the config of an image over the base, and its history's last lines."""
    monkeypatch.chdir(home)
    (home / "f").write_text("x")
    put_busybox(LayoutStore(home / "base", create=True), "1", **BASE)

    def call(*flags, dockerfile=""):
        if dockerfile:
            (home / "Dockerfile").write_text(f"FROM bb\n{dockerfile}\n")
            base = ("--build-context", "bb=oci:base:1")
        else:
            base = ("--toolchain", "prebuilt", "--copy", "f:/f", "--base", "oci:base:1")
        outcome = run("build", ".", "--platform", "linux/amd64", "-o", "oci:img:1", *base, *flags)
        return built(home, outcome).config["config"]

    return call


@pytest.mark.parametrize("dockerfile", ["", "COPY f /f"])
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), {}),
        (("--env", "A=1", "--env", "C=3"), {"Env": ["PATH=/usr/bin:/bin", "A=1", "B=base", "C=3"]}),
        (("--env", "B=x=y", "--env", "A="), {"Env": ["PATH=/usr/bin:/bin", "A=", "B=x=y"]}),
        (("--entrypoint", '["a","b c"]'), {"Entrypoint": ["a", "b c"], "Cmd": None}),
        (("--entrypoint", "/usr/bin/busybox"), {"Entrypoint": ["/usr/bin/busybox"], "Cmd": None}),
        (("--entrypoint", '["a"]', "--cmd", '["c"]'), {"Entrypoint": ["a"], "Cmd": ["c"]}),
        (("--cmd", '["c","d"]'), {"Cmd": ["c", "d"]}),
        (("--expose", "80", "--expose", "53/udp"), {"ExposedPorts": {"1/tcp": {}, "53/udp": {}, "80/tcp": {}}}),
        (("--volume", "/data"), {"Volumes": {"/base": {}, "/data": {}}}),
        (("--workdir", "/other"), {"WorkingDir": "/other"}),
        (("--stop-signal", "SIGQUIT"), {"StopSignal": "SIGQUIT"}),
        (("--stop-signal", "9"), {"StopSignal": "9"}),
        (("--label", "m=1"), {"Labels": {"l": "base", "m": "1"}}),
    ],
)
def test_k246_flags_over_a_base(config, dockerfile, flags, expected):
    found = config(*flags, "--no-git-labels", dockerfile=dockerfile)

    wanted = {key: value for key, value in {**BASE, **expected}.items() if value is not None}
    assert wanted == {key: value for key, value in found.items() if key != "ArgsEscaped"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("ENV A=1 C=3", {"Env": ["PATH=/usr/bin:/bin", "A=1", "B=base", "C=3"]}),
        ("ENTRYPOINT ['a']", {"Entrypoint": ["/bin/sh", "-c", "['a']"], "Cmd": None}),
        ('ENTRYPOINT ["a"]', {"Entrypoint": ["a"], "Cmd": None}),
        ('CMD ["c"]\nENTRYPOINT ["a"]', {"Entrypoint": ["a"], "Cmd": ["c"]}),
        ("EXPOSE 80", {"ExposedPorts": {"1/tcp": {}, "80/tcp": {}}}),
        ("VOLUME /data", {"Volumes": {"/base": {}, "/data": {}}}),
        ("WORKDIR sub", {"WorkingDir": "/w/sub"}),
        ("WORKDIR sub\nWORKDIR ../x", {"WorkingDir": "/w/x"}),
        ("STOPSIGNAL SIGQUIT", {"StopSignal": "SIGQUIT"}),
        ("LABEL l=1", {"Labels": {"l": "1"}}),
    ],
)
def test_k246_lines_over_a_base(config, lines, expected):
    found = config(dockerfile=lines)

    wanted = {key: value for key, value in {**BASE, **expected}.items() if value is not None}
    assert json.dumps(wanted, sort_keys=True) == json.dumps(
        {key: value for key, value in found.items() if key != "ArgsEscaped"}, sort_keys=True
    )
