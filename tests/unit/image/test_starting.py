"""K212: what a config starts, looked up in the merged files as engines do."""

import pytest

from ocitool.image.starting import StartFault, start_problem, starts_files
from ocitool.model.files import FileKind
from ocitool.model.platform import Platform
from ocitool.rootfs.tree import Listed, Node, Tree

MISSING, NOT_EXECUTABLE = StartFault.MISSING, StartFault.NOT_EXECUTABLE


def file(path, mode=0o755, **more):
    return Listed(path, Node(FileKind.FILE, mode, **more))


def link(path, target):
    return Listed(path, Node(FileKind.SYMLINK, 0o777, link=target))


def folder(path):
    return Listed(path, Node(FileKind.DIRECTORY))


def tree(*layers):
    return Tree(layers)


def problem(files, interpreters=None, **settings):
    found = (
        start_problem(files, settings, (interpreters or {}).get) if interpreters else start_problem(files, settings)
    )
    return (found.fault, found.reason) if found is not None else None


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"Entrypoint": None, "Cmd": []},
        {"Entrypoint": ["/app"]},
        {"Entrypoint": ["app"], "WorkingDir": "/bin"},
        {"Entrypoint": ["./app"], "WorkingDir": "/"},
        {"Entrypoint": ["app"], "Env": ["PATH=/nowhere:/"]},
        {"Entrypoint": ["app"], "Env": ["PATH=/nowhere", "PATH=/"]},
        {"Entrypoint": ["app"], "Env": ["PATH=."], "WorkingDir": "/"},
        {"Cmd": ["sh", "-c", "exec /typo"]},
        {"Entrypoint": ["/link"]},
        {"Entrypoint": ["/sbin/../app"]},
        {"Entrypoint": ["/usr/bin/sh"]},
        {"Entrypoint": ["bin/sh"]},
        {"Entrypoint": ["/proc/self/exe"]},
        {"Entrypoint": ["/dev/init"]},
        {"Entrypoint": "not a list"},
        {"Entrypoint": [5]},
        {"Entrypoint": ["/app"], "Cmd": ["/typo"]},
        {"Entrypoint": ["x" * 5000]},
    ],
)
def test_what_starts(settings):
    files = tree(
        [
            file("app"),
            folder("usr/bin"),
            file("usr/bin/sh"),
            link("bin", "usr/bin"),
            link("link", "l2"),
            link("l2", "/app"),
        ],
    )
    if settings.get("WorkingDir") == "/bin":
        files = tree([file("bin/app"), file("usr/bin/app")])

    assert problem(files, **settings) is None


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"Entrypoint": ["/usr/local/bin/typo"]}, "/usr/local/bin/typo is not there"),
        ({"Cmd": ["/typo", "-v"]}, "/typo is not there"),
        ({"Entrypoint": ["typo"]}, "typo is in no folder of the PATH"),
        ({"Entrypoint": ["app"]}, "app is in no folder of the PATH"),
        ({"Entrypoint": ["sh"], "Env": ["PATH=/usr/local/bin"]}, "sh is in no folder of the PATH"),
        ({"Entrypoint": ["./app"], "WorkingDir": "/srv"}, "./app (/srv/app) is not there"),
        ({"Entrypoint": ["/etc"]}, "/etc is a directory"),
        ({"Entrypoint": ["/dangling"]}, "/dangling is a link to gone, which is not there"),
        ({"Entrypoint": ["/loop"]}, "/loop is a link to loop, which is not there"),
        ({"Entrypoint": ["/app/x"]}, "/app/x is not there"),
        ({"Entrypoint": ["/bin/bash", "-c", "app"]}, "/bin/bash is not there"),
    ],
)
def test_what_is_missing(settings, reason):
    files = tree([file("app"), file("etc/x"), file("bin/sh"), link("dangling", "gone"), link("loop", "loop")])

    assert (MISSING, reason) == problem(files, **settings)


@pytest.mark.parametrize(
    ("mode", "user", "reason"),
    [
        (0o644, "", "/app has mode 0644: nobody may execute it"),
        (0o644, "app", "/app has mode 0644: nobody may execute it"),
        (0o700, "", None),
        (0o700, "root:0", None),
        (0o700, "1000", "/app has mode 0700: user 1000 may not execute it"),
        (0o750, "1000:1000", "/app has mode 0750: user 1000 may not execute it"),
        (0o750, "1000:7", None),
        (0o750, "1000", None),
        (0o611, "5", "/app has mode 0611: user 5 may not execute it"),
        (0o711, "1000", None),
        (0o700, "app", None),
    ],
)
def test_who_may_execute_it(mode, user, reason):
    """The file is of user 5 and group 7."""
    found = problem(tree([file("app", mode, uid=5, gid=7)]), Entrypoint=["/app"], User=user)

    assert found == (reason and (NOT_EXECUTABLE, reason))


def test_a_search_passes_over_what_may_not_be_executed():
    files = tree([file("usr/local/bin/app", 0o644), file("bin/app")])

    assert problem(files, Entrypoint=["app"]) is None
    assert (NOT_EXECUTABLE, "/usr/local/bin/app has mode 0644: nobody may execute it") == problem(
        tree([file("usr/local/bin/app", 0o644)]), Entrypoint=["app"]
    )


def test_layers_of_the_base_count_and_whiteouts_too():
    base = [file("usr/bin/app")]

    assert problem(tree(base, [file("etc/x")]), Entrypoint=["app"]) is None
    assert MISSING is problem(tree(base, [file("usr/bin/.wh.app")]), Entrypoint=["app"])[0]
    assert NOT_EXECUTABLE is problem(tree(base, [file("usr/bin/app", 0o600)]), Entrypoint=["app"])[0]


def test_a_script_needs_its_interpreter_to_be_executable():
    files = tree([file("run"), file("bin/sh", 0o644)])

    expected = "the interpreter of /run, /bin/sh has mode 0644: nobody may execute it"
    assert (NOT_EXECUTABLE, expected) == problem(files, {"run": "/bin/sh"}, Entrypoint=["/run"])
    assert problem(files, {"run": "/bin/gone"}, Entrypoint=["/run"]) is None  # binary/missing-needs tells
    assert problem(files, {"run": "sh"}, Entrypoint=["/run"]) is None


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        (None, True),
        (Platform("linux", "arm64"), True),
        (Platform("windows", "amd64"), False),
        (Platform("wasi", "wasm"), False),
    ],
)
def test_where_paths_are_started(platform, expected):
    assert expected is starts_files(platform)
