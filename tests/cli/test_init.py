"""`ocitool init` and `ocitool schema`: a file to begin with that builds, and what editors hold it to."""

import json
import re
import shutil
import tomllib

import jsonschema
import pytest

from ocitool.builder.initial_spec import initial_spec
from ocitool.builder.project import find_spec
from ocitool.project.schema import SCHEMA, problems
from tests.conftest import REPOSITORY
from tests.fakes.programs import Elf

KINDS = {
    "Dockerfile": ("", "FROM scratch\nCOPY Dockerfile /\n"),
    "go.mod": ("go", "module example.com/app\n"),
    "Cargo.toml": ("rust", '[package]\nname = "app"\nversion = "1.0.0"\n'),
    "CMakeLists.txt": ("cmake", "project(app)\n"),
    "meson.build": ("meson", "project('app', 'c')\n"),
    "configure": ("autotools", "#!/bin/sh\n"),
    "Makefile": ("make", "all:\n"),
    "main.c": ("c", "int main(void) { return 0; }\n"),
}


@pytest.fixture
def app(home, monkeypatch):
    """An empty folder of that name, below the current one."""
    monkeypatch.chdir(home)
    (home / "app").mkdir()
    return home / "app"


@pytest.mark.parametrize("name", KINDS)
def test_the_file_says_what_is_found(run, app, name):
    toolchain, text = KINDS[name]
    (app / name).write_text(text)
    (app / "main.go").write_text("package main\n\nfunc main() {}\n")

    done = run("init", "app")

    assert (0, "wrote app/ocitool.toml; ocitool build app reads it\n") == (done.exit_code, done.stderr)
    spec = find_spec(app, None, {})
    assert (toolchain, ["linux/amd64", "linux/arm64"]) == (spec.toolchain, list(map(str, spec.platforms)))


@pytest.mark.parametrize("name", KINDS)
def test_what_stands_in_comments_is_valid_too(app, name):
    """Each on its own: whoever takes a mark away gets a file that is read."""
    (app / name).write_text(KINDS[name][1])
    (app / "main.go").write_text("package main\n")
    lines = initial_spec(app).splitlines()
    examples = [n for n, line in enumerate(lines) if re.match(r"# ([a-z-]+ = |\[)", line)]

    assert examples
    whole = "\n".join(line.removeprefix("# ") if n in examples else line for n, line in enumerate(lines))
    assert [] == list(problems(tomllib.loads(whole), SCHEMA))
    jsonschema.Draft202012Validator(SCHEMA).validate(tomllib.loads(whole))


def test_a_file_that_is_there_stays_unless_it_is_forced(run, app):
    (app / "go.mod").write_text("module example.com/app\n")
    (app / "main.go").write_text("package main\n")
    (app / "ocitool.toml").write_text('name = "mine"\n')

    refused = run("init", "app")

    assert (2, 'name = "mine"\n') == (refused.exit_code, (app / "ocitool.toml").read_text())
    assert "hint: --force writes over it" in refused.stderr
    assert 0 == run("init", "app", "--force").exit_code
    assert 'toolchain = "go"' in (app / "ocitool.toml").read_text()


def test_a_dry_run_prints_what_would_be_written(run, app):
    (app / "Dockerfile").write_text("FROM scratch\n")

    done = run("init", "app", "--dry-run")

    assert (0, initial_spec(app)) == (done.exit_code, done.stdout)
    assert not (app / "ocitool.toml").exists()


def test_a_folder_that_says_nothing_is_told_so(run, app):
    done = run("init", "app")

    assert (2, True) == (done.exit_code, "nothing in app says how to build it" in done.stderr)
    assert not (app / "ocitool.toml").exists()


def test_the_folder_below_that_was_meant_is_named(run, app):
    (app / "backend").mkdir()
    (app / "backend" / "go.mod").write_text("module example.com/app\n")
    (app / "docs").mkdir()

    for words in (("init", "app"), ("build", "app", "--dry-run")):
        assert "hint: name the folder that does: app/backend\n" in run(*words).stderr


def test_a_link_is_written_over_and_not_what_it_leads_to(run, app, home):
    (app / "Makefile").write_text("all:\n")
    (home / "elsewhere").write_text("mine")
    (app / "ocitool.toml").symlink_to(home / "elsewhere")

    refused, done = run("init", "app"), run("init", "app", "--force")

    assert (2, 0, "mine") == (refused.exit_code, done.exit_code, (home / "elsewhere").read_text())
    assert "[make]" in (app / "ocitool.toml").read_text()
    assert {"Makefile", "ocitool.toml"} == {path.name for path in app.iterdir()}


