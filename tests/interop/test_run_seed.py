"""The seed's Dockerfile with RUN in it, and public ones, for several architectures: a user without rights builds them.

Nothing is installed on the host: its binfmt_misc knows no emulator, before and after.
"""

import re
import shutil
from pathlib import Path

import pytest

from ocitool.registry.hosts import Access
from ocitool.store.locate import Opener
from ocitool.tasks import Scope
from tests.cli.test_public_dockerfiles import FOLDER, images
from tests.cli.test_seed_buildx import PREPARE, THREE
from tests.interop.run_world import Image, World, repository, world
from tests.peers import Missing, find

pytestmark = pytest.mark.interop
MACHINES = {"linux/arm/v7": "armv7l", "linux/arm64": "aarch64", "linux/amd64": "x86_64"}
BINFMT = Path("/proc/sys/fs/binfmt_misc")
DOCKERFILE = """\
FROM alpine
ARG TARGETARCH

COPY /out/${TARGETARCH}/myapp /bin/
RUN uname -m >/machine && mkdir -p /srv/app && chmod 700 /srv/app
RUN set -eu; for name in one two; do echo "$TARGETARCH $name" >"/srv/app/$name"; done; rm -r /opt/data/sub
"""


@pytest.fixture(scope="module")
def place(docker_registry):
    for name in ("qemu-aarch64-static", "qemu-arm-static"):
        try:
            find(name)
        except Missing as missing:
            pytest.skip(str(missing))
    if any(name.startswith("qemu") for name in (path.name for path in BINFMT.glob("*"))):
        pytest.skip("this machine has emulators registered, so that nothing would be proved")
    with world(docker_registry) as made:
        yield made


def test_the_seeds_script_with_run_builds_and_pushes_for_three_platforms(place: World):
    place.write(DOCKERFILE)
    for architecture in ("arm", "arm64", "amd64"):
        program = place.user.app / "out" / architecture / "myapp"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n# for {architecture}\n")
        program.chmod(0o755)
    script = (PREPARE + THREE).replace("docker ", "ocitool ").replace("your-username", f"{place.registry.host}/you")

    done = place.user.shell(script)

    assert 0 == done.exit_code, done.stderr
    assert not [path for path in BINFMT.glob("*") if path.name.startswith("qemu")]
    with Opener(Access(), Scope()) as opener:
        store, tag = opener.open(f"{place.registry.host}/you/multiarch-example:buildx-latest")
        for platform, machine in MACHINES.items():
            image = Image.of(store, tag, platform)
            assert f"{machine}\n" == image.text("machine")
            assert "one\n" == image.text("srv/app/one").partition(" ")[2]
            assert 0o700 == image.tree.get("srv/app").mode
            assert "opt/data/sub" not in image.tree


def test_what_is_emulated_is_told(place: World):
    place.write("FROM alpine\nRUN echo from-inside\n")

    outcome = place.build("--platform", "linux/amd64,linux/arm64", "--no-cache")

    assert 0 == outcome.exit_code, outcome.stderr
    assert 2 == outcome.stderr.count("from-inside") - len(re.findall(r"RUN echo from-inside", outcome.stderr))
    assert re.search(r"linux/arm64.*emulat|emulat.*linux/arm64", outcome.stderr)


