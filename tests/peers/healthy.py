"""Images that other people's tools make of the same two programs, each in a place of its own.

All of them run; whoever finds an error in one is wrong.
"""

import io
import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests import peers
from tests.conftest import REPOSITORY
from tests.peers.buildkit import BuildKit, buildkit
from tests.peers.engines import run_root, sh
from tests.peers.registries import Registry

ARCHES = ("amd64", "arm64")
SOURCE = REPOSITORY / "testdata" / "src-go" / "hello"
DOCKERFILE = """\
FROM scratch
ARG TARGETARCH
COPY ${TARGETARCH}/hello /bin/hello
COPY passwd /etc/passwd
ENV PATH=/bin
USER nobody
ENTRYPOINT ["/bin/hello"]
"""
DISTRIBUTION = """\
FROM scratch AS base
ADD rootfs.tar /
FROM base
COPY --chmod=4755 rootfs.tar /usr/bin/su
COPY rootfs.tar /bin/over-a-link
WORKDIR /home/app
USER app
CMD ["/bin/ls"]
"""
"""Built over a root with merged /usr: links to folders, hard links, programs that need libraries."""
RUNS = "RUN rm /etc/motd && rm -r /etc/old && echo made > /etc/new && ln -s new /etc/link && chmod 700 /home/app\n"
BOTH = ("--opt", "platform=linux/amd64,linux/arm64")
INSECURE = "--tls-verify=false"


class Maker:
    """Makes images on demand, each once: `maker("crane append")` is what `ocitool check` is to look at.

    Raises Missing where a tool is not to be had. Close it to stop what it started.
    """

    def __init__(self, root: Path, registry: Registry, ocitool: Callable[..., object]) -> None:
        self.root, self.registry, self.ocitool = root, registry, ocitool
        self.running = ExitStack()
        self._run_root = run_root()
        self._made: dict[str, str] = {}
        self._daemon: BuildKit | None = None
        self._context: Path | None = None

    def __call__(self, name: str) -> str:
        """The place of an image, made now if it was not."""
        if name not in self._made:
            self._made[name] = IMAGES[name](self, name)
        return self._made[name]

    def close(self) -> None:
        """Stop the daemon."""
        self.running.close()

    def reference(self, name: str, repository: str = "healthy") -> str:
        """A tag of its own in the registry."""
        return f"{self.registry.host}/{repository}:{_word(name)}"

    def layout(self, name: str) -> Path:
        """A folder of its own for a layout."""
        return self.root / "layouts" / _word(name)

    @property
    def context(self) -> Path:
        """The folder with the programs, a Dockerfile, and a tar for each program."""
        if self._context is None:
            place = self.root / "context"
            for arch in ARCHES:
                go = [peers.find_go(), "build", "-trimpath", "-o", place / arch / "hello", "."]
                env = {**os.environ, "GOOS": "linux", "GOARCH": arch, "CGO_ENABLED": "0", "GOFLAGS": "-modcacherw"}
                sh(*go, env=env, cwd=SOURCE)
                with tarfile.open(place / f"{arch}.tar", "w") as tar:
                    tar.add(place / arch / "hello", "bin/hello")
            (place / "passwd").write_text("root:x:0:0::/:\nnobody:x:65534:65534::/:\n")
            (place / "Dockerfile").write_text(DOCKERFILE)
            (place / "distribution").mkdir()
            _write_distribution(place / "distribution" / "rootfs.tar")
            self._context = place
        return self._context

    @property
    def daemon(self) -> BuildKit:
        """BuildKit, started when it is first wanted."""
        if self._daemon is None:
            self._daemon = self.running.enter_context(buildkit(self.root / "daemon"))
        return self._daemon

    def call(self, program: str, *words: object, cwd: Path | None = None, **env: object) -> str:
        """What a peer printed."""
        more = {name: str(value) for name, value in env.items()}
        return sh(peers.find(program), *words, env={**_environment(), **more}, cwd=cwd)

    def engine(self, program: str, *words: object) -> str:
        """What podman or buildah printed, with storage of their own."""
        place = ["--storage-driver", "vfs", "--root", self.root / "storage", "--runroot", self._run_root]
        return self.call(program, *place, *words)


