"""Artifacts and the ORAS command line: what one pushes the other pulls, directories included."""

import json
import subprocess

import pytest

pytestmark = pytest.mark.interop


@pytest.fixture
def oras(peer, tmp_path, home):
    """`oras("pull", …)` in a folder; plain HTTP."""

    def call(*words, cwd):
        argv = [str(peer("oras")), *map(str, words), "--plain-http"]
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=60)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    return call


@pytest.fixture
def folder(tmp_path, monkeypatch):
    here = tmp_path / "here"
    (here / "sub" / "in").mkdir(parents=True)
    (here / "a.txt").write_text("a")
    (here / "sub" / "in" / "b.bin").write_bytes(b"b" * 300_000)
    (here / "sub" / "run").write_text("#!/bin/sh\n")
    (here / "sub" / "run").chmod(0o755)
    (here / "sub" / "in" / "link").symlink_to("../run")
    monkeypatch.chdir(here)
    return here


def below(folder):
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_oras_pulls_what_we_push(docker_registry, run, oras, folder, tmp_path):
    name = f"{docker_registry.repository()}:1"
    (tmp_path / "out").mkdir()

    done = run("artifact", "push", name, "a.txt:text/plain", "sub", "--type", "application/vnd.example.v1")
    oras("pull", name, cwd=tmp_path / "out")

    assert 0 == done.exit_code, done.stderr
    assert below(folder) == below(tmp_path / "out")
    assert (tmp_path / "out" / "sub" / "run").stat().st_mode & 0o111


def test_we_pull_what_oras_pushes(docker_registry, run, oras, folder, tmp_path):
    name = f"{docker_registry.repository()}:1"

    oras("push", name, "a.txt:text/plain", "sub", "--artifact-type", "application/vnd.example.v1", cwd=folder)
    done = run("artifact", "pull", name, "-o", tmp_path / "out")

    assert 0 == done.exit_code, done.stderr
    assert below(folder) == below(tmp_path / "out")
    assert (tmp_path / "out" / "sub" / "run").stat().st_mode & 0o111


def test_we_pull_what_oras_py_pushes(docker_registry, run, folder, tmp_path):
    """oras-py itself, with its own transport."""
    import oras.provider

    name = f"{docker_registry.repository()}:1"
    oras.provider.Registry(insecure=True).push(name, files=["a.txt:text/plain", "sub"], quiet=True)

    done = run("artifact", "pull", name, "-o", tmp_path / "out")

    assert 0 == done.exit_code, done.stderr
    assert below(folder) == below(tmp_path / "out")


def test_oras_py_pulls_what_our_registry_pushes(docker_registry, oras, folder, tmp_path):
    import oras.provider as theirs

    from ocitool.artifact.oras import Registry

    name = f"{docker_registry.repository()}:1"
    with Registry() as registry:
        registry.push(name, files=["a.txt:text/plain", "sub"], quiet=True)

    theirs.Registry(insecure=True).pull(name, outdir=str(tmp_path / "out"))

    assert below(folder) == below(tmp_path / "out")


def test_annotations_and_a_config_arrive(docker_registry, run, oras, folder, tmp_path):
    name = f"{docker_registry.repository()}:1"
    (folder / "notes.json").write_text('{"$manifest": {"m": "1"}, "$config": {"c": "2"}, "a.txt": {"f": "3"}}')

    run("artifact", "push", name, "a.txt", "--config", "notes.json:x/config", "--annotation-file", "notes.json")
    ours = oras("manifest", "fetch", name, cwd=folder)
    oras("push", name, "a.txt", "--config", "notes.json:x/config", "--annotation-file", "notes.json", cwd=folder)
    theirs = oras("manifest", "fetch", name, cwd=folder)

    for text in ('"f":"3"', '"c":"2"', '"m":"1"', '"mediaType":"x/config"'):
        assert text in ours.replace(" ", "").replace("\n", "")
        assert text in theirs.replace(" ", "").replace("\n", "")


class TestAttached:
    """What `attach` writes, where the registry lists referrers and where a tag does."""

    @pytest.mark.parametrize("of", ["index", "each platform"])
    def test_oras_discovers_and_pulls_it(self, repository, digests, run, oras, folder, tmp_path, of):
        name = f"{repository}:1"
        words = ("--each-platform",) if of == "each platform" else ()
        note = ("--artifact-type", "application/vnd.example.v1", "-a", "of=<us>")

        done = run("attach", name, "a.txt:text/plain", "sub", *note, *words)

        assert 0 == done.exit_code, done.stderr
        for number, digest in enumerate(digests[1:] if words else digests[:1]):
            seen = oras("discover", f"{repository}@{digest}", "--format", "json", cwd=folder)
            [found] = json.loads(seen)["referrers"]
            out = tmp_path / f"out{number}"
            out.mkdir()
            oras("pull", f"{repository}@{found['digest']}", cwd=out)
            assert ("application/vnd.example.v1", "<us>") == (found["artifactType"], found["annotations"]["of"])
            assert below(folder) == below(out)
            assert (out / "sub" / "run").stat().st_mode & 0o111

    def test_oras_sees_what_is_beside_it_and_what_is_detached(self, repository, digests, run, oras, folder):
        """And what oras attaches stands in our tree."""
        name = f"{repository}:1"
        oras("attach", name, "--artifact-type", "x/theirs", "a.txt", cwd=folder)
        assert 0 == run("attach", name, "a.txt", "--artifact-type", "x/ours").exit_code

        def kinds():
            found = json.loads(oras("discover", name, "--format", "json", cwd=folder))["referrers"]
            return {one["artifactType"]: one["digest"] for one in found}

        both, tree = kinds(), run("referrers", name).stdout
        done = run("detach", name, both["x/ours"])

        assert {"x/ours", "x/theirs"} == set(both)
        assert "x/ours" in tree
        assert "x/theirs" in tree
        assert 0 == done.exit_code, done.stderr
        assert {"x/theirs"} == set(kinds())
