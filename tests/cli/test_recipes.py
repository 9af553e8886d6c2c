"""Actions, workflows, the hook and docs/recipes: right by their systems' own schemas, and their shell lines do what they say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests import peers
from tests.conftest import REPOSITORY
from tests.peers.engines import sh
from tests.peers.registries import held

HELLO = REPOSITORY / "testdata/src-go/hello"
RECIPES = REPOSITORY / "docs/recipes"
ACTIONS = REPOSITORY / ".github/actions"
WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
BOTH = "linux/amd64,linux/arm64"


@pytest.fixture
def place(home):
    """A home with a folder for what a pipeline writes, and a repository to push to."""
    (home / "tmp").mkdir()
    return home


@pytest.fixture
def steps(place):
    """`steps("bash -e", script, cwd, NAME=value)`: a script as a pipeline runs it, with this ocitool on PATH."""

    def call(shell: str, script: str, cwd: Path = HELLO, *, code: int = 0, **values: object) -> str:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, **{name: str(value) for name, value in values.items()}}
        done = subprocess.run([*shell.split(), "-c", script], cwd=cwd, env=env, capture_output=True, text=True)
        assert code == done.returncode, done.stdout + done.stderr
        return done.stdout

    return call


def step_of(action: str) -> dict[str, object]:
    """The one step of an action."""
    (step,) = yaml.safe_load((ACTIONS / action / "action.yml").read_text())["runs"]["steps"]
    return step


def environment(action: str, **given: str) -> dict[str, str]:
    """The variables of an action's step for what a workflow gives it, its defaults for the rest."""
    inputs = yaml.safe_load((ACTIONS / action / "action.yml").read_text())["inputs"]
    assert set(given) <= set(inputs)
    assert {name for name, one in inputs.items() if one.get("required")} <= set(given)
    values = {f"inputs.{name}": given.get(name, one.get("default", "")) for name, one in inputs.items()}
    values |= {"github.action_path": str(ACTIONS / action), "github.token": ""}

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: filled(values[found[1]]), text)

    return {name: filled(value) for name, value in step_of(action)["env"].items()}


@pytest.mark.registry
def test_the_action_builds_and_pushes(place, steps, docker_registry):
    name = docker_registry.repository()
    given = environment("build-push", context=str(HELLO), tags=f"{name}:1\n{name}:with-two-lines\n",
                        labels="team=web & co\n", args="--format\noci")  # fmt: skip

    steps("bash --noprofile --norc -eo pipefail", step_of("build-push")["run"], place,
          GITHUB_OUTPUT=place / "output", **given)  # fmt: skip

    digest, platforms = held(f"{name}:1")
    assert (digest, ["linux/amd64", "linux/arm64"]) == (held(f"{name}:with-two-lines")[0], platforms)
    assert f"digest={digest}" in (place / "output").read_text().splitlines()
    assert "web & co" in steps("sh -e", f"ocitool config get {name}:1 --platform linux/arm64")


@pytest.mark.registry
def test_the_action_pushes_nothing_unasked(place, steps, docker_registry):
    name = docker_registry.repository()
    given = environment("build-push", context=str(HELLO), tags=f"{name}:1", push="false", platforms="linux/amd64")

    steps("bash -eo pipefail", step_of("build-push")["run"], place, **given)

    steps("sh", f"ocitool inspect {name}:1", code=3)


@pytest.mark.interop
def test_the_setup_action_puts_a_command_on_path(place, steps):
    given = environment("setup", extras="", python=sys.executable)

    steps("bash -eo pipefail", step_of("setup")["run"], place, RUNNER_TEMP=place / "tmp",
          GITHUB_PATH=place / "path", **given)  # fmt: skip

    path = (place / "path").read_text().strip()
    assert ["ocitool"] == os.listdir(path)
    assert "ocitool " in sh(f"{path}/ocitool", "--version", cwd=place)


