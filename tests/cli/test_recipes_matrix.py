"""docs/recipes: jobs of a matrix, each a process that shares nothing with the others but the registry, and their merge.

The files are held to their systems' schemas, and their shell lines are run as they stand there.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.conftest import REPOSITORY, homes, process_environment, untraced

pytestmark = [pytest.mark.registry, pytest.mark.slow]

RECIPES = REPOSITORY / "docs" / "recipes"
ARCHES = ("amd64", "arm64")
BOTH = {f"linux/{arch}" for arch in ARCHES}
SPEC = 'toolchain = "prebuilt"\ngit-labels = true\nfiles = ["{arch}{variant}:/srv/"]\n'


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((RECIPES / name).read_text()))


@pytest.fixture
def checkout(tmp_path, peer):
    """A repository with a project that is built for three platforms; `commit` makes another revision."""
    peer("git")
    folder = tmp_path / "origin"
    folder.mkdir()
    for arch in (*ARCHES, "armv7"):
        (folder / arch).write_text(arch)
    (folder / "ocitool.toml").write_text(SPEC)
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    return folder


def git(folder, *words):
    said = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *said, *words], cwd=folder, check=True, capture_output=True, env=homeless(folder))


def homeless(folder):
    return {**os.environ, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}


def commit(folder):
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one more")


@pytest.fixture
def runner(tmp_path, checkout):
    """`runner("amd64")`: a machine of its own: a clone, a home and a folder for temporary files; `sh` runs a script."""

    class Runner:
        def __init__(self, name):
            self.folder = tmp_path / name
            self.work = self.folder / "work"
            for folder in (self.work, self.folder / "home", self.folder / "tmp", self.folder / "bin"):
                folder.mkdir(parents=True, exist_ok=True)
            program = self.folder / "bin" / "ocitool"
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ocitool "$@"\n')
            program.chmod(0o755)

        def cloned(self):
            git(self.folder, "clone", "-q", str(checkout), str(self.work))
            return self

        def sh(self, script, **variables):
            own = {
                **homes(self.folder / "home"),
                "TMPDIR": str(self.folder / "tmp"),
                "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
                **variables,
            }
            environ = untraced(process_environment(own))
            argv = ["sh", "-euc", script]
            return subprocess.run(argv, cwd=self.work, env=environ, capture_output=True, text=True, timeout=300)

    return Runner


def at_once(jobs):
    """What each job gives; they run side by side."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [one.result() for one in [pool.submit(job) for job in jobs]]


def fine(done):
    assert done.returncode == 0, done.stderr
    return done


def platforms(name):
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(name)
        return {str(one.platform) for one in view(store.get_manifest(tag)).entries}


class TestSchemas:
    @pytest.mark.parametrize(
        ("schema", "name"),
        [("vendor.github-workflows", "github-matrix.yaml"), ("vendor.gitlab-ci", "gitlab-matrix.yaml")],
    )
    def test_workflows(self, schema, name):
        pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
        words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(RECIPES / name)]

        done = subprocess.run(words, capture_output=True, text=True)

        assert 0 == done.returncode, done.stdout

    def test_manifests(self):
        kubernetes = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
        version = kubernetes.latest_version()

        for document in documents("kubernetes-indexed-job.yaml"):
            kubernetes.validate(document, version, strict=True)
            with pytest.raises(kubernetes.ValidationError):
                kubernetes.validate({**document, "spce": {}}, version, strict=True)


class TestGitHub:
    def test_the_jobs(self, runner, docker_registry, tmp_path):
        (workflow,) = documents("github-matrix.yaml")
        jobs, image = workflow["jobs"], docker_registry.repository()
        include = jobs["build"]["strategy"]["matrix"]["include"]
        build, merge = (
            next(s["run"] for s in jobs[job]["steps"] if s.get("name") == job) for job in ("build", "merge")
        )

        def job(one):
            said = {"IMAGE": image, "PLATFORM": one["platform"], "ARCH": one["arch"]}
            return runner(one["arch"]).cloned().sh(build, **said)

        for done in at_once([lambda one=one: job(one) for one in include]):
            fine(done)
        last = runner("merge")
        for arch in ARCHES:  # as download-artifact does with several of them
            handed_on = tmp_path / arch / "work" / "parts"
            target = last.work / "parts" / f"part-{arch}"
            target.mkdir(parents=True)
            (handed_on / f"{arch}.json").rename(target / f"{arch}.json")
        output = last.folder / "output"
        fine(last.sh(merge, IMAGE=image, TAG="v1", GITHUB_OUTPUT=str(output)))

        assert platforms(f"{image}:v1") == BOTH
        assert "digest=sha256:" in output.read_text()
        assert jobs["merge"]["outputs"]["digest"] == "${{ steps.merge.outputs.digest }}"


