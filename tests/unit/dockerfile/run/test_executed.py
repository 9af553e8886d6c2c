"""RUN carried out by an executor: what it is asked, what is left behind, and what is remembered."""

import json
from threading import Barrier, Semaphore

import pytest

from ocitool.builder.pipeline import build, plan
from ocitool.builder.request import BuildRequest
from ocitool.builder.trust import TrustOptions
from ocitool.dockerfile.request import DockerfileOptions
from ocitool.dockerfile.run.options import RunOptions, Secret
from ocitool.errors import BuildError, DigestMismatch, Unsupported
from ocitool.events import Done, Printed
from ocitool.executor.base import MountKind, Network
from ocitool.model.platform import Platform
from ocitool.model.views import view
from ocitool.registry.hosts import Access
from ocitool.rootfs.tree import read_file, read_tree
from ocitool.store.locate import Opener
from ocitool.store.machine import MachineStore
from ocitool.tasks import Scope
from ocitool.workspace import Workspace
from tests.fakes.executor import FakeExecutor

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64", "v8")


class Bench:
    """A folder that is built from, with an executor that carries nothing out."""

    def __init__(self, home):
        self.home = home
        self.source = home / "src"
        self.source.mkdir()
        self.events = []
        self.machine = MachineStore(home / "cache")
        self.executor = FakeExecutor(home)
        self.opener = Opener(Access(), Scope(), self.events.append)

    def build(
        self,
        text,
        *platforms,
        arguments=(),
        use_cache=True,
        environ=None,
        epoch=None,
        allow_foreign=False,
        policy=None,
        **options,
    ):
        (self.source / "Dockerfile").write_text(text)
        request = BuildRequest(
            source=self.source,
            platforms=platforms or (AMD64,),
            toolchain="dockerfile",
            dockerfile=DockerfileOptions(
                arguments=tuple(arguments), run=RunOptions(use_cache=use_cache, **options)
            ),
            environ=environ or {},
            executor=self.executor,
            allow_foreign=allow_foreign,
            use_cache=use_cache,
            epoch=epoch or 0,
            has_epoch=epoch is not None,
            trust=TrustOptions(policy=policy),
        )
        work = Workspace(self.machine, self.opener, Scope(), AMD64, width=2, listener=self.events.append)
        return build(plan(request, work), work)

    def executions(self, text, *platforms, **more):
        """What was asked of the executor, in order."""
        self.executor.executions.clear()
        self.build(text, *platforms, **more)
        return self.executor.executions

    def files(self, built, number=0):
        """Path to content, None for folders, of one image."""
        image = built.images[number]
        tree = read_tree(self.machine.content, view(image.manifest), None, scope=Scope())
        return {
            path: b"".join(read_file(self.machine.content, view(image.manifest), tree, path, scope=Scope()))
            if node.kind.value == "0"
            else None
            for path, node in tree.walk()
        }

    def owner(self, built, path):
        tree = read_tree(self.machine.content, view(built.images[0].manifest), None, scope=Scope())
        return tree.get(path).uid, tree.get(path).gid


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def told(built, number=0):
    return [
        (step["created_by"], step.get("empty_layer", False))
        for step in json.loads(built.images[number].config.raw)["history"]
    ]


def test_a_run_is_given_what_the_stage_says_and_leaves_a_layer(bench):
    bench.executor.changes = lambda _execution: {"out": b"made", "a": None}
    (bench.source / "a").write_text("1")
    text = 'FROM scratch\nARG V=2\nENV E=3\nWORKDIR /w\nUSER app\nCOPY a /a\nSHELL ["/sh", "-x"]\nRUN make $V\n'

    built = bench.build(text)

    (one,) = bench.executor.executions
    assert ("/sh", "-x", "make $V") == one.args
    assert {"V=2", "E=3"} < set(one.env)
    assert ("/w", "app", AMD64) == (one.workdir, one.user, one.platform)
    assert 2 == len(one.root)
    assert ("RUN |1 V=2 /sh -x make $V # buildkit", False) == told(built)[-1]
    assert {"out": b"made", "w": None} == bench.files(built)
    assert bench.executor.is_closed