@pytest.mark.parametrize(
    "path", [*WORKFLOWS, *ACTIONS.glob("*/action.yml")], ids=lambda path: path.parts[-2:][0] + path.name
)
def test_no_value_of_others_becomes_a_script(path):
    """It comes by variables: what is written into a script is run."""
    tree = yaml.safe_load(path.read_text())
    parts = [tree["runs"]] if "runs" in tree else tree["jobs"].values()
    scripts = [step["run"] for part in parts for step in part["steps"] if "run" in step]

    assert [] == [script for script in scripts if "${{" in script]
    assert scripts


def test_a_released_file_is_named_after_its_tag():
    jobs = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())["jobs"]

    assert {"files", "image"} == set(jobs["pypi"]["needs"])
    assert ["pypi"] == [name for name, job in jobs.items() if "id-token" in job.get("permissions", {})]
    assert {"IMAGE", "GITHUB_TOKEN"} < set(jobs["image"]["steps"][-1]["env"])


def gitlab(**given: str) -> dict[str, object]:
    """The configuration that an include gives, its inputs filled in."""
    head, _, body = (RECIPES / "gitlab-image.yml").read_text().partition("\n---\n")
    inputs = {name: one["default"] for name, one in yaml.safe_load(head)["spec"]["inputs"].items()} | given
    return yaml.safe_load(re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda found: inputs[found[1]], body))


@pytest.mark.registry
def test_the_gitlab_job_pushes_and_leaves_its_digest(place, steps, docker_registry):
    job, name = gitlab(tag="1")["push-image"], docker_registry.repository()
    values = {key: re.sub(r"\$CI_PROJECT_DIR", str(place), value) for key, value in job["variables"].items()
              if not value.startswith("$CI_REGISTRY")}  # fmt: skip
    values["OCITOOL_DOTENV"] = str(place / job["artifacts"]["reports"]["dotenv"])

    steps("bash -eo pipefail", "\n".join(job["script"]), HELLO, CI_REGISTRY_IMAGE=name, **values)

    digest, platforms = held(f"{name}:1")
    assert ["linux/amd64", "linux/arm64"] == platforms
    assert f"OCITOOL_DIGEST={digest}" in (place / "image.env").read_text()


@pytest.mark.registry
def test_the_tekton_task_writes_its_result(place, steps, docker_registry):
    task = yaml.safe_load((RECIPES / "tekton-task.yaml").read_text())
    (step,), name = task["spec"]["steps"], docker_registry.repository()
    params = {one["name"]: one.get("default", "") for one in task["spec"]["params"]} | {"image": f"{name}:1"}
    known = {f"params.{key}": value for key, value in params.items()}
    known |= {"workspaces.docker-config.path": str(place), "results.digest.path": str(place / "digest")}
    values = {
        one["name"]: re.sub(r"\$\(([^)]+)\)", lambda found: known.pop(found[1]), one["value"])
        for one in step["env"]
    }
    for arch in ("amd64", "arm64"):
        folder = place / "out" / arch
        folder.mkdir(parents=True)
        sh(peers.find_go(), "build", "-o", folder / "app", ".", cwd=HELLO,
           env={**os.environ, "GOARCH": arch, "CGO_ENABLED": "0"})  # fmt: skip

    steps("sh", step["script"], place, **values)

    assert (place / "digest").read_text() == held(f"{name}:1")[0]
    assert ["params.ocitool"] == list(known), "what is declared is used, the step's image among it"
    assert "$(params.ocitool)" == step["image"]
    assert not re.search(r"\$\((params|workspaces|results)\.", step["script"]), "a value of others is no script"


@pytest.mark.registry
def test_the_cron_job_fails_where_an_image_is_broken(place, steps, docker_registry):
    pod = yaml.safe_load((RECIPES / "kubernetes-job.yaml").read_text())["spec"]["jobTemplate"]["spec"]["template"]
    (container,), name = pod["spec"]["containers"], docker_registry.repository()
    (script,) = container["args"]
    steps("sh -e", f"ocitool build . --platform {BOTH} -t {name}:1 --push")

    assert ["sh", "-euc"] == container["command"]
    steps("sh -eu", script, place, REPOSITORY=name)
    steps("sh -e", f"ocitool build . --platform linux/amd64 --no-index --label broken=yes -t {name}:2 --push")
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(f"{name}:2")
        config = view(store.get_manifest(tag)).config.digest.hex
    (blob,) = docker_registry.root.glob(f"docker/registry/v2/blobs/sha256/*/{config}/data")
    blob.unlink()

    steps("sh -eu", script, place, REPOSITORY=name, code=1)


