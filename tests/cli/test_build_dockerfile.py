"""`ocitool build` with a Dockerfile: the image, the refusals, and what each flag means for it."""

import io
import json
import os
import tarfile

import pytest

from ocitool.model.files import FileKind
from ocitool.store.layout import LayoutStore
from tests.cli.test_build_base import put_base
from tests.fakes.built import Built, built
from tests.fakes.busybox import put_busybox
from tests.fakes.programs import Elf

SEED = "FROM bb\nARG TARGETARCH\n\nCOPY /out/${TARGETARCH}/myapp /bin/\n"


def test_the_dockerfile_of_every_multi_arch_article(home, build):
    """FROM, ARG TARGETARCH, COPY: each platform gets its own program, through the base's links."""
    for name, elf in {"amd64": Elf(62), "arm64": Elf(183), "arm": Elf(40, 32)}.items():
        (home / "out" / name).mkdir(parents=True)
        (home / "out" / name / "myapp").write_bytes(elf.build())
        (home / "out" / name / "myapp").chmod(0o755)

    outcome = build(SEED, platform="linux/arm64,linux/amd64,linux/arm/v7")

    for platform, elf in {"linux/amd64": Elf(62), "linux/arm64": Elf(183), "linux/arm/v7": Elf(40, 32)}.items():
        image = built(home, outcome, platform)
        assert elf.build() == image.data("usr/bin/myapp")
        assert FileKind.SYMLINK is image.tree.kind_at("bin")
        assert ("DIRECTORY", "0o1777", "0:0") == image.files()["tmp"]
        assert 2 == len(image.manifest.layers)
        assert [
            ("BusyBox", False),
            (f"ARG TARGETARCH={image.config['architecture']}", True),
            (f"COPY /out/{image.config['architecture']}/myapp /bin/ # buildkit", False),
        ] == image.told
        assert ["sh"] == image.config["config"]["Cmd"]


def test_metadata_instructions(home, build):
    image = built(
        home,
        build(
            'FROM bb\nENV A=1 B="x $PATH"\nLABEL l="a b"\nUSER www\nEXPOSE 80 53/udp\nVOLUME /d\nSTOPSIGNAL SIGINT\n'
            'SHELL ["/bin/ash", "-c"]\nENTRYPOINT run it\nHEALTHCHECK --retries=2 CMD true\nMAINTAINER me\nONBUILD RUN x\n'
        ),
    )

    assert {
        "Env": ["PATH=/usr/bin:/bin", "A=1", "B=x /usr/bin:/bin"],
        "User": "www",
        "ExposedPorts": {"53/udp": {}, "80/tcp": {}},
        "Volumes": {"/d": {}},
        "Entrypoint": ["/bin/ash", "-c", "run it"],
        "Labels": {"l": "a b"},
        "StopSignal": "SIGINT",
        "Shell": ["/bin/ash", "-c"],
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Retries": 2},
        "OnBuild": ["RUN x"],
    } == image.config["config"]
    assert "me" == image.config["author"]
    assert 1 == len(image.manifest.layers)
    assert "ENV A=1 B=x /usr/bin:/bin" == image.told[1][0]


def test_words_that_come_to_nothing_say_nothing(home, build):
    """As BuildKit has it: WORKDIR stays, USER is nobody's, CMD is an empty line for the shell."""
    config = built(home, build("FROM scratch\nWORKDIR /a\nUSER 5\nUSER $NONE\nWORKDIR $NONE\nCMD\n")).config

    assert "/a" == config["config"]["WorkingDir"]
    assert ["/bin/sh", "-c", ""] == config["config"]["Cmd"]
    assert "User" not in config["config"]


def test_workdir_is_made_once_for_whoever_the_image_runs_as(home, build):
    """K166: trailing slashes, relative paths, and directories that are there."""
    (home / "f").write_text("x")

    image = built(home, build("FROM bb\nWORKDIR /home/www/\nUSER www\nWORKDIR sub\nCOPY f bin/\nWORKDIR /tmp\n"))

    assert ("DIRECTORY", "0o750", "82:83") == image.files()["home/www"]
    assert ("DIRECTORY", "0o755", "82:83") == image.files()["home/www/sub"]
    assert ("FILE", "0o644", "0:0") == image.files()["home/www/sub/bin/f"]
    assert ("DIRECTORY", "0o1777", "0:0") == image.files()["tmp"]
    assert "/tmp" == image.config["config"]["WorkingDir"]
    assert len(image.manifest.layers) == sum(not empty for _, empty in image.told)


