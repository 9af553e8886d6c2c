"""Attestations of a build, in buildx's words: `--sbom`, `--provenance`, `--attest type=…`, and where they stand."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import click

from ocitool.attest.options import ATTEST_FORMS, SBOM_FORMATS, AttestOptions
from ocitool.errors import Unsupported, UsageError

F = TypeVar("F", bound=Callable[..., Any])

OFF: Final = frozenset({"false", "0", "f", "F", "FALSE", "False"})
ON: Final = frozenset({"true", "1", "t", "T", "TRUE", "True"})
BARE: Final = frozenset({"--sbom", "--provenance"})
"""Flags that mean `=true` where nothing stands behind them."""


def is_value(word: str) -> bool:
    """Whether a word behind `--sbom` or `--provenance` is their value, and not what is built."""
    return word.lower() in {"true", "false", *SBOM_FORMATS} or (
        not word.startswith(("-", ".", "/")) and "=" in word
    )


def flags(function: F) -> F:
    """Add the options that say what is attested."""
    for option in reversed(
        (
            click.option("--sbom", metavar="[=FORMAT]", help="Attest what is in the images: spdx or cyclonedx."),
            click.option("--provenance", metavar="[=SPEC]", help="Attest how they were made, as SLSA provenance."),
            click.option(
                "--attest", multiple=True, metavar="SPEC", help="As buildx: type=sbom or type=provenance."
            ),
            click.option(
                "--attest-form",
                type=click.Choice(ATTEST_FORMS),
                default=ATTEST_FORMS[0],
                show_default=True,
                help="In the index as BuildKit has it, or as referrers of the images.",
            ),
        )
    ):
        function = option(function)
    return function


def options_of(values: Mapping[str, Any]) -> AttestOptions:
    """What is to be attested. Raises UsageError for words that mean nothing, Unsupported for a generator."""
    asked = dict(_asked(values))
    provenance = asked.get("provenance")
    return AttestOptions(
        sbom=_sbom(asked["sbom"]) if "sbom" in asked else "",
        provenance=provenance is not None,
        form=values.get("attest_form") or ATTEST_FORMS[0],
        **_builder(provenance or {}),
    )


def _asked(values: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """The kinds that are asked for and not disabled, each with what is said about it."""
    for kind in ("sbom", "provenance"):
        said = values.get(kind)
        if said is None or said in OFF:
            continue
        is_format = kind == "sbom" and "=" not in said
        words = (
            {} if said in ON or not said else _words(f"format={said}" if is_format else said, f"--{kind} {said}")
        )
        if words.get("disabled") != "true":
            yield kind, words
    for spec in values.get("attest") or ():
        words = _words(spec, f"--attest {spec}")
        kind = words.pop("type", "")
        if not kind:
            raise UsageError(f"--attest {spec!r} names no type", hint="as in type=sbom or type=provenance")
        if words.get("disabled") == "true":
            continue
        if kind not in {"sbom", "provenance"}:
            raise Unsupported(f"a build here makes no {kind} attestation", ability=kind, hint="leave --attest out")
        yield kind, words


def _words(spec: str, flag: str) -> dict[str, str]:
    words = dict(word.partition("=")[::2] for word in spec.split(","))
    if not all("=" in word for word in spec.split(",")):
        raise UsageError(f"{flag!r} is no list of KEY=VALUE", hint="leave the value out, or write =false")
    return words


def _sbom(words: Mapping[str, str]) -> str:
    """The format of the bill. A generator is an image that BuildKit would run, and is not run here."""
    if "generator" in words:
        raise Unsupported(
            "the images are read here, and no generator is run",
            ability="generator",
            hint="leave generator= out; a scanner can read the image that was built",
        )
    _only(words, {"format", "disabled"}, "sbom")
    return words.get("format", SBOM_FORMATS[0])


def _builder(words: Mapping[str, str]) -> dict[str, str]:
    """Who builds. All there is to say is said in either of buildx's modes; only version 1 is written."""
    _only(words, {"mode", "version", "builder-id", "disabled", "reproducible"}, "provenance")
    if words.get("mode", "max") not in {"min", "max"}:
        raise UsageError(f"no mode of provenance: {words['mode']!r}", hint="min or max")
    if words.get("version", "v1") != "v1":
        raise Unsupported(
            f"provenance of version {words['version']} is not written", ability="version", hint="leave version= out"
        )
    return {"builder": words["builder-id"]} if words.get("builder-id") else {}


def _only(words: Mapping[str, str], known: set[str], kind: str) -> None:
    for word in words:
        if word not in known:
            raise UsageError(f"{kind} has no option {word!r}", hint=f"there are {', '.join(sorted(known))}")
