"""K212: an image that cannot start is told when it is built, by every front end, and found by check."""

import json

import pytest

from tests.fakes.programs import Elf

PROJECT = ("build", ".", "--toolchain", "prebuilt", "--platform", "linux/amd64", "-o", "oci:img:1")


@pytest.fixture
def app(home, monkeypatch):
    """An x86-64 program `app` in the current folder, and the folder's Dockerfile to be written."""
    monkeypatch.chdir(home)
    path = home / "app"
    path.write_bytes(Elf(machine=62).build())
    path.chmod(0o755)
    return path


@pytest.fixture
def dockerfile(home, run):
    def call(text):
        (home / "Dockerfile").write_text(text)
        return run("build", ".", "--platform", "linux/amd64", "-o", "oci:img:1")

    return call


def found(run):
    done = run("check", "oci:img:1", "--deep", "--json")
    return [one["rule"] for one in json.loads(done.stdout)["data"]["findings"] if one["severity"] != "note"]


def test_an_entry_point_that_is_not_there(app, run):
    done = run(*PROJECT, "--copy", "app:/usr/local/bin/", "--entrypoint", "/usr/local/bin/typo")

    assert 2 == done.exit_code
    assert "error: linux/amd64: the image would not start: /usr/local/bin/typo is not there\n" in done.stderr
    assert "hint: there is /usr/local/bin/app; --entrypoint names a file of the image" in done.stderr


@pytest.mark.parametrize(
    "lines",
    [
        'ENTRYPOINT ["/usr/local/bin/typo"]',
        'WORKDIR /srv\nENTRYPOINT ["./app"]',
        'ENTRYPOINT ["/app/app"]',
    ],
)
def test_an_entry_point_of_a_dockerfile(app, dockerfile, lines):
    done = dockerfile(f"FROM scratch\nCOPY app /app\n{lines}\n")

    assert 2 == done.exit_code
    assert "the image would not start: " in done.stderr


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('CMD ["/typo"]', "/typo is not there"),
        ('SHELL ["/bin/ash", "-eo", "pipefail", "-c"]\nENTRYPOINT run', "/bin/ash is not there"),
        ('ENTRYPOINT ["typo"]', "typo is in no folder of the PATH"),
        ("ENTRYPOINT app -v", "/bin/sh is not there"),
        (
            'USER 1000\nENTRYPOINT ["/bin/app"]',
            "/bin/app has mode 0700: user 1000 may not execute it; COPY --chmod=755",
        ),
    ],
)
def test_what_may_come_from_elsewhere_is_told_and_built(app, dockerfile, run, lines, told):
    done = dockerfile(f"FROM scratch\nCOPY --chmod=700 app /bin/app\n{lines}\n")

    assert 0 == done.exit_code
    assert f"warning: linux/amd64: the image would not start: {told}" in done.stderr
    is_shell_form = "app -v" in lines  # its text may name a program that is there
    assert is_shell_form or found(run)[0].startswith("config/entrypoint-")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--entrypoint", "/bin/app"), "the image would not start: /bin/app has mode 0644: nobody may execute it"),
        ((), "/bin/app has no x bit, so nothing can start it"),
    ],
)
def test_a_program_that_lost_its_x_bit(app, run, flags, told):
    """An artifact handed from one CI job to the next; `:755` is the way out, as the warning says."""
    app.chmod(0o644)

    done = run(*PROJECT, "--copy", "app:/bin/app", *flags)

    assert 0 == done.exit_code
    assert f"warning: linux/amd64: {told}; --copy SRC:DEST:755 sets it\n" in done.stderr
    assert ["config/entrypoint-not-executable"] == found(run)
    mended = run(*PROJECT, "--copy", "app:/bin/app:755", *flags)
    assert "warning" not in mended.stderr
    assert [] == found(run)


def test_what_starts_is_not_told(app, dockerfile, run):
    done = dockerfile(
        'FROM scratch\nCOPY app /opt/x/bin/app\nENV PATH=/opt/x/bin\nWORKDIR /srv\nENTRYPOINT ["app"]\n'
    )

    assert (0, False) == (done.exit_code, "warning" in done.stderr)
    assert [] == found(run)


def test_a_base_s_fault_is_no_error_of_what_is_built_upon_it(app, dockerfile, run):
    (app.parent / "x").write_text("x")
    assert 0 == dockerfile('FROM scratch\nCOPY x /\nENTRYPOINT ["typo"]\n').exit_code
    run("copy", "oci:img:1", "oci:base:1")
    (app.parent / "Dockerfile").write_text("FROM base\nCOPY app /\n")

    done = run(
        "build", ".", "--build-context", "base=oci-layout://base:1", "--platform", "linux/amd64", "-o", "oci:img:2"
    )

    assert 0 == done.exit_code
    assert "typo is in no folder of the PATH" in done.stderr
