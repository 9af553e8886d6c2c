"""`ocitool build` by an ocitool.toml, with programs that are there already or made by a command."""

import io
import json
import tarfile
import textwrap

import pytest

from ocitool.model.files import FileKind
from ocitool.model.numbers import MIB
from ocitool.model.platform import Platform, choose
from ocitool.model.views import Index, Manifest, view
from ocitool.rootfs.tree import read_file, read_tree
from ocitool.store.layout import LayoutStore
from ocitool.store.verify import read_blob
from ocitool.tasks import Scope
from tests.fakes.images import put_image
from tests.fakes.programs import Elf

LOADER = "/lib64/ld-linux-x86-64.so.2"
PROGRAMS = {"amd64": Elf(62), "arm64": Elf(183), "arm": Elf(40, 32)}


@pytest.fixture
def project(home, monkeypatch):
    """A folder with `out/ARCH/app` for three architectures; tests add the ocitool.toml."""
    for architecture, elf in PROGRAMS.items():
        path = home / "out" / architecture / "app"
        path.parent.mkdir(parents=True)
        path.write_bytes(elf.build())
        path.chmod(0o755)
    monkeypatch.chdir(home)
    return home


def write(folder, text):
    (folder / "ocitool.toml").write_text(textwrap.dedent(text))


class Result:
    """An image of a layout, for one platform: its config and its tree."""

    def __init__(self, folder, platform="linux/amd64", tag="1"):
        store = LayoutStore(folder)
        self.root = view(store.get_manifest(tag))
        found = self.root
        if isinstance(found, Index):
            entry = choose(Platform.parse(platform), found.entries, lambda e: e.platform)
            found = view(store.get_manifest(str(entry.digest)))
        assert isinstance(found, Manifest)
        self.layers = found.layers
        self.config = json.loads(read_blob(store, found.config, 1 << 20))
        self.tree = read_tree(store, found, None, scope=Scope())

    @property
    def settings(self):
        return self.config["config"]

    def mode(self, path):
        return self.tree.get(path).mode

    def paths(self):
        return [path for path, node in self.tree.walk() if node.kind is not FileKind.DIRECTORY]


PREBUILT = """
    platforms = ["linux/amd64", "linux/arm64"]
    toolchain = "prebuilt"
    files = ["out/{arch}/app:/bin/"]
    """