def test_files_of_stages_and_images(home, build):
    """K157: setuid bits, owners and links survive a copy between stages."""
    image = built(
        home,
        build(
            "FROM bb AS one\nFROM scratch AS two\nCOPY --from=one /usr /u\nCOPY --chown=5 --from=one /home/www /w/\n"
            "FROM scratch\nCOPY --from=two / /\nCOPY --from=bb /etc/passwd /p\nCOPY --from=0 /bin/sh /sh\n"
        ),
    )

    assert ("FILE", "0o4755", "0:0") == image.files()["u/bin/busybox"]
    assert image.tree.get("u/bin/sh").offset == image.tree.get("u/bin/busybox").offset
    assert b"#!/busybox for linux/amd64\n" == image.data("u/bin/sh") == image.data("sh")
    assert b"root:x:0:0" == image.data("p")[:10]


def test_owners_by_name_are_those_of_the_image(home, build):
    (home / "f").write_text("x")

    image = built(
        home, build("FROM bb\nCOPY --chown=www:web f /a/f\nCOPY --chown=www f /b\nCOPY --chown=7:web f /c\n")
    )

    assert ["82:33", "82:33", "82:83", "7:33"] == [image.files()[path][2] for path in ("a", "a/f", "b", "c")]
    refused = build("FROM bb\nCOPY --chown=nobody f /a\n")
    assert 2 == refused.exit_code
    assert "Dockerfile:2: the image has no user 'nobody'" in refused.stderr