def _write_distribution(path: Path) -> None:
    """The tar of a small system: busybox under several names, ls with its libraries, users, a sticky /tmp."""
    told = sh("ldd", "/bin/ls")
    libraries = {Path(word) for word in told.split() if word.startswith("/")}
    with tarfile.open(path, "w") as tar:

        def add(name: str, kind: bytes, mode: int = 0o755, data: bytes = b"", link: str = "") -> None:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.size, info.linkname, info.mtime = kind, mode, len(data), link, 1_700_000_000
            tar.addfile(info, io.BytesIO(data))

        for name in ("usr", "usr/bin", "usr/lib", "usr/lib64", "etc", "etc/old", "home", "home/app", "root"):
            add(name, tarfile.DIRTYPE)
        add("tmp", tarfile.DIRTYPE, 0o1777)
        for name in ("bin", "lib", "lib64"):
            add(name, tarfile.SYMTYPE, 0o777, link=f"usr/{name}")
        add("usr/bin/busybox", tarfile.REGTYPE, data=peers.find("busybox").read_bytes())
        for name in ("sh", "rm", "ln", "chmod"):
            add(f"usr/bin/{name}", tarfile.LNKTYPE, link="usr/bin/busybox")
        add("usr/bin/ls", tarfile.REGTYPE, data=Path("/bin/ls").read_bytes())
        for library in libraries:
            folder = "usr/lib64" if library.name.startswith("ld-") else "usr/lib"
            add(f"{folder}/{library.name}", tarfile.REGTYPE, data=library.read_bytes())
        for name, text in {
            "passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
            "group": "root:x:0:\napp:x:1000:\n",
            "motd": "hello\n",
            "old/one": "gone\n",
        }.items():
            add(f"etc/{name}", tarfile.REGTYPE, 0o644, text.encode())


def _environment() -> dict[str, str]:
    promised = Path(os.environ.get("DOCKER_CONFIG", "")) / "config.json"
    return {key: value for key, value in os.environ.items() if key != "DOCKER_CONFIG" or promised.exists()}


def _word(name: str) -> str:
    """A name of an image as a tag or folder; buildctl parts words at commas."""
    return name.replace(" ", "-").replace(",", "").lower()


def _by_buildkit(*words: str, form: str = "oci-mediatypes=true") -> Callable[[Maker, str], str]:
    def make(maker: Maker, name: str) -> str:
        maker.daemon.build(maker.context, maker.layout(name), *words, form=form)
        return f"oci:{maker.layout(name)}"

    return make


def _by_ours(*words: str) -> Callable[[Maker, str], str]:
    def make(maker: Maker, name: str) -> str:
        copies = ("--toolchain", "prebuilt", "--copy", "{arch}/hello:/bin/", "--copy", "passwd:/etc/")
        platforms = ("--platform", "linux/amd64,linux/arm64", "--user", "nobody")
        maker.ocitool("build", maker.context, *copies, *platforms, "-o", f"oci:{maker.layout(name)}:1", *words)
        return f"oci:{maker.layout(name)}:1"

    return make


def _attested_index(maker: Maker, name: str) -> str:
    """BuildKit's image and its attestation, and another of ours, in an index that we made."""
    reference = maker.reference(name)
    ours, theirs = maker("ours, oci"), maker("buildkit, provenance of one")
    maker.ocitool("copy", theirs, reference)
    maker.ocitool("copy", ours, f"{reference}-ours", "--platform", "linux/arm64")
    maker.ocitool("index", "add", reference, f"{reference}-ours")
    return reference


def _by_ko(*words: str) -> Callable[[Maker, str], str]:
    def make(maker: Maker, name: str) -> str:
        repository = f"{maker.registry.host}/{_word(name)}"
        source = maker.root / "ko-source"
        shutil.copytree(SOURCE, source, dirs_exist_ok=True)
        base = maker("crane index")
        env = {"KO_DOCKER_REPO": repository, "KO_DEFAULTBASEIMAGE": base, "GOFLAGS": "-modcacherw"}
        path = f"{peers.find_go().parent}:{os.environ['PATH']}"
        maker.call("ko", "build", "--bare", *words, "--tags", "1", ".", cwd=source, PATH=path, **env)
        return f"{repository}:1"

    return make


def _crane_append(maker: Maker, name: str) -> str:
    arch = name.rpartition(" ")[2]
    reference, raw = maker.reference(name), maker.reference(name, "raw")
    maker.call("crane", "append", "--oci-empty-base", "-f", maker.context / f"{arch}.tar", "-t", raw)
    # What append makes of nothing says no platform, which is an error and is found.
    platform = ("--set-platform", f"linux/{arch}")
    maker.call("crane", "mutate", raw, *platform, "--entrypoint", "/bin/hello", "-t", reference)
    return reference


def _crane_docker(maker: Maker, name: str) -> str:
    arch = name.rpartition(" ")[2]
    reference, raw = maker.reference(name), maker.reference(name, "raw")
    maker.call("crane", "append", "-f", maker.context / f"{arch}.tar", "-t", raw)
    maker.call("crane", "mutate", raw, "--set-platform", f"linux/{arch}", "-t", reference)
    return reference