class TestGitLab:
    def test_the_jobs(self, runner, docker_registry, tmp_path):
        (pipeline,) = documents("gitlab-matrix.yaml")
        image = docker_registry.repository()
        script = {job: "\n".join(pipeline[job]["script"]) for job in ("build", "merge")}
        arches = [one["ARCH"] for one in pipeline["build"]["parallel"]["matrix"]]

        jobs = [
            lambda arch=arch: runner(arch).cloned().sh(script["build"], CI_REGISTRY_IMAGE=image, ARCH=arch)
            for arch in arches
        ]
        for done in at_once(jobs):
            fine(done)
        last = runner("merge")
        (last.work / "parts").mkdir()
        for arch in arches:  # artifacts of all jobs are unpacked over each other
            (tmp_path / arch / "work" / "parts" / f"{arch}.json").rename(last.work / "parts" / f"{arch}.json")
        said = {"CI_REGISTRY_IMAGE": image, "CI_COMMIT_REF_SLUG": "main"}
        fine(last.sh(script["merge"], **said, **pipeline["merge"]["variables"]))

        assert platforms(f"{image}:main") == BOTH
        assert (
            "OCITOOL_DIGEST=sha256:"
            in (last.work / pipeline["merge"]["artifacts"]["reports"]["dotenv"]).read_text()
        )


class TestKubernetes:
    @pytest.fixture
    def cluster(self, runner, docker_registry, checkout):
        """`cluster.pod("build", 0)`: runs the script of a Job in a pod of its own."""
        settings, build, merge = documents("kubernetes-indexed-job.yaml")

        class Cluster:
            image = docker_registry.repository()
            completions = build["spec"]["completions"]
            listed = settings["data"]["PLATFORMS"].split()
            pods = 0

            def pod(self, job, index=0, **changed):
                self.pods += 1
                (container,) = {"build": build, "merge": merge}[job]["spec"]["template"]["spec"]["containers"]
                pod = runner(f"{job}-{self.pods}")
                script = container["args"][0].replace("/work", str(pod.work))
                said = {**settings["data"], "IMAGE": self.image, "SOURCE": checkout.as_uri(), **changed}
                return pod.sh(script, **said, JOB_COMPLETION_INDEX=str(index))

        return Cluster()

    def test_the_jobs(self, cluster):
        assert cluster.completions == len(cluster.listed)
        for done in at_once([lambda n=n: cluster.pod("build", n) for n in range(cluster.completions)]):
            fine(done)

        fine(cluster.pod("merge"))
        assert platforms(f"{cluster.image}:v1") == BOTH

    def test_lost_repeated_and_old_parts(self, cluster, checkout):
        """Three platforms, each in a pod of its own; what goes wrong on the way never becomes a tag."""
        three = {"PLATFORMS": "linux/amd64 linux/arm64 linux/arm/v7"}
        fine(cluster.pod("build", 0, **three))

        lost = cluster.pod("merge", **three)  # two pods were evicted
        assert lost.returncode == 1
        assert "would have no linux/arm64, linux/arm/v7, which are expected" in lost.stderr

        fine(cluster.pod("build", 0, **three))  # a pod that was started twice
        fine(cluster.pod("build", 1, **three))
        commit(checkout)
        fine(cluster.pod("build", 2, **three))

        mixed = cluster.pod("merge", **three)
        assert mixed.returncode == 8
        assert "is of revision" in mixed.stderr

        for done in at_once([lambda n=n: cluster.pod("build", n, **three) for n in (0, 1)]):
            fine(done)
        fine(cluster.pod("merge", **three))
        assert platforms(f"{cluster.image}:v1") == {*BOTH, "linux/arm/v7"}
        fine(cluster.pod("merge", **three))  # and again


def test_every_recipe_of_the_page_is_there():
    page = (RECIPES / "README.md").read_text()

    for name in ("github-matrix.yaml", "gitlab-matrix.yaml", "kubernetes-indexed-job.yaml"):
        assert f"({name})" in page
        assert Path(RECIPES / name).is_file()