def test_heredocs_are_files(home, build):
    image = built(home, build("FROM scratch\nENV A=1\nCOPY <<x <<'y' /d/\n$A\nx\n$A\ny\n"))

    assert (b"1\n", b"$A\n") == (image.data("d/x"), image.data("d/y"))
    assert "COPY <<x <<y /d/ # buildkit" == image.told[-1][0]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_add_unpacks_archives_by_their_content(home, build, mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        info = tarfile.TarInfo("in/deep/file")
        info.size, info.uid, info.gid, info.mode = 3, 7, 8, 0o640
        archive.addfile(info, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("in/link")
        link.type, link.linkname, link.mode, link.uid = tarfile.LNKTYPE, "in/deep/file", 0o751, 9
        archive.addfile(link)
    (home / "any.name").write_bytes(buffer.getvalue() + b"whatever stands behind it")
    (home / "other").write_text("no archive")

    image = built(
        home, build("FROM scratch\nADD any.name other /x/\nADD --chown=1 any.name /y\nCOPY any.name /z\n")
    )

    assert ("FILE", "0o751", "9:0") == image.files()["x/in/deep/file"]  # the last header counts
    assert b"abc" == image.data("x/in/link") == image.data("y/in/deep/file")
    assert "1:1" == image.files()["y/in/deep/file"][2]
    assert b"no archive" == image.data("x/other")
    assert buffer.getvalue() + b"whatever stands behind it" == image.data("z")


def test_base_images_leave_instructions_to_their_children(home, build):
    (home / "f").write_text("x")
    put_busybox(LayoutStore(home / "onb", create=True), "1", OnBuild=["COPY f /from-base", "ENV X=1"])

    image = built(home, build("FROM onb\nCMD a\n", "--build-context", "onb=oci-layout://onb:1"))

    assert b"x" == image.data("from-base")
    assert "X=1" in image.config["config"]["Env"]
    assert "OnBuild" not in image.config["config"]
    put_busybox(LayoutStore(home / "onb"), "1", OnBuild=["RUN make"])
    refused = build("FROM onb\n", "--build-context", "onb=oci-layout://onb:1")
    assert 9 == refused.exit_code
    assert "RUN make" in refused.stderr


def test_arguments(home, build):
    """K169, K170: the scopes of ARG, values of --build-arg, automatic arguments, and what was declared by nobody."""
    text = (
        "ARG V=1\nFROM scratch\nLABEL none=$V\nARG V\nLABEL outer=$V\nARG W=d\nLABEL w=$W\n"
        "LABEL before=$TARGETARCH\nARG TARGETARCH TARGETVARIANT\nLABEL arch=$TARGETARCH-$TARGETVARIANT\n"
        "ARG TARGETARCH=mine\nLABEL hidden=$TARGETARCH\n"
    )

    plain = built(home, build(text, platform="linux/arm/v7")).config["config"]["Labels"]
    given = build(text, "--build-arg", "V=2", "--build-arg", "W=3", "--build-arg", "Z=4")

    assert {
        "none": "", "outer": "1", "w": "d", "before": "", "arch": "arm-v7", "hidden": "mine",
    } == plain  # fmt: skip
    labels = built(home, given).config["config"]["Labels"]
    assert ("2", "3", "amd64-") == (labels["outer"], labels["w"], labels["arch"])
    assert "build argument Z is declared by no ARG" in given.stderr


def test_modes_that_are_said_are_those_of_the_image(home, build):
    """K160: the three of the report, as BuildKit 0.26.3 makes them; the umask does not matter."""
    (home / "dir" / "sub").mkdir(parents=True)
    (home / "dir" / "sub" / "x").write_text("")
    (home / "f").write_text("")
    old = os.umask(0o077)
    try:
        text = "FROM bb\nCOPY --chmod=444 dir/ /d/\nCOPY --chmod=0777 f /dest/f\nCOPY --chmod=0600 f /dest2/f\n"
        files = built(home, build(text)).files()
    finally:
        os.umask(old)

    assert {
        "d": "0o444", "d/sub": "0o444", "d/sub/x": "0o444",
        "dest": "0o777", "dest/f": "0o777", "dest2": "0o600", "dest2/f": "0o600",
    } == {path: mode for path, (_, mode, _) in files.items() if path.startswith("d")}  # fmt: skip


def test_a_stage_for_another_platform_is_not_looked_at(home, build):
    """K172: its file is not there, and nobody misses it until that platform is built."""
    (home / "only-amd64").write_text("x")
    text = "FROM bb AS amd64\nCOPY only-amd64 /\nFROM bb AS arm64\nCOPY only-arm64 /\nFROM ${TARGETARCH}\nUSER 1\n"

    assert "only-amd64" in built(home, build(text)).files()
    outcome = build(text, platform="linux/amd64,linux/arm64")
    assert 3 == outcome.exit_code
    assert "Dockerfile:4: no only-arm64 in the context" in outcome.stderr


def test_env_goes_before_arg_in_a_stage_upon_another(home, build):
    """K169: as BuildKit has it, the image's own variables are set anew at each FROM."""
    text = (
        "FROM bb AS a\nENV V=env\nARG V=arg W=$V-w\nLABEL first=$V\n"
        "FROM a\nLABEL second=$V third=$W\nARG V\nLABEL fourth=$V\n"
    )

    labels = built(home, build(text, "-q")).config["config"]["Labels"]

    assert {"first": "arg", "second": "env", "third": "arg-w", "fourth": "env"} == labels


def test_run_is_refused_before_anything_else(home, build):
    outcome = build(
        "FROM nowhere.invalid/x AS b\nRUN go build -o /a .\nFROM bb\nRUN chmod 755 /a\nCOPY --from=b /a /a\n"
    )

    assert 9 == outcome.exit_code
    assert "Dockerfile:2: RUN go build -o /a .: compiles Go" in outcome.stderr
    assert "Dockerfile:4: RUN chmod 755 /a: changes modes; use COPY --chmod=755 for /a" in outcome.stderr


def test_a_base_of_another_platform_is_refused_where_from_names_it(home, build):
    """K011: an index must not offer for amd64 what is for arm."""
    text = "FROM --platform=linux/arm/v7 bb\nARG TARGETARCH\nLABEL a=$TARGETARCH\n"

    refused = build(text)
    allowed = built(home, build(text, "--allow-foreign-arch"))

    assert 6 == refused.exit_code
    assert "is for linux/arm/v7, not for linux/amd64" in refused.stderr
    assert ("amd64", None) == (allowed.config["architecture"], allowed.config.get("variant"))
    assert b"for linux/arm/v7" in allowed.data("usr/bin/busybox")


def test_the_platform_that_from_names_is_the_images_where_none_is_said(home, run, build):
    build("FROM scratch\n")
    (home / "Dockerfile").write_text("FROM --platform=linux/arm/v7 bb\nARG TARGETARCH\nLABEL a=$TARGETARCH\n")

    outcome = run("build", ".", "--build-context", "bb=oci-layout://base:1", "-o", "oci:img:1")

    image = built(home, outcome)
    assert ("arm", "v7") == (image.config["architecture"], image.config["variant"])
    assert {"a": "arm"} == image.config["config"]["Labels"]


def test_an_image_that_files_are_copied_from_is_that_of_each_platform(home, build):
    """K007, moby/buildkit#2990: a named context that is an image is one for each platform, as any other is."""
    outcome = build(
        "FROM scratch\nCOPY --from=bb /usr/bin/busybox /bin/b\n", platform="linux/arm64,linux/amd64,linux/arm/v7"
    )

    for platform in ("linux/arm64", "linux/amd64", "linux/arm/v7"):
        assert f"for {platform}".encode() in built(home, outcome, platform).data("bin/b")


def test_files_of_an_image_for_another_platform_are_taken_and_its_programs_refused(home, build):
    """K011: certificates of an image of one platform serve every other; what runs on one alone is looked at."""
    (home / "app").write_bytes(Elf(62).build())
    (home / "app").chmod(0o755)
    assert 0 == build("FROM scratch\nCOPY app Dockerfile /\n", "-o", "oci:one:1").exit_code
    one = ("--build-context", "one=oci-layout://one:1")

    data = build("FROM scratch\nCOPY --from=one /Dockerfile /d\n", *one, platform="linux/arm64")
    program = build("FROM scratch\nCOPY --from=one /app /d\n", *one, platform="linux/arm64")
    base = build("FROM one\nLABEL a=b\n", *one, platform="linux/arm64")

    assert 0 == data.exit_code
    assert "warning: image oci:one:1 is for linux/amd64, not for linux/arm64" in data.stderr
    assert 6 == program.exit_code
    assert "/d is for linux/amd64, the image for linux/arm64" in program.stderr
    assert 6 == base.exit_code
    assert "base oci:one:1 is for linux/amd64" in base.stderr


def test_programs_of_another_platform_are_refused(home, build):
    """K010: with the same words as without a Dockerfile."""
    (home / "app").write_bytes(Elf(183).build())
    (home / "app").chmod(0o755)

    assert 6 == build("FROM scratch\nCOPY app /app\n").exit_code
    assert 0 == build("FROM scratch\nCOPY app /app\n", "--allow-foreign-arch").exit_code


def test_programs_that_will_not_start_are_told(home, build):
    """K173: over nothing, over a base with another loader; a loader that a stage brings is one."""
    (home / "app").write_bytes(Elf(62, segments=[(3, 4, b"/lib64/ld-linux-x86-64.so.2\0")]).build())
    (home / "app").chmod(0o755)
    brings = "FROM scratch AS libc\nCOPY --chmod=755 Dockerfile /usr/lib64/ld-linux-x86-64.so.2\n"

    nothing = build("FROM scratch\nCOPY app /bin/\n")
    other = build("FROM bb\nCOPY app /bin/\n")
    whole = build(
        f"{brings}FROM bb\nCOPY --from=libc /usr /usr\nCOPY --from=libc /usr/lib64 /lib64\nCOPY app /bin/\n"
    )

    said = "app will not start: the image lacks its dynamic loader /lib64/ld-linux-x86-64.so.2"
    assert f"warning: linux/amd64: /bin/{said}" in nothing.stderr
    assert f"warning: linux/amd64: /usr/bin/{said}" in other.stderr
    assert (0, False) == (whole.exit_code, "will not start" in whole.stderr)


def test_a_tree_of_scripts_is_told_of_in_few_lines(home, build):
    for number in range(8):
        (home / f"{number}.sh").write_text("#!/bin/bash\n")
        (home / f"{number}.sh").chmod(0o755)

    done = build("FROM bb\nCOPY *.sh /bin/\n")

    assert 5 == done.stderr.count("lacks its interpreter /bin/bash")
    assert "warning: linux/amd64: 3 more files will not start" in done.stderr


def test_what_is_ignored_is_said_to_be(home, build):
    (home / "f").write_text("x")
    (home / ".dockerignore").write_text("f\n")

    outcome = build("FROM scratch\nCOPY f /f\n")

    assert 3 == outcome.exit_code
    assert "Dockerfile:2: no f in the context" in outcome.stderr
    assert "f is there, but .dockerignore keeps it out" in outcome.stderr
    (home / "Dockerfile.dockerignore").write_text("*\n")
    assert "f is there, but Dockerfile.dockerignore keeps it out" in build("FROM scratch\nCOPY f /f\n").stderr
    (home / "Dockerfile.dockerignore").write_text("")
    assert 0 == build("FROM scratch\nCOPY f /f\n").exit_code


def test_where_a_dockerfile_is_looked_for(home, run, monkeypatch):
    monkeypatch.chdir(home)
    (home / "app.dockerfile").write_text("FROM scratch\nLABEL a=b\n")

    missing = run("buildx", "build", ".")
    misnamed = run("build", ".", "-f", "other")
    (home / "dockerfile").write_text("FROM scratch\nLABEL a=b\n")

    assert (3, True) == (missing.exit_code, "hint: name it with -f, such as app.dockerfile" in missing.stderr)
    assert (3, True) == (misnamed.exit_code, "hint: -f is looked for here and in ., such as" in misnamed.stderr)
    assert 0 == run("build", ".", "-f", "app.dockerfile").exit_code
    assert 0 == run("build", ".", "-f", "").exit_code, "a variable of a script that is empty"
    assert 0 == run("build", ".").exit_code


def test_other_dockerfiles_targets_and_standard_input(home, run, monkeypatch):
    monkeypatch.chdir(home)
    (home / "docker").mkdir()
    (home / "docker/other.Dockerfile").write_text("FROM scratch AS a\nCMD a\nFROM scratch\nCMD b\n")

    one = run("build", ".", "-f", "docker/other.Dockerfile", "--target", "a", "-o", "oci:img:1")
    two = run("build", ".", "-f", "-", "-o", "oci:two:1", stdin=b"FROM scratch\nCMD c\n")

    assert ["/bin/sh", "-c", "a"] == built(home, one).config["config"]["Cmd"]
    assert 0 == two.exit_code
    assert ["/bin/sh", "-c", "c"] == Built(home / "two").config["config"]["Cmd"]


def test_what_has_no_place_beside_a_dockerfile(build):
    outcome = build("FROM scratch\n", "--base", "oci:base:1")

    assert 2 == outcome.exit_code
    assert "--base has no place beside a Dockerfile" in outcome.stderr


def test_layers_that_platforms_share_are_packed_once(home, build):
    (home / "f").write_text("x")

    outcome = build("FROM bb\nCOPY f /f\n", "--json", platform="linux/arm64,linux/amd64")

    assert 1 == len(json.loads(outcome.stdout)["data"]["layers"])


def test_the_variant_of_an_image_is_that_of_its_target(home, build):
    """And that of the base, where the target has none."""
    put_base(home, "2", os="linux", architecture="arm64", variant="v8")
    own = ("--build-context", "own=oci-layout://base:2")

    other = built(
        home,
        build("FROM --platform=linux/amd64 bb\n", "--allow-foreign-arch", platform="linux/arm/v7"),
        "linux/arm/v7",
    )
    kept = built(home, build("FROM own\nENV a=b\n", *own, platform="linux/arm64"), "linux/arm64")

    assert [("arm", "v7"), ("arm64", "v8")] == [
        (one.config["architecture"], one.config["variant"]) for one in (other, kept)
    ]