def test_layers_below_are_those_of_the_image(bench):
    bench.executor.changes = lambda execution: {execution.args[-1]: b"x"}
    (bench.source / "a").write_text("1")

    built = bench.build("FROM scratch\nCOPY a /\nRUN one\nCOPY a /b\nRUN two\n")

    diff_ids = json.loads(built.images[0].config.raw)["rootfs"]["diff_ids"]
    assert diff_ids[:3] == [layer.key for layer in bench.executor.executions[-1].root]
    assert 4 == len(diff_ids)


def test_a_second_build_starts_nothing(bench):
    bench.executor.changes = lambda _execution: {"out": b"made"}
    first = bench.build("FROM scratch\nRUN make\n")

    second = bench.build("FROM scratch\nRUN make\n")

    assert 1 == len(bench.executor.executions)
    assert first.root.raw == second.root.raw
    assert "cached" in [event.outcome for event in bench.events if isinstance(event, Done)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RUN make", "RUN make all"),
        ("RUN make", 'RUN ["make"]'),
        ("ARG V=1\nRUN make", "ARG V=2\nRUN make"),
        ("ENV V=1\nRUN make", "ENV V=2\nRUN make"),
        ("RUN make", "USER 7\nRUN make"),
        ("RUN make", "RUN --network=none make"),
        ("RUN make", "RUN --mount=type=tmpfs,target=/t make"),
        ("RUN --mount=target=/a,source=a make", "RUN --mount=target=/a,source=b make"),
        ("RUN <<E\n#!/bin/x\n1\nE", "RUN <<E\n#!/bin/x\n2\nE"),
        ("RUN make", "COPY a /\nRUN make"),
    ],
)
def test_what_a_run_reads_is_part_of_its_key(bench, one, other):
    (bench.source / "a").write_text("1")
    (bench.source / "b").write_text("2")

    bench.build(f"FROM scratch\n{one}\n")
    bench.build(f"FROM scratch\n{other}\n")

    assert 2 == len(bench.executor.executions)


def test_another_value_of_an_argument_that_is_declared_later_does_not_matter(bench):
    bench.build("FROM scratch\nRUN make\nARG V\n", arguments=[("V", "1")])

    bench.build("FROM scratch\nRUN make\nARG V\n", arguments=[("V", "2")])

    assert 1 == len(bench.executor.executions)


def test_without_cache_a_stage_or_everything_runs_again(bench):
    text = "FROM scratch AS a\nRUN one\nFROM a AS b\nRUN two\n"
    bench.build(text)

    assert ["two"] == [one.args[-1] for one in bench.executions(text, fresh=frozenset({"b"}))]
    assert ["one", "two"] == [one.args[-1] for one in bench.executions(text, use_cache=False)]


def test_a_secret_is_seen_by_the_process_alone(bench):
    bench.executor.changes = lambda _execution: {"out": b"made"}
    bench.executor.says = b"the token is s3cr3t-word\n"
    secrets = {"t": Secret("t", variable="T")}
    text = "FROM scratch\nRUN --mount=type=secret,id=t --mount=type=secret,id=t,env=TOKEN make\n"

    built = bench.build(text, secrets=secrets, environ={"T": "s3cr3t-word"})
    bench.build(text, secrets=secrets, environ={"T": "another"})

    (one,) = bench.executor.executions
    (mount,) = one.mounts
    assert (MountKind.SECRET, "/run/secrets/t", b"s3cr3t-word", 0o400) == (
        mount.kind,
        mount.target,
        mount.content,
        mount.mode,
    )
    assert "TOKEN=s3cr3t-word" in one.env
    assert "the token is ***" in [event.text for event in bench.events if isinstance(event, Printed)]
    kept = b"".join(path.read_bytes() for path in bench.machine.root.rglob("*") if path.is_file())
    assert b"s3cr3t-word" not in kept + built.images[0].config.raw