@pytest.mark.registry
def test_the_jenkins_pipeline_logs_in_and_builds(place, steps, registry_with_auth):
    text = (RECIPES / "Jenkinsfile").read_text()
    install, build = re.findall(r"sh '''\n(.*?)'''", text, re.DOTALL)
    name, bin_folder = registry_with_auth.repository(), place / "tmp/venv/bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "ocitool").symlink_to(Path(sys.executable).with_name("ocitool"))
    given = {
        "WORKSPACE_TMP": place / "tmp",
        "IMAGE": name,
        "PLATFORMS": BOTH,
        "BUILD_NUMBER": 7,
        "REGISTRY_USR": registry_with_auth.user,
        "REGISTRY_PSW": registry_with_auth.password,
        "DOCKER_CONFIG": place / "login",
    }

    steps("sh -xe", build.replace("image.json", f"{place}/image.json"), HELLO, **given)

    told = json.loads((place / "image.json").read_text())
    said = steps("sh -e", f"ocitool inspect {name}:7", DOCKER_CONFIG=place / "login")
    assert told["containerimage.digest"] in said
    assert '"$WORKSPACE_TMP/venv/bin/pip" install' in install
    assert text.count("{") == text.count("}")


@pytest.mark.interop
def test_workflows_pass_actionlint(peer):
    assert "" == sh(peer("actionlint"), *WORKFLOWS)


@pytest.mark.interop
@pytest.mark.parametrize("schema", ["github-workflows", "github-actions"])
def test_files_fit_the_schemas_of_github(peer, schema):
    found = WORKFLOWS if schema == "github-workflows" else sorted(ACTIONS.glob("*/action.yml"))

    assert "ok" in sh(peer("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", *found)


@pytest.mark.interop
def test_what_is_for_gitlab_fits_its_schema(peer, tmp_path):
    """Both parts of the include, and the jobs of the guide: one called `image`, say, would be no job."""
    head, _, _ = (RECIPES / "gitlab-image.yml").read_text().partition("\n---\n")
    section = (REPOSITORY / "docs/guides/ci.md").read_text().partition("## GitLab CI")[2].partition("\n## ")[0]
    guide = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert len(guide) == 2
    for name, text in {"head": head, "body": yaml.safe_dump(gitlab()), "guide": "\n".join(guide)}.items():
        (tmp_path / f"{name}.yml").write_text(text)

        assert "ok" in sh(
            peer("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", tmp_path / f"{name}.yml"
        )


@pytest.mark.interop
def test_the_cron_job_fits_the_api_of_kubernetes(peer):
    assert "passed" in sh(peer("kubernetes-validate"), "--strict", RECIPES / "kubernetes-job.yaml")


@pytest.mark.interop
@pytest.mark.long
def test_pre_commit_runs_the_hook(peer, place, tmp_path):
    """On a Dockerfile that is well, and on one with something unwise."""
    project, store = tmp_path / "project", {**os.environ, "PRE_COMMIT_HOME": str(place / "hooks")}
    project.mkdir()
    revision = sh("git", "rev-parse", "HEAD", cwd=REPOSITORY).strip()
    (project / ".pre-commit-config.yaml").write_text(
        json.dumps(
            {"repos": [{"repo": str(REPOSITORY), "rev": revision, "hooks": [{"id": "ocitool-build-check"}]}]}
        )
    )
    hook = [str(peer("pre-commit")), "run", "--all-files"]
    sh("git", "init", "-q", project)
    (project / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    sh("git", "add", ".", cwd=project)

    sh(hook[0], "validate-manifest", REPOSITORY / ".pre-commit-hooks.yaml")
    assert "Passed" in sh(*hook, cwd=project, env=store, timeout=1200)
    (project / "Dockerfile").write_text("FROM scratch\nMAINTAINER me\n")
    done = subprocess.run(hook, cwd=project, env=store, capture_output=True, text=True)

    assert 1 == done.returncode
    assert "MaintainerDeprecated" in done.stdout