def _crane_index(maker: Maker, name: str) -> str:
    members = [word for arch in ARCHES for word in ("-m", maker(f"crane append {arch}"))]
    maker.call("crane", "index", "append", *members, "-t", maker.reference(name))
    return maker.reference(name)


def _docker_manifest(maker: Maker, name: str) -> str:
    reference = maker.reference(name)
    members = [maker(f"crane docker {arch}") for arch in ARCHES]
    maker.call("docker", "manifest", "create", "--insecure", reference, *members)
    maker.call("docker", "manifest", "push", "--insecure", "--purge", reference)
    return reference


def _by_buildx(kind: str) -> Callable[[Maker, str], str]:
    def make(maker: Maker, name: str) -> str:
        members = [maker(f"crane {kind} {arch}") for arch in ARCHES]
        annotations = ["--annotation", "index:org.opencontainers.image.title=hello"] if kind == "append" else []
        maker.call("buildx", "imagetools", "create", *annotations, "-t", maker.reference(name), *members)
        return maker.reference(name)

    return make


def _regctl(maker: Maker, *words: object) -> None:
    maker.call("regctl", "--host", f"reg={maker.registry.host},tls=disabled", *words)


def _regctl_index(maker: Maker, name: str) -> str:
    members = [word for arch in ARCHES for word in ("--ref", maker(f"crane append {arch}"))]
    _regctl(maker, "index", "create", maker.reference(name), *members)
    return maker.reference(name)


def _regctl_mod(maker: Maker, name: str) -> str:
    words = ("--label", "maintainer=nobody", "--layer-compress", "zstd", "--create", maker.reference(name))
    _regctl(maker, "image", "mod", maker("crane index"), *words)
    return maker.reference(name)


def _oras_attached(maker: Maker, name: str) -> str:
    """An image that something refers to; the fallback list of referrers is a tag beside it."""
    reference = maker.reference("1", "oras")
    maker.ocitool("copy", maker("ours, oci"), reference)
    (maker.root / "note.txt").write_text("all is well\n")
    words = ("--plain-http", "--artifact-type", "text/x-note", reference, "note.txt:text/plain")
    maker.call("oras", "attach", *words, cwd=maker.root)
    return reference


def _skopeo(source: str, *words: str) -> Callable[[Maker, str], str]:
    def make(maker: Maker, name: str) -> str:
        place = maker(source)
        origin = place if place.startswith("oci:") else f"docker://{place}"
        insecure = ("--src-tls-verify=false", "--dest-tls-verify=false")
        maker.call("skopeo", "copy", *insecure, *words, origin, f"docker://{maker.reference(name)}")
        return maker.reference(name)

    return make


def _umoci(maker: Maker, name: str) -> str:
    place = maker.layout(name)
    maker.call("umoci", "init", "--layout", place)
    maker.call("umoci", "new", "--image", f"{place}:1")
    for source, target in (
        (maker.context / "amd64/hello", "/bin/hello"),
        (maker.context / "passwd", "/etc/passwd"),
    ):
        maker.call("umoci", "insert", "--rootless", "--image", f"{place}:1", source, target)
    settings = ("--config.user", "nobody", "--config.entrypoint", "/bin/hello", "--architecture", "amd64", "--os")
    maker.call("umoci", "config", "--image", f"{place}:1", *settings, "linux")
    return f"oci:{place}:1"


def _buildah(form: str) -> Callable[[Maker, str], str]:
    """A manifest list of both platforms, each from an empty image and a copied program."""

    def make(maker: Maker, name: str) -> str:
        reference = maker.reference(name)
        maker.engine("buildah", "manifest", "create", reference)
        for arch in ARCHES:
            made = maker.engine("buildah", "from", "--arch", arch, "scratch").strip()
            maker.engine("buildah", "copy", made, maker.context / arch / "hello", "/bin/hello")
            maker.engine(
                "buildah", "config", "--arch", arch, "--os", "linux", "--entrypoint", '["/bin/hello"]', made
            )
            maker.engine("buildah", "commit", "--rm", "--format", form, "--manifest", reference, made)
        maker.engine(
            "buildah", "manifest", "push", INSECURE, "--all", "--format", form, reference, f"docker://{reference}"
        )
        return reference

    return make


def _podman_build(maker: Maker, name: str) -> str:
    reference = maker.reference(name)
    words = ("--platform", "linux/amd64", "--build-arg", "TARGETARCH=amd64", "--isolation", "chroot")
    maker.engine("podman", "build", *words, "-t", reference, maker.context)
    maker.engine("podman", "push", INSECURE, reference)
    return reference


def _buildkit_distribution(maker: Maker, name: str) -> str:
    place = maker.context / "distribution"
    (place / "Dockerfile").write_text(DISTRIBUTION)
    maker.daemon.build(place, maker.layout(name), "--opt", "platform=linux/amd64")
    return f"oci:{maker.layout(name)}"


