"""The `buildx` commands about builders: scripts go on, and are told that there is none."""

import json

import pytest

NOTE = "note: there is no builder, and none is needed"


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["create", "--use", "--name", "mybuilder"], "mybuilder\n"),
        (
            ["create", "--name=b", "--driver", "docker-container", "--driver-opt", "network=host", "--bootstrap"],
            "b\n",
        ),
        (["create", "--name", "b", "--append", "--node", "b1", "--platform", "linux/arm64", "ssh://host"], "b\n"),
        (["create", "--use=true"], "ocitool\n"),
        (["use", "mybuilder"], ""),
        (["use", "--default", "mybuilder"], ""),
        (["stop", "mybuilder"], ""),
        (["rm", "-f", "a", "b"], ""),
        (["rm", "--all-inactive", "--force"], ""),
    ],
)
def test_scripts_go_on_and_are_told_that_there_is_no_builder(run, home, words, printed):
    done = run("buildx", *words)

    assert (0, printed) == (done.exit_code, done.stdout)
    assert done.stderr.startswith(NOTE)
    assert [] == list(home.iterdir())


def test_what_can_be_built_is_found_as_in_buildxs_answers(run):
    """The seed asks `ls`, others take the line of `inspect`."""
    inspected = run("buildx", "inspect", "--bootstrap", "mybuilder")
    (line,) = [line for line in inspected.stdout.splitlines() if line.startswith("Platforms:")]
    listed = run("buildx", "ls")

    assert "Name:   mybuilder" == inspected.stdout.splitlines()[0]
    assert {"linux/amd64", "linux/arm64", "linux/arm/v7"} <= set(
        line.removeprefix("Platforms:").strip().split(", ")
    )
    assert "running" in inspected.stdout
    assert "NAME/NODE" == listed.stdout.split()[0]
    assert line.removeprefix("Platforms:").strip() in listed.stdout


def test_every_platform_that_is_listed_is_built(run, home):
    platforms = json.loads(run("buildx", "inspect", "--json").stdout)["data"]["platforms"]
    (home / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")

    done = run("buildx", "build", home, "--platform", ",".join(platforms), "--json")

    assert platforms == [one["platform"] for one in json.loads(done.stdout)["data"]["platforms"]]


def test_forms_of_ls(run):
    assert "ocitool" == json.loads(run("buildx", "ls", "--format", "json").stdout)["Name"]
    assert (
        "ocitool none\nocitool0 none\n" == run("buildx", "ls", "--format", "{{.Name}} {{ .DriverEndpoint }}").stdout
    )
    assert 2 == run("buildx", "ls", "--format", "{{.Nope}}").exit_code
    assert 2 == run("buildx", "ls", "--format", "{{range .Nodes}}x{{end}}").exit_code


def test_prune_keeps_the_images_that_were_kept(run, home):
    (home / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    run("buildx", "build", home, "--load", "-t", "reg.test/app:1")

    done = run("buildx", "prune", "-af")

    assert done.stdout.startswith("Total: ")
    assert "reg.test/app:1" in run("images").stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--privileged", "--rm", "tonistiigi/binfmt", "--install", "all"], 0),
        (["--rm", "--privileged", "multiarch/qemu-user-static:latest", "--reset", "-p", "yes"], 0),
        (["-ti", "--rm", "-v", "/data/source:/data/source", "dockcross/linux-arm64", "bash"], 9),
        (["-e", "IMAGE=tonistiigi/binfmt", "alpine"], 9),
        ([], 9),
    ],
)
def test_emulators_are_not_missed_and_nothing_else_is_run(run, words, code):
    done = run("run", *words)

    assert (code, "") == (done.exit_code, done.stdout)
    assert ("no emulator is needed" in done.stderr, "no container is run" in done.stderr) == (code == 0, code == 9)


def test_the_version_says_who_answers(run):
    assert "ocitool" in run("buildx", "version").stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["buildx", "du"], "hint: ocitool images"),
        (["buildx", "creat"], "hint: did you mean 'create'?"),
        (["index", "rm"], "hint: ocitool index remove"),
        (["index", "nonsense"], "hint: ocitool index --help lists the commands"),
        (["ls", "reg.test/app"], "hint: ocitool tags"),
        (["biuld"], "hint: did you mean 'build'?"),
    ],
)
def test_words_that_are_no_commands_here_name_what_does_their_work(run, words, hint):
    done = run(*words)

    assert (2, True) == (done.exit_code, f"\n{hint}" in done.stderr)
