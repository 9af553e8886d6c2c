"""Help beyond usage and options: examples, the shared options once, and where to read more."""

from collections.abc import Mapping
from typing import Final

import click

from ocitool.cli.shared_options import SHARED_OPTIONS, SharedOption
from ocitool.documentation import page

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "build": (
        "ocitool build . --platform linux/amd64,linux/arm64 -t registry.example/app:1 --push",
        "ocitool build . -o oci:out:1 --dry-run",
    ),
    "push": ("ocitool push registry.example/app:1",),
    "merge": (
        "ocitool merge registry.example/app:1 --parts parts --expect linux/amd64,linux/arm64",
        "ocitool merge registry.example/app:1 'registry.example/app:1-part-*'",
    ),
    "verify-build": ("ocitool verify-build registry.example/app:v1 .",),
    "base lock": ("ocitool base lock . -o bases.json",),
    "images": ("ocitool images",),
    "init": ("ocitool init", "ocitool init app --dry-run"),
    "schema": ("ocitool schema -o ocitool-toml.schema.json",),
    "cache prune": ("ocitool cache prune",),
    "completion": ("ocitool completion bash",),
    "login": ("ocitool login registry.example -u me", "ocitool login ghcr.io -u me --password-stdin"),
    "logout": ("ocitool logout registry.example",),
    "doctor": ("ocitool doctor .", "ocitool doctor --registry registry.example"),
    "inspect": (
        "ocitool inspect alpine:3",
        "ocitool inspect oci:out:1 --template '{platforms[].platform} {platforms[].digest}'",
    ),
    "diff": ("ocitool diff registry.example/app:1 registry.example/app:2 --files",),
    "files": ("ocitool files alpine:3 --platform linux/arm64 -l",),
    "cat": ("ocitool cat alpine:3 /etc/os-release --platform linux/arm64",),
    "export": ("ocitool export alpine:3 --platform linux/arm64 -o rootfs.tar",),
    "base status": ("ocitool base status registry.example/app:1",),
    "digest": ("ocitool digest alpine:3",),
    "tags": ("ocitool tags registry.example/app '1.*' --long",),
    "catalog": ("ocitool catalog registry.example",),
    "run": ("ocitool run --privileged --rm tonistiigi/binfmt --install all",),
    "buildx build": ("ocitool buildx build --platform linux/amd64,linux/arm64 -t registry.example/app:1 --push .",),
    "buildx bake": ("ocitool buildx bake --push", "ocitool buildx bake app --set app.platform=linux/arm64 --print"),
    "buildx create": ("ocitool buildx create --use --name mybuilder",),
    "buildx use": ("ocitool buildx use mybuilder",),
    "buildx ls": ("ocitool buildx ls",),
    "buildx inspect": ("ocitool buildx inspect --bootstrap",),
    "buildx stop": ("ocitool buildx stop",),
    "buildx rm": ("ocitool buildx rm mybuilder",),
    "buildx prune": ("ocitool buildx prune -f",),
    "buildx imagetools create": (
        "ocitool buildx imagetools create -t registry.example/app:1 registry.example/app:amd64",
    ),
    "buildx imagetools inspect": (
        "ocitool buildx imagetools inspect registry.example/app:1",
        "ocitool buildx imagetools inspect --format '{{json .Manifest}}' registry.example/app:1",
    ),
    "buildx version": ("ocitool buildx version",),
    "index create": (
        "ocitool index create registry.example/app:1 registry.example/app:1-amd64 registry.example/app:1-arm64",
        "ocitool index create registry.example/app:1 registry.example/app:old=linux/arm/v6",
    ),
    "index add": ("ocitool index add registry.example/app:1 registry.example/app:1-riscv64",),
    "index remove": ("ocitool index remove registry.example/app:1 --platform linux/386",),
    "index filter": ("ocitool index filter registry.example/app:1 --platform 'linux/arm*'",),
    "index annotate": ("ocitool index annotate registry.example/app:1 --platform linux/arm --variant v6",),
    "index convert": ("ocitool index convert registry.example/app:1 --format oci",),
    "index flatten": ("ocitool index flatten registry.example/app:1",),
    "index order": ("ocitool index order registry.example/app:1 --platform linux/arm64",),
    "config edit": ("ocitool config edit registry.example/app:1 --label team=web --user 1000:1000",),
    "config get": ("ocitool config get registry.example/app:1 --platform linux/arm64",),
    "append": ("ocitool append registry.example/app:1 --copy motd:/etc/",),
    "squash": ("ocitool squash registry.example/app:1 --dry-run",),
    "strip": ("ocitool strip registry.example/app:1 /etc/app/netrc '**/*.pyc'",),
    "recompress": ("ocitool recompress registry.example/app:1 --compression zstd",),
    "rebase": ("ocitool rebase registry.example/app:1",),
    "manifest create": (
        "ocitool manifest create registry.example/app:1 registry.example/app:amd64 registry.example/app:arm64",
    ),
    "manifest annotate": (
        "ocitool manifest annotate registry.example/app:1 registry.example/app:arm64 --variant v8",
    ),
    "manifest inspect": ("ocitool manifest inspect registry.example/app:1",),
    "manifest push": ("ocitool manifest push --purge registry.example/app:1",),
    "manifest rm": ("ocitool manifest rm registry.example/app:1",),
    "manifest get": ("ocitool manifest get registry.example/app:1 -o manifest.json",),
    "manifest put": ("ocitool manifest put registry.example/app:2 manifest.json",),
    "blob get": ("ocitool blob get registry.example/app@sha256:DIGEST -o layer.tar.gz",),
    "blob put": ("ocitool blob put registry.example/app config.json",),
    "blob head": ("ocitool blob head registry.example/app@sha256:DIGEST",),
    "check": (
        "ocitool check registry.example/app:1 --deep",
        "ocitool check registry.example/app --all-tags --format sarif",
    ),
    "explain": ("ocitool explain index/wrong-platform", "ocitool explain 5"),
    "sign": ("ocitool sign registry.example/app:1 --key cosign.key --password-from env:KEY_PASSWORD",),
    "verify": ("ocitool verify registry.example/app:1 --key cosign.pub",),
    "sbom": ("ocitool sbom registry.example/app:1 --platform linux/arm64",),
    "referrers": ("ocitool referrers registry.example/app:1",),
    "attach": ("ocitool attach registry.example/app:1 report.txt:text/plain --artifact-type text/plain",),
    "detach": ("ocitool detach registry.example/app:1 sha256:DIGEST",),
    "key generate": ("ocitool key generate -o release",),
    "key public": ("ocitool key public cosign.key",),
    "artifact push": ("ocitool artifact push registry.example/report:1 report.json:application/json",),
    "artifact pull": ("ocitool artifact pull registry.example/report:1 -o here",),
    "artifact list": ("ocitool artifact list registry.example/report:1",),
    "repair": ("ocitool repair registry.example/app:1", "ocitool repair registry.example/app:1 --apply"),
    "copy": (
        "ocitool copy alpine:3 registry.example/mirror/alpine:3",
        "ocitool copy registry.example/app:1 oci-archive:app.tar --platform linux/arm64",
    ),
    "sync": ("ocitool sync sync.toml --dry-run",),
    "tag": ("ocitool tag registry.example/app:1.4.2 1.4 1 latest",),
    "delete": ("ocitool delete registry.example/app:edge",),
    "prune": ("ocitool prune registry.example/app --keep 'v*' --keep-last 9",),
    "undo": ("ocitool undo registry.example/app:1",),
}
"""For each command lines that show it, the plainest first."""