def test_a_secret_that_is_not_given_is_not_mounted_unless_it_is_required(bench):
    (one,) = bench.executions("FROM scratch\nRUN --mount=type=secret,id=t make\n")

    assert () == one.mounts
    with pytest.raises(Exception, match="secret t is required"):
        bench.build("FROM scratch\nRUN --mount=type=secret,id=t,required make\n")


def test_a_failing_command_tells_its_line_and_not_its_secret(bench):
    bench.executor.code, bench.executor.says = 3, b"bad s3cr3t-word\n"
    secrets = {"t": Secret("t", variable="T")}

    with pytest.raises(BuildError, match=r"Dockerfile:2: \[linux/amd64 1/1\] RUN make: exited with 3") as caught:
        bench.build(
            "FROM scratch\nRUN --mount=type=secret,id=t make\n", secrets=secrets, environ={"T": "s3cr3t-word"}
        )

    assert 7 == caught.value.exit_code
    assert "bad ***\n" == caught.value.stderr


def test_a_stage_for_the_building_machine_runs_once_for_all_platforms(bench):
    text = (
        "FROM --platform=$BUILDPLATFORM scratch AS tools\nRUN once\n"
        "FROM scratch\nCOPY --from=tools /once /\nRUN each\n"
    )
    bench.executor.changes = lambda execution: {execution.args[-1]: b"x"}

    found = bench.executions(text, AMD64, ARM64)

    assert "[linux/arm64/v8 stage-1 2/2] RUN each" in {one.label for one in found}
    assert [("once", "amd64")] == [(o.args[-1], o.platform.architecture) for o in found if o.args[-1] == "once"]
    assert {"amd64", "arm64"} == {o.platform.architecture for o in found if o.args[-1] == "each"}


def test_platforms_run_side_by_side(bench):
    barrier = Barrier(2, timeout=20)
    bench.executor.changes = lambda _execution: (barrier.wait() and {}) or {}

    bench.build("FROM scratch\nRUN each\n", AMD64, ARM64)

    assert 2 == len(bench.executor.executions)


def test_mounts_show_contexts_stages_and_caches(bench):
    (bench.source / "sub").mkdir()
    (bench.source / "sub" / "f").write_text("1")
    bench.executor.changes = lambda _execution: {"made": b"x"}
    text = (
        "FROM scratch AS a\nRUN first\nFROM scratch\nWORKDIR /w\nARG N=n\n"
        "RUN --mount=target=src,source=sub --mount=from=a,source=/made,target=/m,rw"
        " --mount=type=cache,id=$N,target=/c,sharing=locked,uid=5 last\n"
    )

    *_, last = bench.executions(text)

    folder, stage, cache = last.mounts
    assert (MountKind.BIND, "/w/src", "/", True) == (folder.kind, folder.target, folder.source, folder.read_only)
    assert (1, "/made", False) == (len(stage.layers), stage.source, stage.read_only)
    assert (MountKind.CACHE, "/c", "locked", 5) == (cache.kind, cache.target, cache.sharing.value, cache.uid)
    assert b"f\0" in bench.executor.layers[folder.layers[0].key]


def test_caches_are_apart_by_name_platform_and_project(bench, tmp_path):
    text = "FROM scratch\nRUN --mount=type=cache,id=a,target=/a --mount=type=cache,target=/b x\n"
    found = [mount.cache for one in bench.executions(text, AMD64, ARM64) for mount in one.mounts]
    other = tmp_path / "other"
    bench.source.rename(other)
    bench.source = other
    found += [mount.cache for one in bench.executions(text, use_cache=False) for mount in one.mounts]

    assert 6 == len(set(found))


def test_heredocs_are_the_command_a_script_or_files_for_the_shell(bench):
    text = (
        "FROM scratch\nRUN <<EOF\none\ntwo\nEOF\nRUN <<-S\n\t#!/bin/x\n\tthree\nS\nRUN cat <<A <<-B\na\nA\n\tb\nB\n"
    )

    plain, script, several = bench.executions(text)

    assert ("/bin/sh", "-c", "one\ntwo\n") == plain.args
    assert ("/bin/sh", "-c", "/dev/pipes/S") == script.args
    assert ("/dev/pipes/S", b"#!/bin/x\nthree\n", 0o755) == (
        script.mounts[0].target,
        script.mounts[0].content,
        script.mounts[0].mode,
    )
    assert ("/bin/sh", "-c", "cat <<A <<-B\na\nA\n\tb\nB") == several.args


