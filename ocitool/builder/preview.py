"""A plan told without carrying it out: what would be compiled, packed and sent, for people and for programs."""

import shlex
from collections.abc import Mapping
from typing import Any

from ocitool.builder.request import BuildPlan
from ocitool.image.options import ImageOptions
from ocitool.model.platform import Platform
from ocitool.pack.entries import expand
from ocitool.toolchains.base import Planned


def preview(planned: BuildPlan) -> dict[str, Any]:
    """The plan as JSON: `compile`, `run` (RUN lines of a Dockerfile), `pack` (by platform) and `send`.

    Sources of copy rules are looked at, not read. Of a compiler's environment only what the build sets is told;
    what is passed on from this process may hold secrets. Raises NotFound for a source that is not there.
    """
    return {
        "toolchain": planned.toolchain,
        "platforms": [str(platform) for platform in planned.platforms],
        "format": planned.family.value,
        "compression": planned.codec.id.to_tree(),
        "zstd": planned.zstd.id.to_tree() if planned.zstd is not None else {},
        "index": planned.is_index,
        "compile": [_job(job, planned.request.environ) for job in planned.jobs],
        "run": [
            {"platform": str(platform), "place": place, "words": words}
            for platform, place, words in planned.frontend.runs
        ],
        "pack": [_pack(platform, planned) for platform in planned.platforms],
        "send": _destinations(planned),
    }


def preview_text(tree: Mapping[str, Any]) -> str:
    """The same for people: a line for each thing that would be done, commands in a shell's words."""
    lines = []
    for job in tree["compile"]:
        lines.append(f"compile {job['target']}")
        variables = [f"{key}={shlex.quote(value)}" for key, value in job["env"].items()]
        lines += [
            f"  cd {shlex.quote(step['cwd'])} && {' '.join(variables)} {shlex.join(step['argv'])}"
            for step in (*job["steps"], job)
        ]
    lines += [f"run {one['platform']} {one['place']}: RUN {one['words']}" for one in tree["run"]]
    for image in tree["pack"]:
        lines.append(f"pack {image['platform']} on {image['base']}")
        if image["with"]:
            lines.append(f"  with {', '.join(image['with'])}")
        lines += [
            f"  copy {rule['source']} to {rule['destination']}: {rule['files']} file(s), {rule['size']} bytes"
            for rule in image["copy"]
        ]
        lines += [f"  program {place}" for place in image["programs"]]
    kind = "index" if tree["index"] else "image"
    lines += [f"send {tree['format']} {kind} to {destination}" for destination in tree["send"]]
    return "\n".join(lines)


def _job(planned: Planned, environ: Mapping[str, str]) -> dict[str, Any]:
    job = planned.job
    return {
        "target": str(job.target),
        "platform": str(planned.platform),
        "argv": list(job.argv),
        "env": {key: value for key, value in sorted(job.env.items()) if environ.get(key) != value},
        "cwd": str(job.cwd),
        "steps": [{"argv": list(step.argv), "cwd": str(step.cwd)} for step in job.steps],
        "outputs": [str(output) for output in job.outputs],
        "place": planned.place,
    }


def _destinations(planned: BuildPlan) -> list[str]:
    tags, outputs = list(map(str, planned.tags)), planned.request.outputs
    engine = [str(outputs.engine)] if outputs.engine is not None else []
    sent = [*map(str, outputs.places), *map(str, outputs.files), *(tags if outputs.push else []), *engine]
    return sent or [f"this machine's store as {tag}" for tag in tags] or ["this machine's store"]


def _pack(platform: Platform, planned: BuildPlan) -> dict[str, Any]:
    base, request = planned.bases.get(platform), planned.request
    rules = []
    for rule in planned.rules(platform):
        entries = expand(rule, platform, request.source, allow_sparse=request.allow_sparse, own=planned.own)
        sizes = [entry.content.size for entry in entries if entry.content is not None]
        rules.append(
            {"source": rule.source, "destination": rule.destination, "files": len(sizes), "size": sum(sizes)}
        )
    return {
        "platform": str(platform),
        "base": f"{base.label}@{base.manifest.document.digest}" if base is not None else "scratch",
        "with": list(planned.extras),
        "copy": rules,
        "programs": [job.place for job in planned.jobs if job.platform == platform and not job.stage],
        "settings": _settings(planned.options(platform)),
    }


def _settings(options: ImageOptions) -> dict[str, Any]:
    """What is set in the config, under the words of the spec file."""
    known = {
        "entrypoint": options.entrypoint and list(options.entrypoint),
        "cmd": options.cmd and list(options.cmd),
        "env": dict(options.env),
        "user": options.user,
        "workdir": options.workdir,
        "labels": dict(options.labels),
        "expose": list(options.expose),
        "volumes": list(options.volumes),
        "stop-signal": options.stop_signal,
    }
    return {key: value for key, value in known.items() if value}