def test_a_spec_of_ready_programs(project, run):
    write(project, PREBUILT)

    done = run("build", ".", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    for platform in ("linux/amd64", "linux/arm64"):
        image = Result(project / "img", platform)
        assert (["bin/app"], ["/bin/app"]) == (image.paths(), image.settings["Entrypoint"])
        assert platform == f"{image.config['os']}/{image.config['architecture']}"


@pytest.mark.parametrize(
    ("platforms", "flags", "env"),
    [
        (["amd64", "arm64"], [], {}),
        (["arm64"], [], {"OCITOOL_PLATFORM": "linux/arm64"}),
        (["amd64"], ["--platform", "linux/amd64"], {"OCITOOL_PLATFORM": "linux/arm64"}),
    ],
)
def test_flags_beat_the_environment_and_that_the_file(project, run, monkeypatch, platforms, flags, env):
    write(project, PREBUILT)
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    done = run("build", ".", "-o", "oci:img:1", "--index", *flags)

    assert 0 == done.exit_code, done.stderr
    assert platforms == [
        entry.platform.architecture
        for entry in Result(
            project / "img", "linux/amd64/v3" if platforms != ["arm64"] else "linux/arm64"
        ).root.entries
    ]


def test_k010_a_program_of_another_platform_is_refused_before_anything_is_written(project, run):
    """K010: exit 6, path and both architectures named, no image; with the override a warning."""
    write(project, PREBUILT.replace("{arch}", "amd64"))

    done = run("build", ".", "-o", "oci:img:1")

    assert (6, "") == (done.exit_code, done.stdout)
    assert "/bin/app is for linux/amd64, the image for linux/arm64" in done.stderr
    assert not (project / "img").exists()

    allowed = run("build", ".", "-o", "oci:img:1", "--allow-foreign-arch")

    assert 0 == allowed.exit_code
    assert "/bin/app is for linux/amd64, the image for linux/arm64" in allowed.stderr


def test_k175_k176_extras_and_a_user_that_exists(project, run):
    """K175, K176: an empty image gets certificates, zones, accounts and /tmp."""
    write(project, PREBUILT + 'with = ["ca-certificates", "zoneinfo", "passwd", "tmp"]\n[image]\nuser = "web"\n')
    (project / "note").write_text("x")

    done = run("build", ".", "-o", "oci:img:1", "--copy", "note:/tmp/note")

    image = Result(project / "img")
    assert 0 == done.exit_code, done.stderr
    assert (0o644, 0o1777) == (image.mode("etc/ssl/certs/ca-certificates.crt"), image.mode("tmp"))
    assert image.tree.get("usr/share/zoneinfo/Asia/Tokyo").kind is FileKind.FILE
    assert (1000, 1000) == (image.tree.get("home/web").uid, image.tree.get("home/web").gid)
    assert ("web", "tmp/note") == (image.settings["User"], next(p for p in image.paths() if p.startswith("tmp")))


def test_extras_are_one_layer_for_all_platforms(project, run):
    write(project, PREBUILT + 'with = ["ca-certificates", "tmp"]\n')

    run("build", ".", "-o", "oci:img:1")

    one, two = (Result(project / "img", p).layers for p in ("linux/amd64", "linux/arm64"))
    assert one[0] == two[0]
    assert one[1] != two[1]


@pytest.mark.parametrize("where", ["flag", "file"])
def test_a_user_that_does_not_exist_is_refused(project, run, where):
    write(project, PREBUILT + ('[image]\nuser = "web"\n' if where == "file" else ""))

    done = run("build", ".", "-o", "oci:img:1", *(["--user", "web"] if where == "flag" else []))

    assert 2 == done.exit_code
    assert "the image has no user 'web'" in done.stderr
    assert "--with passwd" in done.stderr


def test_users_of_a_copied_file_exist(project, run):
    write(project, PREBUILT)
    (project / "passwd").write_text("root:x:0:0::/:/bin/sh\nweb:x:7:7::/:/bin/sh\n")
    flags = ("build", ".", "-o", "oci:img:1", "--copy", "passwd:/etc/passwd")

    done, refused = run(*flags, "--user", "web"), run(*flags, "--user", "app")

    assert (0, "web") == (done.exit_code, Result(project / "img").settings["User"]), done.stderr
    assert (2, True) == (refused.exit_code, "the image has no user 'app'" in refused.stderr)


def test_a_file_of_accounts_has_a_bound(project, run):
    write(project, PREBUILT)
    (project / "passwd").write_bytes(b"#" * (MIB + 1))

    done = run("build", ".", "-o", "oci:img:1", "--copy", "passwd:/etc/passwd", "--user", "web")

    assert (2, True) == (done.exit_code, f"a file of accounts has {MIB + 1} bytes" in done.stderr)
    assert not (project / "img").exists()


def test_an_image_of_nothing_is_refused(project, run):
    write(project, 'toolchain = "prebuilt"\n')

    done = run("build", ".", "-o", "oci:img:1")

    assert (2, True) == (done.exit_code, "nothing to put into the image" in done.stderr), done.stderr
    assert not (project / "img").exists()


def base(project, passwd="", platform="linux/amd64"):
    """A layout `base` whose image has /etc/passwd, if any, and an empty file /from/base."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in (("etc/passwd", passwd), ("from/base", "")):
            if text or name != "etc/passwd":
                info = tarfile.TarInfo(name)
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
    put_image(LayoutStore(project / "base", create=True), "1", platform, layers=[buffer.getvalue()])


def test_users_of_the_base_exist(project, run):
    base(project, "root:x:0:0::/:/bin/sh\napp:x:7:7::/:/bin/sh\n")
    write(project, PREBUILT)
    flags = ("build", ".", "-o", "oci:img:1", "--platform", "linux/amd64", "--base", "oci:base:1")

    assert 0 == run(*flags, "--user", "app").exit_code
    assert 2 == run(*flags, "--user", "web").exit_code
    assert 0 == run(*flags, "--user", "web", "--with", "passwd").exit_code
    store = LayoutStore(project / "img")
    manifest = view(store.get_manifest("1"))
    tree = read_tree(store, manifest, None, scope=Scope())
    text = b"".join(read_file(store, manifest, tree, "etc/passwd", scope=Scope())).decode()
    assert "root:x:0:0::/:/bin/sh\napp:x:7:7::/:/bin/sh\nweb:x:1000:1000:web:/home/web:/sbin/nologin\n" == text


def test_one_platform_can_have_a_base_of_its_own(project, run):
    base(project, platform="linux/arm64")
    write(project, PREBUILT + '[platform."linux/arm64"]\nbase = "oci:base:1"\n')

    done = run("build", ".", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    assert ["bin/app"] == Result(project / "img", "linux/amd64").paths()
    assert ["bin/app", "from/base"] == Result(project / "img", "linux/arm64").paths()


def test_k173_a_program_without_its_loader_is_a_warning(project, run):
    """K173: the loader is named; the image is made all the same."""
    dynamic = Elf(62, segments=[(3, 4, LOADER.encode() + b"\0")])
    (project / "out" / "amd64" / "app").write_bytes(dynamic.build())
    write(project, PREBUILT)

    done = run("build", ".", "-o", "oci:img:1")

    assert 0 == done.exit_code
    assert f"linux/amd64: /bin/app will not start: the image lacks its dynamic loader {LOADER}" in done.stderr
    assert "linux/arm64: /bin/app" not in done.stderr


COMMAND = """
    name = "app"
    platforms = ["linux/amd64", "linux/arm64"]
    [command]
    run = ["cp", "out/{arch}/app", "{output}"]
    """


def test_any_command_compiles(project, run):
    write(project, COMMAND)

    done = run("build", ".", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    assert "compile app for linux/arm64: compiled" in done.stderr
    image = Result(project / "img", "linux/arm64")
    assert (["bin/app"], ["/bin/app"], 0o755) == (
        image.paths(),
        image.settings["Entrypoint"],
        image.mode("bin/app"),
    )


@pytest.mark.parametrize(
    ("flags", "told"), [((), True), (("--entrypoint", "/bin/two"), False), (("--cmd", "/bin/one"), False)]
)
def test_of_several_programs_none_is_started_which_is_told(project, run, flags, told):
    write(project, COMMAND.replace('name = "app"', "") + '[[program]]\nname = "one"\n[[program]]\nname = "two"\n')

    done = run("build", ".", "-o", "oci:img:1", *flags)

    assert 0 == done.exit_code, done.stderr
    note = "linux/arm64: the image starts none of its programs /bin/one, /bin/two: entrypoint in [image] names one"
    assert told == (note in done.stderr)


@pytest.mark.parametrize(
    ("code", "message", "command"),
    [
        (6, "/bin/app is for linux/amd64, the image for linux/arm64", ["cp", "out/amd64/app", "{output}"]),
        (7, "cannot compile app for linux/amd64: false exited with 1", ["false"]),
        (7, "the command succeeded but wrote no", ["true"]),
        (9, "the command no-such-compiler is not there", ["no-such-compiler"]),
    ],
)
def test_commands_that_fail(project, run, code, message, command):
    write(project, COMMAND.replace('["cp", "out/{arch}/app", "{output}"]', json.dumps(command)))

    done = run("build", ".", "-o", "oci:img:1")

    assert code == done.exit_code
    assert message in done.stderr
    assert not (project / "img").exists()


def test_the_words_of_a_compiler_are_shown(project, run):
    write(
        project,
        COMMAND.replace('["cp", "out/{arch}/app", "{output}"]', '["sh", "-c", "echo no such type; exit 3"]'),
    )

    done = run("build", ".", "-o", "oci:img:1")

    assert 7 == done.exit_code
    assert "\n  | no such type\n" in done.stderr


@pytest.mark.parametrize(
    ("code", "message", "text"),
    [
        (2, "ocitool.toml line 2: platfroms unknown key", "platfroms = []"),
        (2, "ocitool.toml: ", "name = "),
        (2, "ocitool.toml line 2: platforms[0] unknown platform 'linux/x87'", "platforms = ['linux/x87']"),
        (2, "says how to build it", "name = 'x'"),
    ],
)
def test_mistakes_in_the_file(project, run, code, message, text):
    write(project, f"\n{text}\n")

    done = run("build", ".", "-o", "oci:img:1")

    assert code == done.exit_code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_tags_of_the_file_name_the_result(project, run):
    write(
        project,
        'version = "1.2"\ntags = ["reg.test/app:{version}", "reg.test/app:latest"]\n' + textwrap.dedent(PREBUILT),
    )

    done = run("build", ".")

    assert ["reg.test/app:1.2", "reg.test/app:latest"] == [
        line.partition("@")[0] for line in done.stdout.splitlines()
    ]


def test_annotations_of_the_index_and_of_one_platforms_image(project, run):
    write(
        project,
        PREBUILT
        + """
        format = "oci"
        [image]
        annotations = { all = "1", both = "index" }
        [platform."linux/arm64".image]
        annotations = { own = "arm", both = "image" }
        """,
    )

    done = run("build", ".", "-o", "oci:img:1")

    assert 0 == done.exit_code, done.stderr
    store = LayoutStore(project / "img")
    index = view(store.get_manifest("1"))
    amd64, arm64 = (store.get_manifest(str(entry.digest)).tree() for entry in index.entries)
    assert {"all": "1", "both": "index"} == index.document.tree()["annotations"]
    assert {"own": "arm", "both": "image"} == arm64["annotations"]
    assert "annotations" not in amd64