def test_networks(bench):
    allowed = {"entitlements": frozenset({"network.host"})}
    text = "FROM scratch\nRUN --network={} x\n"

    assert Network.DEFAULT is bench.executions(text.format("default"))[0].network
    assert Network.NONE is bench.executions(text.format("none"))[0].network
    assert Network.HOST is bench.executions(text.format("host"), **allowed)[0].network
    assert Network.HOST is bench.executions("FROM scratch\nRUN y\n", network="host")[0].network
    assert Network.ISOLATED is bench.executions(text.format("none"), run_network="isolated")[0].network
    with pytest.raises(Unsupported, match="nobody allows it"):
        bench.build(text.format("host"))


def test_proxies_are_in_the_environment_and_nowhere_else(bench):
    built = bench.build("FROM scratch\nRUN x\n", arguments=[("http_proxy", "http://p")])
    bench.build("FROM scratch\nRUN x\n", arguments=[("http_proxy", "http://q")])

    (one,) = bench.executor.executions
    assert {"http_proxy=http://p", "HTTP_PROXY=http://p"} < set(one.env)
    assert [("RUN /bin/sh -c x # buildkit", True)] == told(built)


def test_files_of_a_run_are_seen_by_what_follows(bench):
    made = {"etc/passwd": b"app:x:7:8::/:/\n", "etc/group": b"app:x:8:\n", "tool": b"t", "old": None}
    bench.executor.changes = lambda _execution: made
    (bench.source / "old").write_text("1")
    stage = "FROM scratch AS a\nCOPY old /\nRUN make\n"

    copied = bench.build(f"{stage}FROM scratch\nCOPY --from=a / /\n")
    built = bench.build(f"{stage}USER app\nWORKDIR /home\n")

    assert {"tool": b"t"} == bench.files(copied)
    assert (7, 8) == bench.owner(built, "home")


def test_times_are_clamped_only_where_an_epoch_is_given(bench):
    assert None is bench.executions("FROM scratch\nRUN x\n")[0].epoch
    assert 100 == bench.executions("FROM scratch\nRUN x\n", epoch=100)[0].epoch


def test_where_it_cannot_work_the_reason_comes_first(bench):
    bench.executor.refused = "no runtime was found"

    with pytest.raises(
        Unsupported, match="Dockerfile:2: RUN cannot be carried out here: no runtime was found"
    ) as e:
        bench.build("FROM scratch\nRUN apt-get install x\n")

    assert e.value.hint.startswith("use --no-run; or without a process: ")
    assert [] == bench.executor.executions


def test_insecure_is_refused(bench):
    with pytest.raises(Unsupported, match="insecure"):
        bench.build("FROM scratch\nRUN --security=insecure x\n")


def test_emulation_is_announced(bench):
    bench.build("FROM scratch\nRUN x\n", ARM64)

    assert "note: RUN is emulated for linux/arm64/v8: this machine is linux/amd64" in [
        getattr(event, "text", "") for event in bench.events
    ]


def test_a_compile_that_would_be_emulated_has_another_way(bench):
    (bench.source / "go.mod").write_text("module example.com/app\n")
    text = "FROM scratch AS build\nWORKDIR /src\nCOPY . .\nRUN go build -o /app .\nFROM scratch\nCOPY --from=build /app /\n"
    bench.executor.changes = lambda _execution: {"app": b"x"}

    bench.build(text, ARM64)

    (note,) = [text for event in bench.events if "compile natively" in (text := getattr(event, "text", ""))]
    assert '[stage.build]\ntoolchain = "go"' in note


def test_what_runs_natively_is_not_told_of(bench):
    bench.build("FROM scratch\nRUN go build -o /app .\n")

    assert not any("note: RUN is emulated" in getattr(event, "text", "") for event in bench.events)


