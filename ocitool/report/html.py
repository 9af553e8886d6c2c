"""One self-contained page about a survey: platforms, a layer map drawn to scale, configs.

Nothing is loaded from anywhere and there is no script. Everything that comes from a registry is escaped.
"""

import json
from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import Any, Final

from ocitool.model.digest import Digest
from ocitool.model.printable import shown
from ocitool.model.views import Descriptor, ImageConfig
from ocitool.report.survey import Attestation, Survey, SurveyedImage
from ocitool.report.text import human

_SETTINGS: Final = (
    ("Entrypoint", "entrypoint"),
    ("Cmd", "cmd"),
    ("Env", "environment"),
    ("User", "user"),
    ("WorkingDir", "working directory"),
    ("ExposedPorts", "ports"),
    ("Volumes", "volumes"),
    ("StopSignal", "stop signal"),
    ("Labels", "labels"),
)


def page(survey: Survey) -> str:
    """The page as an HTML text. Pure: the same survey gives the same bytes."""
    style = (files("ocitool.report") / "page.css").read_text()
    body = "\n".join(_body(survey))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{_text(survey.name)}</title>
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _body(survey: Survey) -> Iterator[str]:
    yield f"<header><h1>{_text(survey.name)}</h1>"
    yield f'<p><span class="kind">{_text(survey.kind)}</span> <code>{survey.root.digest}</code></p>'
    yield f"<p>{_text(survey.artifact_type or survey.root.media_type)}</p>"
    if survey.note:
        yield f"<p>{_text(survey.note)}</p>"
    yield "</header>"
    if survey.annotations:
        yield f"<section><h2>Annotations</h2>{_definitions(survey.annotations)}</section>"
    if survey.images:
        yield f"<section><h2>Platforms</h2>{_platforms(survey)}</section>"
        yield f"<section><h2>Layers</h2>{_map(survey)}</section>"
        yield "<section><h2>Configs</h2>"
        yield from (_config(number, image) for number, image in enumerate(survey.images))
        yield "</section>"
    rest = [*(_other(o) for o in survey.others), *(_attestation(a) for a in survey.orphans)]
    if rest:
        yield f"<section><h2>Also listed</h2><ul>{''.join(f'<li>{line}</li>' for line in rest)}</ul></section>"


def _platforms(survey: Survey) -> str:
    rows = "".join(
        f'<tr><th scope="row"><a href="#config-{n}">{_text(image.label)}</a></th>'
        f"<td><code>{image.descriptor.digest.short}</code></td>"
        f'<td class="number">{human(image.size) if image.manifest else ""}</td>'
        f"<td>{_text(image.config.created if image.config else '')}</td>"
        f'<td class="number">{len(image.layers) if image.manifest else ""}</td>'
        f"<td>{_remarks(image)}</td></tr>"
        for n, image in enumerate(survey.images)
    )
    separate = sum(image.size for image in survey.images)
    saved = f", {human(separate)} without sharing" if separate != survey.total_size else ""
    return (
        '<table id="platforms"><thead><tr><th>platform</th><th>digest</th><th class="number">compressed size</th>'
        f'<th>created</th><th class="number">layers</th><th></th></tr></thead><tbody>{rows}</tbody></table>'
        f"<p>{survey.offered} platforms, {human(survey.total_size)} in {len(survey.layers)} layers{saved}</p>"
    )


def _remarks(image: SurveyedImage) -> str:
    marks = [
        f'<span class="mark">{_text(k)}</span>' for a in image.attestations for k in a.kinds or ("attestation",)
    ]
    says = image.config.platform if image.config else None
    if says is not None and image.platform is not None and not says.same(image.platform):
        marks.append(f'<span class="problem">its config says {_text(str(says))}</span>')
    if image.problem:
        marks.append(f'<span class="problem">{_text(image.problem)}</span>')
    return " ".join(marks)


