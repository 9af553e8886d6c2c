"""`ocitool init` and then `ocitool build`, with real compilers: the programs of both platforms answer under qemu-user."""

import json
import os

import pytest

from tests import peers
from tests.fakes.emulated import say
from tests.peers.engines import sh

pytestmark = [pytest.mark.interop, pytest.mark.slow]
C = '#include <stdio.h>\nint main(void) { puts("well"); return 0; }\n'
MAKEFILE = (
    "app: app.c\n\t$(CC) $(CFLAGS) -o $@ app.c $(LDFLAGS)\ninstall: app\n\tinstall -D app $(DESTDIR)/usr/bin/app\n"
)
PROJECTS = {
    "go": {
        "go.mod": "module example.com/app\n\ngo 1.21\n",
        "main.go": 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("well") }\n',
    },
    "rust": {
        "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
        "src/main.rs": 'fn main() { println!("well"); }\n',
    },
    "c": {"src/app.c": C},
    "make": {"app.c": C, "Makefile": MAKEFILE},
    "cmake": {
        "app.c": C,
        "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(app C)\nadd_executable(app app.c)\n"
        "install(TARGETS app)\n",
    },
    "autotools": {
        "app.c": C,
        "configure": f"#!/bin/sh\necho CC=$CC > Makefile\ncat >> Makefile <<'END'\n{MAKEFILE}END\n",
    },
    "meson": {"app.c": C, "meson.build": "project('app', 'c')\nexecutable('app', 'app.c', install: true)\n"},
    "prebuilt": {},
    "dockerfile": {
        "Dockerfile": "FROM scratch AS files\nARG TARGETARCH\nCOPY out/$TARGETARCH/app /bin/\nFROM scratch\n"
        'COPY --from=files /bin/app /bin/app\nENTRYPOINT ["/bin/app"]\n'
    },
}
NEEDED = {"make": ["make"], "cmake": ["cmake"], "autotools": ["make"], "meson": ["meson", "ninja"]}


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


@pytest.mark.parametrize("kind", PROJECTS)
def test_a_folder_is_an_image_after_two_commands(request, run, home, monkeypatch, kind):
    if kind == "rust":
        request.getfixturevalue("rust_for_musl")
    for name in NEEDED.get(kind, ()):
        request.getfixturevalue("peer")(name)
    write(home / "app", PROJECTS[kind])
    if kind in {"prebuilt", "dockerfile"}:
        write(home / "program", PROJECTS["go"])
        for arch in ("amd64", "arm64"):
            sh(peers.find_go(), "build", "-o", home / "app/out" / arch / "app", ".", cwd=home / "program",
               env={**os.environ, "GOARCH": arch, "CGO_ENABLED": "0"})  # fmt: skip
    monkeypatch.chdir(home)

    drafted, built = run("init", "app"), run("build", "app", "-o", "oci:img:1")

    assert (0, 0) == (drafted.exit_code, built.exit_code), drafted.stderr + built.stderr
    images = json.loads(run("inspect", "oci:img:1", "--config", "--json").stdout)["data"]["platforms"]
    assert ["linux/amd64", "linux/arm64"] == [one["platform"] for one in images]
    for number, image in enumerate(images):
        assert 0 == run("export", "oci:img:1", "--platform", image["platform"], "-o", str(number)).exit_code
        assert "well\n" == say(home / str(number), image["platform"], *image["config"]["config"]["Entrypoint"])
