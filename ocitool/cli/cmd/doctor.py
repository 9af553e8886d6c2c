"""ocitool doctor: what works here, before it is needed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Final

import click

from ocitool.builder.doctor import Ability, FoundCompiler
from ocitool.builder.project import DOCKERFILE
from ocitool.builder.run_doctor import RunDiagnosis
from ocitool.cli import options
from ocitool.cli.console import table
from ocitool.cli.options import App
from ocitool.cli.outcome import Outcome

_NAMES: Final = {"go": "GO", "c": "C, C++ (ZIG)", "rust": "RUST (MUSL)"}
_RUSTUP: Final = "rustup target add "


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--platform", "platforms", multiple=True, metavar="OS/ARCH[/VARIANT]", help="Ask about these.")
@click.option("--toolchain", default="", metavar="NAME", help="As in build.")
@click.option("--spec", "spec_file", type=click.Path(path_type=Path, dir_okay=False), help="As in build.")
@click.option("--image", default="", metavar="NAME", help="The image of several in the spec.")
@click.option("--registry", default="", metavar="HOST[/REPO]", help="Ask this registry instead.")
@options.common
def command(
    app: App,
    path: Path | None,
    *,
    platforms: tuple[str, ...],
    toolchain: str,
    spec_file: Path | None,
    image: str,
    registry: str,
) -> Outcome:
    """Tell which platforms can be compiled here and by what; with PATH, what a build of it would do.

    Without PATH it is a table of platforms and toolchains: works (for C a tiny program was compiled), missing (a
    hint says what to install) or impossible, and below it what carries RUN lines of a Dockerfile out. Exit code 1
    if one of the platforms cannot be compiled for.

    With --registry tell how that registry is reached, which credentials would be used, and what it supports; exit
    code 1 if it does not answer or refuses them.
    """
    if registry:
        return _registry(app, registry)
    found = app.client.diagnose(path, platforms, toolchain=toolchain, spec=spec_file, image=image)
    data: dict[str, object] = {
        "toolchain": found.toolchain,
        "compilers": [asdict(compiler) for compiler in found.compilers],
        "platforms": [
            asdict(ability) | {"platform": str(ability.platform), "state": ability.word}
            for ability in found.abilities
        ],
    }
    runs = app.client.diagnose_run(platforms) if path is None or found.toolchain == DOCKERFILE else None
    if runs is not None:
        data["run"] = _run_tree(runs)
    compilers = table(("COMPILER", "VERSION", "WHERE"), [_compiler(one) for one in found.compilers])
    if found.toolchain:
        abilities = table(("PLATFORM", "BY", ""), [_ability(one) for one in found.abilities])
        hints = dict.fromkeys(one.hint for one in found.abilities if one.hint)
    else:
        abilities = _matrix(found.abilities)
        hints = dict.fromkeys(_install_lines(one.hint for one in found.abilities if one.is_missing))
    if found.toolchain == DOCKERFILE:
        hints[f"ocitool build --check {quote(str(path))} says whether its lines can be carried out"] = None
    parts = [compilers, abilities, *([_runs(runs)] if runs is not None else [])]
    if runs is not None and runs.hint:
        hints[f"for RUN {runs.hint}"] = None
    return Outcome(
        data,
        "\n\n".join(parts),
        exit_code=0 if found.is_able else 1,
        summary="\n".join(f"hint: {hint}" for hint in hints),
    )


def _run_tree(runs: RunDiagnosis) -> dict[str, object]:
    abilities = [asdict(one) | {"platform": str(one.platform)} for one in runs.abilities]
    return asdict(runs) | {"abilities": abilities}


def _runs(runs: RunDiagnosis) -> str:
    """What carries RUN lines out, and for which platforms."""
    if runs.problem:
        return table(("RUN", ""), [("refused", runs.problem)])
    rows = [("runtime", runs.runtime), ("owners", runs.owners), ("limits", runs.limits)]
    rows += [
        (str(one.platform), f"{one.word}: {one.problem}" if one.problem else one.word) for one in runs.abilities
    ]
    return table(("RUN", ""), rows)


def _matrix(abilities: Sequence[Ability]) -> str:
    """Platforms by toolchains: works, missing (something can be installed) or impossible."""
    toolchains = tuple(dict.fromkeys(one.toolchain for one in abilities))
    words: dict[str, dict[str, str]] = {}
    for one in abilities:
        words.setdefault(str(one.platform), {})[one.toolchain] = one.word
    rows = [(platform, *(by[name] for name in toolchains)) for platform, by in words.items()]
    return table(("PLATFORM", *(_NAMES.get(name, name) for name in toolchains)), rows)


def _install_lines(hints: Iterable[str]) -> Iterator[str]:
    """Each hint, targets of rustup in one line."""
    targets = []
    for hint in hints:
        if hint.startswith(_RUSTUP):
            targets.append(hint.removeprefix(_RUSTUP))
        else:
            yield hint
    if targets:
        yield _RUSTUP + " ".join(targets)


def _registry(app: App, text: str) -> Outcome:
    found = app.client.examine(text)
    rows = [(key.replace("_", " "), str(value)) for key, value in asdict(found).items() if value not in {"", False}]
    good = found.speaks_v2 and not found.problem and found.login != "refused"
    rows = [row for row in rows if row[0] != "hint"]
    summary = f"hint: {found.hint}" if found.hint else ""
    return Outcome(asdict(found), table(("REGISTRY", ""), rows), exit_code=0 if good else 1, summary=summary)


def _compiler(one: FoundCompiler) -> tuple[str, str, str]:
    if one.problem:
        return one.toolchain, "-", one.problem
    return one.toolchain, one.version, f"{one.path} ({one.origin})"


def _ability(one: Ability) -> tuple[str, str, str]:
    if one.problem:
        return str(one.platform), "-", one.problem
    return str(one.platform), one.toolchain, " ".join(one.programs)