def _map(survey: Survey) -> str:
    """A bar for each image, all to one scale; a layer in several images has the same colour in each."""
    shared = survey.layers
    colours = {d: n for n, d in enumerate(d for d, (_, count) in shared.items() if count > 1)}
    scale = max((image.size for image in survey.images), default=0) or 1
    rows = "".join(
        f'<div class="label">{_text(image.label)}</div><div class="bar" role="img" '
        f'aria-label="{_text(image.label)}: {len(image.layers)} layers, {human(image.size)}">'
        f'{"".join(_segments(image, shared, colours, scale))}</div><div class="size">{human(image.size)}</div>'
        for image in survey.images
        if image.manifest
    )
    legend = "".join(
        f'<li><span class="swatch" style="background:{_colour(n)}"></span><code>{digest.short}</code> '
        f"{human(shared[digest][0].size)} in {shared[digest][1]} images</li>"
        for digest, n in colours.items()
    )
    return f'<div class="map" id="layers">{rows}</div>' + (f'<ul class="legend">{legend}</ul>' if legend else "")


def _segments(
    image: SurveyedImage,
    shared: Mapping[Digest, tuple[Descriptor, int]],
    colours: Mapping[Digest, int],
    scale: int,
) -> Iterator[str]:
    steps = [step.created_by for step in image.config.history if not step.empty_layer] if image.config else []
    for number, layer in enumerate(image.layers):
        colour = f";background:{_colour(colours[layer.digest])}" if layer.digest in colours else ""
        told = shown(steps[number]) if len(steps) == len(image.layers) else ""
        also = f", in {shared[layer.digest][1]} images" if layer.digest in colours else ""
        title = f"layer {number + 1}: {human(layer.size)}{also}\n{layer.digest}\n{told}".rstrip()
        yield (
            f'<span class="layer" data-digest="{layer.digest}" data-size="{layer.size}" '
            f'style="width:{100 * layer.size / scale:.4f}%{colour}" title="{escape(title)}"></span>'
        )


def _colour(number: int) -> str:
    """Colours that stay apart for any number of them: steps of the golden angle around the wheel."""
    return f"hsl({round(205 + number * 137.508) % 360} 50% 55%)"


def _config(number: int, image: SurveyedImage) -> str:
    head = f"<summary>{_text(image.label)} <code>{image.descriptor.digest}</code></summary>"
    body = "".join(_config_parts(image.config)) if image.config else f"<p>{_text(image.problem or 'no config')}</p>"
    annotations = dict(image.manifest.annotations) if image.manifest else {}
    annotations |= image.descriptor.annotations
    body += f"<h3>Annotations</h3>{_definitions(annotations)}" if annotations else ""
    proofs = "".join(f"<li>{_attestation(a)}</li>" for a in image.attestations)
    body += f"<h3>Attestations</h3><ul>{proofs}</ul>" if proofs else ""
    return f'<details id="config-{number}"{" open" if number == 0 else ""}>{head}{body}</details>'


def _config_parts(config: ImageConfig) -> Iterator[str]:
    said = {name: config.settings.get(key) for key, name in _SETTINGS}
    yield _definitions({name: _value(value) for name, value in said.items() if value not in (None, "", [], {})})
    if config.history:
        lines = "".join(
            f'<li class="{"empty" if step.empty_layer else "filled"}"><code>{_text(step.created_by)}</code></li>'
            for step in config.history
        )
        yield f"<h3>History</h3><ol>{lines}</ol>"


def _value(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return "\n".join(v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in value)
    if isinstance(value, Mapping):
        return "\n".join(f"{k}={v}" if isinstance(v, str) else str(k) for k, v in value.items())
    return str(value)


def _definitions(pairs: Mapping[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{_text(k)}</dt><dd>{_lines(v)}</dd>' for k, v in pairs.items())}</dl>"


def _lines(text: str) -> str:
    return "<br>".join(_text(line) for line in text.split("\n"))


def _attestation(attestation: Attestation) -> str:
    kinds = ", ".join(attestation.kinds) or "attestation"
    return f"{_text(kinds)} <code>{attestation.descriptor.digest}</code>"


def _other(other: Descriptor) -> str:
    return f"{_text(other.artifact_type or other.media_type)} <code>{other.digest}</code>"


def _text(text: str) -> str:
    return escape(shown(text))