def _podman_distribution(maker: Maker, name: str) -> str:
    """With what only a RUN does: files removed, replaced and changed in layers of their own."""
    reference, place = maker.reference(name), maker.context / "distribution"
    (place / "Containerfile").write_text(DISTRIBUTION.replace("USER app\n", f"{RUNS}USER app\n"))
    words = ("--platform", "linux/amd64", "--isolation", "chroot", "--layers", "-f", place / "Containerfile")
    maker.engine("podman", "build", *words, "-t", reference, place)
    maker.engine("podman", "push", INSECURE, reference)
    return reference


def _crane_flatten(maker: Maker, name: str) -> str:
    maker.call("crane", "flatten", maker("podman, a distribution"), "-t", maker.reference(name))
    return maker.reference(name)


def _umoci_whiteouts(maker: Maker, name: str) -> str:
    place = maker.layout(name)
    maker.call("skopeo", "copy", maker("buildkit, a distribution"), f"oci:{place}:1")
    for words in (("--whiteout", "/etc/motd"), ("--opaque", maker.context / "amd64", "/etc/old")):
        maker.call("umoci", "insert", "--rootless", "--image", f"{place}:1", *words)
    return f"oci:{place}:1"


def _podman_import(maker: Maker, name: str) -> str:
    reference = maker.reference(name)
    maker.engine("podman", "import", "--change", "ENTRYPOINT /bin/hello", maker.context / "amd64.tar", reference)
    maker.engine("podman", "push", INSECURE, "--format", "v2s2", reference)
    return reference


IMAGES: dict[str, Callable[[Maker, str], str]] = {
    "buildkit": _by_buildkit("--opt", "platform=linux/amd64"),
    "buildkit, two platforms": _by_buildkit(*BOTH),
    "buildkit, docker types": _by_buildkit(*BOTH, form="oci-mediatypes=false"),
    "buildkit, zstd": _by_buildkit(*BOTH, form="compression=zstd,force-compression=true"),
    "buildkit, estargz": _by_buildkit(*BOTH, form="compression=estargz,force-compression=true"),
    "buildkit, uncompressed": _by_buildkit(*BOTH, form="compression=uncompressed,force-compression=true"),
    "buildkit, provenance": _by_buildkit(*BOTH, "--opt", "attest:provenance=mode=min"),
    "buildkit, provenance of one": _by_buildkit(
        "--opt", "platform=linux/amd64", "--opt", "attest:provenance=mode=max"
    ),
    "buildkit, artifact attestations": _by_buildkit(
        *BOTH, "--opt", "attest:provenance=mode=max", form="oci-artifact=true"
    ),
    "buildkit, reproducible": _by_buildkit(
        *BOTH, "--opt", "build-arg:SOURCE_DATE_EPOCH=0", form="rewrite-timestamp=true"
    ),
    "buildkit, a distribution": _buildkit_distribution,
    "podman, a distribution": _podman_distribution,
    "crane, flattened distribution": _crane_flatten,
    "umoci, with whiteouts": _umoci_whiteouts,
    "ko": _by_ko("--platform", "linux/amd64,linux/arm64"),
    "ko, without SBOM": _by_ko("--platform", "linux/arm64", "--sbom", "none"),
    "buildah, oci": _buildah("oci"),
    "buildah, docker": _buildah("docker"),
    "podman build": _podman_build,
    "podman import": _podman_import,
    "crane append amd64": _crane_append,
    "crane append arm64": _crane_append,
    "crane docker amd64": _crane_docker,
    "crane docker arm64": _crane_docker,
    "crane index": _crane_index,
    "docker manifest": _docker_manifest,
    "buildx imagetools": _by_buildx("append"),
    "buildx imagetools, docker types": _by_buildx("docker"),
    "regctl index": _regctl_index,
    "regctl mod": _regctl_mod,
    "oras attached": _oras_attached,
    "skopeo, all of an index": _skopeo("crane index", "--all"),
    "skopeo, as docker": _skopeo("buildkit", "--format", "v2s2"),
    "skopeo, recompressed": _skopeo("crane append amd64", "--dest-compress-format", "zstd"),
    "umoci": _umoci,
    "ours, oci": _by_ours("--format", "oci"),
    "ours, docker": _by_ours("--format", "docker"),
    "ours, zstd": _by_ours("--format", "oci", "--compression", "zstd"),
    "ours, uncompressed": _by_ours("--format", "oci", "--compression", "none"),
    "ours, certificates and users": _by_ours("--format", "oci", "--with", "ca-certificates,zoneinfo,passwd,tmp"),
    "ours, with an attestation": _attested_index,
}