def test_a_line_that_runs_natively_for_another_platform_says_so(bench):
    found = bench.executions("FROM --platform=$BUILDPLATFORM scratch\nRUN x\n", ARM64, allow_foreign=True)

    assert ["[linux/amd64->arm64/v8 1/1] RUN x"] == [one.label for one in found]


def test_a_trigger_of_a_stage_below_is_run_in_the_one_above(bench):
    found = bench.executions("FROM scratch AS a\nONBUILD RUN --network=none later\nFROM a\nRUN now\n")

    assert [("later", Network.NONE), ("now", Network.DEFAULT)] == [(one.args[-1], one.network) for one in found]


def test_a_stage_with_a_table_is_not_run_and_what_only_it_mounts_neither(bench):
    (bench.source / "ready").write_text("1")
    (bench.source / "ocitool.toml").write_text('[stage.build]\ntoolchain = "prebuilt"\nfiles = ["ready:/app"]\n')
    text = (
        "FROM scratch AS tools\nRUN tools\nFROM scratch AS build\nRUN --mount=from=tools,target=/t build\n"
        "FROM scratch\nCOPY --from=build /app /\nRUN last\n"
    )

    assert ["last"] == [one.args[-1] for one in bench.executions(text)]


def test_arguments_of_a_stage_below_count_and_stand_in_the_history(bench):
    built = bench.build("FROM scratch AS a\nARG X=1 Y\nENV X=2\nFROM a\nARG Z=3\nRUN x\n")

    assert "RUN |3 X=2 Y= Z=3 /bin/sh -c x # buildkit" == told(built)[-1][0]
    assert {"X=2", "Z=3"} < set(bench.executor.executions[0].env)


def test_what_is_known_needs_nothing_that_works(bench):
    bench.executor.changes = lambda _execution: {"out": b"made"}
    text = "FROM scratch\nRUN make\n"
    first = bench.build(text)
    bench.executor.refused = "no runtime was found"

    assert first.root.raw == bench.build(text).root.raw
    with pytest.raises(Unsupported, match="cannot be carried out here"):
        bench.build(text, use_cache=False)
    with pytest.raises(Unsupported, match="cannot be carried out here"):
        bench.build(f"{text}RUN more\n")


def test_a_tar_that_is_not_what_was_told_is_refused(bench):
    real = bench.executor.run

    def run(execution, **words):
        changes = real(execution, **words)
        changes.tar.write_bytes(changes.tar.read_bytes() + b"more")
        return changes

    bench.executor.changes = lambda _execution: {"out": b"made"}
    bench.executor.run = run

    with pytest.raises(DigestMismatch, match="is not what was written"):
        bench.build("FROM scratch\nRUN make\n")


def take_as_long_as_another_waits(bench):
    """What runs takes as long as another needs to look twice whether the build is still wanted."""
    real, looked = bench.executor.run, Semaphore(0)

    def run(execution, *, scope, output):
        check = scope.check
        scope.check = lambda: (check(), looked.release())
        for _ in range(2):
            assert looked.acquire(timeout=10)
        scope.check = check
        return real(execution, scope=scope, output=output)

    bench.executor.run = run


def test_of_two_that_want_the_same_one_runs_and_the_other_waits(bench):
    take_as_long_as_another_waits(bench)
    bench.build(
        "FROM --platform=$BUILDPLATFORM scratch AS b\nRUN make\nFROM scratch\nCOPY --from=b / /\n", AMD64, ARM64
    )

    assert 1 == len(bench.executor.executions)


def test_what_one_platform_fails_at_ends_those_that_wait_for_it(bench):
    take_as_long_as_another_waits(bench)
    bench.executor.code = 3

    with pytest.raises(BuildError, match="exited with 3"):
        bench.build(
            "FROM --platform=$BUILDPLATFORM scratch AS b\nRUN make\nFROM scratch\nCOPY --from=b / /\n", AMD64, ARM64
        )

    assert 1 == len(bench.executor.executions)
