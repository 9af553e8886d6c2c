"""`ocitool check` as a project uses it: `[check]` of ocitool.toml, flags, formats, rules of its own packages."""

import json
import os
import re
import tomllib

import pytest

from ocitool.store.layout import LayoutStore
from tests.conftest import REPOSITORY
from tests.fakes.programs import Elf
from tests.fakes.sick import Ward, member, program, tar
from tests.unit.check.test_installed import install

SUDO = tar(member("usr/bin/sudo", mode=0o4755), member("usr/bin/su", mode=0o4755))


@pytest.fixture
def check(home, run, monkeypatch):
    """`check(toml, *flags)`: oci:img:1, an arm64 image with two setuid programs, beside an ocitool.toml."""
    monkeypatch.chdir(home)
    with LayoutStore(home / "img", create=True) as store:
        ward = Ward(store)
        ward.index(ward.image("linux/arm64", layers=[SUDO]), ward.image())

    def call(toml, *flags):
        (home / "ocitool.toml").write_text(toml)
        return run("check", "oci:img:1", "--deep", *flags)

    return call


def test_what_is_known_and_right_is_allowed_with_its_reason(check):
    """K010: files that are meant to be there do not trip it. K228: the text says which layer of how many."""
    allow = '[[check.allow]]\nrule = "layer/setuid"\nat = "/usr/bin/sudo"\nreason = "sudo is what it is for"\n'

    done = check(allow)

    assert (0, "") == (done.exit_code, done.stderr)
    assert (
        """\
oci:img:1
  note    linux/arm64 /usr/bin/su in layer 1 of 1, sha256:76b543f0159c: setuid program of 0:0  [layer/setuid]
  allowed linux/arm64 /usr/bin/sudo in layer 1 of 1, sha256:76b543f0159c: setuid program of 0:0  [layer/setuid]: sudo is what it is for
1 note
"""
        == done.stdout
    )


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('[[check.allow]]\nrule = "layer/setuid"\n', "ocitool.toml line 1: check.allow[0] needs reason"),
        (
            '[[check.allow]]\nrule = "layer/setuid"\nreason = " "\n',
            "ocitool.toml line 3: check.allow[0].reason is empty",
        ),
        (
            '[[check.allow]]\nrule = "layer/sudo"\nreason = "r"\n',
            "ocitool.toml line 2: check.allow[0].rule names 'layer/sudo', and no rule is called so",
        ),
        (
            '[check]\nselect = ["index/*"]\nignore = [\n  "index/order",\n  "layer/sudo",\n]\n',
            "ocitool.toml line 3: check.ignore[1] names 'layer/sudo'",
        ),
        (
            '[check.severity]\n"layer/setuid" = "fatal"\n',
            "ocitool.toml line 2: check.severity.\"layer/setuid\" must be one of error, warning, note, not 'fatal'",
        ),
        (
            '[check]\nselct = ["layer/*"]\n',
            "ocitool.toml line 2: check.selct unknown key",
        ),
    ],
)
def test_a_configuration_that_is_refused(check, toml, told):
    done = check(toml)

    assert 2 == done.exit_code
    assert told in done.stderr
    assert "" == done.stdout


def test_an_allowance_of_nothing_is_told(check):
    """On stderr and in the envelope; it does not count, and not where the rule was not looked for."""
    allow = '[[check.allow]]\nrule = "layer/large-id"\nat = "/srv/*"\nreason = "mapped"\n'
    told = "[check] allows layer/large-id at /srv/*, and there is nothing to allow"

    assert (0, f"warning: {told}\n") == ((done := check(allow)).exit_code, done.stderr)
    assert [told] == json.loads(check(allow, "--json").stdout)["warnings"]
    assert "" == check(allow, "--ignore", "layer/large-id").stderr


def test_a_program_of_another_machine_that_is_meant_to_be_there(home, run, monkeypatch):
    """K010: named by its path, the rest of the image is judged as ever."""
    monkeypatch.chdir(home)
    firmware = tar(member("usr/lib/firmware/boot", Elf(machine=62).build(), mode=0o755))
    with LayoutStore(home / "img", create=True) as store:
        Ward(store).image("linux/arm64", layers=[firmware, program("arm64")], tag="1")
    allow = '[[check.allow]]\nrule = "binary/*"\nat = "/usr/lib/firmware/*"\nreason = "for the card"\n'

    without = run("check", "oci:img:1", "--deep")
    (home / "ocitool.toml").write_text(allow)
    allowed = run("check", "oci:img:1", "--deep")

    assert (1, 0, "") == (without.exit_code, allowed.exit_code, allowed.stderr)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ("layer/setuid", "warning: layer/setuid sees something only with --deep\n"),
        ("binary/*", "warning: binary/* sees something only with --deep\n"),
        ("tag/*", "warning: tag/* sees something only with --all-tags\n"),
        ("layer/*", ""),
        ("index/*", ""),
    ],
)
def test_rules_that_cannot_see_anything_are_told(home, run, chosen, told):
    """Nothing found is not the answer to what was not looked for."""
    with LayoutStore(home / "img", create=True) as store:
        ward = Ward(store)
        ward.index(ward.image())

    assert told == run("check", f"oci:{home}/img:1", "--select", chosen).stderr