_REFERENCE: Final = "reference/commands.md"


def told(ctx: click.Context) -> str:
    """The whole help of a command or group."""
    command, formatter = ctx.command, ctx.make_formatter()
    for one in command.params:
        if isinstance(one, click.Option):
            one.show_envvar = True
    command.format_help(ctx, formatter)
    path = ctx.command_path.partition(" ")[2]
    if not path:
        with formatter.section("Options of every command"):
            formatter.write_dl([_row(one) for one in SHARED_OPTIONS])
    formatter.write("\n")
    if path in EXAMPLES:
        formatter.write("".join(["Examples:\n", *(f"  {line}\n" for line in EXAMPLES[path]), "\n"]))
        formatter.write("Options of every command, such as --json: ocitool --help\n")
    formatter.write(f"Read more: {page(_REFERENCE, heading(path, command) if path in EXAMPLES else '')}")
    return formatter.getvalue()


def _row(one: SharedOption) -> tuple[str, str]:
    names = ", ".join(one.names) + (f" {one.metavar}" if one.metavar else "")
    return names, f"{one.summary}  [env var: {one.variable}]" if one.variable else one.summary


def heading(path: str, command: click.Command) -> str:
    """The command with its arguments, as usage and the reference have it."""
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    return " ".join(["ocitool", path, *(one.make_metavar(click.Context(command)) for one in arguments)])