def test_names_that_a_rule_would_read_as_patterns_are_left_out_and_a_path_has_one_program(run, app):
    for folder, name in (("amd64", "*"), ("amd64", "app"), ("amd64/debug", "app")):
        (app / "out" / folder).mkdir(parents=True, exist_ok=True)
        (app / "out" / folder / name).write_bytes(Elf(62).build())

    assert ["out/{arch}/app:/bin/app:755"] == tomllib.loads(initial_spec(app))["files"]


def test_a_tree_of_thousands_of_folders_is_not_walked_to_its_end(run, app):
    for number in range(2000):
        (app / f"{number:04}").mkdir()
    (app / "z-amd64").mkdir()
    (app / "z-amd64" / "app").write_bytes(Elf(62).build())

    assert 2 == run("init", "app", "--dry-run").exit_code


def test_several_programs_of_a_go_module_are_listed(app):
    (app / "go.mod").write_text("module example.com/app\n")
    for name in ("server", "migrate"):
        (app / "cmd" / name).mkdir(parents=True)
        (app / "cmd" / name / "main.go").write_text("package main\n")

    listed = tomllib.loads(initial_spec(app))["program"]

    assert [("migrate", "./cmd/migrate"), ("server", "./cmd/server")] == [(p["name"], p["package"]) for p in listed]


@pytest.mark.parametrize("name", ["A B", '"q"', "$(x)", "é", "..a"])
def test_a_folder_of_any_name_gets_a_file_that_is_read(home, name):
    (home / name).mkdir()
    (home / name / "Makefile").write_text("all:\n")

    assert [] == list(problems(tomllib.loads(initial_spec(home / name)), SCHEMA))


@pytest.mark.parametrize("place", ["out/{}/app", "dist/app-linux-{}", "{}/bin/app"])
def test_programs_that_are_there_are_packed_for_their_platforms(run, app, place):
    for architecture, machine in {"amd64": 62, "arm64": 183}.items():
        path = app / place.format(architecture)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Elf(machine).build())
    (app / "notes-amd64.txt").write_text("no program\n")

    assert 0 == run("init", "app").exit_code
    done = run("build", "app", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    images = json.loads(run("inspect", "oci:img:1", "--config", "--json").stdout)["data"]["platforms"]
    assert ["linux/amd64", "linux/arm64"] == [one["platform"] for one in images]
    assert [["/bin/app"]] * 2 == [one["config"]["config"]["Entrypoint"] for one in images]
    assert "bin/app" in run("files", "oci:img:1", "--platform", "linux/arm64").stdout


def test_a_dockerfile_builds_with_what_is_written(run, app):
    (app / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")

    assert 0 == run("init", "app").exit_code
    done = run("build", "app", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    assert 2 == len(json.loads(run("inspect", "oci:img:1", "--json").stdout)["data"]["platforms"])


@pytest.mark.slow
@pytest.mark.parametrize("source", ["src-go/hello", "src-cpp/hello"])
def test_sources_build_with_what_is_written(run, app, source):
    """The compilers are real."""
    shutil.copytree(REPOSITORY / "testdata" / source, app, dirs_exist_ok=True)

    assert 0 == run("init", "app").exit_code
    done = run("build", "app", "--platform", "linux/arm64", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    assert 0 == run("check", "oci:img:1", "--deep").exit_code


def test_the_schema_is_that_of_the_reference_and_a_schema(run, home):
    text = (REPOSITORY / "docs/reference/ocitool-toml.schema.json").read_text()
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    assert text == run("schema").stdout
    assert SCHEMA["$id"] == json.loads(run("schema", "--json").stdout)["data"]["schema"]["$id"]
    assert 0 == run("schema", "-o", home / "file.json").exit_code
    assert text == (home / "file.json").read_text()


def test_editors_find_the_schema_where_the_first_line_says(run, app, monkeypatch):
    (app / "Makefile").write_text("all:\n")
    monkeypatch.chdir(app)

    first, second = run("init", "--dry-run").stdout.splitlines()[:2]
    command = re.search(r"`ocitool (.*?)`", second)[1]

    assert 0 == run(*command.split()).exit_code
    assert SCHEMA == json.loads((app / first.removeprefix("#:schema ")).read_text())