def test_platforms_that_are_promised(check):
    """By the file, whose word a flag goes before; the image is for arm64 and amd64."""
    promised = '[check]\nexpect = ["linux/amd64", "linux/arm64", "linux/s390x"]\n'

    broken, kept = check(promised), check(promised, "--expect-at-least", "linux/amd64")
    exact = check("", "--expect", "linux/amd64", "--format", "sarif")

    assert (1, 0) == (broken.exit_code, kept.exit_code)
    assert "error   linux/s390x: there is no linux/s390x, which is expected  [expected/missing]" in broken.stdout
    results = json.loads(exact.stdout)["runs"][0]["results"]
    assert "linux/arm64 is not among what is expected" in {
        one["message"]["text"].rpartition(": ")[2] for one in results
    }
    assert 2 == check("", "--expect", "linux/amd46").exit_code


def test_severities_of_the_project(check):
    done = check('[check.severity]\n"layer/setuid" = "error"\n')

    assert 1 == done.exit_code
    assert done.stdout.endswith("2 errors\n")


def test_flags_come_on_top_of_the_file(check):
    """--select takes the place of the file's, --ignore is added to it; both take commas and repeat."""
    toml = '[check]\nselect = ["index/*"]\nignore = ["layer/damaged"]\n'

    assert "nothing wrong\n" == check(toml).stdout
    assert "2 notes\n" == check(toml, "--select", "layer/*,config/*").stdout.splitlines(keepends=True)[-1]
    assert "nothing wrong\n" == check(toml, "--select", "layer/*", "--ignore", "layer/setuid,layer/diff-id").stdout


def test_another_file(check, home):
    (home / "strict.toml").write_text('[check.severity]\n"*" = "error"\n')

    assert 0 == check("").exit_code
    assert 1 == check("", "--config", "strict.toml").exit_code


@pytest.mark.parametrize("form", ["json", "sarif", "github", "text"])
def test_formats_agree_on_the_exit_code(check, form):
    assert 0 == check("", "--format", form).exit_code
    assert 1 == check('[check.severity]\n"layer/*" = "warning"\n', "--format", form).exit_code


@pytest.mark.parametrize(
    ("flags", "hints"),
    [((), 1), (("--format", "text"), 1), (("--format", "github"), 0), (("--format", "sarif"), 0), (("--json",), 0)],
)
def test_what_to_do_next_is_told_beside_a_text_alone(home, run, flags, hints):
    with LayoutStore(home / "img", create=True) as store:
        ward = Ward(store)
        ward.index(ward.image() | {"size": 9})

    done = run("check", f"oci:{home}/img:1", *flags)

    assert (1, hints) == (done.exit_code, done.stderr.count("hint: ocitool repair"))


@pytest.fixture
def installed(home, ocitool):
    """`installed(attribute, *flags)`: check in a process where a package with that entry point is installed."""
    with LayoutStore(home / "img", create=True) as store:
        ward = Ward(store)
        ward.index(ward.image())

    def call(attribute, *flags):
        site = install(home / "site", attribute)
        return ocitool("check", "oci:img:1", *flags, env={"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{site}"})

    return call


def test_a_package_adds_rules(installed):
    """They are selected, shown and put into the log like ours."""
    done = installed("acme:TWO")
    log = json.loads(installed("acme:TWO", "--format", "sarif").stdout)

    assert (1, "") == (done.exit_code, done.stderr)
    assert "  warning linux/amd64: no labels  [acme/labels]\n" in done.stdout
    assert {"acme/labels", "acme/none"} <= {rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    assert 0 == installed("acme:TWO", "--ignore", "acme/*").exit_code


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        ("acme:BROKEN", "the rule acme/broken failed: ZeroDivisionError: division by zero"),
        ("gone:RULE", "rules acme of gone:RULE do not load: No module named 'gone'"),
    ],
)
def test_a_package_whose_rules_are_wrong_is_named(installed, attribute, told):
    done = installed(attribute)

    assert 2 == done.exit_code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_guides_package_of_rules_works_as_written(home, ocitool):
    """The module, its entry point and what it tells are those of the guide, word for word but for the name."""
    guide = (REPOSITORY / "docs" / "guides" / "check-and-repair.md").read_text()
    toml, module, console = (
        re.search(rf"^```{language}\n({head}.*?)^```", guide, re.MULTILINE | re.DOTALL)[1]
        for language, head in (
            ("toml", "# pyproject"),
            ("python", "# acme"),
            ("console", r"\$ pip install \./acme"),
        )
    )
    project = tomllib.loads(toml)["project"]
    meta = home / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    meta.mkdir(parents=True)
    (meta / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
    points = "".join(f"{key} = {value}\n" for key, value in project["entry-points"]["ocitool.rules"].items())
    (meta / "entry_points.txt").write_text(f"[ocitool.rules]\n{points}")
    (home / "site" / "acme_image_rules.py").write_text(module)
    with LayoutStore(home / "img", create=True) as store:
        ward = Ward(store)
        ward.index(ward.image(), ward.image("linux/arm64"), tag="1.2")

    done = ocitool("check", "oci:img:1.2", env={"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{home / 'site'}"})

    assert (1, "") == (done.exit_code, done.stderr)
    assert console.partition("1.2\n")[2].replace("registry.example/app:1.2", "oci:img:1.2") == done.stdout