# Ten public shapes: the bases are Debian's, downloads are what stands in the context, and apt reads a folder.
ENTRY = '#!/bin/sh\necho run "$@"\n'
SHAPES = {
    "debian-timezone": (("RUN sed -i '/en_US.UTF-8/s/^# //' /etc/locale.gen && locale-gen\n", ""),),
    "system-files": (),
    "debian-downloads": (
        ("FROM busybox:1.36 AS fetch", "FROM alpine AS fetch\nCOPY out/arm64/tool /tini"),
        ("wget -O /tini https://downloads.example.com/tini && ", ""),
        (' && echo "0 /tini" | sha256sum -c -', ""),
        ("RUN unzip -q /tmp/site.zip -d /srv && rm /tmp/site.zip\n", "RUN apt-get install -y unzip jq\n"),
        ("RUN git clone --depth 1 https://git.example.com/shop/themes /srv/themes\n", ""),
    ),
    "nginx-static": (
        ("RUN rm /etc", "RUN useradd -r nginx && mkdir -p /etc/nginx/conf.d /var/log/nginx && touch /etc/nginx/conf.d/default.conf && rm /etc"),
    ),
    "curl-tar": (
        ('curl -fsSL "https://downloads.example.com/tool-${arch}.tar.gz" | tar -xzC', 'tar -xzf "/ctx/tool-${arch}.tar.gz" -C'),
        ("RUN set -eux", "RUN --mount=target=/ctx,source=downloads set -eux"),
    ),
    "alpine-entrypoint": (
        ("addgroup -S -g 1000 shop && adduser -S -u 1000 -G shop shop", "addgroup --system --gid 1000 shop && adduser --system --uid 1000 --ingroup shop shop"),
    ),
    "python-heredoc": (
        ("/usr/bin/busybox /bin/uv", "/usr/bin/dpkg /bin/uv"),
        ("RUN --mount=type=cache,target=/cache uv sync --frozen --no-dev\n", "RUN --mount=type=cache,target=/cache touch /cache/x && ls /cache >/app/cached\n"),
        ('#!/usr/bin/env python\nprint("warm up")', '#!/usr/bin/env perl\nprint("warm up\\n")'),
    ),
    "node-three-stages": (
        ("RUN apk add --no-cache libc6-compat\n", "RUN apt-get install -y tree\n"),
        ("npm ci", "mkdir -p node_modules/a && touch node_modules/a/index.js"),
        ("yarn --frozen-lockfile", "mkdir -p node_modules/a && touch node_modules/a/index.js"),
        ("npm run build", "mkdir -p dist public && cp package.json dist/"),
    ),
    "ubi-microdnf": (
        ("microdnf -y install java-21-openjdk-headless shadow-utils && microdnf clean all", "apt-get install -y rsync && apt-get clean"),
    ),
    "onbuild": (("npm install", "mkdir node_modules && cp package.json node_modules/"),),
}  # fmt: skip
APT = "deb [trusted=yes] file:/packages ./\n"


@pytest.fixture(scope="module")
def shapes(docker_registry):
    """A base that has a folder of packages in it, for two platforms, which stands for every image that is named."""
    packages = {platform: repository(platform) for platform in ("linux/amd64", "linux/arm64")}
    with world(docker_registry) as made:
        app = made.user.app
        shutil.copytree(FOLDER / "context", app, symlinks=True, dirs_exist_ok=True)
        (app / ".dockerignore").unlink(missing_ok=True)
        (app / "downloads").mkdir(exist_ok=True)
        for name in ("docker-entrypoint.sh", "healthcheck.sh"):
            (app / name).write_text(ENTRY)
        for name, folder in packages.items():
            shutil.copytree(folder, app / "packages" / name.rpartition("/")[2])
        for architecture in ("amd64", "arm64"):
            program = app / "out" / architecture / "tool"
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(ENTRY)
            program.chmod(0o755)
            shutil.make_archive(str(app / "downloads" / f"tool-{architecture}"), "gztar", program.parent, "tool")
        (app / "base").mkdir(exist_ok=True)
        (app / "Dockerfile").write_text(
            "FROM debian\nARG TARGETARCH\nCOPY packages/$TARGETARCH /packages\n"
            f"RUN echo '{APT.strip()}' >/etc/apt/sources.list && apt-get update\n"
        )
        built = made.user(
            "build", ".", "--platform", "linux/amd64,linux/arm64", "-o", f"oci:{made.user.home}/base:1"
        )
        assert 0 == built.exit_code, built.stderr
        yield made


@pytest.mark.parametrize("name", SHAPES)
def test_a_public_dockerfile_builds_for_two_architectures(shapes: World, name):
    text = (FOLDER / name / "Dockerfile").read_text()
    for old, new in SHAPES[name]:
        assert old in text
        text = text.replace(old, new)
    shapes.write(text)
    contexts = [
        word
        for image in images(shapes.user.app / "Dockerfile")
        for word in ("--build-context", f"{image}=oci-layout://{shapes.user.home}/base:1")
    ]

    outcome = shapes.build("--platform", "linux/amd64,linux/arm64", *contexts, to=name)

    assert 0 == outcome.exit_code, outcome.stderr
    trees = [
        {
            path: (node.kind, node.mode, node.size if node.size < 200 else None)
            for path, node in shapes.image(name, platform).tree.items()
            if not re.search(r"aarch64|x86.64|amd64|arm64|bin/i386$|^var/|lib64|^packages/|^etc/ld", path)
        }
        for platform in ("linux/amd64", "linux/arm64")
    ]
    assert trees[0].keys() == trees[1].keys()
