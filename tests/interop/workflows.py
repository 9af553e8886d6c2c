"""A driver of pipelines: GitHub workflows and GitLab files as they are, with the well-known actions as command lines.

An action is what it calls: docker/build-push-action is a `docker buildx build`, and so on. `run` steps are bash's.
Which `docker` is called decides PATH, so that one file runs with ours and with docker's own.
"""

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

SHA = "860c1904a1ce19322e91ac35af1ab07466440c37"
CREATED = "2024-01-02T03:04:05.000Z"
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_GITLAB_KEYWORDS = {"stages", "variables", "default", "include", "workflow"}


class Failed(Exception):  # noqa: N818 - what a pipeline did
    """A step ended with another code than 0; the text is what it said."""


@dataclass
class Run:
    """One run of a pipeline: its folder, its PATH, what it knows, and every command line of docker's that it called."""

    folder: Path
    source: Path
    environ: dict[str, str]
    registry: str
    repository: str
    ref_name: str = "main"
    ref_type: str = "branch"
    files: Iterator[int] = field(default_factory=itertools.count)

    def sh(self, argv: list[str], cwd: Path, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """Standard output of a command. Raises Failed."""
        done = subprocess.run(
            argv,
            cwd=cwd,
            env={**self.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise Failed(f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def fresh(self, name: str) -> Path:
        """A path that nobody else has."""
        return self.folder / f"{next(self.files)}-{name}"


def github(file: Path, run: Run) -> None:
    """Run a workflow: its jobs in their order, each combination of a matrix on its own."""
    tree = yaml.load(file.read_text(), yaml.BaseLoader)
    context = {
        "github": {
            "repository": run.repository,
            "sha": SHA,
            "ref_name": run.ref_name,
            "ref_type": run.ref_type,
            "actor": "somebody",
            "event_name": "push",
        },
        "vars": {"REGISTRY": run.registry},
        "secrets": {"REGISTRY_USER": "somebody", "REGISTRY_TOKEN": "secret", "GITHUB_TOKEN": "secret"},
        "runner": {"temp": str(run.folder)},
        "needs": {},
    }
    artifacts = run.fresh("artifacts")
    for name, job in tree["jobs"].items():
        for matrix in _matrix(job.get("strategy", {}).get("matrix")):
            outputs = _Job(run, {**context, "matrix": matrix}, artifacts, tree.get("env", {})).do(job)
        context["needs"][name] = {"outputs": outputs}


def _matrix(tree: Mapping[str, Any] | None) -> list[dict[str, str]]:
    tree = dict(tree or {})
    include, exclude = tree.pop("include", []), tree.pop("exclude", [])
    found = [dict(zip(tree, values, strict=True)) for values in itertools.product(*tree.values())] if tree else []
    found = [one for one in found if not any(left.items() <= one.items() for left in exclude)]
    return [*found, *include] or [{}]


class _Job:
    """A job under way: its workspace, its environment, and the outputs of its steps."""

    def __init__(self, run: Run, context: dict[str, Any], artifacts: Path, env: Mapping[str, str]) -> None:
        self.run, self.artifacts = run, artifacts
        self.workspace = run.fresh("workspace")
        self.workspace.mkdir()
        self.context = {**context, "steps": {}, "env": {}}
        self.set_env(env)

    def set_env(self, env: Mapping[str, str]) -> None:
        for key, text in env.items():
            self.context["env"][key] = self.filled(text)

    def filled(self, text: str) -> str:
        return _EXPRESSION.sub(lambda match: _text(self.value(match[1])), text)

    def value(self, words: str) -> Any:
        """An expression: a path, or two of them compared."""
        for sign in ("==", "!="):
            if sign in words:
                left, right = (self.value(part.strip()) for part in words.split(sign))
                return (left == right) is (sign == "==")
        if words[0] in "'\"":
            return words[1:-1]
        found: Any = self.context
        for name in words.split("."):
            found = found.get(name, "")
        return found

    def do(self, job: Mapping[str, Any]) -> dict[str, str]:
        self.set_env(job.get("env", {}))
        for step in job["steps"]:
            condition = step.get("if", "true").removeprefix("${{").removesuffix("}}").strip()
            if condition != "true" and not self.value(condition):
                continue
            before = dict(self.context["env"])
            self.set_env(step.get("env", {}))
            outputs = self.step(step)
            added = self.context["env"]
            self.context["env"] = before | {key: added[key] for key in added if key not in step.get("env", {})}
            if "id" in step:
                self.context["steps"][step["id"]] = {"outputs": outputs}
        return {key: self.filled(text) for key, text in job.get("outputs", {}).items()}

    def step(self, step: Mapping[str, Any]) -> dict[str, str]:
        if "run" in step:
            return self.script(self.filled(step["run"]), Path(self.filled(step.get("working-directory", "."))))
        name = step["uses"].partition("@")[0]
        inputs = {key: self.filled(text) for key, text in step.get("with", {}).items()}
        return ACTIONS[name](self, inputs) or {}

    def script(self, text: str, folder: Path) -> dict[str, str]:
        output, env = self.run.fresh("output"), self.run.fresh("env")
        for path in (output, env):
            path.touch()
        known = {"GITHUB_SHA": SHA, "GITHUB_REF_NAME": self.run.ref_name, "GITHUB_REPOSITORY": self.run.repository}
        files = {"GITHUB_OUTPUT": str(output), "GITHUB_ENV": str(env)}
        self.run.sh(
            ["bash", "-eo", "pipefail", "-c", text],
            self.workspace / folder,
            {**known, **self.context["env"], **files},
        )
        self.set_env(_lines_of(env))
        return _lines_of(output)

    def docker(self, *words: str, stdin: str = "") -> str:
        return self.run.sh(["docker", *words], self.workspace, self.context["env"], stdin)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _lines_of(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)


def _several(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def checkout(job: _Job, _inputs: Mapping[str, str]) -> None:
    shutil.copytree(job.run.source, job.workspace, dirs_exist_ok=True)


def setup_qemu(job: _Job, _inputs: Mapping[str, str]) -> None:
    job.docker("run", "--rm", "--privileged", "docker.io/tonistiigi/binfmt:latest", "--install", "all")


def setup_buildx(job: _Job, _inputs: Mapping[str, str]) -> None:
    job.docker("buildx", "version")
    flags = "--allow-insecure-entitlement network.host"
    job.docker(
        "buildx",
        "create",
        "--name",
        "builder-x",
        "--driver",
        "docker-container",
        "--buildkitd-flags",
        flags,
        "--use",
    )
    job.docker("buildx", "inspect", "--bootstrap", "--builder", "builder-x")


def login(job: _Job, inputs: Mapping[str, str]) -> None:
    job.docker(
        "login", "--password-stdin", "--username", inputs["username"], inputs["registry"], stdin=inputs["password"]
    )


def metadata(job: _Job, inputs: Mapping[str, str]) -> dict[str, str]:
    """docker/metadata-action: names and labels of what is built, from what is known of the commit."""
    run = job.run
    asked = _several(inputs.get("tags", "")) or ["type=ref,event=branch", "type=ref,event=tag"]
    versions = list(
        dict.fromkeys(
            filter(None, (_version(dict(word.split("=", 1) for word in one.split(",")), run) for one in asked))
        )
    )
    if any(one.startswith("type=semver") for one in asked) and run.ref_type == "tag":
        versions.append("latest")
    tags = [f"{image}:{version}" for image in _several(inputs["images"]) for version in versions]
    title = run.repository.rpartition("/")[2]
    said = {
        "created": CREATED,
        "description": "",
        "licenses": "",
        "revision": SHA,
        "source": f"https://github.example/{run.repository}",
        "title": title,
        "url": f"https://github.example/{run.repository}",
        "version": versions[0],
    }
    labels = [f"org.opencontainers.image.{key}={value}" for key, value in said.items()]
    annotations = [f"manifest:{label}" for label in (*labels, *_several(inputs.get("annotations", "")))]
    labels += _several(inputs.get("labels", ""))
    target = {
        "tags": tags,
        "labels": dict(label.split("=", 1) for label in labels),
        "args": {"DOCKER_META_VERSION": versions[0]},
    }
    bake = run.fresh("bake.json")
    bake.write_text(json.dumps({"target": {"docker-metadata-action": target}}))
    tree = json.dumps({"tags": tags, "labels": target["labels"], "annotations": annotations})
    job.context["env"]["DOCKER_METADATA_OUTPUT_JSON"] = tree
    lists = {"tags": tags, "labels": labels, "annotations": annotations}
    return {
        "version": versions[0],
        "bake-file": str(bake),
        "json": tree,
        **{key: "\n".join(one) for key, one in lists.items()},
    }


def _version(words: Mapping[str, str], run: Run) -> str:
    match words["type"], run.ref_type:
        case ("ref", kind):
            return run.ref_name if words["event"] == kind else ""
        case ("sha", _):
            return f"sha-{SHA[:7]}"
        case ("raw", _):
            return words["value"]
        case ("semver", "tag"):
            version = run.ref_name.removeprefix("v")
            major, minor, *_ = version.split(".")
            return (
                words["pattern"]
                .replace("{{version}}", version)
                .replace("{{major}}", major)
                .replace("{{minor}}", minor)
            )
    return ""


_LISTS = {
    "annotations": "annotation",
    "build-args": "build-arg",
    "cache-from": "cache-from",
    "cache-to": "cache-to",
}
_LISTS |= {"labels": "label", "outputs": "output", "tags": "tag"}
_WORDS = ("file", "platforms", "provenance", "target")


def build_push(job: _Job, inputs: Mapping[str, str]) -> dict[str, str]:
    """docker/build-push-action: one `docker buildx build`."""
    iid, meta = job.run.fresh("iid"), job.run.fresh("metadata")
    words = [f"--{flag}={one}" for name, flag in _LISTS.items() for one in _several(inputs.get(name, ""))]
    words += [f"--{name.removesuffix('s')}={inputs[name]}" for name in _WORDS if inputs.get(name)]
    words += ["--iidfile", str(iid), "--metadata-file", str(meta)]
    words += ["--push"] if inputs.get("push") == "true" else []
    job.docker("buildx", "build", *words, inputs["context"])
    tree = json.loads(meta.read_text())
    return {"digest": tree["containerimage.digest"], "imageid": iid.read_text(), "metadata": json.dumps(tree)}


def bake(job: _Job, inputs: Mapping[str, str]) -> dict[str, str]:
    """docker/bake-action: `docker buildx bake`, looked at with --print first."""
    meta = job.run.fresh("metadata")
    words = [word for one in _several(inputs.get("files", "")) for word in ("--file", one)]
    words += [word for one in _several(inputs.get("set", "")) for word in ("--set", one)]
    words += ["--push"] if inputs.get("push") == "true" else []
    targets = _several(inputs.get("targets", ""))
    json.loads(job.docker("buildx", "bake", *words, "--print", *targets))
    job.docker("buildx", "bake", *words, "--provenance=false", "--metadata-file", str(meta), *targets)
    return {"metadata": meta.read_text()}


def upload(job: _Job, inputs: Mapping[str, str]) -> None:
    target = job.artifacts / inputs["name"]
    target.mkdir(parents=True)
    for path in Path(inputs["path"]).parent.glob(Path(inputs["path"]).name):
        shutil.move(path, target)  # a runner of its own would have no other's


def download(job: _Job, inputs: Mapping[str, str]) -> None:
    for folder in sorted(job.artifacts.glob(inputs["pattern"])):
        shutil.copytree(folder, inputs["path"], dirs_exist_ok=True)


ACTIONS = {
    "actions/checkout": checkout,
    "actions/upload-artifact": upload,
    "actions/download-artifact": download,
    "docker/setup-qemu-action": setup_qemu,
    "docker/setup-buildx-action": setup_buildx,
    "docker/login-action": login,
    "docker/metadata-action": metadata,
    "docker/build-push-action": build_push,
    "docker/bake-action": bake,
}


def gitlab(file: Path, run: Run) -> None:
    """Run a GitLab file: its jobs by their stages, each combination of a matrix on its own."""
    tree = yaml.load(file.read_text(), yaml.BaseLoader)
    known = {
        "CI_REGISTRY": run.registry,
        "CI_REGISTRY_IMAGE": f"{run.registry}/{run.repository}",
        "CI_REGISTRY_USER": "somebody",
        "CI_REGISTRY_PASSWORD": "secret",
        "CI_COMMIT_SHA": SHA,
        "CI_COMMIT_SHORT_SHA": SHA[:8],
        "CI_COMMIT_REF_SLUG": run.ref_name,
    }
    stages = tree.get("stages", ["test"])
    jobs = [job for name, job in tree.items() if name not in _GITLAB_KEYWORDS]
    for job in sorted(jobs, key=lambda one: stages.index(one.get("stage", "test"))):
        for axes in job.get("parallel", {}).get("matrix", [{}]):
            for values in itertools.product(*axes.values()):
                env = known | dict(zip(axes, values, strict=True))
                for key, text in {**tree.get("variables", {}), **job.get("variables", {})}.items():
                    env[key] = re.sub(r"\$\{?(\w+)\}?", lambda match, env=env: env.get(match[1], ""), text)
                folder = run.fresh("workspace")
                shutil.copytree(run.source, folder)
                lines = [
                    *job.get("before_script", tree.get("default", {}).get("before_script", [])),
                    *job["script"],
                ]
                run.sh(["bash", "-eo", "pipefail", "-c", "\n".join(lines)], folder, env)


def path_with(folder: Path) -> str:
    """PATH with a folder before all others."""
    return f"{folder}:{os.environ['PATH']}"
