"""Where RUN cannot work it is refused before anything is begun: with the true reason, and the ways out there are."""

import shutil
import subprocess

import pytest

from tests import peers
from tests.fakes.confined import REPOSITORY
from tests.fakes.unprivileged import processes
from tests.interop.run_world import World, world

pytestmark = pytest.mark.interop
TEXT = "FROM alpine\nRUN echo begun; touch /x\n"


@pytest.fixture(scope="module")
def place(docker_registry):
    with world(docker_registry) as made:
        yield made


@pytest.fixture
def without(peer, tmp_path):
    """`without("/usr/bin/crun")`: words that start a command where these programs are not there, for this command alone."""
    nothing = tmp_path / "nothing"
    nothing.touch(mode=0o644)

    def around(*programs: str) -> list[str]:
        lines = "".join(f"[ ! -e {name} ] || mount --bind {nothing} {name}; " for name in programs)
        return [str(peer("unshare")), "-m", "--propagation", "private", "sh", "-ec", f'{lines} exec "$@"', "sh"]

    return around


def refused(place: World, *words: object, **how) -> str:
    """What a refusal says; nothing of the build was begun."""
    shutil.rmtree(place.user.home / "refused", ignore_errors=True)

    outcome = place.build("--no-cache", *words, to="refused", **how)

    assert 9 == outcome.exit_code, outcome.stderr
    assert "begun" not in outcome.stderr.replace("echo begun", "")
    assert "Traceback" not in outcome.stderr
    assert "hint: " in outcome.stderr
    assert not (place.user.home / "refused").exists()
    assert [] == processes(str(place.user.root))
    return outcome.stderr


def test_it_works_without_any_of_that(place):
    """Or the tests below would prove nothing."""
    place.write(TEXT)

    assert 0 == place.build("--no-cache").exit_code


def test_no_user_namespaces(place, peer):
    """The number is set for a namespace of the test's own, and this machine's stays as it is."""
    place.write(TEXT + "RUN echo anew\n")  # what is known already needs no namespace
    script = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'
    python, *words = place.user.words("build", ".", "-o", f"oci:{place.user.home}/refused:1")
    done = subprocess.run(
        [
            *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
            *(
                str(peer("unshare")),
                "-U",
                "--map-current-user",
                "--keep-caps",
                "sh",
                "-ec",
                script,
                "sh",
                python,
                *words,
            ),
        ],
        cwd=place.user.app,
        env=place.user.variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert 9 == done.returncode, done.stderr
    assert "max_user_namespaces" in done.stderr
    assert "hint: " in done.stderr


def test_a_filter_of_system_calls_without_unshare(place):
    place.write(TEXT)
    around = [place.user.words()[0], str(REPOSITORY / "tests/fakes/confined.py"), "--refuse"]

    said = refused(place, around=around)

    assert "seccomp" in said


def test_no_runtime(place, without):
    place.write(TEXT)
    programs = [
        str(peers.find(name))
        for name in ("runc", "crun")
        if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    ]

    said = refused(place, around=without(*programs, "/sbin/runc", "/usr/sbin/crun"))

    assert "runc" in said
    assert "crun" in said


def test_no_emulator_is_told_with_the_package_and_the_flag(place, without):
    place.write(TEXT)
    programs = [f"/usr/bin/qemu-aarch64{end}" for end in ("", "-static")]

    said = refused(place, "--platform", "linux/amd64,linux/arm64", around=without(*programs))
    native = place.build("--no-cache", around=without(*programs))

    assert "linux/arm64" in said
    assert "qemu-user-static" in said
    assert "--emulator" in said
    assert 0 == native.exit_code, native.stderr


def test_no_run_is_the_refusal_of_old(place):
    place.write(TEXT)

    said = refused(place, "--no-run")

    assert "RUN echo begun" in said


def test_doctor_says_the_same(place, without):
    works = place.user("doctor")
    lacks = place.user("doctor", around=without("/usr/sbin/runc", "/usr/bin/crun", "/sbin/runc", "/usr/sbin/crun"))

    assert "RUN" in works.stdout
    assert "runc" in lacks.stdout
    assert works.stdout != lacks.stdout
